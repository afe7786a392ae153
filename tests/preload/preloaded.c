/* SPDX-License-Identifier: ISC */
/*
 * See preloaded.h.
 *
 * Never here: a TLS library.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preloaded.h"

void
preloaded_ring(const char *cert)
{
	char path[FARM_PATH];
	const char *slash = strrchr(cert, '/');

	(void)snprintf(
	    path, sizeof(path), "%.*s/ring", (int)(slash - cert), cert);
	if (setenv("STEK_RING", path, 1) < 0)
		abort();
}

void
become_preloaded(char **argv, const char *object)
{
	const char *was = getenv("LD_PRELOAD");
	char list[4096], self[PATH_MAX] = "";

	if (was != NULL && strstr(was, object) != NULL)
		return;
	(void)snprintf(list, sizeof(list), "%s%s%s", object,
	    was == NULL ? "" : ":", was == NULL ? "" : was);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0 &&
	    setenv("LD_PRELOAD", list, 1) == 0)
		(void)execv(self, argv);
	perror(argv[0]);
	exit(1);
}

int
preloaded_main(struct contract_library *library, int argc, char **argv)
{
	static const struct point *const lists[] = {
	    preloaded_points, storm_points, NULL};

	if (argc != 3)
		return 2;
	become_preloaded(argv, argv[2]);
	library->cannot |= CONTRACT_NO_HOSTS;
	library->cannot |=
	    strcmp(argv[1], "1.2") == 0 ? CONTRACT_NO_TLS13 : CONTRACT_NO_TLS12;
	return contract_lists(library, lists);
}
