/* SPDX-License-Identifier: ISC */
/*
 * The nodes in the store "etcd:": all of them, or one, as they are asked for;
 * and forgetting one.
 *
 * Never here: what this node says of itself (store_etcd_nodes.c).
 * Invariant: who asked is answered once, in time, also where etcd does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd.pb-c.h"
#include "store_etcd_own.h"

#define NAME_SIZE (STORE_NODE_MAX + 1)

/* --- all --- */

static void
tell_nodes(struct store_etcd *store, const struct store_node *nodes,
    size_t count, const char *why)
{
	store->list_by = 0;
	if (!store->closed)
		store->told.nodes(store->arg, nodes, count, why);
}

static bool
send_list(struct store_etcd *store)
{
	Etcd__RangeRequest nodes = ETCD__RANGE_REQUEST__INIT;
	Etcd__RangeRequest members = ETCD__RANGE_REQUEST__INIT;
	Etcd__RequestOp first = ETCD__REQUEST_OP__INIT;
	Etcd__RequestOp second = ETCD__REQUEST_OP__INIT;
	Etcd__RequestOp *both[] = {&first, &second};
	Etcd__TxnRequest txn = ETCD__TXN_REQUEST__INIT;

	nodes.key = store_key(store, KEY_NODES);
	nodes.range_end = store_key(store, KEY_NODES_END);
	members.key = store_key(store, KEY_MEMBERS);
	members.range_end = store_key(store, KEY_MEMBERS_END);
	first.range = &nodes;
	second.range = &members;
	txn.n_success = 2;
	txn.success = both;
	return store_send(store, JOB_LIST, &txn.base);
}

/* All nodes, while they are gathered. */
struct list {
	struct store_node *nodes;
	char *names; /* NAME_SIZE each */
	size_t count;
};

/* A node's entry that is longer than any is none. */
static void
add_node(
    struct list *list, const char *name, const Etcd__KeyValue *kv, bool live)
{
	struct store_node *node = &list->nodes[list->count];
	char *copy = &list->names[list->count * NAME_SIZE];
	bool some = kv->value.len > 0 && kv->value.len <= STORE_ENTRY_MAX;

	(void)snprintf(copy, NAME_SIZE, "%s", name);
	node->name = copy;
	node->live = live;
	node->entry = some ? kv->value.data : (const uint8_t *)"";
	node->len = some ? kv->value.len : 0;
	list->count++;
}

/* The name in a key of this folder; false: it cannot be a node's. */
static bool
get_name(struct store_etcd *store, enum store_key folder,
    const Etcd__KeyValue *kv, char name[NAME_SIZE])
{
	ProtobufCBinaryData from = store_key(store, folder);
	size_t len;

	if (kv->key.len <= from.len ||
	    memcmp(kv->key.data, from.data, from.len) != 0)
		return false;
	len = kv->key.len - from.len;
	if (len >= NAME_SIZE)
		return false;
	memcpy(name, kv->key.data + from.len, len);
	name[len] = '\0';
	return strspn(name, STORE_NODE_CHARS) == len;
}

/* Both are in the order of names. */
static void
merge(struct store_etcd *store, const Etcd__RangeResponse *nodes,
    const Etcd__RangeResponse *members, struct list *list)
{
	char node[NAME_SIZE], member[NAME_SIZE];
	size_t i = 0, k = 0;
	int order;

	while (i < nodes->n_kvs || k < members->n_kvs) {
		if (i < nodes->n_kvs &&
		    !get_name(store, KEY_NODES, nodes->kvs[i], node)) {
			i++;
			continue;
		}
		if (k < members->n_kvs &&
		    !get_name(store, KEY_MEMBERS, members->kvs[k], member)) {
			k++;
			continue;
		}
		order = i == nodes->n_kvs     ? 1
		        : k == members->n_kvs ? -1
		                              : strcmp(node, member);
		if (order <= 0)
			add_node(list, node, nodes->kvs[i], true);
		else
			add_node(list, member, members->kvs[k], false);
		i += order <= 0;
		k += order >= 0;
	}
}

/* False: no memory. */
static bool
tell_list(struct store_etcd *store, const Etcd__RangeResponse *nodes,
    const Etcd__RangeResponse *members)
{
	size_t most = nodes->n_kvs + members->n_kvs + 1;
	struct list list = {NULL, NULL, 0};
	bool done = false;

	list.nodes = calloc(most, sizeof(*list.nodes));
	list.names = calloc(most, NAME_SIZE);
	if (list.nodes != NULL && list.names != NULL) {
		merge(store, nodes, members, &list);
		tell_nodes(store, list.nodes, list.count, "");
		done = true;
	}
	free(list.nodes);
	free(list.names);
	return done;
}

static void
on_list_answer(struct store_etcd *store, const struct call_end *end)
{
	Etcd__TxnResponse *answer =
	    frame_unpack(&etcd__txn_response__descriptor, end->bytes, end->len);

	if (answer == NULL || answer->n_responses != 2 ||
	    answer->responses[0]->range == NULL ||
	    answer->responses[1]->range == NULL)
		tell_nodes(store, NULL, 0, "etcd's answer makes no sense");
	else if (!tell_list(store, answer->responses[0]->range,
	             answer->responses[1]->range))
		tell_nodes(store, NULL, 0, "no memory");
	frame_message_free(answer);
}

void
store_on_list(struct store_etcd *store, const struct call_end *end)
{
	char why[CONF_WHY_LEN];

	if (store->list_by == 0)
		return;
	if (end->status == CALL_OK) {
		on_list_answer(store, end);
		return;
	}
	if (store_lost(store, end))
		return; /* and asked again over the next link */
	store_say(store, end, why);
	tell_nodes(store, NULL, 0, why);
}

/* --- one node --- */

static void
tell_asked(struct store_etcd *store, bool known, bool live)
{
	char node[NAME_SIZE]; /* which may be asked for again meanwhile */

	memcpy(node, store->ask, sizeof(node));
	store->ask_by = 0;
	if (!store->closed)
		store->told.asked(store->arg, node, known, live);
}

/* The answer is a number, however long the entry is. */
static bool
send_ask(struct store_etcd *store)
{
	Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;
	char *key;
	bool sent;

	if (asprintf(&key, "%snodes/%s", store->prefix, store->ask) < 0)
		return false;
	request.key = frame_binary(key, strlen(key));
	request.count_only = true;
	sent = store_send(store, JOB_ASK, &request.base);
	free(key);
	return sent;
}

void
store_on_ask(struct store_etcd *store, const struct call_end *end)
{
	Etcd__RangeResponse *range = NULL;
	bool known;

	if (store->ask_by == 0)
		return;
	if (end->status == CALL_OK)
		range = frame_unpack(
		    &etcd__range_response__descriptor, end->bytes, end->len);
	else if (store_lost(store, end))
		return; /* and asked again over the next link */
	known = range != NULL && range->header != NULL &&
	        (range->count == 0 || range->count == 1);
	tell_asked(store, known, known && range->count == 1);
	frame_message_free(range);
}

/* --- forgetting --- */

void
store_etcd_forget(struct store_etcd *store, const char *name)
{
	Etcd__Compare compare = ETCD__COMPARE__INIT, *compares = &compare;
	Etcd__DeleteRangeRequest gone = ETCD__DELETE_RANGE_REQUEST__INIT;
	Etcd__RequestOp then = ETCD__REQUEST_OP__INIT, *thens = &then;
	Etcd__TxnRequest txn = ETCD__TXN_REQUEST__INIT;
	char *node = NULL, *member = NULL;

	if (store->phase != PHASE_UP ||
	    asprintf(&node, "%snodes/%s", store->prefix, name) < 0)
		return;
	if (asprintf(&member, "%smembers/%s", store->prefix, name) < 0) {
		free(node);
		return;
	}
	compare.result = ETCD__COMPARE_RESULT__EQUAL;
	compare.target = ETCD__COMPARE_TARGET__VERSION;
	compare.key = frame_binary(node, strlen(node));
	gone.key = frame_binary(member, strlen(member));
	then.delete_range = &gone;
	txn.n_compare = txn.n_success = 1;
	txn.compare = &compares;
	txn.success = &thens;
	(void)store_send(store, JOB_FORGET, &txn.base);
	free(node);
	free(member);
}

void
store_on_forget(struct store_etcd *store, const struct call_end *end)
{
	if (end->status != CALL_OK)
		(void)store_lost(store, end);
}

/* --- what is due --- */

int64_t
store_list_next(const struct store_etcd *store)
{
	int64_t at = store->list_by != 0 ? store->list_by : INT64_MAX;

	return store->ask_by != 0 && store->ask_by < at ? store->ask_by : at;
}

void
store_list_run(struct store_etcd *store)
{
	if (store->list_by != 0 && !store_busy(store, JOB_LIST) &&
	    !send_list(store))
		tell_nodes(store, NULL, 0, "no memory");
	if (store->ask_by != 0 && !store_busy(store, JOB_ASK) &&
	    !send_ask(store))
		tell_asked(store, false, false);
}

void
store_list_late(struct store_etcd *store, int64_t now)
{
	char why[CONF_WHY_LEN];

	if (store->ask_by != 0 && now >= store->ask_by) {
		store_cancel(store, JOB_ASK);
		tell_asked(store, false, false);
	}
	if (store->list_by == 0 || now < store->list_by)
		return;
	(void)snprintf(why, sizeof(why), "%s",
	    store->trouble[0] != '\0' ? store->trouble : "no answer in time");
	store_cancel(store, JOB_LIST);
	tell_nodes(store, NULL, 0, why);
}
