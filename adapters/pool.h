/* SPDX-License-Identifier: ISC */
/*
 * Random bytes drawn ahead, since a call of the system for each ticket costs
 * as much as the ticket.  A forked process never gets the same: the kernel
 * wipes what its parent has not used.
 */
#ifndef ADAPTERS_POOL_H
#define ADAPTERS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_LEN	1008

struct pool {
	_Alignas(64) size_t left;
	uint8_t bytes[POOL_LEN];
};

/*
 * So many, each for one thread at a time.  NULL: this kernel wipes nothing;
 * pool_take() then draws what it is asked for.
 */
struct pool *pools_new(size_t count);
void pools_free(struct pool *, size_t count);	/* NULL is allowed */

/* Up to POOL_LEN bytes.  False: random() failed. */
bool pool_take(struct pool *, bool (*random)(uint8_t *, size_t),
    uint8_t *bytes, size_t len);

#endif
