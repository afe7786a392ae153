/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL's adapter under the contract.
 */
#include <stdlib.h>

#include <stek/openssl.h>

#include "contract.h"

static SSL_CTX *
context(const struct contract_server *options)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	enum stek_err err;

	if (ctx == NULL ||
	    !SSL_CTX_use_certificate_file(
	        ctx, options->cert, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_use_PrivateKey_file(ctx, options->key, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_set_min_proto_version(ctx, options->version) ||
	    !SSL_CTX_set_max_proto_version(ctx, options->version))
		goto fail;
	/* Only a ticket shall resume: no sessions are kept. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	err = options->hosts ? stek_openssl_use_hosts(ctx, options->ring)
	                     : stek_openssl_use(ctx, options->ring);
	if (err == STEK_OK)
		return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

static void *
server_new(const struct contract_server *options)
{
	return context(options);
}

static void
server_free(void *ctx)
{
	SSL_CTX_free(ctx);
}

static void
serve(void *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	char byte = '!';

	if (ssl == NULL || !SSL_set_fd(ssl, fd))
		abort();
	if (SSL_accept(ssl) == 1 && SSL_write(ssl, &byte, 1) == 1) {
		while (SSL_read(ssl, &byte, 1) > 0)
			continue;
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

static const struct contract_library openssl = {
    .name = "OpenSSL",
    .server_new = server_new,
    .server_free = server_free,
    .serve = serve,
};

int
main(int argc, char **argv)
{
	return contract_main(&openssl, argc, argv);
}
