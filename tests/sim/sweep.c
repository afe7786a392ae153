/* SPDX-License-Identifier: ISC */
/*
 * The invariants that are of the whole farm, looked at every minute.
 *
 *	I2	A revoked key is not used past its bound.
 *	I5	No key opens longer than `tickets` after its successor seals,
 *		nor at any node past its own end.
 *	I6	When all is well again, all nodes agree.
 *	I7	Some key seals, and rotates in time.
 *
 * Never here: anything that changes how a run goes on.
 */
#include <string.h>

#include "sim.h"

/* A set's way to servers: a watch, and a write of their files. */
#define REACH (5 * SECOND)
/* The longest pause after failures, and a doubt about a clock. */
#define RETRY (300 * SECOND)
#define DOUBT (600 * SECOND)

static int64_t
lead(const struct world *world)
{
	return world->script->conf.policy.lead * SECOND;
}

static bool
opens(
    const struct node *node, const struct world *world, const struct known *key)
{
	size_t i;

	for (i = 0; i < node->open_count; i++)
		if (&world->keys[node->opens[i]] == key)
			return true;
	return false;
}

/* Has nothing been wrong with it, its way to the store, and the store? */
static bool
is_well(const struct world *world, const struct node *node, int64_t span)
{
	const struct store *store = &world->store;

	return node->up && node->fine != NEVER && node->in_step &&
	       store->losing + store->refusing + store->spoilt == 0 &&
	       world->now - node->fine >= span &&
	       world->now - node->begun >= span &&
	       world->now - store->clear >= span;
}

/*
 * Has the store been set back since, and has the node that was asked begun
 * anew, or can it not say so?  It may be that nobody else knows and may write.
 */
static bool
is_forgotten(const struct world *world, const struct known *key)
{
	const struct node *wisher = &world->nodes[key->wisher];

	return world->store.clear > key->revoked &&
	       (wisher->life != key->wisher_life ||
	           !is_well(world, wisher, RETRY + REACH));
}

/*
 * I2.  No node that is well opens a key later than 5 s after its revocation
 * was stored (or the longest pause after a fault of the store since); and that
 * is stored, if the node that was asked is well, within the longest pause.
 */
static void
check_revoked(struct world *world)
{
	const struct known *key;
	const struct node *node;
	uint32_t i;
	size_t k;

	for (k = world->key_first; k < world->key_count; k++) {
		key = &world->keys[k];
		if (key->wished == 0)
			continue;
		node = &world->nodes[key->wisher];
		if (key->stored && node->conf.mint &&
		    world->now - key->wished > RETRY + REACH &&
		    node->life == key->wisher_life &&
		    is_well(world, node, RETRY + REACH))
			broken(world, "I2",
			    "node %u did not revoke key %02x%02x", node->id,
			    key->name[0], key->name[1]);
		if (key->revoked == 0 || world->now - key->revoked < REACH ||
		    is_forgotten(world, key) ||
		    (world->store.clear > key->revoked &&
		        world->now - world->store.clear < RETRY + REACH))
			continue;
		for (i = 0; i < world->node_count; i++)
			if (opens(&world->nodes[i], world, key) &&
			    is_well(world, &world->nodes[i], REACH))
				broken(world, "I2",
				    "node %u opens revoked key %02x%02x", i,
				    key->name[0], key->name[1]);
	}
}

/*
 * I2, too.  A node that is cut off uses no key later than stale_after and 10 s
 * after the store last answered, by its own running time; its stekd lives, and
 * its servers take what they are given.
 */
static void
check_stale(struct world *world, const struct node *node)
{
	int64_t bound = world->script->conf.stale_after * SECOND;

	if (bound == 0 || !node->up || node->naps > 0 || node->linked ||
	    node->fails > 0 || node->slows > 0 ||
	    world->now - node->eased < 10 * SECOND)
		return;
	bound += bound / 1000 + 10 * SECOND;
	if (world->now - node->contact > bound &&
	    world->now - node->awake > 10 * SECOND && node->open_count > 0)
		broken(world, "I2",
		    "node %u, cut off for %lld s, still has keys", node->id,
		    (long long)((world->now - node->contact) / SECOND));
}

static bool
has_right_clock(const struct world *world, const struct node *node)
{
	int64_t error = node_now(world, node) - world->now;

	return error >= -MINUTE && error <= MINUTE;
}

/* Has it lost its copy, and the store and who may restore it theirs? */
static bool
is_ahead_of_all(const struct world *world, const struct node *node)
{
	return node->farm.set.count == 0 &&
	       node->farm.set.version > world->store.set.version;
}

/*
 * I6.  10 s and the longest pause after the last fault has ended, every node
 * has the store's set, and its servers have it 5 s after that was stored.
 */
static void
check_agreed(struct world *world, const struct node *node)
{
	const struct store *store = &world->store;

	if (world->now - world->calm < RETRY + 2 * REACH ||
	    world->now - store->changed < REACH)
		return;
	/* The first is made by a clock that is not in doubt. */
	if (store->highest == 0 && world->now - world->calm < RETRY + DOUBT)
		return;
	if (store->holds != HOLDS_SET)
		broken(world, "I6", "the store has no set");
	else if (is_ahead_of_all(world, node))
		return;
	else if (memcmp(&node->farm.set, &store->set, sizeof(store->set)) != 0)
		broken(world, "I6", "node %u has set %llu, the store %llu",
		    node->id, (unsigned long long)node->farm.set.version,
		    (unsigned long long)store->set.version);
	else if (node->acked != store->set.version)
		broken(world, "I6", "node %u: its servers have set %llu",
		    node->id, (unsigned long long)node->acked);
}

/*
 * I7.  While one node with a right clock is well, each such node has a key
 * that seals: for longer than a doubt and the longest pause, and for longer
 * than a lead after it came back.  Not with postpone = wait, whose point this
 * is, unless all is well.
 */
static void
check_sealing(struct world *world, const struct node *node)
{
	int64_t span = DOUBT + RETRY + MINUTE + lead(world);

	if (node->dry == NEVER || !has_right_clock(world, node) ||
	    is_ahead_of_all(world, node))
		return;
	if ((world->script->conf.postpone == FARM_WAIT ||
	        world->script->clockless) &&
	    (world->faults > 0 || world->now - world->calm < span))
		return;
	if (is_well(world, &world->nodes[0], span) &&
	    world->now - world->nodes[0].stepped >= span &&
	    has_right_clock(world, &world->nodes[0]) &&
	    is_well(world, node, 2 * MINUTE + lead(world)) &&
	    world->now - node->dry > 2 * MINUTE + lead(world))
		broken(world, "I7", "nothing seals at node %u for %lld s",
		    node->id, (long long)((world->now - node->dry) / SECOND));
}

/*
 * I7, too.  While all is well for two periods, a key seals for `rotate` to the
 * second; without a lead to hand it out in, for 11 minutes more.
 */
static void
check_rotation(struct world *world)
{
	const struct stek_policy *policy = &world->script->conf.policy;
	const struct stek_key *key;
	int64_t now = world->now / SECOND, slack;

	if (world->store.holds != HOLDS_SET ||
	    world->now - world->calm < 2 * policy->rotate * SECOND + RETRY)
		return;
	slack = policy->lead == 0 ? 660 : 2;
	key = stek_set_sealing(&world->store.set, now);
	if (key != NULL && now - key->seal_from > policy->rotate + slack)
		broken(world, "I7", "key %02x%02x seals for %lld s",
		    key->name[0], key->name[1],
		    (long long)(now - key->seal_from));
}

/*
 * I7, of an operator's rotation: with nothing wrong since, another key seals
 * 14 minutes later, for 11 of which clocks may differ, and a lead if it was not
 * to be at once.
 */
static void
check_wish(struct world *world)
{
	const struct stek_key *key;

	if (world->rotating == 0 || world->calm != world->rotating + 1) {
		world->rotating = 0;
		return;
	}
	if (world->now < world->rotated_by)
		return;
	world->rotating = 0;
	key = stek_set_sealing(&world->store.set, world->now / SECOND);
	if (key != NULL && key->seal_from + 660 < world->rotating / SECOND &&
	    memcmp(key->name, world->rotated, STEK_NAME_LEN) == 0)
		broken(world, "I7", "nothing came of a rotation");
}

/*
 * I7, of a held key: when every live node has confirmed it, it gets its time
 * within the longest pauses.
 */
static void
check_held(struct world *world)
{
	const struct store *store = &world->store;
	int64_t span = 2 * RETRY + 2 * MINUTE;
	bool ready = store->holds == HOLDS_SET &&
	             held_key(&store->set) != NULL &&
	             store->set.version == store->highest;
	uint32_t i;

	for (i = 0; i < world->node_count && ready; i++)
		if (store_is_live(world, &world->nodes[i]) &&
		    world->nodes[i].acked < store->set.version)
			ready = false;
	if (!ready || world->ready < store->changed)
		world->ready = world->now;
	else if (world->now - world->ready > span &&
	         is_well(world, &world->nodes[0], span))
		broken(world, "I7", "set %llu: its key is held for %lld s more",
		    (unsigned long long)store->set.version,
		    (long long)((world->now - world->ready) / SECOND));
}

/* I5, in the store. */
static void
check_ends(struct world *world)
{
	const struct stek_policy *policy = &world->script->conf.policy;
	const struct stek_set *set = &world->store.set;
	int64_t now = world->now / SECOND, most;
	const struct stek_key *next;
	size_t i;

	if (world->store.holds != HOLDS_SET ||
	    world->now - world->calm < 2 * policy->rotate * SECOND + RETRY)
		return;
	for (i = 0; i + 1 < set->count; i++) {
		next = &set->keys[i + 1];
		most = next->seal_from + policy->tickets;
		if (!held_is(next) &&
		    now - next->seal_from > policy->rotate + 900 &&
		    set->keys[i].open_until > most)
			broken(world, "I5",
			    "key %02x%02x opens %lld s too long",
			    set->keys[i].name[0], set->keys[i].name[1],
			    (long long)(set->keys[i].open_until - most));
	}
}

/*
 * I5, at servers, whatever has become of their stekd and the store, and by
 * their host's clock.
 */
static void
check_end(struct world *world, const struct node *node)
{
	int64_t now = node_now(world, node) / SECOND;
	const struct known *key;
	size_t i;

	for (i = 0; i < node->open_count; i++) {
		key = &world->keys[node->opens[i]];
		if (now > key->last_end + 60)
			broken(world, "I5",
			    "node %u opens key %02x%02x %lld s past its end",
			    node->id, key->name[0], key->name[1],
			    (long long)(now - key->last_end));
	}
}

void
check_sweep(struct world *world)
{
	uint32_t i;

	check_revoked(world);
	check_held(world);
	for (i = 0; i < world->node_count; i++) {
		check_stale(world, &world->nodes[i]);
		check_sealing(world, &world->nodes[i]);
		check_end(world, &world->nodes[i]);
		if (world->faults == 0)
			check_agreed(world, &world->nodes[i]);
	}
	if (world->faults == 0) {
		check_rotation(world);
		check_wish(world);
		check_ends(world);
	}
}
