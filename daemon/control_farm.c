/* SPDX-License-Identifier: ISC */
/* The part of the control socket that concerns other nodes; see control.h. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "control_client.h"
#include "loop.h"
#include "node.h"
#include "utf8.h"

#define LOOK_MS   200 /* between two looks at nodes that were waited for */
#define FORGET_MS 5000 /* so long it is tried to forget a node */
#define STATUS_MS 3000 /* so long a status waits for the store */

#define FARM_MISSED                                                       \
	"it is done on this host alone: the farm could not be told, and " \
	"will be as soon as it can: "

#define UNKEPT                                                               \
	"it could not keep a copy of the keys, so a restart of stekd there " \
	"begins with those of before"

static struct node *
node_of(const struct control *control)
{
	return control->loop->rotate.node;
}

static void on_timer(evutil_socket_t, short, void *);

static void
look_later(struct control *control)
{
	struct timeval pause = {0, LOOK_MS * 1000};

	if (control->timer == NULL)
		control->timer =
		    evtimer_new(control->loop->base, on_timer, control);
	if (control->timer != NULL && !evtimer_pending(control->timer, NULL))
		(void)evtimer_add(control->timer, &pause);
}

/* What was asked for may have been lost with the store's process. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;
	struct client *client;
	bool waiting = false;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		client = &control->clients[i];
		if (client->bev == NULL)
			continue;
		if (client->wait == CLIENT_STATUS &&
		    clock_ms() - client->since >= STATUS_MS)
			control_end(client, status_object(control->loop));
		waiting |=
		    client->wait != CLIENT_NOT && client->wait != CLIENT_FARM;
	}
	if (!waiting)
		return;
	node_list(node_of(control));
	look_later(control);
}

void
control_stop_farm(struct control *control)
{
	if (control->timer != NULL)
		event_free(control->timer);
	control->timer = NULL;
}

void
control_end_farm(struct client *client)
{
	client->wait = CLIENT_NOT;
	json_decref(client->nodes);
	client->nodes = NULL;
}

/* --- changes ------------------------------------------------------------- */

void
control_wish(struct client *client, const struct request *request)
{
	struct loop *loop = client->control->loop;
	struct node *node = loop->rotate.node;

	client->wait =
	    request->what == REQUEST_REKEY ? CLIENT_REKEY : CLIENT_FARM;
	client->version = UINT64_MAX;
	client->before = loop->rotate.set->version;
	client->revoking = request->what == REQUEST_REVOKE;
	client->rekeying = request->what == REQUEST_REKEY;
	client->lead =
	    client->revoking || request->at_once ? 0 : loop->conf->policy.lead;
	(void)snprintf(client->evicted, sizeof(client->evicted), "%s",
	    request->what == REQUEST_REKEY ? request->node : "");
	if (request->what == REQUEST_REKEY) {
		node_list(node);
		look_later(client->control);
	} else if (request->what == REQUEST_ROTATE) {
		node_rotate(node, request->at_once);
	} else {
		node_revoke(node, request->all ? NULL : request->name);
	}
}

static void
tell_farm(struct client *client, bool done)
{
	struct loop *loop = client->control->loop;
	const struct node *node = loop->rotate.node;
	const char *cause =
	    node->why[0] != '\0' ? node->why : "etcd has not been reached yet";
	char why[CONF_WHY_LEN + 256];

	client->wait = done ? CLIENT_NODES : CLIENT_NOT;
	if (done) {
		client->nodes = json_object();
		control_say_head(client, client->lead,
		    loop->rotate.set->version != client->before, NULL);
		control_await_targets(client);
		return;
	}
	if (!client->revoking) {
		(void)snprintf(why, sizeof(why),
		    "the farm's keys stay as they are: %s", cause);
		control_refuse(client, why);
		return;
	}
	(void)snprintf(why, sizeof(why), FARM_MISSED "%s", cause);
	control_say_head(client, 0, true, why);
	control_await_targets(client);
}

/* Each has a wish of its own. */
static bool
is_fulfilled(const struct client *client)
{
	const struct farm *farm = node_of(client->control)->farm;

	if (client->revoking)
		return !farm->revoking;
	return client->rekeying ? !farm->rekey : !farm->rotate;
}

void
control_farm(struct loop *loop, bool done)
{
	struct client *client;
	size_t i;

	for (i = 0; loop->control != NULL && i < CONTROL_CLIENTS_MAX; i++) {
		client = &loop->control->clients[i];
		if (client->bev != NULL && client->wait == CLIENT_FARM &&
		    (!done || is_fulfilled(client)))
			tell_farm(client, done);
	}
}

void
control_next(struct client *client)
{
	if (client->wait != CLIENT_NODES) {
		control_finish(client);
		return;
	}
	/* No target holds anybody up any more. */
	client->left = 0;
	node_list(node_of(client->control));
	look_later(client->control);
}

/* --- nodes --------------------------------------------------------------- */

static void
tell_node(struct client *client, const struct node_peer *peer, bool ok,
    const char *detail)
{
	(void)json_object_set_new(client->nodes, peer->name, json_true());
	client->failed += ok ? 0 : 1;
	control_say(
	    client, json_pack("{s:s, s:b, s:I, s:o}", "node", peer->name, "ok",
	                (int)ok, "ms", (json_int_t)(clock_ms() - client->since),
	                "detail", utf8_json(detail)));
}

static void
tell_gone(struct client *client, const struct node_peer *peer)
{
	const struct loop *loop = client->control->loop;
	bool seen = json_object_get(client->nodes, peer->name) != NULL;
	char detail[256];

	if (!client->revoking ||
	    node_peer_is_harmless(loop->rotate.node, peer, 0)) {
		if (seen)
			tell_node(client, peer, false,
			    "it has gone before it confirmed");
		else
			(void)json_object_set_new(
			    client->nodes, peer->name, json_true());
		return;
	}
	(void)snprintf(detail, sizeof(detail),
	    "not reached: it is down or cut off, and what servers it has may "
	    "go on with the revoked keys%s",
	    loop->conf->stale_after > 0 ? " until its stale_after" : "");
	tell_node(client, peer, false, detail);
}

/* Why a live node gets no keys of the farm at all, or NULL. */
static const char *
why_strange(const struct client *client, const struct node_peer *peer)
{
	if (!peer->readable && !peer->follows)
		return "it has another farm key than this host, and may go on "
		       "with the revoked keys";
	if (peer->entry.confirmed == 0 && peer->entry.has > client->version)
		return "it has had a higher version than the farm's, and takes "
		       "no set; see \"stek status\" there";
	return NULL;
}

static void
tell_live(struct client *client, const struct node_peer *peer)
{
	const char *strange = why_strange(client, peer);
	char detail[ENTRY_FAILED_MAX + 64];

	if (strange != NULL && client->revoking) {
		tell_node(client, peer, false, strange);
	} else if (strange != NULL) {
		(void)json_object_set_new(
		    client->nodes, peer->name, json_true());
	} else if (node_peer_confirmed(
	               node_of(client->control), peer, client->version)) {
		tell_node(client, peer,
		    !client->revoking || !peer->entry.unkept,
		    peer->entry.unkept ? UNKEPT : "");
	} else if (peer->entry.has >= client->version &&
	           peer->entry.failed[0] != '\0') {
		(void)snprintf(detail, sizeof(detail),
		    "targets that fail there: %s", peer->entry.failed);
		tell_node(client, peer, false, detail);
	} else {
		(void)json_object_set_new(
		    client->nodes, peer->name, json_false());
	}
}

/* True: every node has been told of. */
static bool
tell_nodes(struct client *client)
{
	const struct loop *loop = client->control->loop;
	const struct node *node = loop->rotate.node;
	const struct node_peer *peer;
	bool all = true;
	size_t i;

	for (i = 0; i < node->count; i++) {
		peer = &node->peers[i];
		if (strcmp(peer->name, loop->conf->node) == 0 ||
		    strcmp(peer->name, client->evicted) == 0 ||
		    json_is_true(json_object_get(client->nodes, peer->name)))
			continue;
		if (peer->live)
			tell_live(client, peer);
		else
			tell_gone(client, peer);
		all &= json_is_true(json_object_get(client->nodes, peer->name));
	}
	return all;
}

static void
look(struct client *client)
{
	struct control *control = client->control;
	const struct node *node = node_of(control);
	char why[CONF_WHY_LEN + 64];

	if (node->list_why[0] != '\0') {
		(void)snprintf(why, sizeof(why),
		    "the other nodes could not be asked: %s", node->list_why);
		control_end(client,
		    json_pack("{s:b, s:I, s:o}", "done", 0, "failed",
		        (json_int_t)client->failed, "error", utf8_json(why)));
	} else if (tell_nodes(client)) {
		control_finish(client);
	} else {
		look_later(control);
	}
}

/* Live nodes that could not read what is sealed with the next farm key. */
static size_t
list_strangers(const struct client *client, char *out, size_t room)
{
	const struct node *node = node_of(client->control);
	const struct node_peer *peer;
	size_t i, used = 0, count = 0;

	for (i = 0; i < node->count; i++) {
		peer = &node->peers[i];
		if (!peer->live || strcmp(peer->name, client->evicted) == 0 ||
		    (peer->readable &&
		        strcmp(peer->entry.next, node->told.next) == 0))
			continue;
		if (used + strlen(peer->name) + 3 < room)
			used += (size_t)snprintf(out + used, room - used,
			    "%s%s", used > 0 ? ", " : "", peer->name);
		count++;
	}
	return count;
}

static void
rekey(struct client *client)
{
	struct node *node = node_of(client->control);
	char why[CONF_WHY_LEN], names[CONF_WHY_LEN / 2] = "";

	if (node->list_why[0] != '\0') {
		(void)snprintf(why, sizeof(why),
		    "nothing was changed: the other nodes could not be asked: "
		    "%.800s",
		    node->list_why);
		control_refuse(client, why);
	} else if (list_strangers(client, names, sizeof(names)) > 0) {
		(void)snprintf(why, sizeof(why),
		    "nothing was changed: live nodes without the next farm key "
		    "that this host has: %s; give them the file and restart "
		    "their stekd, or evict one",
		    names);
		control_refuse(client, why);
	} else {
		client->wait = CLIENT_FARM;
		node_rekey(node);
	}
}

/* etcd is asked until it has no such node; it may not be allowed to. */
static void
forget(struct client *client)
{
	struct node *node = node_of(client->control);
	const struct node_peer *peer = node_peer_find(node, client->evicted);

	if (node->list_why[0] != '\0')
		control_refuse(client, node->list_why);
	else if (peer == NULL && client->wait == CLIENT_FORGOTTEN)
		control_end(client, json_pack("{s:b}", "done", 1));
	else if (peer == NULL)
		control_refuse(client,
		    "there is no such node; \"stek status\" lists them");
	else if (peer->live)
		control_refuse(client, "that node is live; stop its stekd, and "
		                       "wait until its lease has ended");
	else if (clock_ms() - client->since >= FORGET_MS)
		control_refuse(client,
		    "etcd still has that node: may this host's user delete "
		    "what is under members/?");
	else {
		client->wait = CLIENT_FORGOTTEN;
		node_forget(node, client->evicted);
	}
}

void
control_nodes(struct loop *loop)
{
	struct client *client;
	size_t i;

	for (i = 0; loop->control != NULL && i < CONTROL_CLIENTS_MAX; i++) {
		client = &loop->control->clients[i];
		if (client->bev == NULL)
			continue;
		if (client->wait == CLIENT_STATUS)
			control_end(client, status_object(loop));
		else if (client->wait == CLIENT_REKEY)
			rekey(client);
		else if (client->wait == CLIENT_FORGET ||
		         client->wait == CLIENT_FORGOTTEN)
			forget(client);
		else if (client->wait == CLIENT_NODES && client->left == 0)
			look(client);
	}
}

/* --- and requests that change no key ------------------------------------- */

static void
obey_forget(struct client *client, const char *name)
{
	struct node *node = node_of(client->control);

	if (!node->live) {
		control_refuse(client, "this host is cut off from etcd; "
		                       "nothing was changed");
		return;
	}
	(void)snprintf(client->evicted, sizeof(client->evicted), "%s", name);
	client->wait = CLIENT_FORGET;
	client->version = UINT64_MAX;
	node_list(node);
	look_later(client->control);
}

bool
control_obey_farm(struct client *client, const struct request *request)
{
	struct node *node = node_of(client->control);

	if (request->what == REQUEST_FORGET) {
		obey_forget(client, request->node);
		return true;
	}
	if (request->what != REQUEST_STATUS || !node->live)
		return false;
	client->wait = CLIENT_STATUS;
	client->version = UINT64_MAX;
	node_list(node);
	look_later(client->control);
	return true;
}
