/* SPDX-License-Identifier: ISC */
/*
 * wolfSSL's adapter under the contract.
 */
#include "wolfssl_server.h"

int
main(int argc, char **argv)
{
	const struct contract_library library = {
	    .name = "wolfSSL",
	    .cannot = WOLFSSL_CANNOT,
	    .server_new = wolfssl_server_new,
	    .server_free = wolfssl_server_free,
	    .serve = wolfssl_serve,
	};

	return contract_main(&library, argc, argv);
}
