/* SPDX-License-Identifier: ISC */
/* See rotate.h. */
#include <sys/timerfd.h>

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "node.h"
#include "rotate_store.h"

#define WAKE_MAX   300 /* s until it is planned again, if a plan failed */
#define CLOCK_SET  "the clock was set; planning anew"
#define LOOK_MAX   60 /* s until a remote store is looked at again */
#define PLAN_TRIES 3 /* while others swap faster */

/* When the last of the keys that are taken away would have died; 0: none. */
static int64_t
last_taken(const struct stek_set *old, const struct stek_set *new, int64_t now)
{
	int64_t last = 0;
	size_t i;

	for (i = 0; i < old->count; i++)
		if (stek_key_state(&old->keys[i], now) != STEK_DEAD &&
		    stek_set_find(new, old->keys[i].name) == NULL &&
		    old->keys[i].open_until > last)
			last = old->keys[i].open_until;
	return last;
}

/* Or is it only that the plan buries keys, or makes room for one? */
static void
adopt(struct rotate *rotate, const struct stek_set *next, bool revoking,
    const char *msg)
{
	int64_t now = clock_now();
	int64_t taken = revoking ? last_taken(rotate->set, next, now) : 0;

	stek_set_copy(rotate->set, next);
	rotate_log_set(msg, rotate);
	loop_publish(rotate->loop, taken);
}

/* Another host's or an operator's set, if the store has a newer one. */
static enum rotate_look
look_at_store(struct rotate *rotate)
{
	struct stek_set *found = stek_set_new();
	enum rotate_look seen;

	if (found == NULL)
		return LOOK_FAILED;
	seen = rotate_store_look(rotate, found);
	if (seen == LOOK_NEWER)
		adopt(rotate, found, true, "took a newer set");
	stek_set_free(found);
	return seen;
}

/* False: the clock was set after `wake` was found. */
static bool
arm(struct rotate *rotate, int64_t wake)
{
	struct itimerspec spec = {0};
	int64_t now = clock_now(), retry = rotate_retry(rotate, now);

	if (retry != 0 && retry < wake)
		wake = retry;
	if (rotate->store.remote && wake > now + LOOK_MAX)
		wake = now + LOOK_MAX;
	/* Whatever goes wrong, never more often than once a second. */
	if (wake <= now)
		wake = now + 1;
	rotate->wake = wake == INT64_MAX ? 0 : wake;
	spec.it_value.tv_sec = rotate->wake;
	if (timerfd_settime(rotate->timerfd,
	        TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL) == 0)
		return true;
	if (errno == ECANCELED) {
		log_line(LOG_WARNING, CLOCK_SET, NULL);
		return false;
	}
	log_line(LOG_ERR, "cannot set the timer", "why", strerror(errno), NULL);
	return true;
}

/* After a conflict: true if the store's newer set was adopted. */
static bool
yield_to_store(struct rotate *rotate)
{
	enum rotate_look seen = look_at_store(rotate);

	if (seen == LOOK_NOTHING)
		rotate_store_raced(rotate);
	return seen == LOOK_NEWER;
}

/* A set that the store did not take is still this host's set. */
static bool
save_and_adopt(struct rotate *rotate, const struct stek_set *next,
    bool revoking, const char *msg)
{
	switch (rotate_store_save(rotate, next)) {
	case STORE_CONFLICT:
		if (yield_to_store(rotate))
			return false;
		rotate->unsaved = true;
		break;
	case STORE_OK:
		break;
	default:
		rotate->unsaved = true;
	}
	if (revoking && rotate->unsaved)
		rotate_store_revoked(rotate, next);
	adopt(rotate, next, revoking, msg);
	return true;
}

/* Nothing new is due.  False: the store was faster, plan again. */
static bool
settle(struct rotate *rotate)
{
	if (rotate->unsaved &&
	    rotate_store_save(rotate, rotate->set) == STORE_CONFLICT &&
	    yield_to_store(rotate))
		return false;
	loop_publish(rotate->loop, 0);
	return true;
}

/* What failed, and what other hosts do where no watch tells of it. */
static void
look_again(struct rotate *rotate)
{
	if (rotate->retry != 0 ? rotate_store_due(rotate)
	                       : rotate->store.remote)
		(void)look_at_store(rotate);
}

/* Returns when to wake, as do those below. */
static int64_t
follow(struct rotate *rotate, int64_t now)
{
	int64_t wake;

	look_again(rotate);
	loop_publish(rotate->loop, 0);
	wake = stek_set_wake(rotate->set, now);
	if (rotate->loop->throwaway->seal_until > now &&
	    rotate->loop->throwaway->seal_until < wake)
		wake = rotate->loop->throwaway->seal_until;
	return wake;
}

static int64_t
plan_and_save(struct rotate *rotate, struct stek_set *next)
{
	int64_t now = clock_now(), wake = now + WAKE_MAX;
	enum stek_err err;
	int tries;

	if (!rotate->unsaved)
		look_again(rotate);
	for (tries = 0; tries < PLAN_TRIES; tries++) {
		err = stek_plan(
		    rotate->set, &rotate->loop->conf->policy, now, next, &wake);
		if (err != STEK_OK) {
			log_line(LOG_ERR, "cannot plan", "why",
			    stek_strerror(err), NULL);
			break;
		}
		if (next->version == rotate->set->version) {
			if (settle(rotate))
				break;
		} else if (save_and_adopt(
		               rotate, next, false, "keys moved on")) {
			rotate->rotations++;
			break;
		}
	}
	return tries < PLAN_TRIES ? wake : now + 1;
}

/* Seconds for which the clock is still in doubt; said when that changes. */
static int64_t
look_at_clock(struct rotate *rotate)
{
	struct doubt *doubt = &rotate->doubt;
	char before[DOUBT_WHY_LEN];
	int64_t left;

	memcpy(before, doubt->why, sizeof(before));
	left = doubt_look(doubt, clock_now(), clock_boot());
	if (doubt->open && strcmp(before, doubt->why) != 0)
		log_line(LOG_ERR, "the clock is not believed", "why",
		    doubt->why, NULL);
	else if (!doubt->open && before[0] != '\0')
		log_line(LOG_INFO, "the clock is believed", NULL);
	return left;
}

static void
believe_clock(struct rotate *rotate)
{
	if (rotate->doubt.open)
		log_line(LOG_INFO, "the clock is believed", NULL);
	doubt_end(&rotate->doubt, clock_now(), clock_boot());
}

/* The clock is in doubt: servers go by it, but the farm's set does not. */
static int64_t
wait_out(struct rotate *rotate, int64_t left)
{
	int64_t now = clock_now(), wake;

	if (rotate->unsaved)
		(void)settle(rotate);
	wake = follow(rotate, now);
	return wake < now + left ? wake : now + left;
}

static int64_t
move_on(struct rotate *rotate)
{
	struct stek_set *next;
	int64_t wake, left;

	if (!rotate->loop->conf->mint)
		return follow(rotate, clock_now());
	left = look_at_clock(rotate);
	if (left > 0)
		return wait_out(rotate, left);
	next = stek_set_new();
	if (next == NULL) {
		log_line(LOG_ERR, "no memory to plan with", NULL);
		return clock_now() + 1;
	}
	wake = plan_and_save(rotate, next);
	stek_set_free(next);
	return wake;
}

void
rotate_configure(struct rotate *rotate)
{
	if (rotate->node != NULL)
		node_configure(rotate->node);
	else
		rotate_wake(rotate);
}

void
rotate_wake(struct rotate *rotate)
{
	int tries = 0;

	if (rotate->node != NULL) {
		node_wake(rotate->node);
		return;
	}
	while (!arm(rotate, move_on(rotate)) && ++tries < PLAN_TRIES)
		continue;
}

/* Fired, or the clock was set: either way, look what time it is. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	uint64_t expirations;

	(void)what;
	if (read(fd, &expirations, sizeof(expirations)) < 0) {
		if (errno == EAGAIN)
			return;
		log_line(LOG_WARNING, CLOCK_SET, NULL);
	}
	rotate_wake(arg);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct rotate *rotate = arg;

	(void)fd;
	(void)what;
	if (!store_watch_read(&rotate->store))
		return;
	if (look_at_store(rotate) == LOOK_NEWER || rotate->unsaved ||
	    rotate->retry != 0)
		rotate_wake(rotate);
}

/* *changed: false if nothing had to be done, or on error. */
static enum stek_err
carry_out(struct rotate *rotate,
    enum stek_err (*request)(
        struct rotate *, int64_t, const void *, struct stek_set *),
    const void *arg, bool revoking, const char *msg, bool *changed)
{
	struct stek_set *next = stek_set_new();
	enum stek_err err;
	int tries;

	*changed = false;
	if (next == NULL)
		return STEK_ERR_MEMORY;
	believe_clock(rotate);
	for (tries = 0; tries < PLAN_TRIES; tries++) {
		err = request(rotate, clock_now(), arg, next);
		*changed =
		    err == STEK_OK && next->version != rotate->set->version;
		if (!*changed || save_and_adopt(rotate, next, revoking, msg))
			break;
	}
	if (tries == PLAN_TRIES) {
		err = STEK_ERR_BUSY;
		*changed = false;
	}
	stek_set_free(next);
	if (err == STEK_OK)
		rotate_wake(rotate);
	return err;
}

static enum stek_err
request_rotate(
    struct rotate *rotate, int64_t now, const void *arg, struct stek_set *next)
{
	const struct stek_policy *policy = &rotate->loop->conf->policy;
	const bool *at_once = arg;

	return stek_plan_rotate(rotate->set, policy, now,
	    *at_once ? now : now + policy->lead, next);
}

static enum stek_err
request_revoke(
    struct rotate *rotate, int64_t now, const void *arg, struct stek_set *next)
{
	const struct stek_policy *policy = &rotate->loop->conf->policy;
	const struct stek_key *before, *after;
	enum stek_err err;

	err = stek_plan_revoke(rotate->set, policy, now, arg, next);
	if (err != STEK_OK || next->version == rotate->set->version)
		return err;
	/*
	 * Only another sealing key shows on the wire that a server has read
	 * its keys anew, and so has dropped the revoked one.
	 */
	before = stek_set_sealing(rotate->set, now);
	after = stek_set_sealing(next, now);
	if (before == NULL || after == NULL ||
	    memcmp(before->name, after->name, STEK_NAME_LEN) != 0)
		return STEK_OK;
	return stek_plan_rotate(next, policy, now, now, next);
}

enum stek_err
rotate_ahead(struct rotate *rotate, bool at_once, bool *moved)
{
	enum stek_err err = carry_out(rotate, request_rotate, &at_once, false,
	    "rotated by an operator", moved);

	rotate->rotations += *moved ? 1 : 0;
	if (err == STEK_OK && !*moved)
		rotate_log_set("an operator's rotation moved nothing: the next "
		               "key begins to seal as soon already",
		    rotate);
	return err;
}

enum stek_err
rotate_revoke(struct rotate *rotate, const uint8_t *name)
{
	bool changed;
	enum stek_err err = carry_out(rotate, request_revoke, name, true,
	    "revoked by an operator", &changed);

	rotate->revocations += changed ? 1 : 0;
	return err;
}

enum stek_err
rotate_rekey(struct rotate *rotate)
{
	struct stek_set *next;

	if (rotate->farm_keys.next == NULL)
		return STEK_ERR_AUTH;
	next = stek_set_new();
	if (next == NULL)
		return STEK_ERR_MEMORY;
	farm_keys_move_on(&rotate->farm_keys);
	stek_set_copy(next, rotate->set);
	next->version++;
	/* What another host swapped meanwhile is sealed with the old key. */
	if (!save_and_adopt(rotate, next, false, "moved to a new farm key"))
		rotate->unsaved = true;
	stek_set_free(next);
	rotate_wake(rotate);
	return STEK_OK;
}

static bool
add_events(struct rotate *rotate)
{
	struct event_base *base = rotate->loop->base;

	rotate->timer = event_new(
	    base, rotate->timerfd, EV_READ | EV_PERSIST, on_timer, rotate);
	rotate->watch = event_new(
	    base, rotate->store.watch, EV_READ | EV_PERSIST, on_watch, rotate);
	return rotate->timer != NULL && rotate->watch != NULL &&
	       event_add(rotate->timer, NULL) == 0 &&
	       event_add(rotate->watch, NULL) == 0;
}

static bool
start_alone(struct rotate *rotate)
{
	rotate->set = stek_set_new();
	if (rotate->set == NULL) {
		log_line(LOG_ERR, "cannot start", "why", strerror(errno), NULL);
		return false;
	}
	if (!store_watch(&rotate->store)) {
		log_line(LOG_ERR, "cannot open the store", "why",
		    rotate->store.why, NULL);
		return false;
	}
	if (!rotate_store_first(rotate))
		return false;
	doubt_begin(&rotate->doubt, rotate->set, clock_now(), clock_boot());
	if (rotate->stored > 0)
		rotate_log_set("keys read from the store", rotate);
	return add_events(rotate);
}

bool
rotate_start(struct rotate *rotate, struct loop *loop)
{
	rotate->loop = loop;
	rotate->timerfd =
	    timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (rotate->timerfd < 0) {
		log_line(LOG_ERR, "cannot start", "why", strerror(errno), NULL);
		return false;
	}
	if (!store_open(&rotate->store, loop->conf)) {
		log_line(LOG_ERR, "cannot open the store", "why",
		    rotate->store.why, NULL);
		return false;
	}
	return conf_is_shared(loop->conf) ? node_start(rotate, loop)
	                                  : start_alone(rotate);
}

void
rotate_stop(struct rotate *rotate)
{
	if (rotate->timer != NULL)
		event_free(rotate->timer);
	if (rotate->watch != NULL)
		event_free(rotate->watch);
	if (rotate->node != NULL)
		node_stop(rotate);
	else
		stek_set_free(rotate->set);
	if (rotate->timerfd >= 0)
		(void)close(rotate->timerfd);
	store_close(&rotate->store);
	farm_keys_free(&rotate->farm_keys);
}
