/* SPDX-License-Identifier: ISC */
/*
 * wolfSSL's side of the contract.
 *
 * Never here: what is expected.
 */
#include <pthread.h>
#include <stdlib.h>

#include <stek/wolfssl.h>

#include <wolfssl/wolfcrypt/ecc.h>

#include "wolfssl_server.h"

struct server {
	WOLFSSL_CTX *ctx;
	struct stek_wolfssl *keys;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init(void)
{
	if (wolfSSL_Init() != WOLFSSL_SUCCESS)
		abort();
}

static WOLFSSL_CTX *
context(const struct contract_server *options)
{
	WOLFSSL_CTX *ctx;

	(void)pthread_once(&once, init);
	/* The client sees to the version. */
	ctx = wolfSSL_CTX_new(wolfTLS_server_method());
	if (ctx == NULL)
		return NULL;
	if (wolfSSL_CTX_use_certificate_file(
	        ctx, options->cert, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS &&
	    wolfSSL_CTX_use_PrivateKey_file(
	        ctx, options->key, WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS &&
	    /* Only a ticket shall resume: no sessions are kept. */
	    wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF) ==
	        WOLFSSL_SUCCESS)
		return ctx;
	wolfSSL_CTX_free(ctx);
	return NULL;
}

void *
wolfssl_server_bare(const struct contract_server *options)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->ctx = context(options);
	if (server->ctx != NULL)
		return server;
	free(server);
	return NULL;
}

void *
wolfssl_server_new(const struct contract_server *options)
{
	struct server *server = wolfssl_server_bare(options);
	enum stek_err err;

	if (server == NULL)
		return NULL;
	err = options->hosts
	          ? stek_wolfssl_use_hosts(
	                server->ctx, options->ring, &server->keys)
	          : stek_wolfssl_use(server->ctx, options->ring, &server->keys);
	if (err == STEK_OK)
		return server;
	wolfssl_server_free(server);
	return NULL;
}

enum stek_err
wolfssl_server_scope(void *arg, const struct stek_ring *ring, const char *scope)
{
	struct server *server = arg;
	struct stek_wolfssl *before = server->keys;
	enum stek_err err;

	err = stek_wolfssl_use_scope(server->ctx, ring, scope, &server->keys);
	if (err == STEK_OK)
		stek_wolfssl_free(before);
	return err;
}

static int
fatal(WOLFSSL *ssl, byte *name, byte *iv, byte *mac, int seal, byte *state,
    int len, int *out_len, void *arg)
{
	(void)ssl;
	(void)name;
	(void)iv;
	(void)mac;
	(void)seal;
	(void)state;
	(void)len;
	(void)out_len;
	(void)arg;
	return WOLFSSL_TICKET_RET_FATAL;
}

void
wolfssl_server_break(void *arg)
{
	const struct server *server = arg;

	if (wolfSSL_CTX_set_TicketEncCb(server->ctx, fatal) != WOLFSSL_SUCCESS)
		abort();
}

void
wolfssl_server_free(void *arg)
{
	struct server *server = arg;

	wolfSSL_CTX_free(server->ctx);
	stek_wolfssl_free(server->keys);
	free(server);
}

void
wolfssl_serve(void *arg, int fd)
{
	const struct server *server = arg;
	WOLFSSL *ssl = wolfSSL_new(server->ctx);
	char byte = '!';

	if (ssl == NULL || wolfSSL_set_fd(ssl, fd) != WOLFSSL_SUCCESS)
		abort();
	if (wolfSSL_accept(ssl) == WOLFSSL_SUCCESS &&
	    wolfSSL_write(ssl, &byte, 1) == 1) {
		while (wolfSSL_read(ssl, &byte, 1) > 0)
			continue;
		(void)wolfSSL_shutdown(ssl);
	}
	wolfSSL_free(ssl);
	/* This thread will end, and what wolfSSL keeps for it would stay. */
	wc_ecc_fp_free();
}
