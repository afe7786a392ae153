/* SPDX-License-Identifier: ISC */
/*
 * Where a path lies, or would lie once it is made, and who gets there.
 *
 * Never here: opening what is there; who could replace it (daemon/safe.h).
 */
#ifndef STEK_PLACE_H
#define STEK_PLACE_H

#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>

struct stat;

/* The path itself if it exists, or else the nearest folder above it. */
void place_nearest(const char *path, char nearest[PATH_MAX]);

/* The folder that the path is in. */
void place_folder(const char *path, char folder[PATH_MAX]);

/* Is that in memory, and not on a disk?  False: see errno. */
bool place_in_memory(const char *path, bool *yes);

/* May this user read what is so owned and so permitted? */
bool place_readable(const struct stat *, uid_t, gid_t);

/*
 * May this user get as far as the path?  Otherwise folder is the first one
 * that it may not enter.
 */
bool place_reachable(const char *path, uid_t, gid_t, char folder[PATH_MAX]);

#endif
