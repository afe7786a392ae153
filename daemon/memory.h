/* SPDX-License-Identifier: ISC */
/*
 * Keeping memory out of swap, core files and debuggers.
 *
 * Secrets lie in guarded memory, which locks itself as far as the limit
 * allows, and for moments on the stack.  Here the rest is locked, and it is
 * found out whether the limit allows enough.
 *
 * Never here: allocating.
 */
#ifndef STEK_MEMORY_H
#define STEK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* No core files, no debuggers; raise the limit as far as this user may. */
void memory_protect(void);

/* Lock what this process has, and will have; after a fork again. */
bool memory_lock(void);

/* Could so much more be locked now, by whoever this process is by now? */
bool memory_has_room(size_t);

#endif
