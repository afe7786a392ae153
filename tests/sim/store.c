/* SPDX-License-Identifier: ISC */
/*
 * The store: one value with a revision and its writer's name beside it, and
 * swaps on their way there and back.
 *
 * Never here: what a node makes of an answer, faults' times.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "sim.h"

#define TIMEOUT (5 * SECOND)

bool
store_is_live(const struct world *world, const struct node *node)
{
	return node->registered && (node->linked || world->now < node->lease);
}

static int64_t
end_of(const struct world *world, const struct stek_set *set, size_t at)
{
	const struct stek_key *key = &set->keys[at];

	return held_is(key) ? held_open_until(key, &world->script->conf.policy)
	                    : key->open_until;
}

static void
note_keys(struct world *world, const struct stek_set *set)
{
	struct known *key;
	int64_t end;
	size_t i;

	for (i = world->key_first; i < world->key_count; i++)
		world->keys[i].stored = false;
	for (i = 0; i < set->count; i++) {
		key = servers_known(world, set->keys[i].name);
		key->stored = true;
		end = end_of(world, set, i);
		if (key->open_until == 0 || end < key->open_until)
			key->open_until = end;
		if (end > key->last_end)
			key->last_end = end;
	}
}

static void
note_past(struct store *store)
{
	if (store->past_count > 0 &&
	    store->past[(store->past_count - 1) % PAST_MAX].version ==
	        store->set.version)
		store->past_count--;
	store->past[store->past_count++ % PAST_MAX] = store->set;
}

void
store_put(struct world *world, enum holds holds, const struct stek_set *set,
    uint32_t writer)
{
	struct store *store = &world->store;
	uint32_t i;

	store->revision++;
	store->holds = holds;
	store->writer = writer;
	store->changed = world->now;
	if (set != NULL) {
		store->set = *set;
		note_keys(world, set);
		if (set->version > store->highest)
			store->highest = set->version;
		if (set->version < store->highest)
			store->forked = world->now;
	}
	/* Who has not heard of the newest set cannot any more. */
	for (i = 0; i < world->node_count && holds == HOLDS_GARBAGE; i++)
		if (world->nodes[i].farm.set.version < store->highest)
			servers_count(world, &world->nodes[i], false);
	for (i = 0; i < world->node_count; i++)
		if (world->nodes[i].linked)
			later(world, latency(world), EV_WATCH, i, 0);
}

static void
send(struct world *world, struct swap *swap, enum what what, int64_t delay,
    bool late)
{
	struct event event = {.what = what, .swap = swap, .gen = late};

	event.at = world->now + delay;
	swap->events++;
	queue_put(&world->queue, &event);
}

void
store_send(struct world *world, struct node *node)
{
	struct swap *swap = calloc(1, sizeof(*swap));
	bool losing = world->store.losing > 0;
	int64_t delay = latency(world);

	if (swap == NULL)
		abort();
	swap->node = node->id;
	swap->life = node->life;
	swap->revision = node->base;
	swap->offered = node->farm.offered;
	swap->set = node->farm.offer;
	swap->unheard = losing && chance_one_in(&world->random, 2);
	node->flying = swap;
	/* Late: the node has given up by then, and may have sent another. */
	if (losing && chance_one_in(&world->random, 3))
		delay +=
		    TIMEOUT + chance_between(&world->random, 0, 2 * SECOND);
	if (node->linked && !(losing && chance_one_in(&world->random, 3)))
		send(world, swap, EV_SWAP, delay, false);
	send(world, swap, EV_ANSWER, TIMEOUT, true);
}

static bool
compare(const struct store *store, const struct swap *swap)
{
	return swap->revision == store->revision;
}

static const char *
tell_end(enum farm_what end)
{
	if (end == FARM_SWAPPED)
		return "done";
	return end == FARM_REFUSED ? "refused" : "conflict";
}

/* By their names; when they begin and end to seal, and end to open. */
static void
tell_keys(struct world *world, const struct stek_set *set)
{
	const struct stek_key *key;
	size_t i;

	if (world->trace == NULL)
		return;
	for (i = 0; i < set->count; i++) {
		key = &set->keys[i];
		trace(world,
		    "store:   key %02x%02x from %lld until %lld open %lld%s",
		    key->name[0], key->name[1],
		    (long long)(key->seal_from - EPOCH / SECOND -
		                (held_is(key) ? HELD_FOR : 0)),
		    (long long)(key->seal_until - EPOCH / SECOND),
		    (long long)(key->open_until - EPOCH / SECOND),
		    held_is(key) ? " held" : "");
	}
}

/* The store takes it, or does not. */
static void
take(struct world *world, struct swap *swap)
{
	struct store *store = &world->store;
	struct stek_set old = store->set;

	swap->end = FARM_CONFLICT;
	if (store->refusing > 0)
		swap->end = FARM_REFUSED;
	else if (compare(store, swap))
		swap->end = FARM_SWAPPED;
	trace(world, "store: swap for set %llu by node %u: %s",
	    (unsigned long long)swap->set.version, swap->node,
	    tell_end(swap->end));
	if (swap->end == FARM_SWAPPED) {
		if (store->holds != HOLDS_SET)
			stek_set_clear(&old);
		tell_keys(world, &swap->set);
		check_before_put(world, swap, &old);
		store_put(world, HOLDS_SET, &swap->set, swap->node);
		swap->taken = store->revision;
		note_past(store);
	}
	check_stored(world, swap, &old);
	if (!swap->unheard)
		send(world, swap, EV_ANSWER, latency(world), false);
}

/* Told in time, or else that nothing is known. */
static void
tell(struct world *world, struct swap *swap, bool late)
{
	struct node *node = &world->nodes[swap->node];

	if (node->flying != swap || node->life != swap->life || !node->up ||
	    node->naps > 0 || (!late && !node->linked))
		return;
	node->flying = NULL;
	if (late) {
		node_simple(world, node, FARM_UNKNOWN);
		return;
	}
	if (swap->end == FARM_SWAPPED && node->base < swap->taken)
		node->base = swap->taken;
	node_simple(world, node, swap->end);
}

void
store_event(struct world *world, const struct event *event)
{
	struct swap *swap = event->swap;

	if (event->what == EV_SWAP)
		take(world, swap);
	else
		tell(world, swap, event->gen != 0);
	if (--swap->events == 0)
		free(swap);
}
