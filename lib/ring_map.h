/* SPDX-License-Identifier: ISC */
/*
 * How a ring lies in memory, for ring.c and ring_file.c; see ring.c.
 *
 * Never here: pointers in the map.
 */
#ifndef STEK_RING_MAP_H
#define STEK_RING_MAP_H

#include <stdatomic.h>

#include <stek.h>

#define RING_MAGIC	UINT64_C(0x31676e696b657473) /* "steking1" */
#define RING_NAME	(STEK_NAME_LEN / 8)
#define RING_SECRET	((STEK_AES_LEN + STEK_MAC_LEN) / 8)

typedef _Atomic uint64_t ring_word;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
    "readers map the ring read-only: 64-bit atomics must need no lock");

/* Columns: a search by name or time touches few cache lines. */
struct ring_half {
	ring_word version;
	ring_word count;
	ring_word name[RING_NAME][STEK_KEYS_MAX];
	ring_word seal_from[STEK_KEYS_MAX];
	ring_word seal_until[STEK_KEYS_MAX];
	ring_word open_until[STEK_KEYS_MAX];
	ring_word secret[STEK_KEYS_MAX][RING_SECRET];
};

struct ring_map {
	ring_word magic;
	ring_word size;
	ring_word turn;
	ring_word reserved[5];
	struct ring_half half[2];
};

struct stek_ring {
	struct ring_map *map;
	ring_word moves; /* of the map to another file; odd: at it */
	int lock; /* the writer's descriptor, or -1 */
};

static inline uint64_t
ring_get(const ring_word *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

static inline void
ring_put(ring_word *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_release);
}

/* One without a file, all zero. SYSTEM, and NULL. */
STEK_CHECKED enum stek_err ring_map_anonymous(int prot, struct ring_map **);

/* As far as the system allows: locked, and in no core dump. */
void ring_map_hide(struct ring_map *);

/* MEMORY: the map is given back. */
STEK_CHECKED enum stek_err ring_wrap(struct ring_map *, int lock,
    struct stek_ring **);

#endif
