/* SPDX-License-Identifier: ISC */
/*
 * See place.h.
 */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void
place_folder(const char *path, char folder[PATH_MAX])
{
	char *slash;

	(void)snprintf(folder, PATH_MAX, "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		(void)snprintf(folder, PATH_MAX, ".");
	else
		slash[slash == folder ? 1 : 0] = '\0';
}

bool
place_in_memory(const char *path, bool *yes)
{
	char nearest[PATH_MAX];

	place_nearest(path, nearest);
	return stek_file_in_memory(nearest, yes) == STEK_OK;
}

/*
 * Call for each folder from the root to the one that the path is in, as far
 * as they exist; the first for which it says yes stays in folder.
 */
static bool
find_above(const char *path, char folder[PATH_MAX],
    bool (*is_it)(const struct stat *, const void *), const void *arg)
{
	char parent[PATH_MAX], nearest[PATH_MAX], whole[PATH_MAX];
	struct stat st;
	size_t at;

	place_folder(path, parent);
	place_nearest(parent, nearest);
	if (realpath(nearest, whole) == NULL)
		return false;
	for (at = 1;; at++) {
		if (at > 1 && whole[at] != '/' && whole[at] != '\0')
			continue;
		(void)snprintf(folder, PATH_MAX, "%.*s", (int)at, whole);
		if (stat(folder, &st) == 0 && is_it(&st, arg))
			return true;
		if (whole[at] == '\0')
			return false;
	}
}

struct user {
	uid_t uid;
	gid_t gid;
};

/* Permission bits 4 (read) or 1 (enter); root may always. */
static bool
is_permitted(const struct stat *st, const struct user *user, mode_t bit)
{
	if (user->uid == 0)
		return true;
	if (st->st_uid == user->uid)
		return (st->st_mode & bit << 6) != 0;
	if (st->st_gid == user->gid)
		return (st->st_mode & bit << 3) != 0;
	return (st->st_mode & bit) != 0;
}

static bool
is_closed(const struct stat *st, const void *arg)
{
	return !is_permitted(st, arg, 1);
}

bool
place_readable(const struct stat *st, uid_t uid, gid_t gid)
{
	const struct user user = {uid, gid};

	return is_permitted(st, &user, 4);
}

bool
place_reachable(const char *path, uid_t uid, gid_t gid, char folder[PATH_MAX])
{
	const struct user user = {uid, gid};

	return !find_above(path, folder, is_closed, &user);
}
