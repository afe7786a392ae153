/* SPDX-License-Identifier: ISC */
/*
 * The nodes in the store "etcd:": this one's lease and entry, and the list of
 * all.
 *
 * Invariant: an entry in nodes/ is under a lease, always; one in members/
 * never.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "etcd.pb-c.h"
#include "store_etcd_own.h"

#define LEASE_SECONDS 15
#define KEEP_LEAST    4000 /* ms: about a third of that */
#define KEEP_MOST     5000
#define UP_MOST       1000 /* after a new link, so that not all come at once */
#define RETRY_LEAST   1000 /* after an answer that did not come */
#define RETRY_MOST    2000
#define REFUSED_LEAST 5000 /* after a refusal */
#define REFUSED_MOST  10000
#define NAME_SIZE     (STORE_NODE_MAX + 1)
#define NAME_CHARS                   \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* --- the entry --- */

static void
tell_untold(struct store_etcd *store, const char *why)
{
	bool same = strcmp(store->untold, why) == 0;

	(void)snprintf(store->untold, sizeof(store->untold), "%s", why);
	if (!same && !store->closed && store->told.untold != NULL)
		store->told.untold(store->arg, store->untold);
}

/* A call for the lease or the entry failed, but the link did not. */
static void
put_off(struct store_etcd *store, const struct call_end *end)
{
	char why[CONF_WHY_LEN];

	if (end->status <= CALL_OK || end->status == CALL_UNAVAILABLE) {
		store->entry_at = store_soon(RETRY_LEAST, RETRY_MOST);
		return;
	}
	store->entry_at = store_soon(REFUSED_LEAST, REFUSED_MOST);
	store_say(store, end, why);
	tell_untold(store, why);
}

static bool
send_grant(struct store_etcd *store)
{
	Etcd__LeaseGrantRequest request = ETCD__LEASE_GRANT_REQUEST__INIT;

	request.ttl = LEASE_SECONDS;
	return store_send(store, JOB_GRANT, &request.base);
}

static bool
send_keep(struct store_etcd *store)
{
	Etcd__LeaseKeepAliveRequest request =
	    ETCD__LEASE_KEEP_ALIVE_REQUEST__INIT;

	request.id = store->lease;
	return store_send(store, JOB_KEEP, &request.base);
}

static bool
send_entry(struct store_etcd *store)
{
	Etcd__PutRequest node = ETCD__PUT_REQUEST__INIT;
	Etcd__PutRequest member = ETCD__PUT_REQUEST__INIT;
	Etcd__RequestOp first = ETCD__REQUEST_OP__INIT;
	Etcd__RequestOp second = ETCD__REQUEST_OP__INIT;
	Etcd__RequestOp *both[] = {&first, &second};
	Etcd__TxnRequest txn = ETCD__TXN_REQUEST__INIT;

	node.key = store_key(store, KEY_NODE);
	member.key = store_key(store, KEY_MEMBER);
	node.value = frame_binary(store->entry, store->entry_len);
	member.value = node.value;
	node.lease = store->lease;
	first.put = &node;
	second.put = &member;
	txn.n_success = 2;
	txn.success = both;
	return store_send(store, JOB_ENTRY, &txn.base);
}

static void
run_entry(struct store_etcd *store, int64_t now)
{
	bool sent = true;

	if (!store->has_entry || now < store->entry_at ||
	    store_busy(store, JOB_GRANT) || store_busy(store, JOB_ENTRY))
		return;
	if (store->lease == 0)
		sent = send_grant(store);
	else if (store->entry_due) {
		sent = send_entry(store);
		store->entry_due = !sent;
	}
	if (!sent)
		store->entry_at = store_soon(RETRY_LEAST, RETRY_MOST);
}

static void
run_keep(struct store_etcd *store, int64_t now)
{
	if (store->lease == 0 || now < store->keep ||
	    store_busy(store, JOB_KEEP))
		return;
	store->keep = send_keep(store) ? store_soon(KEEP_LEAST, KEEP_MOST)
	                               : store_soon(RETRY_LEAST, RETRY_MOST);
}

static void
drop_lease(struct store_etcd *store)
{
	store->lease = 0;
	store->entry_due = true;
	store_poke(store);
}

/* The lease may be near its end. */
void
store_nodes_up(struct store_etcd *store)
{
	store->keep = store_soon(0, UP_MOST);
	store->entry_at = 0;
}

void
store_nodes_lost(struct store_etcd *store)
{
	if (store_busy(store, JOB_ENTRY))
		store->entry_due = true;
}

void
store_nodes_reset(struct store_etcd *store)
{
	drop_lease(store);
}

void
store_on_grant(struct store_etcd *store, const struct call_end *end)
{
	Etcd__LeaseGrantResponse *answer;

	if (end->status != CALL_OK) {
		if (!store_lost(store, end))
			put_off(store, end);
		return;
	}
	answer = frame_unpack(
	    &etcd__lease_grant_response__descriptor, end->bytes, end->len);
	if (answer != NULL && answer->id != 0 && answer->ttl > 0) {
		store->lease = answer->id;
		store->lease_ends = clock_ms() + LEASE_SECONDS * 1000;
		store->keep = store_soon(KEEP_LEAST, KEEP_MOST);
		store->entry_due = true;
		store_poke(store);
	} else
		store->entry_at = store_soon(RETRY_LEAST, RETRY_MOST);
	frame_message_free(answer);
}

/* What cannot be kept is gone by then, and the entry with it. */
static void
keep_later(struct store_etcd *store)
{
	store->keep = store_soon(RETRY_LEAST, RETRY_MOST);
	if (clock_ms() >= store->lease_ends)
		drop_lease(store);
}

void
store_on_keep(struct store_etcd *store, const struct call_end *end)
{
	Etcd__LeaseKeepAliveResponse *answer;

	if (end->status != CALL_OK) {
		if (!store_lost(store, end))
			keep_later(store);
		return;
	}
	answer = frame_unpack(
	    &etcd__lease_keep_alive_response__descriptor, end->bytes, end->len);
	/* Of a lease that is dead, etcd says this, and no error. */
	if (answer != NULL && answer->ttl <= 0)
		drop_lease(store);
	else if (answer != NULL)
		store->lease_ends = clock_ms() + LEASE_SECONDS * 1000;
	frame_message_free(answer);
}

void
store_on_entry(struct store_etcd *store, const struct call_end *end)
{
	if (end->status == CALL_OK) {
		tell_untold(store, "");
		return;
	}
	store->entry_due = true;
	if (store_lost(store, end))
		return;
	if (end->status == CALL_NOT_FOUND) /* the lease */
		drop_lease(store);
	else
		put_off(store, end);
}

/* --- the list --- */

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
	return strspn(name, NAME_CHARS) == len;
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

void
store_nodes_late(struct store_etcd *store, int64_t now)
{
	char why[CONF_WHY_LEN];

	if (store->list_by == 0 || now < store->list_by)
		return;
	(void)snprintf(why, sizeof(why), "%s",
	    store->trouble[0] != '\0' ? store->trouble : "no answer in time");
	store_cancel(store, JOB_LIST);
	tell_nodes(store, NULL, 0, why);
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
store_nodes_next(const struct store_etcd *store)
{
	bool writes = store->has_entry && !store_busy(store, JOB_GRANT) &&
	              !store_busy(store, JOB_ENTRY) &&
	              (store->lease == 0 || store->entry_due);
	bool keeps = store->lease != 0 && !store_busy(store, JOB_KEEP);
	int64_t at = writes ? store->entry_at : INT64_MAX;

	return keeps && store->keep < at ? store->keep : at;
}

void
store_nodes_run(struct store_etcd *store, int64_t now)
{
	run_entry(store, now);
	run_keep(store, now);
	if (store->list_by != 0 && !store_busy(store, JOB_LIST) &&
	    !send_list(store))
		tell_nodes(store, NULL, 0, "no memory");
}
