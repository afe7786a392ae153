/* SPDX-License-Identifier: ISC */
/*
 * This node in the store "etcd:": its lease and its entry.
 *
 * Invariant: an entry in nodes/ is under a lease, always; one in members/
 * never.
 */
#include <stdio.h>
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
		store->lease_ends = clock_ran() + LEASE_SECONDS * 1000;
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
	if (clock_ran() >= store->lease_ends)
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
		store->lease_ends = clock_ran() + LEASE_SECONDS * 1000;
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
}
