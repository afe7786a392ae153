/* SPDX-License-Identifier: ISC */
/*
 * Folders of one raw key a file, with a list that names them to the server.
 *
 * Never here: a server's words (its own file has them).
 * Invariant: a key's file is named after the key and never changes, so a list
 * of any age names files that hold what they held when it was written.
 */
#ifndef STEK_FOLDER_H
#define STEK_FOLDER_H

#include "layout.h"

/* How a server's list looks: head, then a line a key. */
struct folder {
	const char *head;	/* one line, or NULL */
	const char *before;	/* of a line, before the file's path */
	const char *after;	/* and after it */
};

/*
 * The write() and list() of a struct format with a layout and a folder; its
 * read() is layout_read_one().
 */
STEK_CHECKED enum stek_err folder_write(const struct format *,
    const struct stek_set *, int64_t now, const char *path,
    struct format_out *);
STEK_CHECKED enum stek_err folder_list(const struct format *,
    const uint8_t *, size_t, struct format_list *, struct format_why *);

#endif
