/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL's side of the contract: a server that does nothing but tickets.
 */
#ifndef TESTS_OPENSSL_SERVER_H
#define TESTS_OPENSSL_SERVER_H

#include <openssl/ssl.h>

#include "contract.h"

/* An SSL_CTX without any ticket keys of ours. */
SSL_CTX *openssl_context(const struct contract_server *);

/* As struct contract_library has them. */
void *openssl_server_new(const struct contract_server *);
void openssl_server_free(void *);
void openssl_serve(void *, int fd);

/* The same on an SSL of the caller's, which it keeps. */
void openssl_serve_ssl(SSL *, int fd);

#endif
