/* SPDX-License-Identifier: ISC */
/* See node.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "node.h"

#define WAITS_NAMES 3
#define DAY         INT64_C(86400)

void
node_peers_free(struct node *node)
{
	free(node->peers);
	node->peers = NULL;
	node->count = 0;
}

/* Keys of it can be of no more use, nor is what it says, for a day. */
static bool
is_of_the_past(const struct node *node, const struct node_peer *peer)
{
	const struct stek_policy *policy = &node->loop->conf->policy;

	return !peer->live && peer->readable &&
	       clock_now() - peer->entry.at >
	           DAY + policy->lead + 2 * policy->rotate + policy->tickets;
}

void
node_peers_tidy(struct node *node)
{
	size_t i;

	if (farm_trouble(node->farm) != NULL)
		return;
	for (i = 0; i < node->count; i++) {
		if (!is_of_the_past(node, &node->peers[i]))
			continue;
		log_line(LOG_INFO, "a node that was gone for long is forgotten",
		    "node", node->peers[i].name, NULL);
		node_forget(node, node->peers[i].name);
	}
}

/* An entry that another wrote after this node's own. */
static void
look_for_namesake(struct node *node)
{
	const struct node_peer *self =
	    node_peer_find(node, node->loop->conf->node);
	bool other = self != NULL && self->live && self->readable &&
	             self->entry.instance != node->instance &&
	             self->entry.at > node->told.at;

	if (other && !node->namesake)
		log_line(LOG_ERR,
		    "another host of the farm has this node's name, so neither "
		    "is waited for; give each its own (node, in stek.conf)",
		    "node", node->loop->conf->node, NULL);
	node->namesake = other;
}

bool
node_peers_take(struct node *node, const struct store_node *nodes, size_t count)
{
	const struct rotate *rotate = node->rotate;
	const char *farm = node->loop->conf->farm;
	struct node_peer *peers, *peer;
	size_t i;

	peers = calloc(count > 0 ? count : 1, sizeof(*peers));
	if (peers == NULL)
		return false;
	for (i = 0; i < count; i++) {
		peer = &peers[i];
		(void)snprintf(
		    peer->name, sizeof(peer->name), "%s", nodes[i].name);
		peer->live = nodes[i].live;
		peer->readable = entry_open(nodes[i].entry, nodes[i].len, farm,
		    peer->name, rotate->farm_keys.now, &peer->entry);
	}
	node_peers_free(node);
	node->peers = peers;
	node->count = count;
	look_for_namesake(node);
	return true;
}

const struct node_peer *
node_peer_find(const struct node *node, const char *name)
{
	size_t i;

	for (i = 0; i < node->count; i++)
		if (strcmp(node->peers[i].name, name) == 0)
			return &node->peers[i];
	return NULL;
}

static bool
has_confirmed(
    const struct node *node, const struct node_peer *peer, uint64_t version)
{
	/* Of itself it knows better than the store. */
	if (strcmp(peer->name, node->loop->conf->node) == 0)
		return node->told.confirmed >= version;
	/*
	 * After etcd has gone back there may be two sets of one version; and
	 * who has a higher one, which it is to put back, lacks the held key.
	 */
	return peer->entry.confirmed == version &&
	       peer->entry.print == node->told.print;
}

bool
node_peers_confirmed(struct node *node, uint64_t version)
{
	size_t i, used = 0, missing = 0, room = sizeof(node->waits);
	const struct node_peer *peer;

	node->waits[0] = '\0';
	for (i = 0; i < node->count; i++) {
		peer = &node->peers[i];
		/*
		 * Who gets no keys is not waited for: a stranger, and a host
		 * that has had a higher version than the farm's.
		 */
		if (!peer->live || !peer->readable ||
		    (peer->entry.confirmed == 0 && peer->entry.has > version) ||
		    has_confirmed(node, peer, version))
			continue;
		if (missing++ < WAITS_NAMES)
			used += (size_t)snprintf(node->waits + used,
			    room - used, "%s%s%s%.100s%s", used > 0 ? ", " : "",
			    peer->name, peer->entry.failed[0] ? " (" : "",
			    peer->entry.failed,
			    peer->entry.failed[0] ? " fails)" : "");
	}
	if (missing > WAITS_NAMES)
		(void)snprintf(node->waits + used, room - used, " and %zu more",
		    missing - WAITS_NAMES);
	if (node->told.confirmed >= version)
		return missing == 0;
	if (missing == 0)
		(void)snprintf(node->waits, room, "%s", node->loop->conf->node);
	return false;
}

/* Names of targets that fail, as many as there is room for. */
static void
list_failed(const struct loop *loop, char *out, size_t room)
{
	size_t i, used = 0, len;

	out[0] = '\0';
	for (i = 0; i < loop->conf->count; i++) {
		len = strlen(loop->conf->targets[i].name);
		if (loop->targets[i].state != TARGET_FAILED ||
		    used + len + 3 > room)
			continue;
		used += (size_t)snprintf(out + used, room - used, "%s%s",
		    used > 0 ? ", " : "", loop->conf->targets[i].name);
	}
}

/* The version that all targets have. */
static uint64_t
confirmed(const struct loop *loop)
{
	uint64_t version = loop->rotate.set->version;
	size_t i;

	if (loop->rotate.set->count == 0)
		return 0;
	for (i = 0; i < loop->conf->count; i++) {
		if (loop->targets[i].applied < version)
			version = loop->targets[i].applied;
	}
	return version;
}

bool
node_describe(struct node *node, struct entry *entry)
{
	const struct loop *loop = node->loop;

	memset(entry, 0, sizeof(*entry));
	entry->has = loop->rotate.set->version;
	entry->print =
	    entry_print(loop->rotate.set, node->rotate->farm_keys.now);
	entry->stale = farm_is_stale(node->farm, clock_ran());
	entry->confirmed = entry->stale ? 0 : confirmed(loop);
	entry->offset = node->farm->offset;
	entry->offset_known = node->offset_known;
	list_failed(loop, entry->failed, sizeof(entry->failed));
	(void)snprintf(entry->stek, sizeof(entry->stek), "%s", STEK_VERSION);
	farm_keys_print(&node->rotate->farm_keys, entry->next);
	entry->instance = node->instance;
	entry->at = node->told.at;
	if (memcmp(entry, &node->told, sizeof(*entry)) == 0)
		return false;
	entry->at = clock_now();
	return true;
}
