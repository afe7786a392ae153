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
#define CLOCK_RIGHT 60 /* s */
#define LANDED      2 /* s, by which this node's own entry is in etcd */

void
node_peers_free(struct node *node)
{
	free(node->peers);
	node->peers = NULL;
	node->count = 0;
}

/* Its clock was right when it was heard last, so it is when keys die there. */
static bool
had_right_clock(const struct node_peer *peer)
{
	return peer->entry.offset_known && peer->entry.offset <= CLOCK_RIGHT &&
	       peer->entry.offset >= -CLOCK_RIGHT;
}

bool
node_peer_is_harmless(
    const struct node *node, const struct node_peer *peer, int64_t more)
{
	const struct stek_policy *policy = &node->loop->conf->policy;

	return !peer->live && peer->readable && had_right_clock(peer) &&
	       clock_now() - peer->entry.at >
	           policy->lead + 2 * policy->rotate + policy->tickets +
	               CLOCK_RIGHT + more;
}

void
node_peers_tidy(struct node *node)
{
	size_t i;

	if (farm_trouble(node->farm) != NULL)
		return;
	for (i = 0; i < node->count; i++) {
		if (!node_peer_is_harmless(node, &node->peers[i], DAY))
			continue;
		log_line(LOG_INFO, "a node that was gone for long is forgotten",
		    "node", node->peers[i].name, NULL);
		node_forget(node, node->peers[i].name);
	}
}

/* An entry that another wrote after this node's own, or in the same second. */
static void
look_for_namesake(struct node *node)
{
	const struct node_peer *self =
	    node_peer_find(node, node->loop->conf->node);
	bool other = self != NULL && self->live && self->readable &&
	             self->entry.instance != node->instance &&
	             self->entry.at >= node->told.at &&
	             clock_now() > node->told.at + LANDED;

	if (other && !node->namesake)
		log_line(LOG_ERR,
		    "another host of the farm has this node's name, so neither "
		    "is waited for; give each its own (node, in stek.conf)",
		    "node", node->loop->conf->node, NULL);
	node->namesake = other;
}

/*
 * The farm has gone on to another farm key, of which the node has said that it
 * has it: it will be heard again, so what it said before is true until then.
 */
static void
look_back(const struct node *node, struct node_peer *peer)
{
	const struct node_peer *before = node_peer_find(node, peer->name);
	char print[FARM_PRINT_LEN];

	farm_keys_print(node->rotate->farm_keys.now, print);
	if (before == NULL || !before->live || !peer->live ||
	    !(before->readable || before->follows) ||
	    strcmp(before->entry.next, print) != 0)
		return;
	peer->entry = before->entry;
	peer->entry.confirmed = 0;
	peer->follows = true;
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
		if (!peer->readable)
			look_back(node, peer);
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

bool
node_peer_confirmed(
    const struct node *node, const struct node_peer *peer, uint64_t since)
{
	uint64_t version = node->farm->set.version;

	/* Of itself it knows better than the store. */
	if (strcmp(peer->name, node->loop->conf->node) == 0)
		return node->told.confirmed >= since;
	/*
	 * After etcd has gone back there may be two sets of one version; and
	 * who has a higher one, which it is to put back, lacks what is new.
	 */
	if (peer->entry.confirmed == version)
		return peer->entry.print == node->told.print;
	return peer->readable && peer->entry.confirmed >= since &&
	       peer->entry.confirmed < version;
}

/* Who gets no keys: a stranger, and who has had a higher version. */
static bool
is_waited_for(const struct node *node, const struct node_peer *peer)
{
	if (!peer->live || peer->follows)
		return peer->live;
	return peer->readable &&
	       (peer->entry.confirmed > 0 ||
	           peer->entry.has <= node->farm->set.version);
}

bool
node_peers_confirmed(struct node *node)
{
	uint64_t version = node->farm->set.version;
	size_t i, used = 0, missing = 0, room = sizeof(node->waits);
	const struct node_peer *peer;

	node->waits[0] = '\0';
	for (i = 0; i < node->count; i++) {
		peer = &node->peers[i];
		if (!is_waited_for(node, peer) ||
		    node_peer_confirmed(node, peer, version))
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
	entry->unkept = node->copy_why[0] != '\0';
	list_failed(loop, entry->failed, sizeof(entry->failed));
	(void)snprintf(entry->stek, sizeof(entry->stek), "%s", STEK_VERSION);
	farm_keys_print(node->rotate->farm_keys.next, entry->next);
	entry->instance = node->instance;
	entry->at = node->told.at;
	if (memcmp(entry, &node->told, sizeof(*entry)) == 0)
		return false;
	entry->at = clock_now();
	return true;
}
