/* SPDX-License-Identifier: ISC */
/*
 * What stands behind the functions that a preloaded object has the names of.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>

/* NULL: it is not there. */
void *real_library(const char *soname);

/*
 * The library's function of that name, or else the next one behind us, into
 * a pointer of that size.  False: there is none.
 */
bool real_find(void *library, const char *name, void *function, size_t size);

/*
 * libstek's adapter, if what it calls by that name is this very function: it
 * could be made for another copy of the TLS library.  NULL, and said:
 * `own_keys` is what becomes of the server's tickets.
 */
void *real_adapter(const char *soname, const char *name, const void *function,
    const char *own_keys);

/* STEK_KEEP_OWN: is the server to keep ticket keys of its own? */
bool real_keeps_own(void);

#endif
