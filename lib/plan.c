/* SPDX-License-Identifier: ISC */
/*
 * All rotation logic, as pure functions of (set, policy, now).
 *
 * Never here: clocks, timers, stores, farms of several hosts.
 * Invariants: a key's seal_until and open_until only ever come earlier; a
 * dead key leaves the set; while there is a sealing key there is at most one
 * pending key that the plan made; whatever the clock did, a plan leaves a
 * key that seals now.
 *
 * Today's schedule: the key that seals, the pending one that takes over from
 * it in time, and so on.  Clocks are wrong at times: a pending key behind the
 * schedule was minted when the clock was ahead, or the clock is behind now.
 * It is astray: the plan goes on as if it were not there, but keeps it until
 * some key has sealed for as long as tickets are open, since a boot in 1970
 * must not cost a farm its keys.
 */
#include <sodium.h>

#include <stek.h>

#define DAY     INT64_C(86400)
#define NOW_MAX INT64_C(253370764800) /* 9999-01-01 */

void
stek_policy_default(struct stek_policy *policy)
{
	policy->rotate = 6 * 3600;
	policy->tickets = 12 * 3600;
	policy->lead = 10 * 60;
}

size_t
stek_policy_keys(const struct stek_policy *policy)
{
	/* One pending, one sealing, and those whose tickets are in use. */
	return 2 + (size_t)((policy->tickets + policy->rotate - 1) /
	                    policy->rotate);
}

enum stek_err
stek_policy_check(const struct stek_policy *policy)
{
	if (policy->rotate < 1 || policy->rotate > 30 * DAY ||
	    policy->tickets < 1 || policy->tickets > 7 * DAY ||
	    policy->lead < 0 || policy->lead > policy->rotate ||
	    stek_policy_keys(policy) > STEK_KEYS_MAX)
		return STEK_ERR_POLICY;
	return STEK_OK;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When another key is to take over from this one. */
static int64_t
relief(const struct stek_key *key, const struct stek_policy *policy)
{
	return earlier(key->seal_from + policy->rotate, key->seal_until);
}

/* When that other key is to be published. */
static int64_t
due(const struct stek_key *key, const struct stek_policy *policy)
{
	return relief(key, policy) - policy->lead;
}

/*
 * May a pending key seal from then on, behind `last` or, if NULL, none?  Late,
 * it may if the last key has been cut short to that very moment.
 */
static bool
is_in_time(int64_t from, const struct stek_key *last,
    const struct stek_policy *policy, int64_t now)
{
	if (last == NULL)
		return from <= now + policy->rotate;
	return from <= relief(last, policy) || from == last->seal_until ||
	       from <= now + policy->lead;
}

/*
 * The last key of today's schedule; NULL if it is empty.  Those of the set
 * that come behind it are astray.
 */
static const struct stek_key *
newest(
    const struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last = stek_set_sealing(set, now);
	size_t i;

	for (i = 0; i < set->count; i++) {
		if (set->keys[i].seal_from <= now)
			continue;
		if (!is_in_time(set->keys[i].seal_from, last, policy, now))
			break;
		last = &set->keys[i];
	}
	return last;
}

/* The first astray key; NULL if none is. */
static const struct stek_key *
astray(
    const struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last = newest(set, policy, now);
	size_t i;

	for (i = 0; i < set->count; i++)
		if (set->keys[i].seal_from > now &&
		    (last == NULL || &set->keys[i] > last))
			return &set->keys[i];
	return NULL;
}

/* So long are astray keys kept. */
static int64_t
astray_until(const struct stek_set *set, const struct stek_policy *policy)
{
	return set->keys[0].seal_from + policy->tickets;
}

static void
bury(struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *key;
	size_t i;

	for (i = set->count; i > 0; i--) {
		key = &set->keys[i - 1];
		if (stek_key_state(key, now) == STEK_DEAD)
			(void)stek_set_remove(set, key->name);
	}
	while ((key = astray(set, policy, now)) != NULL &&
	       now >= astray_until(set, policy))
		(void)stek_set_remove(set, key->name);
}

/* A key seals no more once a later one does. */
static void
tighten(struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	struct stek_key *key;
	int64_t next;
	size_t i;

	for (i = 0; i + 1 < set->count; i++) {
		key = &set->keys[i];
		next = set->keys[i + 1].seal_from;
		if (next > now)
			break;
		key->seal_until = earlier(key->seal_until, next);
		key->open_until =
		    earlier(key->open_until, key->seal_until + policy->tickets);
	}
}

/* Evict what is missed least: the oldest astray key, or of all. */
static void
make_room(struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *key = astray(set, policy, now);

	if (set->count < STEK_KEYS_MAX)
		return;
	if (key == NULL)
		key = &set->keys[0];
	(void)stek_set_remove(set, key->name);
}

/* Put a key in, to seal from then on if its times do not say sooner. */
static enum stek_err
place(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    struct stek_key *key, int64_t from)
{
	key->seal_from = earlier(key->seal_from, from);
	key->seal_until =
	    earlier(key->seal_until, key->seal_from + 2 * policy->rotate);
	key->open_until =
	    earlier(key->open_until, key->seal_until + policy->tickets);
	make_room(set, policy, now);
	return stek_set_add(set, key);
}

static enum stek_err
mint(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    int64_t from)
{
	struct stek_key STEK_WIPED key;
	enum stek_err err;

	do {
		err = stek_key_mint(&key);
		if (err != STEK_OK)
			return err;
		key.seal_from = key.seal_until = key.open_until = INT64_MAX;
		err = place(set, policy, now, &key, from);
	} while (err == STEK_ERR_DUPLICATE);
	return err;
}

/* The first pending key, if it is not astray. */
static const struct stek_key *
pending(
    const struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last = newest(set, policy, now);
	size_t i;

	if (last == NULL || last->seal_from <= now)
		return NULL;
	for (i = 0; set->keys[i].seal_from <= now; i++)
		continue;
	return &set->keys[i];
}

/* Let the pending key, or else a new one, seal from then on. */
static enum stek_err
advance(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    int64_t from)
{
	const struct stek_key *sealing = stek_set_sealing(set, now);
	const struct stek_key *found = pending(set, policy, now);
	struct stek_key STEK_WIPED key;

	/* Any later, and the plan would mint another one before. */
	from = sealing == NULL ? now : earlier(from, relief(sealing, policy));
	if (from < now)
		from = now;
	if (found == NULL)
		return mint(set, policy, now, from);
	key = *found;
	(void)stek_set_remove(set, key.name);
	return place(set, policy, now, &key, from);
}

/*
 * The schedule goes from key to key and not by a clock, but a key that comes
 * so late that less than half its lead is left gets a whole lead, unless
 * sealing would stop in the meantime.
 */
static int64_t
next_from(
    const struct stek_key *last, const struct stek_policy *policy, int64_t now)
{
	int64_t from = relief(last, policy);

	if (2 * (from - now) < policy->lead)
		from = now + policy->lead;
	return earlier(from, last->seal_until);
}

/* Bring a set to what it should be now. */
static enum stek_err
settle(struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last;
	enum stek_err err = STEK_OK;

	tighten(set, policy, now);
	bury(set, policy, now);
	if (stek_set_sealing(set, now) == NULL)
		err = advance(set, policy, now, now);
	while (err == STEK_OK) {
		last = newest(set, policy, now);
		if (last == NULL || now < due(last, policy))
			break;
		err = mint(set, policy, now, next_from(last, policy, now));
	}
	tighten(set, policy, now);
	bury(set, policy, now);
	return err;
}

static int64_t
wake_time(
    const struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last = newest(set, policy, now);
	int64_t wake = stek_set_wake(set, now);

	if (last != NULL)
		wake = earlier(wake, due(last, policy));
	if (astray(set, policy, now) != NULL)
		wake = earlier(wake, astray_until(set, policy));
	return wake > now ? wake : now + 1;
}

/* What an operator asked for, before the plan settles the rest. */
struct request {
	enum { NOTHING, ROTATE, REVOKE } what;
	int64_t from; /* ROTATE */
	const uint8_t *name; /* REVOKE; NULL: every key */
};

static enum stek_err
carry_out(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    const struct request *request)
{
	switch (request->what) {
	case NOTHING:
		break;
	case ROTATE:
		return advance(set, policy, now, request->from);
	case REVOKE:
		if (request->name == NULL)
			stek_set_clear(set);
		else
			(void)stek_set_remove(set, request->name);
		break;
	}
	return STEK_OK;
}

static bool
is_same(const struct stek_set *a, const struct stek_set *b)
{
	return a->count == b->count &&
	       sodium_memcmp(a->keys, b->keys, sizeof(a->keys)) == 0;
}

static enum stek_err
check(const struct stek_policy *policy, int64_t now)
{
	if (now < 1 || now > NOW_MAX)
		return STEK_ERR_TIMES;
	return stek_policy_check(policy);
}

static enum stek_err
plan(const struct stek_set *set, const struct stek_policy *policy, int64_t now,
    const struct request *request, struct stek_set *next, int64_t *wake)
{
	struct stek_set *work;
	enum stek_err err;

	err = check(policy, now);
	if (err != STEK_OK)
		return err;
	work = stek_set_new();
	if (work == NULL)
		return STEK_ERR_MEMORY;
	stek_set_copy(work, set);
	err = carry_out(work, policy, now, request);
	if (err == STEK_OK)
		err = settle(work, policy, now);
	if (err != STEK_OK)
		goto out;
	work->version = set->version + (is_same(work, set) ? 0 : 1);
	stek_set_copy(next, work);
	if (wake != NULL)
		*wake = wake_time(next, policy, now);
out:
	stek_set_free(work);
	return err;
}

enum stek_err
stek_plan(const struct stek_set *set, const struct stek_policy *policy,
    int64_t now, struct stek_set *next, int64_t *wake)
{
	struct request nothing = {NOTHING, 0, NULL};

	return plan(set, policy, now, &nothing, next, wake);
}

enum stek_err
stek_plan_rotate(const struct stek_set *set, const struct stek_policy *policy,
    int64_t now, int64_t from, struct stek_set *next)
{
	struct request rotate = {ROTATE, from, NULL};

	return plan(set, policy, now, &rotate, next, NULL);
}

enum stek_err
stek_plan_revoke(const struct stek_set *set, const struct stek_policy *policy,
    int64_t now, const uint8_t *name, struct stek_set *next)
{
	struct request revoke = {REVOKE, 0, name};
	enum stek_err err;

	if (name == NULL || stek_set_find(set, name) != NULL)
		return plan(set, policy, now, &revoke, next, NULL);
	err = check(policy, now);
	if (err == STEK_OK)
		stek_set_copy(next, set);
	return err;
}
