/* SPDX-License-Identifier: ISC */
/* See farm_act.h. */
#include "farm_act.h"
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

void
farm_act(
    struct farm *farm, const struct farm_event *event, struct farm_todo *todo)
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

void
farm_set_wake(const struct farm *farm, const struct farm_event *event,
    int64_t left, struct farm_todo *todo)
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
