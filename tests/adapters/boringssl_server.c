/* SPDX-License-Identifier: ISC */
/*
 * BoringSSL's side of the contract.
 *
 * Never here: what is expected.
 */
#include <stdlib.h>

#include <openssl/err.h>

#include <stek/boringssl.h>

#include "boringssl_server.h"

void *
boringssl_context(const struct contract_server *options)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	uint16_t version = (uint16_t)options->version;

	if (ctx == NULL ||
	    !SSL_CTX_use_certificate_file(
	        ctx, options->cert, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_use_PrivateKey_file(ctx, options->key, SSL_FILETYPE_PEM) ||
	    !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* Only a ticket shall resume: no sessions are kept. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

void *
boringssl_server_new(const struct contract_server *options)
{
	SSL_CTX *ctx = boringssl_context(options);
	enum stek_err err;

	if (ctx == NULL)
		return NULL;
	err = options->hosts ? stek_boringssl_use_hosts(ctx, options->ring)
	                     : stek_boringssl_use(ctx, options->ring);
	if (err == STEK_OK)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

void
boringssl_server_free(void *ctx)
{
	SSL_CTX_free(ctx);
}

enum stek_err
boringssl_use_scope(void *ctx, const struct stek_ring *ring, const char *scope)
{
	return stek_boringssl_use_scope(ctx, ring, scope);
}

static int
by_servername(SSL *ssl, int *alert, void *other)
{
	(void)alert;
	(void)SSL_set_SSL_CTX(ssl, other);
	return SSL_TLSEXT_ERR_OK;
}

void
boringssl_switch(void *ctx, void *other)
{
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, by_servername);
	(void)SSL_CTX_set_tlsext_servername_arg(ctx, other);
}

static size_t
no_overhead(SSL *ssl)
{
	(void)ssl;
	return 0;
}

static int
fail_to_seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out_len,
    const uint8_t *in, size_t in_len)
{
	(void)ssl;
	(void)out;
	(void)out_len;
	(void)max_out_len;
	(void)in;
	(void)in_len;
	return 0;
}

static enum ssl_ticket_aead_result_t
fail_to_open(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out_len,
    const uint8_t *in, size_t in_len)
{
	(void)ssl;
	(void)out;
	(void)out_len;
	(void)max_out_len;
	(void)in;
	(void)in_len;
	return ssl_ticket_aead_error;
}

void
boringssl_set_failing(void *ctx)
{
	static const SSL_TICKET_AEAD_METHOD failing = {
	    no_overhead, fail_to_seal, fail_to_open};

	SSL_CTX_set_ticket_aead_method(ctx, &failing);
}

void
boringssl_serve(void *ctx, int fd)
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

size_t
boringssl_serve_and_count(void *ctx, int fd)
{
	size_t count = 0;

	boringssl_serve(ctx, fd);
	while (ERR_get_error() != 0)
		count++;
	return count;
}
