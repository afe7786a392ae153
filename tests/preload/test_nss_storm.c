/* SPDX-License-Identifier: ISC */
/*
 * The contract's storm, on a server whose stock NSS has stek's preloaded
 * object: threads shake hands while keys are published as fast as it goes.
 * The rest of the contract knows tickets by their keys' names, which these
 * do not have; tests/servers has it with real servers.
 *
 *	preload-nss-storm 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives NSS keys.
 */
#include <string.h>

#include "preloaded_nss.h"

int
main(int argc, char **argv)
{
	struct contract_library library = {
	    .name = "stock NSS",
	    .cannot = CONTRACT_NO_RENEWAL_12 | CONTRACT_ALWAYS_NEW_13 |
	              CONTRACT_NO_HOSTS | CONTRACT_OWN_KEYS,
	    .server_new = preloaded_server_new,
	    .server_free = nss_server_free,
	    .serve = nss_serve,
	};

	if (argc != 3)
		return 2;
	become_preloaded(argv, argv[2]);
	library.cannot |=
	    strcmp(argv[1], "1.2") == 0 ? CONTRACT_NO_TLS13 : CONTRACT_NO_TLS12;
	return contract_points(&library, 1, storm_points);
}
