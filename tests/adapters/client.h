/* SPDX-License-Identifier: ISC */
/*
 * The client of the adapter contract: OpenSSL's, whatever the server is.
 * Reports what came over the wire; judges nothing.
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#define TICKET_MAX 2048

/* One connection, as the client saw it. */
struct visit {
	bool connected; /* handshake done, and the server's byte came */
	bool resumed;
	int alert; /* the fatal alert that came; -1: none */
	size_t tickets; /* NewSessionTicket messages with a ticket in them */
	size_t ticket_len; /* of the last ticket; 0: none came */
	uint8_t ticket[TICKET_MAX];
	SSL_SESSION *session; /* to come back with; NULL without a ticket */
};

/* Of that TLS version only: TLS1_2_VERSION or TLS1_3_VERSION. */
SSL_CTX *client_new(int version);

/*
 * Shake hands on a connected, blocking socket, wait for the server's byte,
 * close the socket.  Session and host may be NULL.
 */
void client_visit(
    SSL_CTX *, int fd, const SSL_SESSION *, const char *host, struct visit *);

void visit_free(struct visit *);

/* The same session with another ticket in it; NULL: out of memory. */
SSL_SESSION *session_with_ticket(const SSL_SESSION *, const uint8_t *, size_t);

#endif
