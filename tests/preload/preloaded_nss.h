/* SPDX-License-Identifier: ISC */
/*
 * A server on stock NSS that has stek's preloaded object.
 */
#ifndef TESTS_PRELOADED_NSS_H
#define TESTS_PRELOADED_NSS_H

#include "../adapters/nss_server.h"
#include "preloaded.h"

/* A server of that ring. */
void *preloaded_server_new(const struct contract_server *);

/* Is the last ticket that came sealed with this key?  So its IV says. */
bool is_preloaded_ticket_of(const struct visit *, const struct stek_key *);

#endif
