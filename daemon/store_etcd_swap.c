/* SPDX-License-Identifier: ISC */
/*
 * A swap of the set in the store "etcd:": one transaction that compares the
 * revision of the set and writes it.
 *
 * Invariant: it is told to be denied only where etcd has said for certain that
 * nothing was done; where the answer was lost, it is unknown.
 */
#include <stdio.h>
#include <stdlib.h>

#include "etcd.pb-c.h"
#include "store_etcd_own.h"

static void
tell_swapped(struct store_etcd *store, enum store_swapped how, const char *why)
{
	free(store->swap);
	store->swap = NULL;
	store->swap_sent = false;
	if (!store->closed)
		store->told.swapped(store->arg, how, why);
}

static bool
send_swap(struct store_etcd *store)
{
	Etcd__Compare compare = ETCD__COMPARE__INIT, *compares = &compare;
	Etcd__PutRequest put = ETCD__PUT_REQUEST__INIT;
	Etcd__RangeRequest range = ETCD__RANGE_REQUEST__INIT;
	Etcd__RequestOp then = ETCD__REQUEST_OP__INIT, *thens = &then;
	Etcd__RequestOp other = ETCD__REQUEST_OP__INIT, *others = &other;
	Etcd__TxnRequest txn = ETCD__TXN_REQUEST__INIT;

	compare.result = ETCD__COMPARE_RESULT__EQUAL;
	compare.target = ETCD__COMPARE_TARGET__MOD;
	put.key = store_key(store, KEY_SET);
	compare.key = range.key = put.key;
	compare.mod_revision = store->swap_revision;
	put.value = frame_binary(store->swap, store->swap_len);
	then.put = &put;
	other.range = &range;
	txn.n_compare = txn.n_success = txn.n_failure = 1;
	txn.compare = &compares;
	txn.success = &thens;
	txn.failure = &others;
	return store_send(store, JOB_SWAP, &txn.base);
}

void
store_swap_run(struct store_etcd *store)
{
	char why[CONF_WHY_LEN];

	if (store->swap == NULL || store->swap_sent)
		return;
	if (store->swap_len > STORE_VALUE_MAX) {
		(void)snprintf(why, sizeof(why),
		    "a set of %zu bytes: at most %d can be stored",
		    store->swap_len, STORE_VALUE_MAX);
		tell_swapped(store, STORE_REFUSED, why);
	} else if (send_swap(store))
		store->swap_sent = true;
	else
		tell_swapped(store, STORE_UNKNOWN, "no memory");
}

void
store_swap_lost(struct store_etcd *store)
{
	if (store->swap != NULL && store->swap_sent)
		tell_swapped(store, STORE_UNKNOWN, store->trouble);
}

void
store_swap_late(struct store_etcd *store, int64_t now)
{
	char why[CONF_WHY_LEN];

	if (store->swap == NULL || now < store->swap_by)
		return;
	(void)snprintf(why, sizeof(why), "%.900s",
	    store->trouble[0] != '\0' ? store->trouble : "no answer in time");
	store_cancel(store, JOB_SWAP);
	tell_swapped(store, STORE_UNKNOWN, why);
}

/* What is there instead. */
static void
take_other(struct store_etcd *store, const Etcd__TxnResponse *answer)
{
	const Etcd__RangeResponse *range;
	const Etcd__KeyValue *kv;

	range = answer->n_responses == 1 ? answer->responses[0]->range : NULL;
	if (range == NULL || answer->header->revision < store->cursor)
		return; /* the watch told, or will tell */
	kv = range->n_kvs == 1 ? range->kvs[0] : NULL;
	if (range->n_kvs > 1 ||
	    (kv != NULL &&
	        (!store_is_set(store, kv) || kv->value.len > STORE_VALUE_MAX ||
	            kv->mod_revision > answer->header->revision)))
		return;
	if (store->revision != (kv != NULL ? kv->mod_revision : 0))
		store_tell_found(store, kv, answer->header->revision);
}

static void
on_swap_answer(struct store_etcd *store, const struct call_end *end)
{
	Etcd__TxnResponse *answer =
	    frame_unpack(&etcd__txn_response__descriptor, end->bytes, end->len);

	if (answer == NULL || answer->header == NULL) {
		store_fail_garbled(store);
		goto out;
	}
	if (answer->succeeded) {
		if (answer->header->revision > store->seen)
			store->seen = answer->header->revision;
		tell_swapped(store, STORE_SWAPPED, "");
		goto out;
	}
	take_other(store, answer);
	tell_swapped(store, STORE_CONFLICTED, "another value is there");
out:
	frame_message_free(answer);
}

/* Of gRPC's status, those that say that nothing was done. */
static bool
is_refusal(int status)
{
	static const unsigned int refusals =
	    1U << 3 | 1U << 5 | 1U << 6 | 1U << CALL_DENIED |
	    1U << CALL_NO_RESOURCE | 1U << 9 | 1U << 11 | 1U << 12 |
	    1U << CALL_UNAUTHENTICATED;

	return status > CALL_OK && (refusals & 1U << status) != 0;
}

void
store_on_swap(struct store_etcd *store, const struct call_end *end)
{
	char why[CONF_WHY_LEN];

	if (store->swap == NULL)
		return;
	if (end->status == CALL_OK) {
		on_swap_answer(store, end);
		return;
	}
	if (store_is_logged_out(store, end))
		store->swap_sent = false; /* so it is sent again */
	if (store_lost(store, end))
		return;
	store_say(store, end, why);
	tell_swapped(store,
	    is_refusal(end->status) ? STORE_REFUSED : STORE_UNKNOWN, why);
}
