/* SPDX-License-Identifier: ISC */
/*
 * What every adapter keeps between a ring and its TLS library: keys in the
 * library's expanded form, and random bytes drawn ahead.
 *
 * Expanding a key costs more than sealing a ticket with it, and an expanded
 * key is mostly not to be used by two threads at once.  So each server
 * context has slots; a callback takes the slot of the processor it runs on,
 * or the next free one, for the microsecond it needs.  No thread owns
 * anything: nothing is left behind when one ends, and what a server context
 * keeps is wiped with it.
 */
#ifndef ADAPTERS_SLOT_H
#define ADAPTERS_SLOT_H

#include <stek.h>

struct slots;
struct slot;

/* What the TLS library does; to be static. */
struct slot_library {
	/* A key in expanded form; NULL: out of memory, or refused. */
	void *(*expand)(const struct stek_key *);
	/* Wipe and free. */
	void (*forget)(void *);
	bool (*random)(uint8_t *, size_t);
};

/* NULL: out of memory.  The ring stays the caller's. */
struct slots *slots_new(const struct slot_library *, const struct stek_ring *);

/* NULL is allowed. No slot may be taken. */
void slots_free(struct slots *);

/*
 * From another ring from now on, also while slots are taken: the one before
 * must stay open until they have been given back.
 */
void slots_follow(struct slots *, const struct stek_ring *);

/*
 * Never waits.  NULL if all slots are taken: then do as without any key.
 * Keys that have left the ring are wiped here, in all slots but those that
 * are taken.
 */
struct slot *slot_take(struct slots *);
void slot_give(struct slot *);

/*
 * The expanded key that seals in this scope at `now`, and its name; NULL if
 * none does.  Valid until the slot's next use.
 */
const void *slot_sealing(
    struct slot *, const char *scope, int64_t now, uint8_t name[STEK_NAME_LEN]);

/*
 * The expanded key of that name in this scope, and whether its tickets are
 * to be renewed; NULL if none may open at `now`.
 */
const void *slot_opening(struct slot *, const char *scope, int64_t now,
    const uint8_t name[STEK_NAME_LEN], bool *renew);

/* For an IV: at most POOL_LEN bytes, as pool.h has them. */
bool slot_random(struct slot *, uint8_t *, size_t);

#endif
