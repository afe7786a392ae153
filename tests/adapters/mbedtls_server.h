/* SPDX-License-Identifier: ISC */
/*
 * Mbed TLS's side of the contract.
 */
#ifndef TESTS_MBEDTLS_SERVER_H
#define TESTS_MBEDTLS_SERVER_H

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <stek/mbedtls.h>

#include "contract.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03060000
#define MBEDTLS_CANNOT \
	(CONTRACT_NO_RENEWAL_12 | CONTRACT_ALWAYS_NEW_13 | CONTRACT_DUD_13)
#else
#define MBEDTLS_CANNOT	(CONTRACT_NO_RENEWAL_12 | CONTRACT_NO_TLS13)
#endif

/* A conf and what it needs. */
struct mbedtls_server {
	mbedtls_ssl_config conf;
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;
	struct stek_mbedtls *tickets; /* NULL: it has none of ours */
	bool hosts;
};

/* A server without any ticket keys. */
struct mbedtls_server *mbedtls_server_bare(const struct contract_server *);

/* As struct contract_library has them. */
void *mbedtls_server_new(const struct contract_server *);
void mbedtls_server_free(void *);
void mbedtls_serve(void *, int fd);

/* From the system. */
int mbedtls_random(void *, unsigned char *, size_t);

#endif
