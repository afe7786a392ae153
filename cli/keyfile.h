/* SPDX-License-Identifier: ISC */
/*
 * The keys that a server finds under a path: a file, a folder with its list,
 * or a ring, read by their format.
 *
 * Never here: writing; keys in clear on any output.
 */
#ifndef STEK_KEYFILE_H
#define STEK_KEYFILE_H

#include <formats/format.h>

#define KEYFILE_WHY_LEN 1400

struct keyfile {
	struct format_in in;
	char why[KEYFILE_WHY_LEN];	/* of an error: path, line, reason */
};

/* In guarded memory; NULL if there is none. */
struct keyfile *keyfile_new(void);
void keyfile_free(struct keyfile *);

/*
 * A folder's path, its list's path, or one key file of a folder all do.
 * Errors as format_read(), with keyfile->why.
 */
STEK_CHECKED enum stek_err keyfile_read(
    struct keyfile *, const struct format *, const char *path, int64_t now);

/*
 * The format of that name.  NULL: it has been said that there is none, or
 * why stek does not drive its server.
 */
const struct format *keyfile_format(const char *name);

#endif
