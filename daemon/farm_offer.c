/* SPDX-License-Identifier: ISC */
/* See farm_offer.h. */
#include <string.h>

#include "farm_offer.h"

bool
farm_has_revoked(const struct farm *farm, const uint8_t name[STEK_NAME_LEN])
{
	size_t i;

	for (i = 0; i < FARM_REVOKED_MAX && i < farm->revoked_count; i++)
		if (memcmp(farm->revoked[i], name, STEK_NAME_LEN) == 0)
			return true;
	return false;
}

bool
farm_holds(const struct farm *farm, int64_t now)
{
	const struct stek_key *held = held_key(&farm->set);

	return held != NULL && now < held_until(held, &farm->conf.policy);
}

bool
farm_retime(struct stek_set *set, const struct stek_key *which, int64_t from,
    int64_t until, int64_t open)
{
	struct stek_key STEK_WIPED key = *which;

	(void)stek_set_remove(set, key.name);
	key.seal_from = from;
	key.seal_until = until;
	key.open_until = open;
	return stek_set_add(set, &key) == STEK_OK;
}

static bool
hold(struct stek_set *set, const struct stek_key *key, int64_t from)
{
	return farm_retime(
	    set, key, from + HELD_FOR, from + HELD_FOR, from + HELD_FOR);
}

/* An ordinary key again, pending or sealing. */
static bool
release(struct stek_set *set, const struct stek_policy *policy, int64_t from)
{
	return farm_retime(set, held_key(set), from, from + 2 * policy->rotate,
	    from + 2 * policy->rotate + policy->tickets);
}

/* The first key of `next` that is not in `set`. */
static const struct stek_key *
find_new(const struct stek_set *next, const struct stek_set *set)
{
	size_t i;

	for (i = 0; i < next->count; i++)
		if (stek_set_find(set, next->keys[i].name) == NULL)
			return &next->keys[i];
	return NULL;
}

static void
bury(struct stek_set *set, int64_t now)
{
	size_t i;

	for (i = set->count; i > 0; i--)
		if (stek_key_state(&set->keys[i - 1], now) == STEK_DEAD)
			(void)stek_set_remove(set, set->keys[i - 1].name);
}

/* The set without a held key that is not let seal any more. */
static void
begin(struct farm *farm, int64_t now)
{
	const struct stek_key *held = held_key(&farm->set);

	stek_set_copy(&farm->offer, &farm->set);
	if (held != NULL && !farm_holds(farm, now))
		(void)stek_set_remove(&farm->offer, held->name);
}

/*
 * Is a new key to be held?  Not while nothing seals: nobody would be spared
 * anything.  But a key that was held for too long shows that nodes lack it.
 */
static bool
is_to_be_held(const struct farm *farm, int64_t now)
{
	return stek_set_sealing(&farm->set, now) != NULL ||
	       (farm->conf.postpone == FARM_WAIT &&
	           held_key(&farm->set) != NULL);
}

/* The plan has made a new key: all else stays as it is. */
static bool
offer_held(struct farm *farm, const struct stek_key *new, int64_t now)
{
	struct stek_key STEK_WIPED key = *new;
	struct stek_set *offer = &farm->offer;

	begin(farm, now);
	bury(offer, now);
	if (offer->count == STEK_KEYS_MAX)
		(void)stek_set_remove(offer, offer->keys[0].name);
	offer->version = farm->set.version + 1;
	return stek_set_add(offer, &key) == STEK_OK &&
	       hold(offer, stek_set_find(offer, key.name), key.seal_from);
}

bool
farm_offer_plan(struct farm *farm, int64_t now)
{
	struct stek_set *offer = &farm->offer;
	const struct stek_key *new;

	begin(farm, now);
	if (stek_plan(offer, &farm->conf.policy, now, offer, &farm->due) !=
	    STEK_OK) {
		farm->due = now + 60;
		return false;
	}
	new = find_new(offer, &farm->set);
	if (new == NULL)
		return false;
	/* It stays due until the store has taken it. */
	farm->due = now;
	return !is_to_be_held(farm, now) || offer_held(farm, new, now);
}

/* The key that is held already comes sooner, or nothing is to be done. */
static bool
hasten(struct farm *farm, const struct stek_key *held, int64_t from)
{
	if (held_from(held) <= from)
		return false;
	stek_set_copy(&farm->offer, &farm->set);
	farm->offer.version++;
	return hold(&farm->offer, held_key(&farm->offer), from);
}

/* A key that the plan made beside, for later, is left for later. */
static void
drop_pending(struct farm *farm, int64_t now)
{
	struct stek_set *offer = &farm->offer;
	size_t i;

	for (i = offer->count; i > 0; i--)
		if (offer->keys[i - 1].seal_from > now &&
		    stek_set_find(&farm->set, offer->keys[i - 1].name) == NULL)
			(void)stek_set_remove(offer, offer->keys[i - 1].name);
}

/* Is it a pending key, which all nodes have, that comes sooner now? */
static bool
has_advanced(const struct farm *farm)
{
	const struct stek_key *key;
	size_t i;

	for (i = 0; i < farm->set.count; i++) {
		key = stek_set_find(&farm->offer, farm->set.keys[i].name);
		if (key != NULL && key->seal_from < farm->set.keys[i].seal_from)
			return true;
	}
	return false;
}

bool
farm_offer_rotate(struct farm *farm, int64_t now)
{
	const struct stek_policy *policy = &farm->conf.policy;
	int64_t from = farm->at_once ? now : now + policy->lead;
	const struct stek_key *new;

	if (farm_holds(farm, now))
		return hasten(farm, held_key(&farm->set), from);
	begin(farm, now);
	if (stek_plan_rotate(&farm->offer, policy, now, from, &farm->offer) !=
	        STEK_OK ||
	    farm->offer.version == farm->set.version)
		return false;
	if (has_advanced(farm)) {
		drop_pending(farm, now);
		return true;
	}
	new = find_new(&farm->offer, &farm->set);
	return new == NULL || !is_to_be_held(farm, now) ||
	       offer_held(farm, new, now);
}

static bool
same_seals(const struct stek_set *a, const struct stek_set *b, int64_t now)
{
	const struct stek_key *first = stek_set_sealing(a, now);
	const struct stek_key *second = stek_set_sealing(b, now);

	return first != NULL && second != NULL &&
	       memcmp(first->name, second->name, STEK_NAME_LEN) == 0;
}

/*
 * Only another sealing key shows on the wire that a server has read its keys
 * anew, and so has dropped the revoked one.  A held key will do: most nodes
 * have it.
 */
bool
farm_offer_revoke(struct farm *farm, int64_t now)
{
	const struct stek_policy *policy = &farm->conf.policy;
	struct stek_set *offer = &farm->offer;
	const struct stek_key *held;
	size_t i;

	begin(farm, now);
	for (i = offer->count; i > 0; i--)
		if (farm_has_revoked(farm, offer->keys[i - 1].name))
			(void)stek_set_remove(offer, offer->keys[i - 1].name);
	held = held_key(offer);
	if (held != NULL &&
	    !release(offer, policy, now + (policy->lead > 0 ? 1 : 0)))
		return false;
	if (stek_plan(offer, policy, now, offer, NULL) != STEK_OK)
		return false;
	if (same_seals(offer, &farm->set, now) &&
	    stek_plan_rotate(offer, policy, now, now, offer) != STEK_OK)
		return false;
	drop_pending(farm, now);
	offer->version = farm->set.version + 1;
	return true;
}

/* Up to there, no key seals once a later one does, wherever that is late. */
static void
tighten(struct stek_set *set, const struct stek_policy *policy, int64_t from)
{
	struct stek_key *key;
	int64_t next;
	size_t i;

	for (i = 0; i + 1 < set->count; i++) {
		key = &set->keys[i];
		next = set->keys[i + 1].seal_from;
		if (next > from)
			break;
		if (key->seal_until > next)
			key->seal_until = next;
		if (key->open_until > key->seal_until + policy->tickets)
			key->open_until = key->seal_until + policy->tickets;
	}
}

bool
farm_offer_confirm(struct farm *farm, int64_t now)
{
	const struct stek_policy *policy = &farm->conf.policy;
	struct stek_set *offer = &farm->offer;
	int64_t from;

	stek_set_copy(offer, &farm->set);
	from = held_from(held_key(offer));
	if (from < now)
		from = now;
	if (!release(offer, policy, from))
		return false;
	tighten(offer, policy, from);
	bury(offer, now);
	offer->version = farm->set.version + 1;
	return true;
}

void
farm_offer_again(struct farm *farm)
{
	stek_set_copy(&farm->offer, &farm->set);
	farm->offer.version++;
}
