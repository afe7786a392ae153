/* SPDX-License-Identifier: ISC */
/*
 * See store_etcd.h, and store_etcd_own.h for what is where.  Here is what
 * others call.  It leaves marks, and a timer does the rest.
 */
#include <curl/curl.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "store_etcd_own.h"

#define ANSWER_MS 9500 /* until swapped(), nodes() or asked() must follow */

int64_t
store_soon(unsigned int least, unsigned int most)
{
	return clock_ran() + least + randombytes_uniform(most - least + 1);
}

/* --- the timer, and the life of a store that may be closed at any time --- */

static void
set_timer(struct store_etcd *store)
{
	int64_t at = store_link_next(store), now = clock_ran(), left;
	struct timeval wait;

	if (store->phase == PHASE_UP && store_nodes_next(store) < at)
		at = store_nodes_next(store);
	if (store->phase == PHASE_UP && store_rights_next(store) < at)
		at = store_rights_next(store);
	if (store->swap != NULL && store->swap_by < at)
		at = store->swap_by;
	if (store_list_next(store) < at)
		at = store_list_next(store);
	left = at > now && !store->poked ? at - now : 0;
	if (left > ANSWER_MS)
		left = ANSWER_MS;
	wait.tv_sec = (time_t)(left / 1000);
	wait.tv_usec = (suseconds_t)(left % 1000 * 1000);
	(void)event_add(store->timer, &wait);
}

static void
free_endpoints(char **all, size_t count)
{
	size_t i;

	for (i = 0; all != NULL && i < count; i++)
		free(all[i]);
	free(all);
}

static void
store_free(struct store_etcd *store)
{
	size_t i;

	if (store->timer != NULL)
		event_free(store->timer);
	free_endpoints(store->endpoints, store->endpoint_count);
	free_endpoints(store->troubles, store->endpoint_count);
	free(store->prefix);
	free(store->node);
	free(store->ca);
	free(store->cert);
	free(store->key);
	free(store->user);
	for (i = 0; i < KEY_COUNT; i++)
		free(store->keys[i]);
	free(store->swap);
	stek_file_free((uint8_t *)store->password);
	curl_global_cleanup();
	free(store);
}

static void
enter(struct store_etcd *store)
{
	store->depth++;
}

static void
leave(struct store_etcd *store)
{
	store->depth--;
	if (store->depth > 0)
		return;
	if (store->closed)
		store_free(store);
	else
		set_timer(store);
}

void
store_poke(struct store_etcd *store)
{
	store->poked = true;
	if (store->depth == 0)
		set_timer(store);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct store_etcd *store = arg;
	int64_t now = clock_ran();

	(void)fd;
	(void)what;
	enter(store);
	store->poked = false;
	store_link_run(store, now);
	store_swap_late(store, now);
	store_list_late(store, now);
	if (store->phase == PHASE_UP)
		store_set_run(store);
	if (store->phase == PHASE_UP)
		store_swap_run(store);
	if (store->phase == PHASE_UP)
		store_nodes_run(store, now);
	if (store->phase == PHASE_UP)
		store_list_run(store);
	if (store->phase == PHASE_UP)
		store_rights_run(store, now);
	leave(store);
}

/* --- what comes --- */

void
store_message(void *arg, int job, const uint8_t *bytes, size_t len)
{
	struct store_etcd *store = arg;

	enter(store);
	if (job == JOB_WATCH)
		store_on_watch(store, bytes, len);
	leave(store);
}

void
store_end(void *arg, int job, const struct call_end *end)
{
	static void (*const ends[JOB_COUNT])(struct store_etcd *,
	    const struct call_end *) = {[JOB_LOGIN] = store_on_login,
	    [JOB_READ] = store_on_read,
	    [JOB_WATCH] = store_on_watch_end,
	    [JOB_LOOK] = store_on_look,
	    [JOB_SWAP] = store_on_swap,
	    [JOB_GRANT] = store_on_grant,
	    [JOB_KEEP] = store_on_keep,
	    [JOB_ENTRY] = store_on_entry,
	    [JOB_LIST] = store_on_list,
	    [JOB_FORGET] = store_on_forget,
	    [JOB_CLOCK] = store_on_clock,
	    [JOB_ASK] = store_on_ask,
	    [JOB_RIGHTS] = store_on_rights,
	    [JOB_NOBODY] = store_on_nobody,
	    [JOB_OPEN] = store_on_open};
	struct store_etcd *store = arg;

	enter(store);
	store->jobs &= ~(1U << job);
	if (end->status < CALL_OK ||
	    (end->status > CALL_OK && job < JOB_RIGHTS))
		store->failures++;
	ends[job](store, end);
	leave(store);
}

/* --- opening and closing --- */

static bool
make_keys(struct store_etcd *store)
{
	/* '0' comes after '/'. */
	static const struct {
		const char *after; /* the prefix */
		bool node; /* and then this node's name */
	} parts[KEY_COUNT] = {
	    [KEY_SET] = {"set", false},
	    [KEY_NODE] = {"nodes/", true},
	    [KEY_MEMBER] = {"members/", true},
	    [KEY_NODES] = {"nodes/", false},
	    [KEY_NODES_END] = {"nodes0", false},
	    [KEY_MEMBERS] = {"members/", false},
	    [KEY_MEMBERS_END] = {"members0", false},
	};
	size_t i;

	for (i = 0; i < KEY_COUNT; i++)
		if (asprintf(&store->keys[i], "%s%s%s", store->prefix,
		        parts[i].after, parts[i].node ? store->node : "") < 0) {
			store->keys[i] = NULL;
			return false;
		}
	return true;
}

static bool
copy_strings(struct store_etcd *store, const struct store_etcd_conf *conf)
{
	store->prefix = strdup(conf->prefix);
	store->node = strdup(conf->node);
	store->ca = strdup(conf->ca);
	store->cert = strdup(conf->cert);
	store->key = strdup(conf->key);
	store->user = strdup(conf->user);
	return store->prefix != NULL && store->node != NULL &&
	       store->ca != NULL && store->cert != NULL && store->key != NULL &&
	       store->user != NULL && make_keys(store);
}

static bool
copy_password(struct store_etcd *store, const char *password)
{
	size_t len = strlen(password) + 1;

	store->password = (char *)stek_file_alloc(len);
	if (store->password == NULL)
		return false;
	memcpy(store->password, password, len);
	return true;
}

static char *
copy_endpoint(const char *endpoint)
{
	size_t len = strlen(endpoint);

	while (len > 0 && endpoint[len - 1] == '/')
		len--;
	return strndup(endpoint, len);
}

/* In an order of this node's own, so that a farm spreads over the members. */
static bool
copy_endpoints(struct store_etcd *store, const struct store_etcd_conf *conf)
{
	size_t i, k;

	store->endpoint_count = conf->endpoint_count;
	store->endpoints = calloc(conf->endpoint_count, sizeof(char *));
	store->troubles = calloc(conf->endpoint_count, sizeof(char *));
	if (store->endpoints == NULL || store->troubles == NULL)
		return false;
	for (i = 0; i < conf->endpoint_count; i++) {
		k = randombytes_uniform((uint32_t)i + 1);
		store->endpoints[i] = store->endpoints[k];
		store->endpoints[k] = copy_endpoint(conf->endpoints[i]);
		if (store->endpoints[k] == NULL)
			return false;
	}
	return true;
}

struct store_etcd *
store_etcd_open(struct event_base *base, const struct store_etcd_conf *conf,
    const struct store_told *told, void *arg)
{
	struct store_etcd *store;

	if (sodium_init() < 0 || conf->endpoint_count == 0 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	store = calloc(1, sizeof(*store));
	if (store == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	store->base = base;
	store->told = *told;
	store->arg = arg;
	store->state = STORE_NO_STATE;
	store->owed = true;
	store->timer = evtimer_new(base, on_timer, store);
	if (store->timer == NULL || !copy_strings(store, conf) ||
	    !copy_endpoints(store, conf) ||
	    !copy_password(store, conf->password)) {
		store_free(store);
		return NULL;
	}
	store_poke(store);
	return store;
}

void
store_etcd_close(struct store_etcd *store)
{
	if (store == NULL || store->closed)
		return;
	store->closed = true;
	store_link_close(store);
	(void)event_del(store->timer);
	if (store->depth == 0)
		store_free(store);
}

/* --- what is asked --- */

void
store_etcd_read(struct store_etcd *store)
{
	store->read = true;
	store_poke(store);
}

bool
store_etcd_swap(struct store_etcd *store, int64_t revision,
    const uint8_t *bytes, size_t len)
{
	if (store->swap != NULL)
		return false;
	store->swap = malloc(len > 0 ? len : 1);
	if (store->swap == NULL)
		return false;
	if (len > 0)
		memcpy(store->swap, bytes, len);
	store->swap_len = len;
	store->swap_revision = revision;
	store->swap_by = clock_ran() + ANSWER_MS;
	store->swap_sent = false;
	store_poke(store);
	return true;
}

void
store_etcd_tell(struct store_etcd *store, const uint8_t *bytes, size_t len)
{
	store->entry_len = len < STORE_ENTRY_MAX ? len : STORE_ENTRY_MAX;
	memcpy(store->entry, bytes, store->entry_len);
	store->has_entry = store->entry_due = true;
	store_poke(store);
}

void
store_etcd_list(struct store_etcd *store)
{
	if (store->list_by == 0)
		store->list_by = clock_ran() + ANSWER_MS;
	store_poke(store);
}

void
store_etcd_ask(struct store_etcd *store, const char *node)
{
	store_cancel(store, JOB_ASK);
	(void)snprintf(store->ask, sizeof(store->ask), "%s", node);
	store->ask_by = clock_ran() + ANSWER_MS;
	store_poke(store);
}

void
store_etcd_count(const struct store_etcd *store, struct store_etcd_counts *to)
{
	to->calls = store->calls;
	to->failures = store->failures;
	to->events = store->events;
	to->bytes_in = store->bytes_in;
	to->bytes_out = store->bytes_out;
	to->connects = store->connects;
}
