/* SPDX-License-Identifier: ISC */
/*
 * A server on wolfSSL that knows nothing of stek, with stek's preloaded object.
 *
 *	preload-wolfssl 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives wolfSSL the ring's keys.
 */
#include "../adapters/wolfssl_server.h"
#include "preloaded.h"

static void *
server_new(const struct contract_server *options)
{
	preloaded_ring(options->cert);
	return wolfssl_server_new(options);
}

int
main(int argc, char **argv)
{
	struct contract_library library = {
	    .name = "preloaded wolfSSL",
	    .cannot = WOLFSSL_CANNOT,
	    .server_new = server_new,
	    .server_free = wolfssl_server_free,
	    .serve = wolfssl_serve,
	};

	return preloaded_main(&library, argc, argv);
}
