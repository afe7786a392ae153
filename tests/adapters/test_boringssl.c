/* SPDX-License-Identifier: ISC */
/*
 * BoringSSL's adapter under the contract.
 */
#include "boringssl_server.h"

int
main(int argc, char **argv)
{
	const struct contract_library library = {
	    .name = "BoringSSL",
	    .cannot = CONTRACT_NO_RENEWAL_12 | CONTRACT_ALWAYS_NEW_13 |
	              CONTRACT_DUD_13,
	    .server_new = boringssl_server_new,
	    .server_free = boringssl_server_free,
	    .serve = boringssl_serve,
	};

	return contract_main(&library, argc, argv);
}
