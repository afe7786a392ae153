/* SPDX-License-Identifier: ISC */
/*
 * Mbed TLS's adapter under the contract.
 */
#include "mbedtls_server.h"

int
main(int argc, char **argv)
{
	const struct contract_library library = {
	    .name = "Mbed TLS",
	    .cannot = MBEDTLS_CANNOT,
	    .server_new = mbedtls_server_new,
	    .server_free = mbedtls_server_free,
	    .serve = mbedtls_serve,
	};

	return contract_main(&library, argc, argv);
}
