/* SPDX-License-Identifier: ISC */
/*
 * The contract's storm, on a server whose stock NSS has stek's preloaded
 * object: threads shake hands while keys are published as fast as it goes.
 * The rest of the contract knows tickets by their keys' names, which these
 * do not have; tests/servers has it with real servers.
 *
 *	preload-storm 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives NSS keys.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stek/nss.h>

#include "../adapters/expect.h"
#include "../adapters/nss_server.h"

/* The server's own calls, which an NSS that takes no keys has no use for. */
enum stek_err
stek_nss_use(const struct stek_ring *ring)
{
	return stek_nss_use_scope(ring, "");
}

enum stek_err
stek_nss_use_scope(const struct stek_ring *ring, const char *scope)
{
	(void)ring;
	(void)scope;
	return STEK_OK;
}

/* The farm's ring lies beside its certificate; it is asked for once. */
static void *
server_new(const struct contract_server *options)
{
	char path[FARM_PATH];
	const char *slash = strrchr(options->cert, '/');

	(void)snprintf(path, sizeof(path), "%.*s/ring",
	    (int)(slash - options->cert), options->cert);
	if (setenv("STEK_RING", path, 1) < 0)
		abort();
	return nss_server_new(options);
}

/* Becomes itself, with the object. */
static void
preload(char **argv)
{
	const char *was = getenv("LD_PRELOAD");
	char list[4096];

	if (was != NULL && strstr(was, argv[2]) != NULL)
		return;
	(void)snprintf(list, sizeof(list), "%s%s%s", argv[2],
	    was == NULL ? "" : ":", was == NULL ? "" : was);
	if (setenv("LD_PRELOAD", list, 1) == 0)
		(void)execv("/proc/self/exe", argv);
	perror(argv[0]);
	exit(1);
}

int
main(int argc, char **argv)
{
	struct contract_library library = {
	    .name = "stock NSS",
	    .cannot = CONTRACT_NO_RENEWAL_12 | CONTRACT_ALWAYS_NEW_13 |
	              CONTRACT_NO_HOSTS | CONTRACT_OWN_KEYS,
	    .server_new = server_new,
	    .server_free = nss_server_free,
	    .serve = nss_serve,
	};

	if (argc != 3)
		return 2;
	preload(argv);
	library.cannot |=
	    strcmp(argv[1], "1.2") == 0 ? CONTRACT_NO_TLS13 : CONTRACT_NO_TLS12;
	return contract_points(&library, 1, storm_points);
}
