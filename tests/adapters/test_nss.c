/* SPDX-License-Identifier: ISC */
/*
 * NSS's adapter under the contract, with an NSS that has the interface.
 */
#include "nss_server.h"

int
main(int argc, char **argv)
{
	const struct contract_library library = {
	    .name = "NSS",
	    /* In TLS 1.3 NSS replaces every ticket. */
	    .cannot =
	        CONTRACT_ALWAYS_NEW_13 | CONTRACT_NO_HOSTS | CONTRACT_OWN_KEYS,
	    .server_new = nss_server_new,
	    .server_free = nss_server_free,
	    .serve = nss_serve,
	};

	return contract_main(&library, argc, argv);
}
