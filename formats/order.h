/* SPDX-License-Identifier: ISC */
/*
 * Which keys of a set go into a file, and in which order.
 *
 * Never here: bytes.
 * Invariant: the sealing key is always among them, dead keys never are.
 */
#ifndef STEK_ORDER_H
#define STEK_ORDER_H

#include <stek.h>

/* Points into the set it was made from. */
struct order {
	size_t count;
	const struct stek_key *keys[STEK_KEYS_MAX];
};

/*
 * At most max keys for a server whose first key encrypts: the sealing key,
 * then the pending ones, soonest first, then the opening ones, newest first.
 * Empty if no key seals.
 */
void order_first(const struct stek_set *, int64_t now, size_t max,
    struct order *);

/* The same keys for a server whose last key encrypts. */
void order_last(const struct stek_set *, int64_t now, size_t max,
    struct order *);

/* The first in order_first()'s order of that state; NULL: none. */
const struct stek_key *order_find(const struct stek_set *, int64_t now,
    enum stek_state);

#endif
