/* SPDX-License-Identifier: ISC */
/*
 * The invariants that hold at each moment; sweep.c has those of the whole
 * farm.
 *
 *	I1	What any node seals, every node opens.
 *	I3	One key a period, and few nodes try to bring it.
 *	I4	A node's version never goes back.
 *	I5	No key's end is put off.
 *	I8	A node's set is, byte for byte, one that the store told it.
 *	I9	No key is lost while its tickets may be in use.
 *
 * Never here: anything that changes how a run goes on.
 */
#include <stdarg.h>
#include <string.h>

#include "chance.h"
#include "sim.h"

#define CLOCKS        (660 * SECOND)
#define CONFLICTS_MAX 16

void
broken(struct world *world, const char *invariant, const char *text, ...)
{
	va_list args;

	if (world->broken != NULL || world->over)
		return;
	world->broken = invariant;
	va_start(args, text);
	(void)vsnprintf(world->why, sizeof(world->why), text, args);
	va_end(args);
	trace(world, "%s broken: %s", invariant, world->why);
}

/*
 * I1.  While a node seals with a key, every node that is in step opens it: one
 * that is alive, reaches the store, has a clock right within 11 minutes, and
 * whose servers had the newest set since.  Exceptions: a key that was let seal
 * without waiting (the farm's first, a revocation's, one whose time to wait
 * was over) counts at a node once that has it; one that an operator has
 * revoked does not count; nor does one that is at its end and sealed with only
 * by nodes that are cut off or whose servers take no keys.
 */
static void
check_open(struct world *world, const struct known *key)
{
	bool seals = key->strict > 0;

	if (key->loose > 0 && key->stored &&
	    key->open_until * SECOND - CLOCKS > world->now)
		seals = true;
	if (seals && key->wished == 0 && key->openers < world->counted)
		broken(world, "I1",
		    "of %u nodes in step %u open key %02x%02x, with which "
		    "%u of them and %u others seal",
		    world->counted, key->openers, key->name[0], key->name[1],
		    key->strict, key->loose);
}

void
check_keys(struct world *world)
{
	const struct known *key;
	size_t i;

	for (i = world->key_first; i < world->key_count; i++) {
		key = &world->keys[i];
		if (i == world->key_first && !key->stored &&
		    key->strict + key->loose + key->openers == 0)
			world->key_first++;
		else
			check_open(world, key);
	}
}

/* Whoever has not this key yet is not counted on until it has. */
static void
excuse(struct world *world, uint32_t id)
{
	struct node *node;
	uint32_t i;
	size_t k;

	for (i = 0; i < world->node_count; i++) {
		node = &world->nodes[i];
		if (!node->in_step_servers)
			continue;
		for (k = 0; k < node->open_count; k++)
			if (node->opens[k] == id)
				break;
		if (k == node->open_count)
			servers_count(world, node, false);
	}
}

static bool
was_dry(const struct world *world, const struct swap *swap,
    const struct stek_set *old)
{
	int64_t clock = node_now(world, &world->nodes[swap->node]) / SECOND;
	int64_t now = world->now / SECOND;

	/* Or before the last key begins: it is late. */
	if (world->last_from != 0 &&
	    stek_set_sealing(old, world->last_from - 1) == NULL)
		return true;
	return stek_set_sealing(old, clock) == NULL ||
	       stek_set_sealing(old, now) == NULL ||
	       stek_set_sealing(old, clock - 6) == NULL;
}

/* May it let a key seal that nodes have not confirmed? */
static bool
is_excused(const struct world *world, const struct swap *swap,
    const struct stek_set *old)
{
	int64_t clock = node_now(world, &world->nodes[swap->node]) / SECOND;
	const struct stek_key *held = held_key(old);
	int64_t postpone = world->script->conf.postpone;

	/* With a clock that is too far off a node goes by the store's. */
	if (clock < world->now / SECOND)
		clock = world->now / SECOND;
	switch (swap->offered) {
	case FARM_REVOKE:
	case FARM_RESTORE:
		return true;
	case FARM_FORCE:
		return was_dry(world, swap, old) ||
		       (held != NULL && postpone != FARM_WAIT &&
		           clock >= held_from(held) + postpone);
	case FARM_PLAN:
	case FARM_ROTATE:
		return was_dry(world, swap, old);
	default:
		return false;
	}
}

/*
 * Where nobody tells nodes the store's clock, a run is over when one of them
 * acts by a clock that is behind, or has been ahead for ten minutes, or since
 * its stekd has begun: nothing could tell it, and nothing is promised.
 */
static bool
is_misled(const struct world *world, const struct swap *swap)
{
	const struct node *node = &world->nodes[swap->node];

	return world->script->clockless &&
	       !servers_is_clock_right(world, node) &&
	       (node_now(world, node) < world->now ||
	           node->begun >= node->stepped ||
	           world->now - node->stepped > 9 * MINUTE);
}

void
check_before_put(
    struct world *world, const struct swap *swap, const struct stek_set *old)
{
	const struct stek_key *key, *before;
	size_t i;

	world->over |= is_misled(world, swap);
	if (!is_excused(world, swap, old))
		return;
	for (i = 0; i < swap->set.count; i++) {
		key = &swap->set.keys[i];
		before = stek_set_find(old, key->name);
		if (!held_is(key) && (before == NULL || held_is(before)))
			excuse(world, servers_key(world, key->name));
	}
}

static int64_t
from_of(const struct stek_key *key)
{
	return held_is(key) ? held_from(key) : key->seal_from;
}

/*
 * I3.  A key that the plan makes seals no sooner than `rotate` after the one
 * before, unless nothing seals, or the store was tampered with, or an operator
 * has had a wish since, or nobody tells nodes the store's clock.  And no more
 * than 16 swaps in a row find that somebody else was faster.
 */
static void
check_period(
    struct world *world, const struct swap *swap, const struct stek_set *old)
{
	const struct stek_key *new = &swap->set.keys[swap->set.count - 1];
	int64_t rotate = world->script->conf.policy.rotate;
	bool is_new;

	if (swap->set.count == 0)
		return;
	is_new = stek_set_find(old, new->name) == NULL;
	if (is_new && swap->offered == FARM_PLAN && !world->script->clockless &&
	    world->last_from != 0 && !was_dry(world, swap, old) &&
	    from_of(new) < world->last_from + rotate &&
	    from_of(new) != world->last_until)
		broken(world, "I3",
		    "a key from %lld on came only %lld s after the last",
		    (long long)from_of(new),
		    (long long)(from_of(new) - world->last_from));
	world->last_from = from_of(new);
	world->last_until = new->seal_until;
	if (swap->offered == FARM_REVOKE || swap->offered == FARM_ROTATE)
		world->last_from = 0;
	world->count.mints += is_new;
}

/* When a key is no longer needed, also if its times do not say so yet. */
static int64_t
end_of(struct world *world, const struct stek_set *set, size_t at)
{
	int64_t end = servers_known(world, set->keys[at].name)->open_until;
	int64_t next;

	if (at + 1 == set->count || held_is(&set->keys[at + 1]))
		return end;
	next = set->keys[at + 1].seal_from + world->script->conf.policy.tickets;
	return next < end ? next : end;
}

/*
 * I9, but for revoked keys, those that give way in a full set, and those of a
 * store that was set back, when the farm's newer set takes their place, or to
 * a time at which they were held; and those with which only servers whose
 * clocks are ahead have sealed.  The clock of who does it may be as far ahead
 * as the lead is long.
 */
static void
check_lost(
    struct world *world, const struct swap *swap, const struct stek_set *old)
{
	int64_t lead = world->script->conf.policy.lead * SECOND;
	int64_t end = world->now + (lead > CLOCKS ? lead : CLOCKS);
	const struct known *key;
	size_t i;

	if (swap->set.version != old->version + 1 ||
	    swap->offered == FARM_RESTORE || old->count == STEK_KEYS_MAX)
		return;
	for (i = 0; i < old->count; i++) {
		key = servers_known(world, old->keys[i].name);
		if (stek_set_find(&swap->set, key->name) == NULL &&
		    key->sealed && key->wished == 0 &&
		    old->keys[i].seal_from <= world->now / SECOND &&
		    end_of(world, old, i) * SECOND > end)
			broken(world, "I9",
			    "key %02x%02x left the set %lld s too soon",
			    key->name[0], key->name[1],
			    (long long)(end_of(world, old, i) -
			                world->now / SECOND));
	}
}

static void
note_revoked(struct world *world, const struct stek_set *set)
{
	struct known *key;
	size_t i;

	for (i = world->key_first; i < world->key_count; i++) {
		key = &world->keys[i];
		if (key->wished != 0 && key->revoked == 0 &&
		    stek_set_find(set, key->name) == NULL)
			key->revoked = world->now;
	}
}

static void
note_count(struct world *world, const struct swap *swap)
{
	struct count *count = &world->count;

	count->attempts++;
	count->conflicts += swap->end == FARM_CONFLICT;
	count->refused += swap->end == FARM_REFUSED;
	count->plans += swap->offered == FARM_PLAN && swap->end != FARM_REFUSED;
	count->planned +=
	    swap->offered == FARM_PLAN && swap->end == FARM_SWAPPED;
	if (swap->end == FARM_CONFLICT)
		world->tries++;
	if (world->tries > count->worst)
		count->worst = world->tries;
	if (swap->end != FARM_SWAPPED)
		return;
	world->tries = 0;
	count->confirms += swap->offered == FARM_CONFIRM;
	count->forces += swap->offered == FARM_FORCE;
	count->restores += swap->offered == FARM_RESTORE;
}

/* A swap has come to the store; old is what was there if it was done. */
void
check_stored(
    struct world *world, const struct swap *swap, const struct stek_set *old)
{
	note_count(world, swap);
	if (world->tries > CONFLICTS_MAX)
		broken(world, "I3", "%u swaps in a row were too late",
		    world->tries);
	if (swap->end != FARM_SWAPPED)
		return;
	check_period(world, swap, old);
	check_lost(world, swap, old);
	note_revoked(world, &swap->set);
}

static bool
is_same(const struct stek_set *a, const struct stek_set *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * I5, at a node: times come sooner, or a held key gets its own.  But a farm
 * whose store was set back may have gone on from there, if no node that had
 * the newest set was there to put it back.
 */
static void
check_times(
    struct world *world, const struct node *node, const struct stek_set *before)
{
	const struct stek_key *key, *old;
	size_t i;

	if (node->farm.set.version == before->version ||
	    node->adopted < world->store.forked + SECOND)
		return;
	for (i = 0; i < node->farm.set.count; i++) {
		key = &node->farm.set.keys[i];
		old = stek_set_find(before, key->name);
		if (old == NULL || held_is(old))
			continue;
		if (key->open_until > old->open_until ||
		    key->seal_until > old->seal_until)
			broken(world, "I5",
			    "node %u: the end of key %02x%02x was put off",
			    node->id, key->name[0], key->name[1]);
	}
}

/* I4, I5 and I8, at each step of each node. */
void
check_step(struct world *world, struct node *node,
    const struct farm_event *event, const struct stek_set *before,
    const struct stek_set *offer)
{
	const struct stek_set *set = &node->farm.set;

	if (set->version < before->version || set->version < node->seen)
		broken(world, "I4", "node %u went back from set %llu to %llu",
		    node->id, (unsigned long long)before->version,
		    (unsigned long long)set->version);
	if (is_same(set, before))
		return;
	if (!(event->what == FARM_FOUND && event->set != NULL &&
	        is_same(set, event->set)) &&
	    !(event->what == FARM_SWAPPED && is_same(set, offer)))
		broken(world, "I8",
		    "node %u has a set %llu that nobody has stored", node->id,
		    (unsigned long long)set->version);
	check_times(world, node, before);
	node->adopted = world->now;
}
