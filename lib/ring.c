/* SPDX-License-Identifier: ISC */
/*
 * A set in shared memory: one writer, any number of readers, no locks.
 *
 * The map holds two halves, each room for a whole set, and a counter `turn`
 * whose lowest bit names the half that readers use.  The writer fills the
 * other half, then adds one to turn; then it does so once more, so that
 * neither half holds a removed key.  A reader copies what it wants out of its
 * half and takes the copy only if turn is still what it was.
 *
 * Every word is an atomic.  Each word of a half is stored with release and
 * loaded with acquire order: a reader that saw one new word in its half
 * therefore sees the turn that was written before it, and starts over.
 *
 * A reader's map can be moved to another file while others read it.  How
 * often it was is the upper part of what readers take for the turn.
 *
 * Never here: pointers in the map, files, what a key is derived for, clocks.
 * Invariant: the half that turn names is complete, at every instant, also if
 * the writer is killed.
 */
#include <sys/mman.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ring_map.h"

#define MOVES_AT 40 /* bits for turns: a thousand a second for 17 years */

static void
get_bytes(uint8_t *to, const ring_word *from, size_t stride, size_t words)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < words; i++) {
		value = ring_get(&from[i * stride]);
		memcpy(to + i * 8, &value, 8);
	}
}

static void
put_bytes(ring_word *to, size_t stride, const uint8_t *from, size_t words)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < words; i++) {
		memcpy(&value, from + i * 8, 8);
		ring_put(&to[i * stride], value);
	}
	sodium_memzero(&value, sizeof(value));
}

static void
put_key(struct ring_half *half, size_t i, const struct stek_key *key)
{
	put_bytes(&half->name[0][i], STEK_KEYS_MAX, key->name, RING_NAME);
	ring_put(&half->seal_from[i], (uint64_t)key->seal_from);
	ring_put(&half->seal_until[i], (uint64_t)key->seal_until);
	ring_put(&half->open_until[i], (uint64_t)key->open_until);
	put_bytes(half->secret[i], 1, key->aes, STEK_AES_LEN / 8);
	put_bytes(
	    half->secret[i] + STEK_AES_LEN / 8, 1, key->mac, STEK_MAC_LEN / 8);
}

static void
get_key(const struct ring_half *half, size_t i, struct stek_key *key)
{
	get_bytes(key->name, &half->name[0][i], STEK_KEYS_MAX, RING_NAME);
	key->seal_from = (int64_t)ring_get(&half->seal_from[i]);
	key->seal_until = (int64_t)ring_get(&half->seal_until[i]);
	key->open_until = (int64_t)ring_get(&half->open_until[i]);
	get_bytes(key->aes, half->secret[i], 1, STEK_AES_LEN / 8);
	get_bytes(
	    key->mac, half->secret[i] + STEK_AES_LEN / 8, 1, STEK_MAC_LEN / 8);
}

/* A count that cannot be is read as none: no reader leaves the map. */
static size_t
get_count(const struct ring_half *half)
{
	uint64_t count = ring_get(&half->count);

	return count <= STEK_KEYS_MAX ? (size_t)count : 0;
}

/* The index of the key that seals; STEK_KEYS_MAX if none does. */
static size_t
find_sealing(const struct ring_half *half, size_t count, int64_t now)
{
	size_t i;

	for (i = count; i > 0; i--)
		if ((int64_t)ring_get(&half->seal_from[i - 1]) <= now &&
		    (int64_t)ring_get(&half->seal_until[i - 1]) > now &&
		    (int64_t)ring_get(&half->open_until[i - 1]) > now)
			return i - 1;
	return STEK_KEYS_MAX;
}

static size_t
find_name(const struct ring_half *half, size_t count, const uint8_t *name)
{
	uint64_t want[RING_NAME];
	size_t i;

	memcpy(want, name, sizeof(want));
	for (i = 0; i < count; i++)
		if (ring_get(&half->name[0][i]) == want[0] &&
		    ring_get(&half->name[1][i]) == want[1])
			return i;
	return STEK_KEYS_MAX;
}

/* While the map is being moved there are no keys. */
static const struct ring_half *
current(const struct stek_ring *ring, uint64_t turn)
{
	static const struct ring_half none;

	return (turn >> MOVES_AT & 1) != 0 ? &none : &ring->map->half[turn & 1];
}

uint64_t
stek_ring_turn(const struct stek_ring *ring)
{
	const uint64_t turns = (UINT64_C(1) << MOVES_AT) - 1;
	uint64_t moves = ring_get(&ring->moves);

	return moves << MOVES_AT | (ring_get(&ring->map->turn) & turns);
}

bool
stek_ring_sealing(
    const struct stek_ring *ring, int64_t now, struct stek_key *key)
{
	const struct ring_half *half;
	uint64_t turn;
	size_t at;

	do {
		turn = stek_ring_turn(ring);
		half = current(ring, turn);
		at = find_sealing(half, get_count(half), now);
		if (at < STEK_KEYS_MAX)
			get_key(half, at, key);
	} while (stek_ring_turn(ring) != turn);
	if (at == STEK_KEYS_MAX)
		stek_key_wipe(key);
	return at < STEK_KEYS_MAX;
}

enum stek_open
stek_ring_opening(const struct stek_ring *ring,
    const uint8_t name[STEK_NAME_LEN], int64_t now, struct stek_key *key)
{
	const struct ring_half *half;
	size_t count, at, sealing;
	uint64_t turn;

	do {
		turn = stek_ring_turn(ring);
		half = current(ring, turn);
		count = get_count(half);
		at = find_name(half, count, name);
		sealing = find_sealing(half, count, now);
		if (at < STEK_KEYS_MAX)
			get_key(half, at, key);
	} while (stek_ring_turn(ring) != turn);
	if (at == STEK_KEYS_MAX || now >= key->open_until) {
		stek_key_wipe(key);
		return STEK_OPEN_NO;
	}
	/* The tickets of a pending key need no newer one. */
	if (sealing == STEK_KEYS_MAX || at == sealing || key->seal_from > now)
		return STEK_OPEN_USE;
	return STEK_OPEN_RENEW;
}

void
stek_ring_read(const struct stek_ring *ring, struct stek_set *set)
{
	const struct ring_half *half;
	uint64_t turn;
	size_t i;

	do {
		stek_set_clear(set);
		turn = stek_ring_turn(ring);
		half = current(ring, turn);
		set->version = ring_get(&half->version);
		set->count = get_count(half);
		for (i = 0; i < set->count; i++)
			get_key(half, i, &set->keys[i]);
	} while (stek_ring_turn(ring) != turn);
}

static void
fill(struct ring_half *half, const struct stek_set *set)
{
	size_t i;

	ring_put(&half->version, set->version);
	ring_put(&half->count, set->count);
	for (i = 0; i < STEK_KEYS_MAX; i++)
		put_key(half, i, &set->keys[i]);
}

enum stek_err
stek_ring_publish(struct stek_ring *ring, const struct stek_set *set)
{
	struct ring_map *map = ring->map;
	uint64_t turn = ring_get(&map->turn);
	int pass;

	if (set->count > STEK_KEYS_MAX)
		return STEK_ERR_FULL;
	for (pass = 0; pass < 2; pass++) {
		turn++;
		fill(&map->half[turn & 1], set);
		ring_put(&map->turn, turn);
	}
	return STEK_OK;
}

/* Hints: a kernel that knows neither still shares the ring. */
void
ring_map_hide(struct ring_map *map)
{
	(void)madvise(map, sizeof(*map), MADV_DONTDUMP);
	(void)mlock(map, sizeof(*map));
}

enum stek_err
ring_wrap(struct ring_map *map, int lock, struct stek_ring **out)
{
	struct stek_ring *ring = calloc(1, sizeof(*ring));

	if (ring == NULL) {
		(void)munmap(map, sizeof(struct ring_map));
		return STEK_ERR_MEMORY;
	}
	ring_map_hide(map);
	ring->map = map;
	ring->lock = lock;
	*out = ring;
	return STEK_OK;
}

enum stek_err
ring_map_anonymous(int prot, struct ring_map **out)
{
	void *map =
	    mmap(NULL, sizeof(**out), prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*out = map == MAP_FAILED ? NULL : map;
	return *out == NULL ? STEK_ERR_SYSTEM : STEK_OK;
}

enum stek_err
stek_ring_new(struct stek_ring **out)
{
	struct ring_map *map;

	if (ring_map_anonymous(PROT_READ | PROT_WRITE, &map) != STEK_OK)
		return STEK_ERR_SYSTEM;
	ring_put(&map->size, sizeof(*map));
	ring_put(&map->magic, RING_MAGIC);
	return ring_wrap(map, -1, out);
}

void
stek_ring_close(struct stek_ring *ring)
{
	if (ring == NULL)
		return;
	(void)munmap(ring->map, sizeof(*ring->map));
	if (ring->lock >= 0)
		(void)close(ring->lock);
	free(ring);
}
