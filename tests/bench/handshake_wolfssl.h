/* SPDX-License-Identifier: ISC */
/*
 * Whole handshakes in memory on wolfSSL, client and server in one thread.
 */
#ifndef TESTS_HANDSHAKE_WOLFSSL_H
#define TESTS_HANDSHAKE_WOLFSSL_H

#include <stdbool.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

/*
 * With a new P-256 certificate; speaks what the client does.  All of these
 * end the program on error.
 */
WOLFSSL_CTX *wolfssl_server_ctx(void);
WOLFSSL_CTX *wolfssl_client_ctx(int version);	/* TLS1_2_VERSION, ... */

/*
 * Session and host may be NULL.  Returns the client's session with its latest
 * ticket, the caller's to free, and whether the server resumed; NULL if the
 * client or the server ended the connection.
 */
WOLFSSL_SESSION *wolfssl_handshake(WOLFSSL_CTX *client, WOLFSSL_CTX *server,
    WOLFSSL_SESSION *session, const char *host, bool *resumed);

#endif
