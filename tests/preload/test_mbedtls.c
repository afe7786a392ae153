/* SPDX-License-Identifier: ISC */
/*
 * A server on Mbed TLS that knows nothing of stek, with stek's preloaded
 * object.
 *
 *	preload-mbedtls 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives Mbed TLS the ring's keys.
 */
#include <mbedtls/ssl_ticket.h>

#include "../adapters/mbedtls_server.h"
#include "preloaded.h"

/* The server's own calls: to do without stek. */
enum stek_err
stek_mbedtls_use(mbedtls_ssl_config *conf, const struct stek_ring *ring,
    struct stek_mbedtls **out)
{
	static mbedtls_ssl_ticket_context own;

	(void)ring;
	mbedtls_ssl_ticket_init(&own);
	if (mbedtls_ssl_ticket_setup(&own, mbedtls_random, NULL,
	        MBEDTLS_CIPHER_AES_256_GCM, 3600) != 0)
		return STEK_ERR_LIBRARY;
	mbedtls_ssl_conf_session_tickets_cb(
	    conf, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &own);
	*out = NULL;
	return STEK_OK;
}

enum stek_err
stek_mbedtls_use_hosts(mbedtls_ssl_config *conf, const struct stek_ring *ring,
    int (*sni)(void *, mbedtls_ssl_context *, const unsigned char *, size_t),
    void *sni_arg, struct stek_mbedtls **out)
{
	(void)sni;
	(void)sni_arg;
	return stek_mbedtls_use(conf, ring, out);
}

int
stek_mbedtls_handshake(mbedtls_ssl_context *ssl, struct stek_mbedtls_host *host)
{
	(void)host;
	return mbedtls_ssl_handshake(ssl);
}

void
stek_mbedtls_free(struct stek_mbedtls *tickets)
{
	(void)tickets;
}

static void *
server_new(const struct contract_server *options)
{
	preloaded_ring(options->cert);
	return mbedtls_server_new(options);
}

int
main(int argc, char **argv)
{
	struct contract_library library = {
	    .name = "preloaded Mbed TLS",
	    .cannot = MBEDTLS_CANNOT,
	    .server_new = server_new,
	    .server_free = mbedtls_server_free,
	    .serve = mbedtls_serve,
	};

	return preloaded_main(&library, argc, argv);
}
