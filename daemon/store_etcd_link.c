/* SPDX-License-Identifier: ISC */
/*
 * The link of the store "etcd:" to one endpoint.  It is used until it fails:
 * log in, read the set, watch it from the next revision on; then it is up, and
 * looked at every two seconds.  A vital call that fails ends it, and the next
 * endpoint gets a try.
 *
 * Invariant: the state is STALE from `stale` on, which is a few seconds after
 * what proved last that nothing was missed had been sent.  So a member that is
 * lost need not be told, if another one takes its place in time.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "etcd.pb-c.h"
#include "store_etcd_own.h"

#define LOOK_LEAST   1800 /* ms, between two looks */
#define LOOK_MOST    2200
#define VITAL_MS     2400 /* of a call that must not be late */
#define CALL_MS      5000 /* of another */
#define LIST_MS      8000
#define FORGOTTEN_MS 200 /* after its time, a call is lost */
#define STALE_MS     4700 /* after what was proved */
#define GROWTH_MAX   3 /* of patience, in powers of two */
#define PAUSE_LEAST  50 /* before another try */
#define PAUSE_FIRST  400
#define PAUSE_MOST   5000
#define SMALL_MAX    ((size_t)4 * 1024) /* an answer without a value */
#define SET_MAX      (STORE_VALUE_MAX + SMALL_MAX)
#define LIST_MAX     ((size_t)64 * 1024 * 1024)

static const struct call_conf calls[JOB_COUNT] = {
    [JOB_LOGIN] = {"/etcdserverpb.Auth/Authenticate", NULL, VITAL_MS, SMALL_MAX,
        false},
    [JOB_READ] = {"/etcdserverpb.KV/Range", NULL, VITAL_MS, SET_MAX, false},
    [JOB_WATCH] = {"/etcdserverpb.Watch/Watch", NULL, 0, SET_MAX, false},
    [JOB_LOOK] = {"/etcdserverpb.KV/Range", NULL, VITAL_MS, SET_MAX, false},
    [JOB_SWAP] = {"/etcdserverpb.KV/Txn", NULL, CALL_MS, SET_MAX, false},
    [JOB_GRANT] = {"/etcdserverpb.Lease/LeaseGrant", NULL, CALL_MS, SMALL_MAX,
        false},
    [JOB_KEEP] = {"/etcdserverpb.Lease/LeaseKeepAlive", NULL, CALL_MS,
        SMALL_MAX, true},
    [JOB_ENTRY] = {"/etcdserverpb.KV/Txn", NULL, CALL_MS, SMALL_MAX, false},
    [JOB_LIST] = {"/etcdserverpb.KV/Txn", NULL, LIST_MS, LIST_MAX, false},
    [JOB_FORGET] = {"/etcdserverpb.KV/Txn", NULL, CALL_MS, SMALL_MAX, false},
    [JOB_ASK] = {"/etcdserverpb.KV/Range", NULL, CALL_MS, SMALL_MAX, false},
    [JOB_RIGHTS] = {"/etcdserverpb.KV/Range", NULL, CALL_MS, SMALL_MAX, false},
    [JOB_NOBODY] = {"/etcdserverpb.KV/Range", NULL, CALL_MS, SMALL_MAX, false},
    [JOB_OPEN] = {"/etcdserverpb.Auth/Authenticate", NULL, CALL_MS, SMALL_MAX,
        false},
};

static const char *
endpoint(const struct store_etcd *store)
{
	return store->endpoints[store->endpoint];
}

/* --- jobs --- */

ProtobufCBinaryData
store_key(const struct store_etcd *store, enum store_key key)
{
	return frame_binary(store->keys[key], strlen(store->keys[key]));
}

bool
store_busy(const struct store_etcd *store, enum store_job job)
{
	return (store->jobs & 1U << job) != 0;
}

/*
 * libcurl keeps the time of a call, but has been seen to forget it, with
 * version 7.88 and an answer that was garbled.
 */
int64_t
store_due(unsigned int ms)
{
	return ms == 0 ? INT64_MAX : clock_ran() + ms + FORGOTTEN_MS;
}

/*
 * Where a whole farm comes at once, who gives up early makes etcd begin anew,
 * so each round of endpoints gets more time.
 */
unsigned int
store_patience(const struct store_etcd *store, unsigned int ms)
{
	size_t lost = (store->endpoint_count - 1) / 2, more;

	if (store->tries <= lost)
		return ms;
	more = store->tries - lost;
	return ms << (more < GROWTH_MAX ? more : GROWTH_MAX);
}

static int64_t
first_due(const struct store_etcd *store)
{
	int64_t at = INT64_MAX;
	int job;

	for (job = 0; job < JOB_COUNT; job++)
		if (store_busy(store, (enum store_job)job) &&
		    store->due[job] < at)
			at = store->due[job];
	return at;
}

void
store_cancel(struct store_etcd *store, enum store_job job)
{
	if (store->link != NULL)
		link_cancel(store->link, (int)job);
	store->jobs &= ~(1U << job);
}

bool
store_send(struct store_etcd *store, enum store_job job,
    const ProtobufCMessage *message)
{
	struct call_conf conf = calls[job];
	uint8_t *frame;
	size_t len = 0;

	if (store->link == NULL)
		return false;
	conf.token = job == JOB_LOGIN || job == JOB_NOBODY || job == JOB_OPEN
	                 ? NULL
	                 : store->token;
	store->calls++;
	store->floors[job] = store->seen;
	conf.ms = store_patience(store, calls[job].ms);
	store->due[job] = store_due(conf.ms);
	frame = frame_pack(message, &len);
	if (!link_call(store->link, (int)job, &conf, frame, len)) {
		store->failures++;
		return false;
	}
	store->jobs |= 1U << job;
	return true;
}

/* --- the state --- */

static void
forget_troubles(struct store_etcd *store)
{
	size_t i;

	for (i = 0; i < store->endpoint_count; i++) {
		free(store->troubles[i]);
		store->troubles[i] = NULL;
	}
	store->trouble[0] = '\0';
}

static void
tell_state(struct store_etcd *store, enum store_state state, bool rollback,
    const char *why)
{
	if (store->closed)
		return;
	store->state = (int)state;
	store->told.state(store->arg, state, rollback, why);
}

static void
tell_live(struct store_etcd *store)
{
	forget_troubles(store);
	if (store->state != STORE_LIVE)
		tell_state(store, STORE_LIVE, false, "");
}

/* But for what is in brackets at the end, which differs by chance. */
static bool
is_same(const char *a, const char *b)
{
	const char *from = strstr(a, " (");
	size_t len = from != NULL ? (size_t)(from - a) + 2 : strlen(a) + 1;

	return strncmp(a, b, len) == 0;
}

/* Each endpoint's trouble once, as long as it stays the same. */
static void
tell_stale(struct store_etcd *store)
{
	char **last = &store->troubles[store->endpoint];
	bool same = *last != NULL && is_same(*last, store->trouble);

	if (store->state == STORE_STALE && same)
		return;
	free(*last);
	*last = strdup(store->trouble);
	tell_state(store, STORE_STALE, false, store->trouble);
}

void
store_tell_rollback(struct store_etcd *store, const char *why)
{
	(void)snprintf(store->trouble, sizeof(store->trouble), "%.256s: %.700s",
	    endpoint(store), why);
	tell_state(store, STORE_STALE, true, store->trouble);
}

void
store_proved(struct store_etcd *store, int64_t began)
{
	int64_t now = clock_ran();

	/* After a late answer sooner, so that the next look is in time. */
	store->stale = began + STALE_MS;
	store->look = store_soon(LOOK_LEAST, LOOK_MOST) - (now - began);
	if (now >= store->stale)
		return; /* it proves nothing now; that look will */
	tell_live(store);
	if (store->told.alive != NULL && !store->closed)
		store->told.alive(store->arg);
}

/* --- opening --- */

static void
log_in(struct store_etcd *store)
{
	Etcd__AuthenticateRequest request = ETCD__AUTHENTICATE_REQUEST__INIT;

	request.name = store->user;
	request.password = store->password;
	if (!store_send(store, JOB_LOGIN, &request.base))
		store_fail(store, false, "no memory");
}

static void
forget_token(struct store_etcd *store)
{
	if (store->token != NULL)
		sodium_memzero(store->token, strlen(store->token));
	free(store->token);
	store->token = NULL;
}

static void
take_token(struct store_etcd *store, const struct call_end *end)
{
	Etcd__AuthenticateResponse *answer = frame_unpack(
	    &etcd__authenticate_response__descriptor, end->bytes, end->len);
	size_t len;

	if (answer == NULL)
		return;
	len = strlen(answer->token);
	if (len > 0 && strcspn(answer->token, "\r\n") == len)
		store->token = strdup(answer->token);
	if (len > 0)
		sodium_memzero(answer->token, len);
	frame_message_free(answer);
}

void
store_on_login(struct store_etcd *store, const struct call_end *end)
{
	if (store_is_open(end)) {
		store_set_read(store); /* then it wants no token, either */
		return;
	}
	if (end->status != CALL_OK) {
		store_fail_end(store, end);
		return;
	}
	take_token(store, end);
	if (store->token == NULL)
		store_fail(store, false,
		    "its answer holds no token: see "
		    "whether etcd is there");
	else
		store_set_read(store);
}

struct link *
store_open_link(struct store_etcd *store, bool tls12)
{
	static const struct link_told told = {store_message, store_end};
	struct link_conf conf = {.endpoint = endpoint(store),
	    .ca = store->ca,
	    .cert = store->cert,
	    .key = store->key,
	    .tls12 = tls12,
	    .bytes_in = &store->bytes_in,
	    .bytes_out = &store->bytes_out};

	return link_new(store->base, &conf, &told, store);
}

static void
open_now(struct store_etcd *store)
{
	store->phase = PHASE_OPENING;
	store->connects++;
	store->watch_by = INT64_MAX;
	store->link = store_open_link(store, store->doubt == DOUBT_ASK);
	if (store->link == NULL)
		store_fail(store, false, "no memory");
	else if (store->doubt == DOUBT_ASK)
		store_doubt_ask(store);
	else if (store->user[0] != '\0')
		log_in(store);
	else
		store_set_read(store);
}

void
store_up(struct store_etcd *store)
{
	store->phase = PHASE_UP;
	store->doubt = DOUBT_NONE;
	store_nodes_up(store);
	store_rights_up(store);
	store_proved(store, store->began);
	store_poke(store);
}

void
store_reopen(struct store_etcd *store)
{
	if (store->link == NULL)
		return;
	store_cancel(store, JOB_WATCH);
	store->phase = PHASE_OPENING;
	store->watch_by = INT64_MAX;
	if (!store_busy(store, JOB_READ))
		store_set_read(store);
}

/* --- the end of a link --- */

void
store_link_close(struct store_etcd *store)
{
	link_free(store->link);
	link_free(store->clock_link);
	store->link = store->clock_link = NULL;
	store->jobs = 0;
	store->phase = PHASE_DOWN;
	forget_token(store);
}

/* The more rounds of all endpoints were in vain, the later. */
static int64_t
next_try(const struct store_etcd *store)
{
	size_t round = store->tries / store->endpoint_count;
	unsigned int most = PAUSE_FIRST;

	for (; round > 0 && most < PAUSE_MOST; round--)
		most *= 2;
	return store_soon(PAUSE_LEAST, most < PAUSE_MOST ? most : PAUSE_MOST);
}

static void
give_up(struct store_etcd *store, const char *why)
{
	(void)snprintf(store->trouble, sizeof(store->trouble), "%.256s: %.700s",
	    endpoint(store), why);
	store_nodes_lost(store);
	store_link_close(store);
}

void
store_fail(struct store_etcd *store, bool refused, const char *why)
{
	if (store->closed)
		return;
	give_up(store, why);
	store->tries++;
	store->connect = next_try(store);
	if (refused || store->state != STORE_LIVE ||
	    clock_ran() >= store->stale)
		tell_stale(store);
	store_swap_lost(store);
	store->endpoint = (store->endpoint + 1) % store->endpoint_count;
}

/* Before it is told that it broke, the same endpoint is asked why. */
static void
begin_doubt(struct store_etcd *store, const char *why)
{
	if (store->closed)
		return;
	store->doubt = DOUBT_ASK;
	give_up(store, why);
	store->connect = clock_ran();
	store_swap_lost(store);
}

void
store_fail_end(struct store_etcd *store, const struct call_end *end)
{
	char why[CONF_WHY_LEN];
	bool refused = end->status > CALL_OK &&
	               end->status != CALL_UNAVAILABLE &&
	               !store_is_logged_out(store, end);

	store_why(store, end, why);
	if (end->mute && store->doubt == DOUBT_NONE)
		begin_doubt(store, why);
	else
		store_fail(store, refused, why);
}

void
store_say(const struct store_etcd *store, const struct call_end *end,
    char why[CONF_WHY_LEN])
{
	char text[CONF_WHY_LEN];

	store_why(store, end, text);
	(void)snprintf(
	    why, CONF_WHY_LEN, "%.256s: %.700s", endpoint(store), text);
}

bool
store_lost(struct store_etcd *store, const struct call_end *end)
{
	if (end->status != CALL_BROKEN && !store_is_logged_out(store, end))
		return false;
	store_fail_end(store, end);
	return true;
}

/* --- what is due --- */

int64_t
store_link_next(const struct store_etcd *store)
{
	int64_t at = first_due(store);

	if (store->state == STORE_LIVE && store->stale < at)
		at = store->stale;
	if (store->phase == PHASE_DOWN && store->connect < at)
		at = store->connect;
	if (store->phase == PHASE_OPENING && store->watch_by < at)
		at = store->watch_by;
	if (store->phase == PHASE_UP && !store_busy(store, JOB_LOOK) &&
	    store->look < at)
		at = store->look;
	if (store->phase == PHASE_UP && store->clock < at)
		at = store->clock;
	return at;
}

void
store_link_run(struct store_etcd *store, int64_t now)
{
	if (store->phase == PHASE_OPENING && now >= store->watch_by)
		store_fail(store, false,
		    "etcd does not begin to watch: see whether it is "
		    "overloaded");
	if (now >= first_due(store))
		store_fail(store, false, HTTP_NO_ANSWER);
	if (store->state == STORE_LIVE && now >= store->stale) {
		if (store->trouble[0] == '\0')
			(void)snprintf(store->trouble, sizeof(store->trouble),
			    "%.256s: %s", endpoint(store), HTTP_NO_ANSWER);
		tell_stale(store);
	}
	if (store->closed)
		return;
	if (store->phase == PHASE_DOWN && now >= store->connect)
		open_now(store);
	if (store->phase == PHASE_UP && now >= store->look &&
	    !store_busy(store, JOB_LOOK))
		store_set_look(store);
	if (store->phase == PHASE_UP && now >= store->clock)
		store_clock_ask(store);
}
