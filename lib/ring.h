/* SPDX-License-Identifier: ISC */
/*
 * How a ring lies in memory, for the two files that know: ring.c, which reads
 * and publishes, and ring_file.c, which makes, opens and closes.
 *
 * Never here: pointers in the map; anything for other files.
 * Invariant: each word of the map is an atomic that needs no lock.
 */
#ifndef LIB_RING_H
#define LIB_RING_H

#include <stdatomic.h>

#include <stek.h>

#define RING_MAGIC   UINT64_C(0x31676e696b657473) /* "steking1" */
#define NAME_WORDS   (STEK_NAME_LEN / 8)
#define SECRET_WORDS ((STEK_AES_LEN + STEK_MAC_LEN) / 8)

typedef _Atomic uint64_t word;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
    "readers map the ring read-only: 64-bit atomics must need no lock");

/* Columns: a search by name or time touches few cache lines. */
struct ring_half {
	word version;
	word count;
	word name[NAME_WORDS][STEK_KEYS_MAX];
	word seal_from[STEK_KEYS_MAX];
	word seal_until[STEK_KEYS_MAX];
	word open_until[STEK_KEYS_MAX];
	word secret[STEK_KEYS_MAX][SECRET_WORDS];
};

struct ring_map {
	word magic;
	word size;
	word turn;
	word reserved[5];
	struct ring_half half[2];
};

struct stek_ring {
	struct ring_map *map;
	int lock; /* the writer's descriptor, or -1 */
};

static inline uint64_t
ring_get(const word *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

static inline void
ring_put(word *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_release);
}

#endif
