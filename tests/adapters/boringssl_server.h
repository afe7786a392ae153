/* SPDX-License-Identifier: ISC */
/*
 * BoringSSL's side of the contract, in a library that alone is linked with
 * BoringSSL: its functions have the names of the contract's client's.  So no
 * type of BoringSSL's is named here: a context is an SSL_CTX of BoringSSL.
 */
#ifndef TESTS_BORINGSSL_SERVER_H
#define TESTS_BORINGSSL_SERVER_H

#include "contract.h"

#pragma GCC visibility push(default)

/* Its tickets are BoringSSL's own. */
void *boringssl_context(const struct contract_server *);

/* stek_boringssl_use_scope(). */
enum stek_err boringssl_use_scope(
    void *ctx, const struct stek_ring *, const char *scope);

/* Switch to another context, which stays the caller's, for each client. */
void boringssl_switch(void *ctx, void *other);

/* Set a method whose callbacks fail. */
void boringssl_set_failing(void *ctx);

/* As struct contract_library has them. */
void *boringssl_server_new(const struct contract_server *);
void boringssl_server_free(void *);
void boringssl_serve(void *, int fd);

/* The same, and how many errors BoringSSL's queue then has. */
size_t boringssl_serve_and_count(void *, int fd);

#pragma GCC visibility pop

#endif
