/* SPDX-License-Identifier: ISC */
/*
 * NSS's side of the contract.
 */
#ifndef TESTS_NSS_SERVER_H
#define TESTS_NSS_SERVER_H

#include <cert.h>

#include "contract.h"

/* Without certificate files it needs nss_server_certify() before it serves. */
void *nss_server_new(const struct contract_server *);
void nss_server_free(void *);
void nss_serve(void *, int fd);

/* From now on with the keys of that scope. */
void nss_server_scope(void *, const char *scope);

/* From now on with that certificate and key, which stay the caller's. */
void nss_server_certify(void *, CERTCertificate *, SECKEYPrivateKey *);

/* From now on its sessions are kept in the cache that NSS was told to use. */
void nss_server_keep_sessions(void *);

#endif
