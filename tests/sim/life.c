/* SPDX-License-Identifier: ISC */
/*
 * What goes wrong, as it begins and as it ends; and operators' wishes.
 *
 * Never here: how farms take it.
 * Invariant: what began has ended when its fault has.
 */
#include <string.h>

#include "chance.h"
#include "sim.h"

static bool
is_linked(const struct node *node)
{
	return node->up && node->cuts == 0 && node->naps == 0;
}

static bool
is_fine(const struct world *world, const struct node *node)
{
	return node->linked && node->fails == 0 && node->slows == 0 &&
	       servers_is_clock_right(world, node);
}

static void
look_fine(struct world *world, struct node *node)
{
	if (!is_fine(world, node))
		node->fine = NEVER;
	else if (node->fine == NEVER)
		node->fine = world->now;
}

/* Its link to the store may have come or gone. */
void
life_link(struct world *world, struct node *node)
{
	bool linked = is_linked(node);

	if (linked != node->linked) {
		node->linked = linked;
		node->link++;
		if (linked) {
			later(world, chance_scale(&world->random, 100, 3000),
			    EV_JOIN, node->id, node->link);
		} else {
			node->lease = world->now + LEASE;
			node->contact = world->now;
			if (node->in_step)
				node->farm.contact = node_ran(world, node);
			servers_count(world, node, false);
			later(world, chance_between(&world->random, 0, 5000),
			    EV_CUT, node->id, node->link);
		}
	}
	look_fine(world, node);
}

static void
die(struct world *world, struct node *node, bool host, bool lost)
{
	node->up = false;
	node->life++;
	node->timer++;
	node->flying = NULL;
	if (lost && node->id != 0) {
		memset(&node->copy, 0, sizeof(node->copy));
		node->copy.version = node->seen;
	}
	if (host)
		servers_forget(world, node);
	life_link(world, node);
	node->registered = node->registered && node->lease > world->now;
}

static void
rise(struct world *world, struct node *node, bool host)
{
	node->up = true;
	node->life++;
	if (host)
		node->boot = node_now(world, node) - 5 * SECOND;
	node->awake = world->now;
	node_begin(world, node);
	servers_refresh(world, node);
	life_link(world, node);
}

/* Its clock may be wrong until somebody sets it. */
static void
boot(struct world *world, struct node *node, const struct fault *fault)
{
	bool host = fault->kind == FAULT_REBOOT;

	node->owed = NULL;
	if (host)
		node->offset += fault->arg * SECOND;
	if (host)
		node->stepped = world->now;
	if (host && fault->arg != 0)
		later(world,
		    chance_between(&world->random, 5 * SECOND, 2 * MINUTE),
		    EV_SET, node->id,
		    (uint32_t)(fault - world->script->faults));
	rise(world, node, host);
}

void
life_start(struct world *world, struct node *node)
{
	/* Unless the end of a fault has started it before. */
	if (node->up || node->life > 1)
		return;
	if (node->naps > 0)
		later(world, MINUTE, EV_START, node->id, 0);
	else
		rise(world, node, true);
}

static void
step_clock(struct world *world, struct node *node, int64_t seconds)
{
	bool was_right = servers_is_clock_right(world, node);

	node->offset += seconds * SECOND;
	node->boot += seconds * SECOND;
	if (was_right || servers_is_clock_right(world, node))
		node->stepped = world->now;
	if (!servers_is_clock_right(world, node))
		servers_count(world, node, false);
	servers_refresh(world, node);
	look_fine(world, node);
	if (!node->up || node->naps > 0)
		return;
	later(world, chance_between(&world->random, 0, 10 * MINUTE), EV_CLOCK,
	    node->id, node->life);
	node->clock_seen = world->now;
	node_simple(world, node, FARM_TIME);
	servers_try_count(world, node);
}

void
life_set_clock(struct world *world, struct node *node, uint32_t at)
{
	step_clock(world, node, -world->script->faults[at].arg);
	life_link(world, node);
}

static void
wake_up(struct world *world, struct node *node)
{
	bool flying = node->flying != NULL, first;

	node->awake = world->now;
	node->flying = NULL;
	servers_refresh(world, node);
	if (node->owed != NULL)
		boot(world, node, node->owed);
	life_link(world, node);
	if (!node->up)
		return;
	first = chance_one_in(&world->random, 2);
	if (first)
		node_simple(world, node, FARM_TIME);
	if (node->placing && node->fails == 0)
		later(world, 500, EV_APPLY, node->id, node->life);
	if (flying)
		node_simple(world, node, FARM_UNKNOWN);
	if (node->in_step) {
		node->in_step = false;
		node_simple(world, node, FARM_CUT_OFF);
	}
	node->contacting = false;
	if (!first)
		node_simple(world, node, FARM_TIME);
}

static bool
can_wish(const struct world *world, const struct node *node)
{
	return node->up && node->naps == 0 && node->conf.mint &&
	       servers_is_clock_right(world, node) &&
	       farm_trouble(&node->farm) == NULL;
}

static void
wish(struct world *world, struct node *node, const struct fault *fault)
{
	struct farm_event event = {.what = FARM_DO_ROTATE};
	const struct stek_set *set = &node->farm.set;
	const struct stek_key *key;
	struct known *known;
	size_t i;

	event.at_once = fault->arg != 0;
	key = stek_set_sealing(set, node_now(world, node) / SECOND);
	world->rotating = 0;
	if (fault->kind == FAULT_ROTATE && key != NULL) {
		world->rotating = world->now;
		world->rotated_by = world->now + 14 * MINUTE;
		if (fault->arg == 0)
			world->rotated_by +=
			    world->script->conf.policy.lead * SECOND;
		memcpy(world->rotated, key->name, STEK_NAME_LEN);
	}
	if (fault->kind == FAULT_REVOKE) {
		if (set->count == 0)
			return;
		event.what = FARM_DO_REVOKE;
		key = fault->arg == 0
		          ? stek_set_sealing(set, world->now / SECOND)
		          : &set->keys[set->count - 1];
		if (key == NULL)
			key = &set->keys[0];
		event.name = fault->arg == 2 ? NULL : key->name;
		for (i = 0; i < set->count; i++) {
			if (fault->arg != 2 && &set->keys[i] != key)
				continue;
			known = servers_known(world, set->keys[i].name);
			known->wished = world->now;
			known->wisher = node->id;
			known->wisher_life = node->life;
		}
	}
	node_step(world, node, &event);
}

/* To one node, as it begins or ends. */
static void
begin(struct world *world, struct node *node, const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_CUT:
		node->cuts++;
		break;
	case FAULT_DEATH:
	case FAULT_REBOOT:
		if (!node->up)
			break;
		die(world, node, fault->kind == FAULT_REBOOT,
		    fault->kind == FAULT_DEATH && fault->arg != 0);
		break;
	case FAULT_NAP:
		if (node->naps++ == 0) {
			servers_refresh(world, node);
			node->timer++;
		}
		break;
	case FAULT_STEP:
		step_clock(world, node, fault->arg);
		break;
	case FAULT_TARGET:
		node->fails++;
		servers_refresh(world, node);
		break;
	case FAULT_SLOW:
		node->slows++;
		servers_refresh(world, node);
		break;
	default:
		break;
	}
	life_link(world, node);
}

static void
end(struct world *world, struct node *node, const struct fault *fault)
{
	switch (fault->kind) {
	case FAULT_CUT:
		node->cuts--;
		break;
	case FAULT_DEATH:
	case FAULT_REBOOT:
		if (!node->up && node->naps > 0)
			node->owed = fault;
		else if (!node->up)
			boot(world, node, fault);
		break;
	case FAULT_NAP:
		if (--node->naps == 0)
			wake_up(world, node);
		break;
	case FAULT_STEP:
		step_clock(world, node, -fault->arg);
		break;
	case FAULT_TARGET:
		node->eased = world->now;
		if (--node->fails == 0 && node->placing && node->up)
			servers_try_again(world, node);
		break;
	case FAULT_SLOW:
		node->eased = world->now;
		if (--node->slows == 0 && node->placing && node->up)
			later(world, 500, EV_APPLY, node->id, node->life);
		break;
	default:
		break;
	}
	life_link(world, node);
}

static void
go_back(struct world *world, const struct fault *fault)
{
	struct store *store = &world->store;
	size_t back = (size_t)fault->arg, room = store->past_count;

	if (room < 2)
		return;
	room = room > PAST_MAX ? PAST_MAX : room;
	if (back >= room)
		back = room - 1;
	store->past_count -= back;
	store_put(world, HOLDS_SET,
	    &store->past[(store->past_count - 1) % PAST_MAX],
	    (uint32_t)chance_between(
	        &world->random, 0, (int64_t)world->node_count - 1));
}

static void
spoil(struct world *world, const struct fault *fault, bool begins)
{
	struct store *store = &world->store;

	world->last_from = 0;
	if (fault->kind == FAULT_BACK) {
		if (store->spoilt == 0)
			go_back(world, fault);
		return;
	}
	if (fault->kind == FAULT_FORGE)
		store->spoilt += begins ? 1U : (uint32_t)-1;
	if (fault->kind == FAULT_FORGE && begins)
		store_put(world, HOLDS_GARBAGE, NULL, NOBODY);
	else if (store->spoilt > 0)
		return;
	else if (fault->kind == FAULT_DELETE || fault->arg != 0 ||
	         store->past_count == 0)
		store_put(world, HOLDS_NOTHING, NULL, NOBODY);
	else
		store_put(world, HOLDS_SET,
		    &store->past[(store->past_count - 1) % PAST_MAX], NOBODY);
}

static bool
is_hit(const struct world *world, const struct fault *fault, uint32_t at,
    uint32_t node)
{
	if (fault->node == ALL)
		return true;
	if (fault->node == HALF)
		return chance_of(world->script->seed + at, node) % 2 == 0;
	return node == world->hit[at];
}

static void
each(struct world *world, uint32_t at, bool begins)
{
	const struct fault *fault = &world->script->faults[at];
	uint32_t i;

	for (i = 0; i < world->node_count; i++) {
		if (!is_hit(world, fault, at, i))
			continue;
		if (begins)
			begin(world, &world->nodes[i], fault);
		else
			end(world, &world->nodes[i], fault);
	}
}

static void
change(struct world *world, uint32_t at, bool begins)
{
	const struct fault *fault = &world->script->faults[at];
	uint32_t step = begins ? 1 : (uint32_t)-1, node = world->hit[at];

	if (fault->kind >= FAULT_LOSE)
		world->store.clear = world->now;
	switch (fault->kind) {
	case FAULT_LOSE:
		world->store.losing += step;
		break;
	case FAULT_REFUSE:
		world->store.refusing += step;
		break;
	case FAULT_BACK:
	case FAULT_DELETE:
	case FAULT_FORGE:
		spoil(world, fault, begins);
		break;
	case FAULT_ROTATE:
	case FAULT_REVOKE:
		world->last_from = 0;
		if (begins && can_wish(world, &world->nodes[node]))
			wish(world, &world->nodes[node], fault);
		break;
	default:
		each(world, at, begins);
	}
}

void
life_fault(struct world *world, uint32_t at)
{
	const struct fault *fault = &world->script->faults[at];
	uint32_t node = fault->node;

	if (node == WRITER)
		node = world->store.writer;
	if (node == NOBODY || node >= world->node_count)
		node = (uint32_t)(fault->at % world->node_count);
	world->hit[at] = node;
	trace(world, "fault %u begins (%s)", at, script_name(fault->kind));
	world->faults++;
	change(world, at, true);
	later(world, fault->len > 0 ? fault->len : 1, EV_HEAL, at, 0);
}

void
life_heal(struct world *world, uint32_t at)
{
	trace(world, "fault %u has ended", at);
	world->faults--;
	world->calm = world->now;
	if (world->script->faults[at].len > 0)
		change(world, at, false);
}
