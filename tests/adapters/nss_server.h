/* SPDX-License-Identifier: ISC */
/*
 * NSS's side of the contract.
 */
#ifndef TESTS_NSS_SERVER_H
#define TESTS_NSS_SERVER_H

#include "contract.h"

void *nss_server_new(const struct contract_server *);
void nss_server_free(void *);
void nss_serve(void *, int fd);

/* From now on with the keys of that scope. */
void nss_server_scope(void *, const char *scope);

#endif
