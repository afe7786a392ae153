/* SPDX-License-Identifier: ISC */
/*
 * A run, from its script's first event to its last, or to the first that
 * breaks an invariant.
 *
 * Never here: what events do.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "sim.h"

#define LARGE 1000 /* nodes */

void
trace(struct world *world, const char *text, ...)
{
	va_list args;

	if (world->trace == NULL)
		return;
	(void)fprintf(world->trace, "%14.3f  ",
	    (double)(world->now - EPOCH) / (double)SECOND);
	va_start(args, text);
	(void)vfprintf(world->trace, text, args);
	va_end(args);
	(void)fputc('\n', world->trace);
}

/* One way between a node and the store. */
int64_t
latency(struct world *world)
{
	return chance_scale(&world->random, 1, 130);
}

void
later(struct world *world, int64_t delay, enum what what, uint32_t node,
    uint32_t gen)
{
	struct event event = {.what = (int)what, .node = node, .gen = gen};

	event.at = world->now + delay;
	queue_put(&world->queue, &event);
}

static int64_t
choose_offset(uint64_t *chance, uint32_t odd)
{
	if (chance_one_in(chance, odd))
		return chance_one_in(chance, 2) ? 600 * SECOND : -600 * SECOND;
	return chance_between(chance, -50, 50);
}

static void
make_node(struct world *world, uint32_t id)
{
	const struct script *script = world->script;
	uint64_t chance = chance_of(script->seed, 1000 + id);
	struct node *node = &world->nodes[id];

	node->id = id;
	node->conf = script->conf;
	node->conf.node = chance_next(&chance);
	/* Node 0 has a right clock and may change the set. */
	if (id > 0) {
		node->offset = choose_offset(&chance, script->odd);
		node->drift = chance_between(&chance, -20, 20);
		node->conf.mint = !chance_one_in(&chance, 8);
	}
	node->seals = NOBODY;
	node->dry = NEVER;
	node->fine = NEVER;
	node->life = 1;
	later(world,
	    script->nodes < LARGE ? chance_scale(&chance, 1, 10 * SECOND)
	                          : chance_between(&chance, 1, 10 * MINUTE),
	    EV_START, id, 0);
}

static void
begin(struct world *world, const struct script *script)
{
	uint32_t i;

	world->script = script;
	world->now = EPOCH;
	world->random = chance_of(script->seed, 3);
	world->node_count = script->nodes;
	world->calm = EPOCH;
	world->store.writer = NOBODY;
	world->store.revision = 1;
	world->nodes = calloc(script->nodes, sizeof(world->nodes[0]));
	if (world->nodes == NULL)
		abort();
	chance_keys(chance_of(script->seed, 4));
	for (i = 0; i < script->nodes; i++)
		make_node(world, i);
	for (i = 0; i < script->count; i++)
		if (!script->faults[i].dropped)
			later(world, script->faults[i].at, EV_FAULT, i, 0);
	later(world, MINUTE, EV_SWEEP, 0, 0);
}

static void
handle(struct world *world, const struct event *event)
{
	struct node *node = &world->nodes[event->node % world->node_count];

	switch (event->what) {
	case EV_START:
		life_start(world, node);
		break;
	case EV_APPLY:
		if (event->gen == node->life && node->placing &&
		    node->naps == 0 && node->fails == 0)
			servers_applied(world, node);
		break;
	case EV_SERVERS:
		if (event->gen == node->server_timer)
			servers_refresh(world, node);
		break;
	case EV_SWAP:
	case EV_ANSWER:
		store_event(world, event);
		break;
	case EV_SET:
		life_set_clock(world, node, event->gen);
		break;
	case EV_FAULT:
		life_fault(world, event->node);
		break;
	case EV_HEAL:
		life_heal(world, event->node);
		break;
	case EV_SWEEP:
		check_sweep(world);
		later(world, world->node_count < LARGE ? MINUTE : 10 * MINUTE,
		    EV_SWEEP, 0, 0);
		break;
	default:
		node_event(world, event);
	}
}

void
run(const struct script *script, FILE *out, struct world *world)
{
	struct event event;

	memset(world, 0, sizeof(*world));
	world->trace = out;
	begin(world, script);
	while (world->broken == NULL && !world->over &&
	       queue_get(&world->queue, &event) &&
	       event.at < EPOCH + script->length) {
		world->now = event.at;
		world->count.events++;
		handle(world, &event);
	}
}

void
run_free(struct world *world)
{
	struct event event;
	struct swap *swap;

	while (queue_get(&world->queue, &event)) {
		swap = event.swap;
		if (swap != NULL && --swap->events == 0)
			free(swap);
	}
	free(world->queue.heap);
	free(world->nodes);
	free(world->keys);
}
