/* SPDX-License-Identifier: ISC */
/*
 * Expanded keys, kept from one ticket to the next.
 *
 * Never here: which key may do what (the ring says so, at each ticket, by the
 * clock), and anything of a TLS library.
 * Invariant: a slot holds no key that was not in the ring at its turn, and
 * none is used after the ring has changed.
 */
#include <sys/mman.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "slot.h"

#define SLOTS 64 /* more callbacks than this never run at once */
#define KEPT  32 /* at least STEK_KEYS_MAX; many scopes need more */

/* Unused: expanded is NULL. */
struct kept {
	uint8_t base[STEK_NAME_LEN]; /* the key's name in the ring */
	uint8_t name[STEK_NAME_LEN]; /* its name in the scope */
	char *scope;
	void *expanded;
};

struct slot {
	_Alignas(64) atomic_flag busy;
	_Atomic uint64_t turn; /* the ring's; 0: holds nothing */
	_Atomic(const struct stek_ring *) ring; /* whose keys it holds */
	struct slots *home;
	size_t next; /* the one to be replaced next */
	struct kept kept[KEPT];
};

struct slots {
	const struct slot_library *library;
	_Atomic(const struct stek_ring *) ring;
	struct pool *pools; /* one a slot, or NULL */
	struct slot slot[SLOTS];
};

/* Zeroed pages, which take no memory until they are used. */
static void *
map(size_t len)
{
	void *at;

	at = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

struct slots *
slots_new(const struct slot_library *library, const struct stek_ring *ring)
{
	struct slots *slots = map(sizeof(*slots));

	if (slots == NULL)
		return NULL;
	slots->library = library;
	atomic_init(&slots->ring, ring);
	slots->pools = pools_new(SLOTS);
	return slots;
}

static void
forget(const struct slot_library *library, struct kept *kept)
{
	if (kept->expanded != NULL)
		library->forget(kept->expanded);
	free(kept->scope);
	memset(kept, 0, sizeof(*kept));
}

static void
empty(const struct slot_library *library, struct slot *slot)
{
	size_t i;

	for (i = 0; i < KEPT; i++)
		forget(library, &slot->kept[i]);
	slot->next = 0;
	atomic_store_explicit(&slot->turn, 0, memory_order_relaxed);
}

static uint64_t
turn_of(const struct slot *slot)
{
	return atomic_load_explicit(&slot->turn, memory_order_relaxed);
}

static const struct stek_ring *
ring_of(const struct slot *slot)
{
	return atomic_load_explicit(&slot->ring, memory_order_relaxed);
}

static bool
is_of(const struct slot *slot, const struct stek_ring *ring, uint64_t turn)
{
	return turn_of(slot) == turn && ring_of(slot) == ring;
}

static bool
try_take(struct slot *slot)
{
	return !atomic_flag_test_and_set_explicit(
	    &slot->busy, memory_order_acquire);
}

void
slot_give(struct slot *slot)
{
	atomic_flag_clear_explicit(&slot->busy, memory_order_release);
}

/*
 * The ring has changed: leave no expanded key behind, also in slots that are
 * seldom used.  One that is busy now does so by itself when next taken.
 */
static void
empty_others(struct slots *slots, const struct slot *mine,
    const struct stek_ring *ring, uint64_t turn)
{
	struct slot *slot;

	for (slot = slots->slot; slot < slots->slot + SLOTS; slot++) {
		if (turn_of(slot) == 0 || is_of(slot, ring, turn) ||
		    slot == mine || !try_take(slot))
			continue;
		empty(slots->library, slot);
		slot_give(slot);
	}
}

static void
refresh(struct slots *slots, struct slot *mine, const struct stek_ring *ring,
    uint64_t turn)
{
	empty_others(slots, mine, ring, turn);
	empty(slots->library, mine);
	mine->home = slots;
	atomic_store_explicit(&mine->ring, ring, memory_order_relaxed);
	atomic_store_explicit(&mine->turn, turn, memory_order_relaxed);
}

void
slots_follow(struct slots *slots, const struct stek_ring *ring)
{
	atomic_store_explicit(&slots->ring, ring, memory_order_release);
	empty_others(slots, NULL, ring, 0);
}

void
slots_free(struct slots *slots)
{
	if (slots == NULL)
		return;
	slots_follow(slots, NULL);
	pools_free(slots->pools, SLOTS);
	(void)munmap(slots, sizeof(*slots));
}

struct slot *
slot_take(struct slots *slots)
{
	size_t first = (size_t)sched_getcpu(), i;
	const struct stek_ring *ring;
	struct slot *slot;
	uint64_t turn;

	for (i = 0; i < SLOTS; i++) {
		slot = &slots->slot[(first + i) % SLOTS];
		if (!try_take(slot))
			continue;
		ring = atomic_load_explicit(&slots->ring, memory_order_acquire);
		turn = stek_ring_turn(ring);
		if (!is_of(slot, ring, turn))
			refresh(slots, slot, ring, turn);
		return slot;
	}
	return NULL;
}

/* By its name in the ring, or else by its name in the scope. */
static struct kept *
find(struct slot *slot, const char *scope, const uint8_t *base,
    const uint8_t *name)
{
	struct kept *k;

	for (k = slot->kept; k < slot->kept + KEPT; k++)
		if (k->expanded != NULL &&
		    (base == NULL ||
		        memcmp(k->base, base, STEK_NAME_LEN) == 0) &&
		    (name == NULL ||
		        memcmp(k->name, name, STEK_NAME_LEN) == 0) &&
		    strcmp(k->scope, scope) == 0)
			return k;
	return NULL;
}

static struct kept *
keep(struct slot *slot, const char *scope, const struct stek_key *base)
{
	const struct slot_library *library = slot->home->library;
	struct kept *k = &slot->kept[slot->next++ % KEPT];
	struct stek_key STEK_WIPED key;

	forget(library, k);
	if (stek_scope_key(base, scope, &key) != STEK_OK)
		return NULL;
	k->scope = strdup(scope);
	if (k->scope == NULL)
		return NULL;
	memcpy(k->base, base->name, STEK_NAME_LEN);
	memcpy(k->name, key.name, STEK_NAME_LEN);
	k->expanded = library->expand(&key);
	return k->expanded != NULL ? k : NULL;
}

static void
wipe_set(struct stek_set *set)
{
	stek_set_clear(set);
}

/* Which of the ring's living keys has this name in this scope? */
static struct kept *
recognise(
    struct slot *slot, const char *scope, int64_t now, const uint8_t *name)
{
	struct stek_set set __attribute__((cleanup(wipe_set)));
	struct stek_key STEK_WIPED key;
	size_t i;

	stek_ring_read(ring_of(slot), &set);
	for (i = 0; i < set.count; i++)
		if (stek_key_state(&set.keys[i], now) != STEK_DEAD &&
		    stek_scope_key(&set.keys[i], scope, &key) == STEK_OK &&
		    memcmp(key.name, name, STEK_NAME_LEN) == 0)
			return keep(slot, scope, &set.keys[i]);
	return NULL;
}

const void *
slot_sealing(struct slot *slot, const char *scope, int64_t now,
    uint8_t name[STEK_NAME_LEN])
{
	struct stek_key STEK_WIPED key;
	const struct kept *k;

	if (!stek_ring_sealing(ring_of(slot), now, &key))
		return NULL;
	k = find(slot, scope, key.name, NULL);
	if (k == NULL)
		k = keep(slot, scope, &key);
	if (k == NULL)
		return NULL;
	memcpy(name, k->name, STEK_NAME_LEN);
	return k->expanded;
}

const void *
slot_opening(struct slot *slot, const char *scope, int64_t now,
    const uint8_t name[STEK_NAME_LEN], bool *renew)
{
	struct stek_key STEK_WIPED key;
	const struct kept *k;
	enum stek_open verdict;

	k = find(slot, scope, NULL, name);
	if (k == NULL)
		k = recognise(slot, scope, now, name);
	if (k == NULL)
		return NULL;
	verdict = stek_ring_opening(ring_of(slot), k->base, now, &key);
	*renew = verdict == STEK_OPEN_RENEW;
	return verdict != STEK_OPEN_NO ? k->expanded : NULL;
}

bool
slot_random(struct slot *slot, uint8_t *bytes, size_t len)
{
	const struct slots *slots = slot->home;
	struct pool *pool =
	    slots->pools == NULL ? NULL : &slots->pools[slot - slots->slot];

	return pool_take(pool, slots->library->random, bytes, len);
}
