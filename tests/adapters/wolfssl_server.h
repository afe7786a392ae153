/* SPDX-License-Identifier: ISC */
/*
 * wolfSSL's side of the contract: a server that does nothing but tickets.
 */
#ifndef TESTS_WOLFSSL_SERVER_H
#define TESTS_WOLFSSL_SERVER_H

#include "contract.h"

/* What wolfSSL 5.5.4 is known not to do. */
#define WOLFSSL_CANNOT                                                        \
	(CONTRACT_NO_RENEWAL_12 | CONTRACT_ALWAYS_NEW_13 |                    \
	    CONTRACT_NO_REPLACEMENT_12 | CONTRACT_LOOSE_END |                 \
	    CONTRACT_DEAD_TICKETS | CONTRACT_NO_NAMELESS_12)

/* As struct contract_library has them. */
void *wolfssl_server_new(const struct contract_server *);
void wolfssl_server_free(void *);
void wolfssl_serve(void *, int fd);

/* One that has no ticket keys of ours yet, and what gives it some. */
void *wolfssl_server_bare(const struct contract_server *);
STEK_CHECKED enum stek_err wolfssl_server_scope(
    void *, const struct stek_ring *, const char *scope);

/* A ticket callback that ends each connection. */
void wolfssl_server_break(void *);

#endif
