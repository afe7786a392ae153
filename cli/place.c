/* SPDX-License-Identifier: ISC */
/*
 * See place.h.
 */
#include <sys/stat.h>

#include <stdio.h>
#include <string.h>

#include <stek.h>

#include "place.h"

void
place_nearest(const char *path, char nearest[PATH_MAX])
{
	struct stat st;
	char *slash;

	(void)snprintf(nearest, PATH_MAX, "%s", path);
	while (stat(nearest, &st) < 0) {
		slash = strrchr(nearest, '/');
		if (slash == NULL || slash == nearest) {
			(void)snprintf(
			    nearest, PATH_MAX, slash == NULL ? "." : "/");
			return;
		}
		*slash = '\0';
	}
}

bool
place_in_memory(const char *path, bool *yes)
{
	char nearest[PATH_MAX];

	place_nearest(path, nearest);
	return stek_file_in_memory(nearest, yes) == STEK_OK;
}
