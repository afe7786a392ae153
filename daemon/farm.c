/* SPDX-License-Identifier: ISC */
/* See farm.h. */
#include <sodium.h>
#include <string.h>

#include "farm_act.h"
#include "farm_offer.h"
#include "farm_pause.h"

#define SECOND INT64_C(1000)

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
end_swap(
    struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
{
	if (farm->swap == FARM_IDLE)
		return;
	if (event->what == FARM_SWAPPED)
		swapped(farm, event, todo);
	else
		failed(farm, event, todo);
}

static void
meet_garbage(struct farm *farm, int64_t now, struct farm_todo *todo)
{
	farm->looked = false;
	farm->garbage = true;
	if (farm->swap == FARM_UNSURE)
		farm->swap = FARM_IDLE;
	restart(farm);
	fall_short(farm, now, todo);
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
		meet_garbage(farm, event->now, todo);
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
	case FARM_CONFLICT:
	case FARM_REFUSED:
	case FARM_UNKNOWN:
		end_swap(farm, event, todo);
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
	farm_act(farm, event, todo);
	/* Keys are gone when they leave the set, also from here. */
	if (farm->swap == FARM_IDLE && farm->offer.count > 0)
		stek_set_clear(&farm->offer);
	farm_set_wake(farm, event, left, todo);
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
