/* SPDX-License-Identifier: ISC */
/*
 * A server on stock NSS that has stek's preloaded object, for the contract's
 * farms.
 */
#ifndef TESTS_PRELOADED_H
#define TESTS_PRELOADED_H

#include "../adapters/expect.h"
#include "../adapters/nss_server.h"

/* Become this program with the object, unless it is that already. */
void become_preloaded(char **argv, const char *object);

/* From now on the ring is that beside this certificate; it is asked once. */
void preloaded_ring(const char *cert);

/* A server of that ring. */
void *preloaded_server_new(const struct contract_server *);

/* Is the last ticket that came sealed with this key?  So its IV says. */
bool is_preloaded_ticket_of(const struct visit *, const struct stek_key *);

#endif
