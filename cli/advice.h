/* SPDX-License-Identifier: ISC */
/*
 * What an operator puts in a server's own configuration so that it takes its
 * keys from a target.
 *
 * Never here: what a format's file looks like, or its traps (formats/).
 */
#ifndef STEK_ADVICE_H
#define STEK_ADVICE_H

#include <stddef.h>

struct advice {
	const char *format;	/* its name */
	const char *where;	/* in which place of the server's settings */
	const char *line;	/* "@" stands for the target's path */
	const char *reload;	/* a usual reload; NULL: it needs none */
	const char *user;	/* who often reads the file; NULL: root */
};

/* NULL if there is none for a format of that name. */
const struct advice *advice_find(const char *format);

/* The line for that path. */
void advice_line(
    const struct advice *, const char *path, char *text, size_t size);

#endif
