/* SPDX-License-Identifier: ISC */
/* See target.h. */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "verify.h"

#define VERIFY_SECONDS  10 /* for a reload to show on the wire */
#define RETRY_MAX       300 /* s between two attempts at most */
#define PROBE_PAUSE_MAX 2 /* s between two probes at most */
#define PROOFS          3 /* in a row, it takes while revoking, */
#define PROOF_PAUSE     150 /* ms apart */

static void proceed(struct target *);

static void
call_later(struct target *target, int64_t ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	(void)event_add(target->timer, &tv);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	proceed(arg);
}

bool
target_start(struct target *target, struct loop *loop,
    const struct conf_target *conf, uint32_t index)
{
	memset(target, 0, sizeof(*target));
	target->loop = loop;
	target->conf = conf;
	target->index = index;
	target->wanted = stek_set_new();
	target->timer = evtimer_new(loop->base, on_timer, target);
	return target->wanted != NULL && target->timer != NULL;
}

void
target_stop(struct target *target)
{
	stek_set_free(target->wanted);
	if (target->timer != NULL)
		event_free(target->timer);
}

/* If this gets lost, one reload too many comes after a restart. */
static void
pay(struct target *target)
{
	struct monitor_request request = {
	    .op = MONITOR_DONE, .index = target->index};
	struct loop *loop = target->loop;

	memcpy(request.hash, loop->conf->hash, sizeof(request.hash));
	if (target->owed && monitor_send(loop->monitor, &request, NULL))
		target->owed = false;
}

/* Is it about a key that was revoked and would still be alive? */
static bool
is_revoking(const struct target *target)
{
	return target->revoked > clock_now();
}

/* A revocation from before stekd was started: no key lives longer. */
static void
remember_revocation(struct target *target)
{
	const struct stek_policy *policy = &target->loop->conf->policy;

	if (target->revoked == 0)
		target->revoked = clock_now() + policy->lead +
		                  2 * policy->rotate + policy->tickets;
}

static void
settle(struct target *target, enum target_state state)
{
	target->step = TARGET_IDLE;
	target->state = state;
	if (state != TARGET_FAILED) {
		if (target->error[0] != '\0')
			log_line(LOG_INFO, "target works again", "target",
			    target->conf->name, NULL);
		pay(target);
		target->applied = target->version;
		target->revoked = 0;
		target->told_twice = false;
		target->attempts = 0;
		target->next_try = 0;
		target->error[0] = '\0';
	}
	loop_settled(target->loop, target);
}

/* Say so once a reason. */
static void
complain(struct target *target, const char *why)
{
	target->failures++;
	if (strcmp(why, target->error) != 0)
		log_line(LOG_ERR, "target failed; it is tried again", "target",
		    target->conf->name, "why", why, NULL);
	(void)snprintf(target->error, sizeof(target->error), "%s", why);
}

/* Keep the last good file, try again from `step`. */
static void
fail(struct target *target, enum target_step step, const char *why)
{
	int64_t pause = INT64_C(2)
	                << (target->attempts < 8 ? target->attempts : 8);

	if (pause > RETRY_MAX)
		pause = RETRY_MAX;
	target->attempts++;
	target->next_try = clock_now() + pause;
	complain(target, why);
	target->placed = true;
	loop_placed(target->loop);
	settle(target, TARGET_FAILED);
	target->step = step;
	call_later(target, pause * 1000);
}

/* The server has what is wanted; but is all else as it should be? */
static void
arrive(struct target *target, enum target_state state)
{
	if (target->left[0] == '\0') {
		settle(target, state);
		return;
	}
	pay(target);
	target->applied = target->version;
	target->revoked = 0;
	fail(target, TARGET_PLACE, target->left);
}

/* Hand a request to the monitor, or come back when it has room. */
static void
ask(struct target *target, enum monitor_op op, const struct stek_set *set)
{
	char text[CONF_WHY_LEN];
	struct monitor_request request = {.op = op,
	    .index = target->index,
	    .revoking = is_revoking(target),
	    .renew = target->renew};
	struct loop *loop = target->loop;

	memcpy(request.hash, loop->conf->hash, sizeof(request.hash));
	request.serial = ++loop->serial;
	if (monitor_send(loop->monitor, &request, set)) {
		target->serial = request.serial;
	} else if (errno == EAGAIN) {
		call_later(target, 100);
	} else {
		(void)snprintf(text, sizeof(text),
		    "cannot ask the monitor: %s; nothing was changed",
		    strerror(errno));
		fail(target, target->step, text);
	}
}

/* Servers that look at the file by themselves need a reload to forget. */
static bool
needs_reload(const struct target *target)
{
	return target->stale && target->conf->reload[0] != '\0' &&
	       (target->conf->format->tick == 0 || is_revoking(target));
}

static void
after_place(struct target *target, const struct monitor_reply *reply)
{
	bool must_forget = is_revoking(target) && (target->conf->format->flags &
	                                              FORMAT_REMEMBERS) != 0;

	if (!reply->ok && reply->wait > 0) {
		call_later(target, (int64_t)reply->wait * 1000);
		return;
	}
	if (!reply->ok) {
		fail(target, TARGET_PLACE, reply->text);
		return;
	}
	target->renew = false;
	(void)snprintf(target->left, sizeof(target->left), "%.*s",
	    CONF_WHY_LEN - 1, reply->text);
	target->stale |= must_forget;
	if (must_forget && target->conf->reload[0] == '\0') {
		fail(target, TARGET_PLACE,
		    "the file is right, but this server keeps revoked keys in "
		    "its memory until it is restarted; restart it now, and "
		    "then stekd, and give the target a reload for the "
		    "next time");
		return;
	}
	target->step = needs_reload(target) ? TARGET_RELOAD : TARGET_PROBE;
	proceed(target);
}

static void
after_reload(struct target *target, const struct monitor_reply *reply)
{
	if (!reply->ok) {
		fail(target, TARGET_RELOAD, reply->text);
		return;
	}
	target->stale = false;
	target->step = TARGET_PROBE;
	proceed(target);
}

static void
probe(struct target *target)
{
	int64_t patience = VERIFY_SECONDS, now = clock_ms();

	if (target->conf->verify[0] == '\0' ||
	    stek_set_sealing(target->wanted, clock_now()) == NULL) {
		target->stale = false;
		arrive(target, TARGET_APPLIED);
		return;
	}
	if (target->deadline == 0) {
		if (!is_revoking(target) || target->conf->reload[0] == '\0')
			patience += target->conf->format->tick;
		target->deadline = now + patience * 1000;
		target->probes = 0;
		target->proofs = 0;
	}
	ask(target, MONITOR_PROBE, NULL);
}

/*
 * One proof is of one process.  While nginx, for one, replaces its workers,
 * the old ones accept connections for another 0.1 s, with the revoked keys.
 */
static bool
is_lasting(struct target *target)
{
	if (!is_revoking(target) || ++target->proofs >= PROOFS)
		return true;
	call_later(target, PROOF_PAUSE);
	return false;
}

/*
 * Time is up.  Perhaps a reload was lost: one more, then only further looks.
 * Traffic Server, for one, passes over a file that was written in the second
 * in which it last read one, until its time changes.
 */
static void
tell_again(struct target *target, const char *why)
{
	bool once = !target->told_twice;

	target->told_twice = true;
	target->stale = once;
	target->renew = once;
	if (!once || target->conf->reload[0] == '\0' ||
	    target->conf->format->tick != 0) {
		fail(target, TARGET_PLACE, why);
		return;
	}
	log_line(LOG_WARNING, "target reloads once more", "target",
	    target->conf->name, "why", why, NULL);
	target->step = TARGET_PLACE;
	proceed(target);
}

static void
after_probe(struct target *target, const struct monitor_reply *reply)
{
	const struct verify verify = {
	    target->conf, target->wanted, clock_now()};
	char why[CONF_WHY_LEN] = "";
	enum format_ticket verdict;
	int64_t pause;

	/* No handshake, so nothing that a reload would mend. */
	if (!reply->ok) {
		(void)snprintf(
		    why, sizeof(why), "%.*s", CONF_WHY_LEN - 1, reply->text);
		target->deadline = 0;
		fail(target, TARGET_PROBE, why);
		return;
	}
	verdict = verify_reply(&verify, reply->text, why);
	target->proof = verdict;
	if (verdict == FORMAT_TICKET_NAMED || verdict == FORMAT_TICKET_PROVEN) {
		if (!is_lasting(target))
			return;
		target->verified = verify.now;
		target->stale = false;
		arrive(target, target->conf->format->ticket == NULL
		                   ? TARGET_APPLIED
		                   : TARGET_VERIFIED);
		return;
	}
	target->proofs = 0;
	if (clock_ms() < target->deadline) {
		pause = INT64_C(50)
		        << (target->probes < 8 ? target->probes : 8);
		target->probes++;
		if (pause > PROBE_PAUSE_MAX * 1000)
			pause = PROBE_PAUSE_MAX * 1000;
		call_later(target, pause);
		return;
	}
	tell_again(target, why);
}

static void
proceed(struct target *target)
{
	if (target->serial != 0)
		return;
	switch (target->step) {
	case TARGET_IDLE:
		break;
	case TARGET_PLACE:
		target->deadline = 0;
		ask(target, MONITOR_PLACE, target->wanted);
		break;
	case TARGET_RELOAD:
		ask(target, MONITOR_RELOAD, NULL);
		break;
	case TARGET_PROBE:
		probe(target);
		break;
	}
}

static void
restart(struct target *target)
{
	target->again = false;
	target->told_twice = false;
	target->attempts = 0;
	target->step = TARGET_PLACE;
	(void)event_del(target->timer);
	proceed(target);
}

/* Would the same be written for this set as for what is wanted already? */
static bool
is_wanted(const struct target *target, const struct stek_set *set, int64_t now)
{
	const struct stek_set *wanted = target->wanted;
	size_t i;

	if (target->version == 0 || set->count != wanted->count ||
	    sodium_memcmp(set->keys, wanted->keys, sizeof(set->keys)) != 0)
		return false;
	for (i = 0; i < set->count; i++)
		if (stek_set_state(set, &set->keys[i], now) !=
		    target->states[i])
			return false;
	return true;
}

static void
want(struct target *target, const struct stek_set *set, int64_t now)
{
	const struct stek_key *sealing = stek_set_sealing(set, now);
	size_t i;

	stek_set_copy(target->wanted, set);
	for (i = 0; i < set->count; i++)
		target->states[i] = stek_set_state(set, &set->keys[i], now);
	target->sealing[0] = '\0';
	if (sealing != NULL)
		stek_key_hex(sealing->name, target->sealing);
}

void
target_forget(struct target *target)
{
	target->applied = 0;
}

void
target_update(
    struct target *target, const struct stek_set *set, int64_t revoked)
{
	struct stek_set *scoped = target->loop->scoped;
	int64_t now = clock_now();
	bool same;

	/* The length of the scope was checked with the configuration. */
	if (stek_scope_set(set, target->conf->scope, scoped) != STEK_OK)
		return;
	same = is_wanted(target, scoped, now) && revoked <= target->revoked;
	want(target, scoped, now);
	stek_set_clear(scoped);
	target->version = set->version;
	if (same) {
		/* What failed keeps its pause. */
		if (target->state == TARGET_APPLIED ||
		    target->state == TARGET_VERIFIED)
			target->applied = target->version;
		return;
	}
	if (revoked > target->revoked)
		target->revoked = revoked;
	target->state = TARGET_WORKING;
	if (target->serial != 0)
		target->again = true;
	else
		restart(target);
}

void
target_reply(struct target *target, const struct monitor_reply *reply)
{
	if (target->serial == 0 || reply->serial != target->serial)
		return;
	target->serial = 0;
	if (reply->op == MONITOR_PLACE && reply->changed)
		target->written = clock_now();
	if (reply->op == MONITOR_PLACE) {
		target->stale |= reply->changed || reply->owed;
		if (reply->revoking)
			remember_revocation(target);
		target->owed = reply->owed;
	}
	if (target->again) {
		/* A reload that was under way may have seen the old file. */
		if (reply->op == MONITOR_RELOAD)
			target->stale = true;
		if (reply->op != MONITOR_PROBE && !reply->ok &&
		    reply->wait == 0)
			complain(target, reply->text);
		restart(target);
		return;
	}
	switch (reply->op) {
	case MONITOR_PLACE:
		target->placed = true;
		loop_placed(target->loop);
		after_place(target, reply);
		break;
	case MONITOR_RELOAD:
		after_reload(target, reply);
		break;
	case MONITOR_PROBE:
		after_probe(target, reply);
		break;
	case MONITOR_DONE:
	case MONITOR_CONF:
		break;
	}
}
