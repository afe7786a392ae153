/* SPDX-License-Identifier: ISC */
/*
 * Mbed TLS's side of the contract.
 *
 * Never here: what is expected.
 */
#include <sys/random.h>

#include <stdlib.h>
#include <unistd.h>

#include "mbedtls_server.h"

#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

int
mbedtls_random(void *unused, unsigned char *bytes, size_t len)
{
	(void)unused;
	return getrandom(bytes, len, 0) == (ssize_t)len ? 0 : -1;
}

static int
on_send(void *fd, const unsigned char *bytes, size_t len)
{
	return (int)write(*(const int *)fd, bytes, len);
}

static int
on_receive(void *fd, unsigned char *bytes, size_t len)
{
	return (int)read(*(const int *)fd, bytes, len);
}

static bool
load(struct mbedtls_server *server, const struct contract_server *options)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	if (psa_crypto_init() != PSA_SUCCESS ||
	    mbedtls_pk_parse_keyfile(
	        &server->key, options->key, NULL, mbedtls_random, NULL) != 0)
		return false;
#else
	if (mbedtls_pk_parse_keyfile(&server->key, options->key, NULL) != 0)
		return false;
#endif
	return mbedtls_x509_crt_parse_file(&server->cert, options->cert) == 0;
}

static void
set_version(mbedtls_ssl_config *conf, int version)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
	mbedtls_ssl_conf_min_tls_version(
	    conf, (mbedtls_ssl_protocol_version)version);
	mbedtls_ssl_conf_max_tls_version(
	    conf, (mbedtls_ssl_protocol_version)version);
#else
	mbedtls_ssl_conf_min_version(conf, version >> 8, version & 0xff);
	mbedtls_ssl_conf_max_version(conf, version >> 8, version & 0xff);
#endif
}

struct mbedtls_server *
mbedtls_server_bare(const struct contract_server *options)
{
	struct mbedtls_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	mbedtls_ssl_config_init(&server->conf);
	mbedtls_x509_crt_init(&server->cert);
	mbedtls_pk_init(&server->key);
	if (!load(server, options) ||
	    mbedtls_ssl_config_defaults(&server->conf, MBEDTLS_SSL_IS_SERVER,
	        MBEDTLS_SSL_TRANSPORT_STREAM,
	        MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
	    mbedtls_ssl_conf_own_cert(
	        &server->conf, &server->cert, &server->key) != 0) {
		mbedtls_server_free(server);
		return NULL;
	}
	mbedtls_ssl_conf_rng(&server->conf, mbedtls_random, NULL);
	set_version(&server->conf, options->version);
	return server;
}

void *
mbedtls_server_new(const struct contract_server *options)
{
	struct mbedtls_server *server = mbedtls_server_bare(options);
	enum stek_err err;

	if (server == NULL)
		return NULL;
	server->hosts = options->hosts;
	err = options->hosts ? stek_mbedtls_use_hosts(&server->conf,
	                           options->ring, NULL, NULL, &server->tickets)
	                     : stek_mbedtls_use(&server->conf, options->ring,
	                           &server->tickets);
	if (err == STEK_OK)
		return server;
	mbedtls_server_free(server);
	return NULL;
}

void
mbedtls_server_free(void *p)
{
	struct mbedtls_server *server = p;

	mbedtls_ssl_config_free(&server->conf);
	mbedtls_x509_crt_free(&server->cert);
	mbedtls_pk_free(&server->key);
	stek_mbedtls_free(server->tickets);
	free(server);
}

void
mbedtls_serve(void *p, int fd)
{
	struct mbedtls_server *server = p;
	struct stek_mbedtls_host host = {0};
	unsigned char byte = '!';
	mbedtls_ssl_context ssl;
	int ret;

	mbedtls_ssl_init(&ssl);
	if (mbedtls_ssl_setup(&ssl, &server->conf) != 0)
		abort();
	mbedtls_ssl_set_bio(&ssl, &fd, on_send, on_receive, NULL);
	ret = server->hosts ? stek_mbedtls_handshake(&ssl, &host)
	                    : mbedtls_ssl_handshake(&ssl);
	if (ret == 0 && mbedtls_ssl_write(&ssl, &byte, 1) == 1) {
		while (mbedtls_ssl_read(&ssl, &byte, 1) > 0)
			continue;
		(void)mbedtls_ssl_close_notify(&ssl);
	}
	mbedtls_ssl_free(&ssl);
}
