/* SPDX-License-Identifier: ISC */
/* What the store tells; see node.h. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "loop.h"
#include "node.h"
#include "rotate_store.h"

#define CLOCK_WAIT 3000 /* ms */

static void
complain(struct node *node, const char *msg, const char *why)
{
	if (strcmp(node->why, why) == 0)
		return;
	log_line(LOG_ERR, msg, "why", why, NULL);
	(void)snprintf(node->why, sizeof(node->why), "%s", why);
	node->rotate->store_errors++;
}

static void
refuse_value(struct node *node, size_t len, const char *reason)
{
	const struct conf *conf = node->loop->conf;
	char why[CONF_WHY_LEN];

	(void)snprintf(why, sizeof(why),
	    "etcd: %.200sset: %zu bytes: %s; expected the set of farm \"%s\", "
	    "sealed with the farm key of this host (%.200s).  It is left as it "
	    "is, and so are this host's keys.  If the other nodes can use it, "
	    "this host has another farm key than they: copy theirs.  If none "
	    "can, delete it (\"etcdctl del %.200sset\"), and one of them "
	    "writes "
	    "its own",
	    conf->etcd.prefix, len, reason, conf->farm, conf->farm_key,
	    conf->etcd.prefix);
	complain(node, "what is in etcd cannot be used; keys go on as they are",
	    why);
	node->garbage = true;
	node_step_what(node, FARM_GARBAGE);
}

static void
read_writer(struct node *node, const uint8_t *bytes, size_t len)
{
	memcpy(node->writer, bytes, len);
	node->writer[len] = '\0';
}

static void
on_found(void *arg, const uint8_t *bytes, size_t len, int64_t revision)
{
	struct node *node = arg;
	const struct conf *conf = node->loop->conf;
	struct farm_event event = {.what = FARM_FOUND};
	enum stek_err err;
	bool next = false;

	node->revision = revision;
	if (bytes != NULL) {
		err = len <= STEK_CODEC_LEN || len > NODE_VALUE_MAX
		          ? STEK_ERR_FORMAT
		          : farm_keys_decode(&node->rotate->farm_keys, bytes,
		                STEK_CODEC_LEN, conf->farm, node->found, &next);
		if (err != STEK_OK) {
			refuse_value(node, len, stek_strerror(err));
			return;
		}
		if (next)
			rotate_store_moved_on(node->rotate);
		read_writer(node, bytes + STEK_CODEC_LEN, len - STEK_CODEC_LEN);
		event.set = node->found;
		event.mine = strcmp(node->writer, conf->node) == 0;
	}
	if (node->garbage) {
		node->garbage = false;
		node->why[0] = '\0';
	}
	node_step(node, &event);
	stek_set_clear(node->found);
}

static void
answer_farm(struct node *node, bool known)
{
	struct farm_event event = {.what = FARM_NODES};

	/* Or it was asked for by stek(1): the sooner the held key may seal. */
	if (node->asked || held_key(&node->farm->set) != NULL) {
		node->asked = false;
		event.yes = known && node_peers_confirmed(node);
		node_step(node, &event);
	}
}

void
node_store_gone(struct node *node, const char *how)
{
	char why[CONF_WHY_LEN];

	(void)snprintf(why, sizeof(why),
	    "the process that talks to etcd (stek-etcd) %.200s; another one is "
	    "started",
	    how);
	/* It may have said why before it ended. */
	if (!node->live && node->why[0] != '\0')
		(void)snprintf(why, sizeof(why), "%s", node->why);
	store_apart_stop(&node->loop->apart);
	node_told.state(node, STORE_STALE, false, why);
	if (node->farm->swap == FARM_SWAPPING)
		node_step_what(node, FARM_UNKNOWN);
	answer_farm(node, false);
}

/*
 * A node acts by its clock, so it waits a moment to hear how far that is from
 * the store's, before it counts as in step.
 */
static void
step_contact(struct node *node)
{
	if (node->since == 0)
		node->since = clock_ran();
	if (node->offset_known || clock_ran() - node->since > CLOCK_WAIT)
		node_step_what(node, FARM_CONTACT);
}

static void
on_state(void *arg, enum store_state state, bool rollback, const char *why)
{
	struct node *node = arg;

	if (rollback)
		log_line(LOG_WARNING,
		    "etcd has gone back to an earlier state; this farm's "
		    "versions do not",
		    NULL);
	if (state != STORE_LIVE) {
		complain(
		    node, "cut off from etcd; keys go on as they are", why);
		node->live = false;
		node_step_what(node, FARM_CUT_OFF);
		return;
	}
	if (!node->live) {
		log_line(LOG_INFO, "in step with etcd", NULL);
		if (!node->garbage)
			node->why[0] = '\0';
	}
	node->live = true;
	step_contact(node);
}

static void
on_swapped(void *arg, enum store_swapped result, const char *why)
{
	static const enum farm_what whats[] = {
	    [STORE_SWAPPED] = FARM_SWAPPED,
	    [STORE_CONFLICTED] = FARM_CONFLICT,
	    [STORE_REFUSED] = FARM_REFUSED,
	    [STORE_UNKNOWN] = FARM_UNKNOWN,
	};
	struct node *node = arg;

	if (result == STORE_REFUSED)
		complain(node, "etcd takes no new keys; they go on as they are",
		    why);
	else if (result == STORE_SWAPPED && node->live && !node->garbage)
		node->why[0] = '\0';
	node_step_what(node, whats[result]);
}

static void
on_alive(void *arg)
{
	step_contact(arg);
}

static void
on_untold(void *arg, const char *why)
{
	struct node *node = arg;

	if (why[0] != '\0')
		log_line(LOG_ERR,
		    "this node cannot say in etcd that it is there; others do "
		    "not wait for it",
		    "why", why, NULL);
	(void)snprintf(node->untold, sizeof(node->untold), "%s", why);
}

static void
on_nodes(
    void *arg, const struct store_node *nodes, size_t count, const char *why)
{
	struct node *node = arg;
	bool known = nodes != NULL && node_peers_take(node, nodes, count);

	(void)snprintf(node->list_why, sizeof(node->list_why), "%s",
	    known           ? ""
	    : nodes == NULL ? why
	                    : "out of memory");
	answer_farm(node, known);
	if (known)
		node_peers_tidy(node);
	control_nodes(node->loop);
}

static void
on_asked(void *arg, const char *name, bool known, bool live)
{
	struct farm_event event = {.what = FARM_WRITER};
	struct node *node = arg;

	/* What is not known is no reason to do the writer's work. */
	event.yes = !known || live || strcmp(name, node->writer) != 0;
	node_step(node, &event);
}

static void
on_rights(void *arg, enum store_rights rights)
{
	struct node *node = arg;

	node->rights = rights;
}

static void
on_clock(void *arg, int64_t seconds)
{
	struct farm_event event = {.what = FARM_CLOCK, .clock = seconds};
	struct node *node = arg;

	node->offset_known = true;
	node_step(node, &event);
	if (node->live)
		step_contact(node);
}

const struct store_told node_told = {
    .found = on_found,
    .state = on_state,
    .alive = on_alive,
    .swapped = on_swapped,
    .untold = on_untold,
    .nodes = on_nodes,
    .asked = on_asked,
    .rights = on_rights,
    .clock = on_clock,
};
