/* SPDX-License-Identifier: ISC */
/*
 * All that stekd tells about itself, as one JSON object: what stek-status
 * shows and metrics.c counts.
 *
 * Never here: a key's secret bytes; names only.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"
#include "node.h"
#include "utf8.h"

static const char *const states[] = {
    [STEK_PENDING] = "pending",
    [STEK_SEALING] = "sealing",
    [STEK_OPENING] = "opening",
    [STEK_DEAD] = "dead",
};

static const char *const target_states[] = {
    [TARGET_WORKING] = "working",
    [TARGET_APPLIED] = "applied",
    [TARGET_VERIFIED] = "verified",
    [TARGET_FAILED] = "failed",
};

static json_t *
text_or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : utf8_json(text);
}

static json_t *
number_or_null(int64_t number)
{
	return number == 0 ? json_null() : json_integer(number);
}

/* With the times that it is to have. */
static json_t *
held_object(const struct stek_key *key, const struct stek_policy *policy)
{
	char name[STEK_NAME_HEX];

	stek_key_hex(key->name, name);
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", name, "state",
	    "held", "seal_from", (json_int_t)held_from(key), "seal_until",
	    (json_int_t)held_until(key, policy), "open_until",
	    (json_int_t)held_open_until(key, policy));
}

static json_t *
key_object(const struct stek_set *set, const struct stek_key *key, int64_t now)
{
	char name[STEK_NAME_HEX];

	stek_key_hex(key->name, name);
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", name, "state",
	    states[stek_set_state(set, key, now)], "seal_from",
	    (json_int_t)key->seal_from, "seal_until",
	    (json_int_t)key->seal_until, "open_until",
	    (json_int_t)key->open_until);
}

static json_t *
proof(const struct target *target)
{
	if (target->verified == 0 || target->state != TARGET_VERIFIED)
		return json_null();
	return json_string(
	    target->proof == FORMAT_TICKET_PROVEN ? "mac" : "name");
}

static json_t *
target_object(const struct target *target)
{
	const struct conf_target *conf = target->conf;

	return json_pack(
	    "{s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, "
	    "s:I, s:o}",
	    "name", conf->name, "format", conf->format->name, "path",
	    utf8_json(conf->path), "scope", utf8_json(conf->scope), "state",
	    target_states[target->state], "version",
	    number_or_null((int64_t)target->applied), "sealing",
	    text_or_null(target->sealing), "proof", proof(target), "error",
	    text_or_null(target->error), "written",
	    number_or_null(target->written), "verified",
	    number_or_null(target->verified), "attempts", (int)target->attempts,
	    "failures", (json_int_t)target->failures, "next_try",
	    number_or_null(target->next_try));
}

static json_t *
dir_object(const struct rotate *rotate)
{
	const char *state = rotate->rollback ? "rollback" : "live";

	if (!rotate->rollback && rotate->error[0] != '\0')
		state = "failing";
	return json_pack("{s:s, s:o, s:s, s:o, s:o}", "kind", "dir", "path",
	    utf8_json(rotate->store.set), "state", state, "error",
	    text_or_null(rotate->error), "retry",
	    number_or_null(rotate_retry(rotate, clock_now())));
}

static const char *
etcd_state(const struct node *node)
{
	if (farm_is_stale(node->farm, clock_ran()))
		return "cut off for too long";
	if (!node->live)
		return "cut off";
	if (node->garbage || node->why[0] != '\0' || node->untold[0] != '\0')
		return "failing";
	return node->farm->looked && node->farm->stored > 0 &&
	               node->farm->stored < node->farm->set.version
	           ? "rollback"
	           : "live";
}

static const char *
rights(const struct node *node)
{
	switch (node->rights) {
	case STORE_RIGHTS_OPEN:
		return "none needed";
	case STORE_RIGHTS_ALL:
		return "everything";
	case STORE_RIGHTS_OWN:
		return "prefix";
	default:
		return "";
	}
}

/* What etcd has is older than what this host has had. */
static void
say_rollback(const struct node *node, char why[CONF_WHY_LEN])
{
	(void)snprintf(why, CONF_WHY_LEN,
	    "etcd has version %" PRIu64 " of the set, and this host has had "
	    "%" PRIu64 ", so it takes nothing older; a node that has that puts "
	    "it back.  If there is none, stop stekd here and remove %.300s",
	    node->farm->stored, node->farm->set.version,
	    node->rotate->store.seen);
}

static json_t *
etcd_object(const struct node *node)
{
	const struct conf_etcd *etcd = &node->loop->conf->etcd;
	char why[CONF_WHY_LEN];
	json_t *endpoints = json_array();
	size_t i;

	(void)snprintf(why, sizeof(why), "%s",
	    node->why[0] != '\0' ? node->why : node->untold);
	if (why[0] == '\0' && strcmp(etcd_state(node), "rollback") == 0)
		say_rollback(node, why);
	for (i = 0; i < etcd->count; i++)
		(void)json_array_append_new(
		    endpoints, json_string(etcd->endpoints[i]));
	return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "kind",
	    "etcd", "path", etcd->prefix, "endpoints", endpoints, "state",
	    etcd_state(node), "error", text_or_null(why), "writer",
	    text_or_null(node->writer), "rights", text_or_null(rights(node)),
	    "silent_for",
	    node->live
	        ? json_null()
	        : json_integer((clock_ran() - node->farm->contact) / 1000));
}

static json_t *
peer_object(const struct node *node, const struct node_peer *peer)
{
	const struct entry *entry = &peer->entry;

	return json_pack(
	    "{s:s, s:b, s:b, s:I, s:I, s:b, s:b, s:I, s:o, s:b, s:s, s:s}",
	    "name", peer->name, "live", (int)peer->live, "readable",
	    (int)(peer->readable || peer->follows), "has",
	    (json_int_t)entry->has, "confirmed", (json_int_t)entry->confirmed,
	    "same",
	    (int)node_peer_confirmed(node, peer, node->farm->set.version),
	    "unkept", (int)entry->unkept, "said", (json_int_t)entry->at,
	    "offset",
	    entry->offset_known ? json_integer(entry->offset) : json_null(),
	    "stale", (int)entry->stale, "failed", entry->failed, "stek",
	    entry->stek);
}

/* What only a farm of many hosts has. */
static void
add_farm(json_t *status, const struct node *node)
{
	const struct conf *conf = node->loop->conf;
	json_t *nodes = json_array();
	size_t i;

	for (i = 0; i < node->count; i++)
		(void)json_array_append_new(
		    nodes, peer_object(node, &node->peers[i]));
	(void)json_object_set_new(status, "node", json_string(conf->node));
	(void)json_object_set_new(status, "node_error",
	    node->namesake ? json_string("another host of the farm has this "
	                                 "node's name; give each its own")
	                   : json_null());
	(void)json_object_set_new(
	    status, "copy_error", text_or_null(node->copy_why));
	(void)json_object_set_new(status, "nodes", nodes);
	(void)json_object_set_new(
	    status, "nodes_error", text_or_null(node->list_why));
	(void)json_object_set_new(
	    status, "waits_for", text_or_null(node->waits));
	(void)json_object_set_new(status, "offset",
	    node->offset_known ? json_integer(node->farm->offset)
	                       : json_null());
	(void)json_object_set_new(status, "postpone",
	    conf->postpone == FARM_WAIT ? json_null()
	                                : json_integer(conf->postpone));
	(void)json_object_set_new(
	    status, "stale_after", number_or_null(conf->stale_after));
}

static const char *
clock_error(const struct rotate *rotate)
{
	const char *why;

	if (rotate->node == NULL)
		return rotate->doubt.why;
	why = farm_trouble(rotate->node->farm);
	return why == NULL ? "" : why;
}

static json_t *
keys_array(const struct loop *loop, int64_t now)
{
	const struct stek_set *set = loop->rotate.set;
	json_t *keys = json_array(), *key;
	size_t i;

	for (i = 0; i < set->count; i++) {
		key = &set->keys[i] == held_key(set)
		          ? held_object(&set->keys[i], &loop->conf->policy)
		          : key_object(set, &set->keys[i], now);
		/* Revoked here alone so far, or this host is stale. */
		if (stek_set_find(loop->view, set->keys[i].name) == NULL)
			(void)json_object_set_new(
			    key, "state", json_string("withheld"));
		(void)json_array_append_new(keys, key);
	}
	return keys;
}

struct json_t *
status_object(const struct loop *loop)
{
	const struct rotate *rotate = &loop->rotate;
	const struct stek_set *set = rotate->set;
	const struct stek_policy *policy = &loop->conf->policy;
	int64_t now = clock_now();
	const struct stek_key *sealing;
	char name[STEK_NAME_HEX] = "";
	json_t *targets = json_array(), *status;
	size_t i;

	rotate_view(rotate, loop->view);
	sealing = stek_set_sealing(loop->view, now);
	if (sealing != NULL)
		stek_key_hex(sealing->name, name);
	for (i = 0; i < loop->conf->count; i++)
		(void)json_array_append_new(
		    targets, target_object(&loop->targets[i]));
	status = json_pack(
	    "{s:b, s:s, s:i, s:I, s:I, s:b, s:{s:I, s:I, s:I}, "
	    "s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}}",
	    "done", 1, "farm", loop->conf->farm, "pid", (int)getpid(),
	    "version", (json_int_t)set->version, "now", (json_int_t)now, "mint",
	    (int)loop->conf->mint, "policy", "rotate",
	    (json_int_t)policy->rotate, "tickets", (json_int_t)policy->tickets,
	    "lead", (json_int_t)policy->lead, "store",
	    rotate->node == NULL ? dir_object(rotate)
	                         : etcd_object(rotate->node),
	    "conf_error", text_or_null(loop->conf_error), "metrics_error",
	    text_or_null(metrics_error(loop)), "clock_error",
	    text_or_null(clock_error(rotate)), "wake",
	    number_or_null(rotate->wake), "sealing", text_or_null(name), "keys",
	    keys_array(loop, now), "targets", targets, "counters", "rotations",
	    (json_int_t)rotate->rotations, "revocations",
	    (json_int_t)rotate->revocations, "store_errors",
	    (json_int_t)rotate->store_errors);
	stek_set_clear(loop->view);
	if (status != NULL && rotate->node != NULL)
		add_farm(status, rotate->node);
	return status;
}
