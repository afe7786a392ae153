/* SPDX-License-Identifier: ISC */
/*
 * The set in the store "etcd:": read, watched, looked at.
 *
 * A look is a linearizable read that brings a value only if there is a newer
 * one.  It proves that etcd has a quorum, and finds what a watch has missed.
 *
 * Invariant: what found() tells never goes back, unless etcd did, which is
 * told first: answers of one link may come in another order than they were
 * made, so each is held against `cursor`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "etcd.pb-c.h"
#include "store_etcd_own.h"

#define WATCH_MS 2400 /* until a watch has begun */

void
store_fail_garbled(struct store_etcd *store)
{
	store_fail(store, false,
	    "its answer makes no sense: see whether etcd is there, of version "
	    "3.4 or later");
}

/* --- telling --- */

void
store_tell_found(struct store_etcd *store, const Etcd__KeyValue *kv, int64_t at)
{
	store->revision = kv != NULL ? kv->mod_revision : 0;
	if (at > store->cursor)
		store->cursor = at;
	store->owed = false;
	if (store->closed)
		return;
	if (kv == NULL)
		store->told.found(store->arg, NULL, 0, 0);
	else
		store->told.found(store->arg,
		    kv->value.len > 0 ? kv->value.data : (const uint8_t *)"",
		    kv->value.len, kv->mod_revision);
}

bool
store_is_set(const struct store_etcd *store, const Etcd__KeyValue *kv)
{
	size_t len = strlen(store->keys[KEY_SET]);

	return kv != NULL && kv->mod_revision > 0 && kv->key.len == len &&
	       memcmp(kv->key.data, store->keys[KEY_SET], len) == 0;
}

static bool
is_short(struct store_etcd *store, const Etcd__KeyValue *kv)
{
	char why[CONF_WHY_LEN];

	if (kv->value.len <= STORE_VALUE_MAX)
		return true;
	(void)snprintf(why, sizeof(why),
	    "%.200s has %zu bytes, and %d is the most: see who wrote it",
	    store->keys[KEY_SET], kv->value.len, STORE_VALUE_MAX);
	store_fail(store, true, why);
	return false;
}

/* --- has etcd gone back? --- */

static bool
has_gone_back(const struct store_etcd *store, enum store_job job,
    const Etcd__RangeResponse *range, char *why)
{
	const Etcd__Header *header = range->header;
	const Etcd__KeyValue *kv = range->n_kvs > 0 ? range->kvs[0] : NULL;

	if (store->cluster != 0 && header->cluster_id != store->cluster)
		(void)snprintf(why, CONF_WHY_LEN,
		    "this is another cluster of etcd (%" PRIx64 ") than before "
		    "(%" PRIx64 "), such as one made of a backup: what it "
		    "holds may be old",
		    header->cluster_id, store->cluster);
	else if (header->revision < store->floors[job])
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd has gone back from revision %" PRId64 " to %" PRId64
		    ", such as by a backup that was restored: what it holds "
		    "may be old",
		    store->floors[job], header->revision);
	else if (job == JOB_READ && kv != NULL &&
	         kv->mod_revision < store->read_floor)
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.200s has gone back from revision %" PRId64 " to %" PRId64
		    ", such as by a backup that was restored: "
		    "what etcd holds may be old",
		    store->keys[KEY_SET], store->read_floor, kv->mod_revision);
	else
		return false;
	return true;
}

/* False: it has, and what is known is void. */
static bool
check_range(struct store_etcd *store, enum store_job job,
    const Etcd__RangeResponse *range)
{
	const Etcd__Header *header = range->header;
	char why[CONF_WHY_LEN];
	bool back = has_gone_back(store, job, range, why);

	store->cluster = header->cluster_id;
	if (header->revision > store->seen || back)
		store->seen = header->revision;
	if (!back)
		return true;
	store->cursor = store->revision = store->missed = 0;
	store->owed = true;
	store_nodes_reset(store);
	store_tell_rollback(store, why);
	return false;
}

/* --- reading --- */

static void
send_range(struct store_etcd *store, enum store_job job, int64_t from)
{
	Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;

	request.key = store_key(store, KEY_SET);
	request.min_mod_revision = from;
	if (!store_send(store, job, &request.base))
		store_fail(store, false, "no memory");
}

void
store_set_read(struct store_etcd *store)
{
	if (store->read)
		store->owed = true;
	store->read = false;
	store->read_floor = store->revision;
	send_range(store, JOB_READ, 0);
}

void
store_set_look(struct store_etcd *store)
{
	send_range(store, JOB_LOOK, store->revision + 1);
}

/* Can etcd have said so of one key? */
static bool
is_sound(const struct store_etcd *store, const Etcd__RangeResponse *range)
{
	if (range->header == NULL || range->n_kvs > 1)
		return false;
	return range->n_kvs == 0 ||
	       (range->count == 1 && store_is_set(store, range->kvs[0]) &&
	           range->kvs[0]->mod_revision <= range->header->revision);
}

/* NULL: the link was given up.  Else its header is there. */
static Etcd__RangeResponse *
take_range(struct store_etcd *store, const struct call_end *end)
{
	Etcd__RangeResponse *range;

	if (end->status != CALL_OK) {
		store_fail_end(store, end);
		return NULL;
	}
	range = frame_unpack(
	    &etcd__range_response__descriptor, end->bytes, end->len);
	if (range != NULL && is_sound(store, range))
		return range;
	frame_message_free(range);
	store_fail_garbled(store);
	return NULL;
}

static void
watch_from(struct store_etcd *store, int64_t revision)
{
	Etcd__WatchCreateRequest create = ETCD__WATCH_CREATE_REQUEST__INIT;
	Etcd__WatchRequest request = ETCD__WATCH_REQUEST__INIT;

	create.key = store_key(store, KEY_SET);
	create.start_revision = revision;
	create.progress_notify = true;
	request.create = &create;
	store->watch_by = clock_ran() + store_patience(store, WATCH_MS);
	if (!store_send(store, JOB_WATCH, &request.base))
		store_fail(store, false, "no memory");
}

void
store_on_read(struct store_etcd *store, const struct call_end *end)
{
	Etcd__RangeResponse *range = take_range(store, end);
	const Etcd__KeyValue *kv;
	int64_t at;

	if (range == NULL)
		return;
	kv = range->n_kvs > 0 ? range->kvs[0] : NULL;
	at = range->header->revision;
	if (!check_range(store, JOB_READ, range) && store->phase == PHASE_UP) {
		store_reopen(store);
		goto out;
	}
	if (kv != NULL && !is_short(store, kv))
		goto out;
	if (at >= store->cursor &&
	    (store->owed ||
	        store->revision != (kv != NULL ? kv->mod_revision : 0)))
		store_tell_found(store, kv, at);
	store->owed = false;
	if (store->phase == PHASE_OPENING) {
		store->began = end->began;
		watch_from(store, at + 1);
	}
out:
	frame_message_free(range);
}

void
store_on_look(struct store_etcd *store, const struct call_end *end)
{
	Etcd__RangeResponse *range = take_range(store, end);
	bool missed = store->missed != 0;
	const Etcd__KeyValue *kv;
	int64_t at;

	if (range == NULL)
		return;
	kv = range->n_kvs > 0 ? range->kvs[0] : NULL;
	at = range->header->revision;
	if (!check_range(store, JOB_LOOK, range)) {
		store_reopen(store);
		goto out;
	}
	if (kv != NULL && !is_short(store, kv))
		goto out;
	if (kv != NULL && kv->mod_revision > store->cursor) {
		store->missed = kv->mod_revision;
		store_tell_found(store, kv, at);
	} else if (range->count == 0 && store->revision != 0 &&
	           at > store->cursor)
		store_tell_found(store, NULL, at);
	if (store->phase != PHASE_UP)
		goto out;
	store->tries = 0;
	if (missed && store->missed != 0)
		store_reopen(store); /* since this watch tells nothing */
	else
		store_proved(store, end->began);
out:
	frame_message_free(range);
}

/* --- the watch --- */

/* The last word on the set in these events; NULL: none. */
static const Etcd__Event *
last_event(struct store_etcd *store, const Etcd__WatchResponse *answer)
{
	const Etcd__Event *event, *last = NULL;
	int64_t after = store->cursor;
	size_t i;

	for (i = 0; i < answer->n_events; i++) {
		event = answer->events[i];
		store->events++;
		if (!store_is_set(store, event->kv))
			continue;
		if (event->kv->mod_revision >= store->missed)
			store->missed = 0;
		if (event->kv->mod_revision <= after)
			continue;
		after = event->kv->mod_revision;
		last = event;
	}
	return last;
}

static void
take_events(struct store_etcd *store, const Etcd__WatchResponse *answer)
{
	const Etcd__Event *last = last_event(store, answer);
	int64_t at;

	if (last == NULL)
		return;
	at = last->kv->mod_revision;
	if (at > store->seen)
		store->seen = at;
	if (last->type == ETCD__EVENT_TYPE__DELETE)
		store_tell_found(store, NULL, at);
	else if (is_short(store, last->kv))
		store_tell_found(store, last->kv, at);
}

static void
on_cancelled(struct store_etcd *store, const Etcd__WatchResponse *answer)
{
	struct call_end end = {.status = CALL_UNAVAILABLE, .date = -1};
	char why[256];

	if (answer->compact_revision > 0) {
		store_reopen(store);
		return;
	}
	http_printable(why, sizeof(why), answer->cancel_reason);
	end.why = why;
	if (strstr(why, "permission denied") != NULL)
		end.status = CALL_DENIED;
	store_fail_end(store, &end);
}

void
store_on_watch(struct store_etcd *store, const uint8_t *bytes, size_t len)
{
	Etcd__WatchResponse *answer =
	    frame_unpack(&etcd__watch_response__descriptor, bytes, len);

	if (answer == NULL || answer->header == NULL) {
		store_fail_garbled(store);
		goto out;
	}
	if (answer->canceled) {
		on_cancelled(store, answer);
		goto out;
	}
	if (answer->created && store->phase == PHASE_OPENING)
		store_up(store);
	take_events(store, answer);
out:
	frame_message_free(answer);
}

void
store_on_watch_end(struct store_etcd *store, const struct call_end *end)
{
	if (end->status == CALL_OK)
		store_fail(store, false, "etcd has ended the watch");
	else
		store_fail_end(store, end);
}

void
store_set_run(struct store_etcd *store)
{
	if (store->read && !store_busy(store, JOB_READ))
		store_set_read(store);
}
