/* SPDX-License-Identifier: ISC */
/*
 * A new farm key in a file.
 *
 * Never here: replacing one; a key's bytes on any output.
 * Invariant: under its name it is whole, and readable by its owner alone.
 */
#ifndef STEK_NEWKEY_H
#define STEK_NEWKEY_H

#include <stdbool.h>

/* False: it has been said why not, such as that there is one already. */
bool newkey_make(const char *path);

/* After one who was killed at it: its first name is gone.  False: said why. */
bool newkey_tidy(const char *path);

#endif
