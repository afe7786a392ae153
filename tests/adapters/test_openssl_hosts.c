/* SPDX-License-Identifier: ISC */
/*
 * The contract's points about hosts again, on servers that switch to another
 * SSL_CTX for a host, in the two places where OpenSSL lets them.
 */
#include <stddef.h>

#include <stek/openssl.h>

#include "expect.h"
#include "openssl_server.h"

static int
by_servername(SSL *ssl, int *alert, void *other)
{
	(void)alert;
	if (SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL)
		(void)SSL_set_SSL_CTX(ssl, other);
	return SSL_TLSEXT_ERR_OK;
}

static int
by_hello(SSL *ssl, int *alert, void *other)
{
	const unsigned char *sni;
	size_t len;

	(void)alert;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &sni, &len))
		(void)SSL_set_SSL_CTX(ssl, other);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static SSL_CTX *
with_another(const struct contract_server *options, SSL_CTX **other)
{
	SSL_CTX *ctx = openssl_server_new(options);

	*other = openssl_context(options);
	if (ctx == NULL || *other == NULL ||
	    !SSL_CTX_set_app_data(ctx, *other)) {
		SSL_CTX_free(ctx);
		SSL_CTX_free(*other);
		return NULL;
	}
	return ctx;
}

static void *
servername_new(const struct contract_server *options)
{
	SSL_CTX *other, *ctx = with_another(options, &other);

	if (ctx != NULL) {
		(void)SSL_CTX_set_tlsext_servername_callback(
		    ctx, by_servername);
		(void)SSL_CTX_set_tlsext_servername_arg(ctx, other);
	}
	return ctx;
}

static void *
hello_new(const struct contract_server *options)
{
	SSL_CTX *other, *ctx = with_another(options, &other);

	if (ctx != NULL)
		SSL_CTX_set_client_hello_cb(ctx, by_hello, other);
	return ctx;
}

static void
both_free(void *ctx)
{
	SSL_CTX_free(SSL_CTX_get_app_data((SSL_CTX *)ctx));
	SSL_CTX_free(ctx);
}

int
main(void)
{
	const struct contract_library libraries[] = {
	    {
	        .name = "OpenSSL with a servername callback",
	        .server_new = servername_new,
	        .server_free = both_free,
	        .serve = openssl_serve,
	    },
	    {
	        .name = "OpenSSL with a client hello callback",
	        .server_new = hello_new,
	        .server_free = both_free,
	        .serve = openssl_serve,
	    },
	};

	return contract_points(libraries, 2, host_points);
}
