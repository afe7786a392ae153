/* SPDX-License-Identifier: ISC */
/* See farm.h. */
#include <sodium.h>
#include <string.h>

#include "farm_offer.h"
#include "farm_pause.h"

#define SECOND   INT64_C(1000)
#define WITHHOLD (1 * SECOND) /* so long a revocation waits for the store */

static int64_t
at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
restart(struct farm *farm)
{
	farm->want = FARM_NOTHING;
	farm->attempts = 0;
	farm->confirmed = false;
	farm->asked = false;
}

/* Of a set, what was revoked here. */
static bool
has_any_revoked(const struct farm *farm, const struct stek_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (farm_has_revoked(farm, set->keys[i].name))
			return true;
	return false;
}

/* When no server opens with a key of the set any more. */
static int64_t
end_of(const struct farm *farm, const struct stek_key *key)
{
	return key == held_key(&farm->set)
	           ? held_open_until(key, &farm->conf.policy)
	           : key->open_until;
}

/* When the last of the keys that `next`, if any, has not would have died. */
static int64_t
last_taken(const struct farm *farm, const struct stek_set *next, int64_t now)
{
	const struct stek_key *key;
	int64_t last = 0;
	size_t i;

	for (i = 0; i < farm->set.count; i++) {
		key = &farm->set.keys[i];
		if (next == NULL || stek_set_find(next, key->name) == NULL)
			last = at_least(last, end_of(farm, key));
	}
	return last > now ? last : 0;
}

static void
note_name(struct farm *farm, const uint8_t name[STEK_NAME_LEN])
{
	if (!farm_has_revoked(farm, name))
		memcpy(farm->revoked[farm->revoked_count++ % FARM_REVOKED_MAX],
		    name, STEK_NAME_LEN);
}

/*
 * A key that was taken away before its end was revoked, so it does not come
 * back: not with a set that somebody kept from before, nor by a farm that has
 * gone apart and together again.
 */
static void
remember_taken(struct farm *farm, const struct stek_set *next, int64_t now)
{
	const struct stek_key *key;
	size_t i;

	for (i = 0; i < farm->set.count; i++) {
		key = &farm->set.keys[i];
		if (stek_set_find(next, key->name) == NULL &&
		    end_of(farm, key) > now)
			note_name(farm, key->name);
	}
}

static bool
has_new(const struct stek_set *next, const struct stek_set *old)
{
	size_t i;

	for (i = 0; i < next->count; i++)
		if (stek_set_find(old, next->keys[i].name) == NULL)
			return true;
	return false;
}

static bool
is_same(const struct stek_set *a, const struct stek_set *b)
{
	return a->version == b->version && a->count == b->count &&
	       sodium_memcmp(a->keys, b->keys, sizeof(a->keys)) == 0;
}

static void
adopt(struct farm *farm, const struct stek_set *next, int64_t now,
    struct farm_todo *todo)
{
	bool rotating = farm->rotate, revoking = farm->revoking;

	remember_taken(farm, next, now);
	todo->taken = last_taken(farm, next, now);
	todo->forked = next->version == farm->set.version;
	if (farm->rotate && has_new(next, &farm->set))
		farm->rotate = false;
	stek_set_copy(&farm->set, next);
	farm->revoking = has_any_revoked(farm, next);
	farm->due = 0;
	restart(farm);
	todo->adopted = true;
	todo->publish = true;
	todo->done |=
	    (rotating && !farm->rotate) || (revoking && !farm->revoking);
	if (!farm->revoking)
		farm->asked_to_revoke = farm->withheld = false;
}

/* The store took it.  It tells so twice, as found and as swapped. */
static void
take_offer(struct farm *farm, int64_t now, struct farm_todo *todo)
{
	todo->swapped = farm->offered;
	if (farm->offered == FARM_ROTATE && farm->rotate) {
		farm->rotate = false;
		todo->done = true;
	}
	if (farm->offered == FARM_REKEY) {
		farm->rekey = false;
		todo->done = true;
	}
	farm->offered = FARM_NOTHING;
	/* What came behind it may have been found, and be gone again. */
	if (farm->offer.version >= farm->set.version &&
	    !is_same(&farm->offer, &farm->set))
		adopt(farm, &farm->offer, now, todo);
	restart(farm);
}

/* What the store has is known now. */
static void
found(struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	const struct stek_set *set = event->set;

	farm->looked = true;
	farm->garbage = false;
	farm->mine = event->mine;
	farm->stored = set == NULL ? 0 : set->version;
	if (farm->swap != FARM_IDLE && set != NULL &&
	    is_same(set, &farm->offer))
		take_offer(farm, event->now, todo);
	else
		farm->overtaken = true;
	if (farm->swap == FARM_UNSURE)
		farm->swap = FARM_IDLE;
	if (set == NULL || set->version < farm->set.version ||
	    is_same(set, &farm->set))
		return;
	adopt(farm, set, event->now, todo);
}

static void
swapped(
    struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	farm->swap = FARM_IDLE;
	/* What came behind it may have been found meanwhile. */
	if (farm->stored > farm->offer.version)
		return;
	/* Or an older set, put there before it or behind it. */
	if (farm->overtaken) {
		farm->looked = false;
		todo->read = true;
	} else {
		farm->stored = farm->offer.version;
		farm->mine = true;
	}
	take_offer(farm, event->now, todo);
}

/* What was revoked is gone here, whenever the farm hears of it. */
static void
withhold(struct farm *farm, int64_t now, struct farm_todo *todo)
{
	const struct stek_key *key;
	size_t i;

	farm->withheld = farm->revoking;
	for (i = 0; i < farm->set.count; i++) {
		key = &farm->set.keys[i];
		if (!farm_has_revoked(farm, key->name) ||
		    end_of(farm, key) <= now)
			continue;
		todo->publish = true;
		todo->taken = at_least(todo->taken, end_of(farm, key));
	}
}

/* Nobody waits any longer for an operator's wish to come true everywhere. */
static void
fall_short(struct farm *farm, int64_t now, struct farm_todo *todo)
{
	if (!farm->rotate && !farm->revoking && !farm->rekey)
		return;
	todo->undone = true;
	farm->rotate = farm->rekey = false;
	withhold(farm, now, todo);
}

static void
failed(
    struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	farm->swap = event->what == FARM_UNKNOWN ? FARM_UNSURE : FARM_IDLE;
	/* Somebody else was faster: what is there will be told. */
	farm->looked &= event->what == FARM_REFUSED;
	todo->read = event->what != FARM_REFUSED;
	/* Other nodes may come before it is tried again. */
	farm->confirmed = false;
	farm->attempts++;
	farm->attempt = event->ran + farm_pause(farm);
	if (event->what == FARM_REFUSED)
		fall_short(farm, event->now, todo);
}

static void
note_revoked(struct farm *farm, const uint8_t *name)
{
	size_t i;

	for (i = 0; i < farm->set.count; i++) {
		if (name != NULL &&
		    memcmp(farm->set.keys[i].name, name, STEK_NAME_LEN) != 0)
			continue;
		note_name(farm, farm->set.keys[i].name);
		farm->revoking = farm->asked_to_revoke = true;
		farm->withheld = false;
	}
}

void
farm_revoke_again(struct farm *farm, const uint8_t name[STEK_NAME_LEN])
{
	note_name(farm, name);
	farm->revoking = has_any_revoked(farm, &farm->set);
	farm->asked_to_revoke = farm->revoking;
}

static void
wish(struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	doubt_end(&farm->doubt, event->now, event->ran / SECOND);
	if (event->what == FARM_DO_ROTATE) {
		farm->rotate = true;
		farm->at_once = event->at_once;
	} else if (event->what == FARM_DO_REKEY) {
		farm->rekey = true;
	} else {
		note_revoked(farm, event->name);
	}
	if (farm->swap == FARM_IDLE)
		restart(farm);
	if (!farm->live || farm->garbage)
		fall_short(farm, event->now, todo);
}

/* Once: servers forget all keys as if they were revoked. */
static void
go_stale(
    struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	if (farm->stale || !farm_is_stale(farm, event->ran))
		return;
	farm->stale = true;
	todo->taken = last_taken(farm, NULL, event->now);
}

static void
note(struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	switch (event->what) {
	case FARM_TIME:
		farm->due = 0;
		todo->publish = true;
		go_stale(farm, event, todo);
		if (farm->revoking && !farm->withheld)
			withhold(farm, event->now, todo);
		break;
	case FARM_FOUND:
		found(farm, event, todo);
		break;
	case FARM_GARBAGE:
		farm->looked = false;
		farm->garbage = true;
		if (farm->swap == FARM_UNSURE)
			farm->swap = FARM_IDLE;
		restart(farm);
		fall_short(farm, event->now, todo);
		break;
	case FARM_CONTACT:
		todo->publish = farm->stale;
		farm->stale = false;
		farm->live = true;
		farm->contact = event->ran;
		break;
	case FARM_CUT_OFF:
		farm->live = false;
		/* All nodes are back at once: each with another pause. */
		restart(farm);
		fall_short(farm, event->now, todo);
		break;
	case FARM_CLOCK:
		farm->clock_known = true;
		farm->clock = event->clock - event->ran / SECOND;
		break;
	case FARM_SWAPPED:
		if (farm->swap != FARM_IDLE)
			swapped(farm, event, todo);
		break;
	case FARM_CONFLICT:
	case FARM_REFUSED:
	case FARM_UNKNOWN:
		if (farm->swap != FARM_IDLE)
			failed(farm, event, todo);
		break;
	case FARM_NODES:
		/* The others ask only whether the writer is live. */
		if (!farm->mine)
			break;
		farm->confirmed = event->yes;
		farm->asked = false;
		break;
	case FARM_WRITER:
		/* Who wrote it is gone: look after it. */
		farm->confirmed = farm->asked && !event->yes;
		farm->asked = false;
		break;
	case FARM_DO_ROTATE:
	case FARM_DO_REVOKE:
	case FARM_DO_REKEY:
		wish(farm, event, todo);
		break;
	}
}

/*
 * Is the held key not to wait any longer?  Not either while nothing seals, for
 * then nobody would be spared anything.
 */
static bool
is_overdue(const struct farm *farm, int64_t now)
{
	int64_t from = held_from(held_key(&farm->set));

	return farm->conf.postpone != FARM_WAIT &&
	       (now >= from + farm->conf.postpone ||
	           stek_set_sealing(&farm->set, now) == NULL);
}

static enum farm_want
find_want(struct farm *farm, int64_t now)
{
	if (!farm->conf.mint)
		return FARM_NOTHING;
	if (farm->revoking)
		return FARM_REVOKE;
	if (farm->stored < farm->set.version && farm->set.count > 0)
		return FARM_RESTORE;
	/* Without its own copy: others have, and restore it. */
	if (farm->stored < farm->set.version && farm->stored > 0)
		return FARM_NOTHING;
	if (farm->rotate)
		return FARM_ROTATE;
	if (farm->rekey)
		return FARM_REKEY;
	/* The held key is for its writer, as long as that is live. */
	if (farm_trouble(farm) != NULL &&
	    (!farm->mine || !farm_holds(farm, now)))
		return FARM_NOTHING;
	if (farm_holds(farm, now))
		return is_overdue(farm, now) ? FARM_FORCE : FARM_CONFIRM;
	if (now >= farm->due && farm_offer_plan(farm, now))
		return FARM_PLAN;
	return FARM_NOTHING;
}

/* True if there is an offer. */
static bool
confirm(struct farm *farm, int64_t now, struct farm_todo *todo)
{
	if (farm->mine && farm->confirmed)
		return farm_offer_confirm(farm, now);
	if (farm->confirmed) {
		farm_offer_again(farm);
		return true;
	}
	if (farm->asked)
		return false;
	farm->asked = true;
	todo->list = farm->mine;
	todo->ask = !farm->mine;
	farm->attempts++;
	return false;
}

static bool
make_offer(struct farm *farm, int64_t now, struct farm_todo *todo)
{
	switch (farm->want) {
	case FARM_REVOKE:
		return farm_offer_revoke(farm, now);
	case FARM_RESTORE:
		stek_set_copy(&farm->offer, &farm->set);
		return true;
	case FARM_ROTATE:
		if (farm_offer_rotate(farm, now))
			return true;
		farm->rotate = false;
		todo->done = true;
		return false;
	case FARM_REKEY:
		farm_offer_again(farm);
		return true;
	case FARM_CONFIRM:
		return confirm(farm, now, todo);
	case FARM_FORCE:
		return farm_offer_confirm(farm, now);
	case FARM_PLAN:
		return farm_offer_plan(farm, now);
	case FARM_NOTHING:
		break;
	}
	return false;
}

/*
 * If this host's clock may be wrong, so may the store's, or that of before:
 * the one that is behind buries no key, and lets a new one seal at once
 * everywhere, unless it is so far behind that none would seal by it.
 */
static int64_t
now_of_farm(const struct farm *farm, const struct farm_event *event)
{
	int64_t other, behind, ahead;

	if (farm_trouble(farm) == NULL)
		return event->now;
	other = event->ran / SECOND +
	        (farm->clock_known ? farm->clock : farm->doubt.believed);
	behind = at_most(event->now, other);
	ahead = at_least(event->now, other);
	if (stek_set_sealing(&farm->set, behind) != NULL)
		return behind;
	return stek_set_sealing(&farm->set, ahead) != NULL ? ahead : other;
}

static void
act(struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	int64_t now = now_of_farm(farm, event);
	enum farm_want want;

	if (!farm->live || !farm->looked || farm->swap != FARM_IDLE)
		return;
	want = find_want(farm, now);
	if (want != farm->want) {
		farm->want = want;
		farm->attempts = 0;
		farm->attempt = event->ran + farm_pause(farm);
	}
	if (want == FARM_NOTHING)
		return;
	if (event->ran < farm->attempt && !farm->confirmed) {
		todo->pause = farm->attempt - event->ran;
		return;
	}
	todo->swap = make_offer(farm, now, todo);
	if (todo->swap) {
		farm->swap = FARM_SWAPPING;
		farm->offered = want;
		farm->overtaken = false;
		return;
	}
	farm->attempt = event->ran + farm_pause(farm);
	todo->pause = farm_pause(farm);
}

/* When the held key changes, whatever nodes say. */
static int64_t
wake_of_held(const struct farm *farm, int64_t now)
{
	const struct stek_policy *policy = &farm->conf.policy;
	const struct stek_key *held = held_key(&farm->set);

	if (held == NULL || now >= held_open_until(held, policy))
		return FARM_NEVER;
	if (now >= held_until(held, policy))
		return held_open_until(held, policy);
	if (farm->conf.postpone == FARM_WAIT || is_overdue(farm, now))
		return held_until(held, policy);
	return at_most(
	    held_until(held, policy), held_from(held) + farm->conf.postpone);
}

/* When to look again, whatever happens. */
static void
set_wake(const struct farm *farm, const struct farm_event *event, int64_t left,
    struct farm_todo *todo)
{
	int64_t now = event->now, stale;

	todo->wake =
	    at_most(stek_set_wake(&farm->set, now), wake_of_held(farm, now));
	if (farm->due > now && farm->due < todo->wake)
		todo->wake = farm->due;
	if (left > 0)
		todo->wake = at_most(todo->wake, now + left);
	stale = farm->contact + farm->conf.stale_after * SECOND - event->ran;
	if (farm->revoking && !farm->withheld)
		todo->pause = at_most(todo->pause, WITHHOLD);
	if (farm->conf.stale_after > 0 && !farm->stale)
		todo->pause = at_most(todo->pause, at_least(stale, 0));
}

void
farm_step(
    struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	int64_t left;

	memset(todo, 0, sizeof(*todo));
	todo->pause = FARM_NEVER;
	note(farm, event, todo);
	if (farm->clock_known)
		farm->offset = event->now - event->ran / SECOND - farm->clock;
	left = doubt_look(&farm->doubt, event->now, event->ran / SECOND);
	act(farm, event, todo);
	/* Keys are gone when they leave the set, also from here. */
	if (farm->swap == FARM_IDLE && farm->offer.count > 0)
		stek_set_clear(&farm->offer);
	set_wake(farm, event, left, todo);
}

void
farm_begin(struct farm *farm, const struct farm_conf *conf,
    const struct stek_set *set, int64_t now, int64_t ran)
{
	farm->conf = *conf;
	stek_set_copy(&farm->set, set);
	/* A moment to find the store in, before keys count as too old. */
	farm->contact = ran - (conf->stale_after - 5) * SECOND;
	if (conf->stale_after < 5)
		farm->contact = ran;
	doubt_begin(&farm->doubt, set, now, ran / SECOND);
}
