/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL's adapter under the contract.
 */
#include "openssl_server.h"

int
main(int argc, char **argv)
{
	const struct contract_library library = {
	    .name = "OpenSSL",
	    .server_new = openssl_server_new,
	    .server_free = openssl_server_free,
	    .serve = openssl_serve,
	};

	return contract_main(&library, argc, argv);
}
