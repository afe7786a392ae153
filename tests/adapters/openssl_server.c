/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL's side of the contract.
 *
 * Never here: what is expected.
 */
#include <stdlib.h>

#include <stek/openssl.h>

#include "openssl_server.h"

SSL_CTX *
openssl_context(const struct contract_server *options)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL ||
	    !SSL_CTX_use_certificate_file(
	        ctx, options->cert, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_use_PrivateKey_file(ctx, options->key, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_set_min_proto_version(ctx, options->version) ||
	    !SSL_CTX_set_max_proto_version(ctx, options->version)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* Only a ticket shall resume: no sessions are kept. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

void *
openssl_server_new(const struct contract_server *options)
{
	SSL_CTX *ctx = openssl_context(options);
	enum stek_err err;

	if (ctx == NULL)
		return NULL;
	err = options->hosts ? stek_openssl_use_hosts(ctx, options->ring)
	                     : stek_openssl_use(ctx, options->ring);
	if (err == STEK_OK)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

void
openssl_server_free(void *ctx)
{
	SSL_CTX_free(ctx);
}

void
openssl_serve_ssl(SSL *ssl, int fd)
{
	char byte = '!';

	if (!SSL_set_fd(ssl, fd))
		abort();
	if (SSL_accept(ssl) == 1 && SSL_write(ssl, &byte, 1) == 1) {
		while (SSL_read(ssl, &byte, 1) > 0)
			continue;
		(void)SSL_shutdown(ssl);
	}
}

void
openssl_serve(void *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL)
		abort();
	openssl_serve_ssl(ssl, fd);
	SSL_free(ssl);
}
