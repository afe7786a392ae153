/* SPDX-License-Identifier: ISC */
/*
 * Whole handshakes in memory, client and server in one thread.
 */
#ifndef TESTS_HANDSHAKE_H
#define TESTS_HANDSHAKE_H

#include <stdbool.h>

#include <openssl/ssl.h>

/* Of one version, with a new P-256 certificate; ends the program on error. */
SSL_CTX *handshake_server(int version);
SSL_CTX *handshake_client(int version);

/*
 * Session may be NULL.  Returns the client's session with its latest ticket,
 * the caller's to free; says whether the server resumed.
 */
SSL_SESSION *handshake(SSL_CTX *client, SSL_CTX *server,
    SSL_SESSION *session, bool *resumed);

#endif
