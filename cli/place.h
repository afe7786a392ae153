/* SPDX-License-Identifier: ISC */
/*
 * Where a path lies, or would lie once it is made.
 *
 * Never here: opening what is there.
 */
#ifndef STEK_PLACE_H
#define STEK_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* The path itself if it exists, or else the nearest folder above it. */
void place_nearest(const char *path, char nearest[PATH_MAX]);

/* Is that in memory, and not on a disk?  False: see errno. */
bool place_in_memory(const char *path, bool *yes);

#endif
