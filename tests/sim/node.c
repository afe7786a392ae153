/* SPDX-License-Identifier: ISC */
/*
 * What stekd does around farm.c at one node: events in, todo out.
 *
 * FARM_CONTACT comes every 2 s while a node is in step.  Between other events
 * it changes nothing but farm->contact, as long as the node wants nothing: no
 * time has come that its timer was not set for.  So contact is set before
 * each event, and the event itself is sent only while the node wants
 * something of the store; in large farms to one node in a hundred.  The
 * store's clock, which comes every ten minutes, likewise.
 *
 * Never here: what the store or servers do, what is to hold.
 */
#include <string.h>

#include "chance.h"
#include "farm_offer.h"
#include "sim.h"

#define CLOCK_EVERY (10 * MINUTE)

int64_t
node_now(const struct world *world, const struct node *node)
{
	int64_t run = world->now - EPOCH;

	return world->now + node->offset + run * node->drift / 1000000;
}

int64_t
node_ran(const struct world *world, const struct node *node)
{
	return node_now(world, node) - node->boot;
}

static int64_t
store_clock(const struct world *world)
{
	return world->now / SECOND;
}

static void
keep_contact(struct world *world, struct node *node, struct farm_event *event)
{
	struct farm *farm = &node->farm;

	if (!node->in_step || !node->linked)
		return;
	farm->contact = event->ran;
	node->contact = world->now;
	if (world->script->clockless ||
	    world->now - node->clock_seen < CLOCK_EVERY)
		return;
	farm->clock_known = true;
	farm->clock = store_clock(world) - event->ran / SECOND;
	node->clock_seen = world->now;
}

static void
keep_copy(struct node *node)
{
	node->copy = node->farm.set;
	if (node->copy.version > node->seen)
		node->seen = node->copy.version;
}

void
node_timer(struct world *world, struct node *node, const struct farm_todo *todo)
{
	int64_t delay = NEVER, wake;

	node->timer++;
	if (todo->pause != FARM_NEVER)
		delay = todo->pause > 0 ? todo->pause : 1;
	if (todo->wake != FARM_NEVER) {
		wake = todo->wake * SECOND - node_now(world, node);
		wake += wake / 1000000 * -node->drift;
		wake = wake > 0 ? wake : 1;
		delay = wake < delay ? wake : delay;
	}
	if (delay != NEVER)
		later(world, delay, EV_TIME, node->id, node->timer);
}

static bool
is_waiting(const struct farm *farm)
{
	return farm->want != FARM_NOTHING || farm->swap != FARM_IDLE ||
	       !farm->looked;
}

static void
follow(struct world *world, struct node *node, const struct farm_todo *todo)
{
	if (todo->adopted)
		keep_copy(node);
	if (todo->forked) {
		node->acked = node->placing_version = 0;
		servers_count(world, node, false);
	}
	if (todo->publish)
		servers_publish(world, node);
	if (todo->swap)
		store_send(world, node);
	if (todo->read)
		later(world, 2 * latency(world), EV_READ, node->id, node->life);
	if (todo->list)
		later(world, 2 * latency(world), EV_LIST, node->id, node->life);
	if (todo->ask)
		later(world, 2 * latency(world), EV_ASK, node->id, node->life);
	world->count.lists += todo->list;
	world->count.asks += todo->ask;
	node_timer(world, node, todo);
	if (node->in_step && is_waiting(&node->farm) && !node->contacting &&
	    (world->node_count <= 100 || node->id % 100 == 0)) {
		node->contacting = true;
		later(world, 2 * SECOND, EV_CONTACT, node->id, node->life);
	}
}

static const char *const whats[] = {
    [FARM_TIME] = "time",
    [FARM_FOUND] = "found",
    [FARM_GARBAGE] = "garbage",
    [FARM_CONTACT] = "contact",
    [FARM_CUT_OFF] = "cut off",
    [FARM_CLOCK] = "clock",
    [FARM_SWAPPED] = "swapped",
    [FARM_CONFLICT] = "conflict",
    [FARM_REFUSED] = "refused",
    [FARM_UNKNOWN] = "unknown",
    [FARM_NODES] = "nodes",
    [FARM_WRITER] = "writer",
    [FARM_DO_ROTATE] = "do rotate",
    [FARM_DO_REVOKE] = "do revoke",
};
static const char *const wants[] = {
    [FARM_NOTHING] = "nothing",
    [FARM_REVOKE] = "revoke",
    [FARM_RESTORE] = "restore",
    [FARM_ROTATE] = "rotate",
    [FARM_REKEY] = "rekey",
    [FARM_CONFIRM] = "confirm",
    [FARM_FORCE] = "force",
    [FARM_PLAN] = "plan",
};

static void
tell_step(struct world *world, struct node *node,
    const struct farm_event *event, const struct farm_todo *todo)
{
	const struct farm *farm = &node->farm;
	const struct stek_key *held = held_key(&farm->set);

	if (event->what == FARM_CONTACT && !todo->publish && !todo->swap)
		return;
	trace(world,
	    "node %u: %s%s%s -> set %llu (%zu keys%s) want %s%s%s%s%s%s%s",
	    node->id, whats[event->what], event->yes ? " yes" : "",
	    event->mine ? " mine" : "", (unsigned long long)farm->set.version,
	    farm->set.count, held != NULL ? ", one held" : "",
	    wants[farm->want], todo->adopted ? ", adopted" : "",
	    todo->publish ? ", publish" : "", todo->swap ? ", swap" : "",
	    todo->list ? ", list" : "", todo->ask ? ", ask" : "",
	    todo->undone ? ", undone" : "");
}

/* By an operator, or as they were taken away before and are there again. */
static void
note_wished(struct world *world, struct node *node)
{
	const struct stek_set *set = &node->farm.set;
	struct known *key;
	size_t i;

	for (i = 0; i < set->count; i++) {
		key = servers_known(world, set->keys[i].name);
		if (key->wished != 0 ||
		    !farm_has_revoked(&node->farm, key->name))
			continue;
		key->wished = world->now;
		key->wisher = node->id;
		key->wisher_life = node->life;
	}
}

void
node_step(struct world *world, struct node *node, struct farm_event *event)
{
	struct farm_todo todo;
	struct stek_set before = node->farm.set, offer = node->farm.offer;

	event->now = node_now(world, node) / SECOND;
	event->ran = node_ran(world, node);
	keep_contact(world, node, event);
	farm_step(&node->farm, event, &todo);
	if (world->trace != NULL)
		tell_step(world, node, event, &todo);
	if (node->farm.revoking)
		note_wished(world, node);
	check_step(world, node, event, &before, &offer);
	follow(world, node, &todo);
}

void
node_simple(struct world *world, struct node *node, enum farm_what what)
{
	struct farm_event event = {.what = what};

	if (what == FARM_CLOCK && world->script->clockless)
		return;
	event.clock = store_clock(world);
	if (what == FARM_CLOCK)
		node->clock_seen = world->now;
	node_step(world, node, &event);
}

void
node_found(struct world *world, struct node *node)
{
	struct farm_event event = {.what = FARM_FOUND};

	node->told = world->store.revision;
	node->base = node->told;
	if (world->store.holds == HOLDS_GARBAGE)
		event.what = FARM_GARBAGE;
	if (world->store.holds == HOLDS_SET) {
		event.set = &world->store.set;
		event.mine = world->store.writer == node->id;
	}
	node_step(world, node, &event);
}

/* Its daemon starts. */
void
node_begin(struct world *world, struct node *node)
{
	int64_t now = node_now(world, node) / SECOND;

	memset(&node->farm, 0, sizeof(node->farm));
	node->begun = world->now;
	node->placing = false;
	node->again = false;
	node->contacting = false;
	node->in_step = false;
	node->registered = false;
	node->acked = 0;
	farm_begin(
	    &node->farm, &node->conf, &node->copy, now, node_ran(world, node));
	servers_publish(world, node);
	node_simple(world, node, FARM_TIME);
}

void
node_join(struct world *world, struct node *node)
{
	node->in_step = true;
	node->registered = true;
	node_found(world, node);
	node_simple(world, node, FARM_CLOCK);
	node_simple(world, node, FARM_CONTACT);
	servers_try_count(world, node);
}

/* Who has had a higher version and has no keys is not waited for. */
static bool
has_confirmed(const struct node *node, const struct stek_set *set)
{
	if (node->acked == 0 && node->farm.set.version > set->version)
		return true;
	return node->acked == set->version &&
	       memcmp(&node->farm.set, set, sizeof(*set)) == 0;
}

static void
answer(struct world *world, struct node *node, enum farm_what what)
{
	struct farm_event event = {.what = what};
	uint32_t i, writer = world->store.writer;

	event.yes = what == FARM_NODES;
	for (i = 0; what == FARM_NODES && i < world->node_count; i++)
		if (store_is_live(world, &world->nodes[i]) &&
		    !has_confirmed(&world->nodes[i], &node->farm.set))
			event.yes = false;
	if (what == FARM_WRITER)
		event.yes = writer != NOBODY &&
		            store_is_live(world, &world->nodes[writer]);
	node_step(world, node, &event);
}

/* Of the store's answers; those that were lost come when it is back. */
static void
hear(struct world *world, struct node *node, const struct event *event)
{
	if (event->gen != node->life || !node->in_step)
		return;
	if (!node->linked) {
		later(world, SECOND, (enum what)event->what, node->id,
		    node->life);
		return;
	}
	switch (event->what) {
	case EV_CONTACT:
		node->contacting = false;
		node_simple(world, node, FARM_CONTACT);
		break;
	case EV_READ:
		node_found(world, node);
		break;
	case EV_LIST:
		answer(world, node, FARM_NODES);
		break;
	case EV_ASK:
		answer(world, node, FARM_WRITER);
		break;
	case EV_CLOCK:
		node_simple(world, node, FARM_CLOCK);
		break;
	default:
		break;
	}
}

void
node_event(struct world *world, const struct event *event)
{
	struct node *node = &world->nodes[event->node];

	if (!node->up || node->naps > 0)
		return;
	switch (event->what) {
	case EV_TIME:
		if (event->gen == node->timer)
			node_simple(world, node, FARM_TIME);
		break;
	case EV_WATCH:
		if (node->linked && node->in_step &&
		    node->told != world->store.revision)
			node_found(world, node);
		break;
	case EV_CUT:
		if (event->gen != node->link || !node->in_step)
			break;
		node->in_step = false;
		node_simple(world, node, FARM_CUT_OFF);
		break;
	case EV_JOIN:
		if (event->gen == node->link)
			node_join(world, node);
		break;
	default:
		hear(world, node, event);
	}
}
