/* SPDX-License-Identifier: ISC */
/*
 * Servers: what they seal and open with, by what they were given and by their
 * host's clock.  Of each key it is counted who seals and who opens with it,
 * for check.c.
 *
 * Never here: what is to hold.
 * Invariant: the counts are those of the nodes' servers at this moment.
 */
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "sim.h"

#define CLOCK_RIGHT (660 * SECOND)

bool
servers_is_clock_right(const struct world *world, const struct node *node)
{
	int64_t error = node_now(world, node) - world->now;

	return error <= CLOCK_RIGHT && error >= -CLOCK_RIGHT;
}

uint32_t
servers_key(struct world *world, const uint8_t name[STEK_NAME_LEN])
{
	size_t i;

	/* It is one of the latest. */
	for (i = world->key_count; i > 0; i--)
		if (memcmp(world->keys[i - 1].name, name, STEK_NAME_LEN) == 0)
			return (uint32_t)(i - 1);
	if (world->key_count == world->key_room) {
		world->key_room = world->key_room * 2 + 64;
		world->keys = realloc(
		    world->keys, world->key_room * sizeof(world->keys[0]));
		if (world->keys == NULL)
			abort();
	}
	memset(&world->keys[world->key_count], 0, sizeof(world->keys[0]));
	memcpy(world->keys[world->key_count].name, name, STEK_NAME_LEN);
	return (uint32_t)world->key_count++;
}

struct known *
servers_known(struct world *world, const uint8_t name[STEK_NAME_LEN])
{
	uint32_t id = servers_key(world, name);

	return &world->keys[id];
}

static void
add(struct world *world, struct node *node, uint32_t by)
{
	struct known *key;
	size_t i;

	if (node->seals != NOBODY) {
		key = &world->keys[node->seals];
		if (node->was_strict)
			key->strict += by;
		else
			key->loose += by;
		key->sealed = true;
		world->sealed_once = true;
	}
	if (!node->was_counted)
		return;
	world->counted += by;
	for (i = 0; i < node->open_count; i++)
		world->keys[node->opens[i]].openers += by;
}

static void
look(struct world *world, struct node *node)
{
	int64_t now = node_now(world, node) / SECOND;
	const struct stek_key *seals = stek_set_sealing(&node->view, now);
	size_t i;

	node->seals = NOBODY;
	node->open_count = 0;
	if (node->naps > 0)
		return;
	if (seals != NULL)
		node->seals = node->ids[seals - node->view.keys];
	for (i = 0; i < node->view.count; i++)
		if (stek_key_state(&node->view.keys[i], now) != STEK_DEAD)
			node->opens[node->open_count++] = node->ids[i];
}

static void
set_timer(struct world *world, struct node *node)
{
	int64_t now = node_now(world, node);
	int64_t wake = stek_set_wake(&node->view, now / SECOND), delay;

	node->server_timer++;
	if (wake == INT64_MAX)
		return;
	delay = wake * SECOND - now;
	delay += delay / 1000000 * -node->drift;
	later(world, delay > 0 ? delay : 1, EV_SERVERS, node->id,
	    node->server_timer);
}

/*
 * A key that was held when servers last took any has ended by what they know,
 * though it was let seal since, and late.
 */
static bool
is_behind(const struct world *world, const struct node *node)
{
	int64_t now = node_now(world, node) / SECOND;
	size_t i;

	for (i = 0; node->placing && i < node->view.count; i++)
		if (held_is(&node->view.keys[i]) &&
		    stek_key_state(&node->view.keys[i], now) == STEK_DEAD)
			return true;
	return false;
}

void
servers_refresh(struct world *world, struct node *node)
{
	add(world, node, (uint32_t)-1);
	if (is_behind(world, node))
		node->in_step_servers = false;
	look(world, node);
	node->was_counted = node->in_step_servers && node->naps == 0;
	node->was_strict =
	    node->was_counted && node->fails == 0 && node->slows == 0;
	add(world, node, 1);
	if (node->seals != NOBODY)
		node->dry = NEVER;
	else if (node->dry == NEVER)
		node->dry = world->now;
	set_timer(world, node);
	check_keys(world);
}

void
servers_count(struct world *world, struct node *node, bool counted)
{
	if (node->in_step_servers == counted)
		return;
	node->in_step_servers = counted;
	servers_refresh(world, node);
}

/* From now on it is counted on, if it is in step to the last. */
void
servers_try_count(struct world *world, struct node *node)
{
	const struct store *store = &world->store;

	if (node->in_step_servers || node->placing ||
	    store->holds != HOLDS_SET || store->set.version < store->highest ||
	    memcmp(&node->farm.set, &store->set, sizeof(store->set)) != 0)
		return;
	if (node->up && node->linked && node->in_step && !node->farm.stale &&
	    node->acked >= store->highest && node->acked > 0 &&
	    node->naps == 0 && servers_is_clock_right(world, node))
		servers_count(world, node, true);
}

static void
place(struct world *world, struct node *node)
{
	int64_t delay = chance_scale(&world->random, 50, 2 * SECOND);

	if (node->slows > 0)
		delay = chance_scale(&world->random, 2 * SECOND, 5 * MINUTE);
	node->placing = true;
	node->again = false;
	node->placing_version = node->farm.set.version;
	farm_view(&node->farm, node_ran(world, node), &node->placed);
	if (node->fails == 0)
		later(world, delay, EV_APPLY, node->id, node->life);
}

/* The daemon has other keys for them, or may have. */
void
servers_publish(struct world *world, struct node *node)
{
	struct stek_set view;

	/* Without a copy it has nothing to give, or to acknowledge, yet. */
	if (node->farm.set.count == 0 && !node->farm.stale)
		return;
	if (node->placing) {
		node->again = true;
		return;
	}
	farm_view(&node->farm, node_ran(world, node), &view);
	if (memcmp(&view, &node->view, sizeof(view)) != 0) {
		place(world, node);
		return;
	}
	node->acked = node->farm.set.version;
	servers_try_count(world, node);
}

/* What failed is tried again with the newest set. */
void
servers_try_again(struct world *world, struct node *node)
{
	node->placing = false;
	servers_publish(world, node);
}

void
servers_applied(struct world *world, struct node *node)
{
	size_t i;

	add(world, node, (uint32_t)-1);
	node->seals = NOBODY;
	node->open_count = 0;
	node->was_counted = false;
	node->view = node->placed;
	for (i = 0; i < node->view.count; i++)
		node->ids[i] = servers_key(world, node->view.keys[i].name);
	node->placing = false;
	node->acked = node->placing_version;
	trace(world, "node %u: servers have set %llu", node->id,
	    (unsigned long long)node->acked);
	servers_refresh(world, node);
	if (node->again)
		servers_publish(world, node);
	servers_try_count(world, node);
}

/* The host has gone down. */
void
servers_forget(struct world *world, struct node *node)
{
	add(world, node, (uint32_t)-1);
	memset(&node->view, 0, sizeof(node->view));
	node->in_step_servers = false;
	node->was_counted = false;
	node->seals = NOBODY;
	node->open_count = 0;
}
