/* SPDX-License-Identifier: ISC */
/*
 * A server on GnuTLS that knows nothing of stek, with stek's preloaded object.
 *
 *	preload-gnutls 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives GnuTLS the ring's keys.
 */
#include "../adapters/gnutls_server.h"
#include "preloaded.h"

/* The server's own calls: to do without stek. */
enum stek_err
stek_gnutls_new(const struct stek_ring *ring, struct stek_gnutls **handle)
{
	(void)ring;
	*handle = NULL;
	return STEK_OK;
}

enum stek_err
stek_gnutls_new_hosts(const struct stek_ring *ring, struct stek_gnutls **handle)
{
	return stek_gnutls_new(ring, handle);
}

void
stek_gnutls_free(struct stek_gnutls *handle)
{
	(void)handle;
}

enum stek_err
stek_gnutls_use(gnutls_session_t session, struct stek_gnutls *handle)
{
	static unsigned char bytes[64] = "a key of its own";
	const gnutls_datum_t key = {bytes, sizeof(bytes)};

	(void)handle;
	return gnutls_session_ticket_enable_server(session, &key) == 0
	           ? STEK_OK
	           : STEK_ERR_LIBRARY;
}

static void *
server_new(const struct contract_server *options)
{
	preloaded_ring(options->cert);
	return gnutls_server_new(options);
}

int
main(int argc, char **argv)
{
	struct contract_library library = gnutls_library;

	library.name = "preloaded GnuTLS";
	library.server_new = server_new;
	return preloaded_main(&library, argc, argv);
}
