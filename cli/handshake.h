/* SPDX-License-Identifier: ISC */
/*
 * handshake.h: one TLS handshake made as a client, and the ticket it got.
 *
 * Never here: what a result says about a farm, see probe_reason.c; and no
 * trust: certificates are not verified, since what is tested is keys.
 * Every call ends: connecting, the handshake and the wait for a ticket are
 * each bounded by the timeout.  Secrets of a session stay in
 * its SSL_SESSION.
 */
#ifndef STEK_HANDSHAKE_H
#define STEK_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "reach.h"

enum {
	HANDSHAKE_LEAF_LEN = 32,
};

/* How it ended; "why" tells more of all but DONE. */
enum handshake_end {
	HANDSHAKE_DONE = 0,
	HANDSHAKE_UNREACHED,	/* no address, refused, no route, too slow */
	HANDSHAKE_VERSION,	/* the server has not this version of TLS */
	HANDSHAKE_ALERT,	/* it sent a fatal alert */
	HANDSHAKE_CLOSED,	/* it closed the connection without an alert */
	HANDSHAKE_SILENT,	/* nothing (more) came in time */
	HANDSHAKE_FOREIGN,	/* what it said is not TLS, or is broken */
	HANDSHAKE_LOCAL,	/* this process is at fault: memory, files */
};

struct handshake {
	enum handshake_end end;
	char why[REACH_WHY_MAX];
	bool resumed;
	bool issued;	/* a ticket came that was not the offered one */
	SSL_SESSION *session;	/* with that ticket; NULL if none came */
	const uint8_t *ticket;	/* inside session */
	size_t ticket_len;
	unsigned long lifetime;	/* its hint, in seconds */
	const char *cipher;	/* static; NULL: no handshake */
	bool has_leaf;
	uint8_t leaf[HANDSHAKE_LEAF_LEN];	/* SHA-256 of the certificate */
};

/*
 * For handshakes of one version, TLS1_2_VERSION or TLS1_3_VERSION; NULL if
 * there is no memory.  Reads no configuration and takes old ciphers too.
 */
SSL_CTX *handshake_ctx(int version);

/*
 * One connection, one handshake.  Offer may be NULL: a full handshake;
 * otherwise a copy of that session is offered, so that the same ticket can be
 * offered again.  Timeout in milliseconds.  Fills out, which then needs
 * handshake_free().
 */
void handshake_run(SSL_CTX *, struct reach_server *, SSL_SESSION *offer,
    int timeout, struct handshake *out);

void handshake_free(struct handshake *);

#endif
