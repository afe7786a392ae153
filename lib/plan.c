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
 * Clocks are wrong at times.  A key whose seal_from lies further ahead than
 * any plan of today would put it was minted under a clock that was ahead (or
 * today's clock is behind): it is kept, since its tickets may be in use, but
 * the plan looks past it.
 */
#include <stek.h>

#define DAY INT64_C(86400)

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

/* Was it minted by a clock that was ahead of today's? */
static bool
is_astray(
    const struct stek_key *key, const struct stek_policy *policy, int64_t now)
{
	return key->seal_from > now + policy->rotate + policy->lead;
}

/* The key with the greatest seal_from that is not astray; NULL if none. */
static const struct stek_key *
newest(
    const struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	size_t i;

	for (i = set->count; i > 0; i--)
		if (!is_astray(&set->keys[i - 1], policy, now))
			return &set->keys[i - 1];
	return NULL;
}

static bool
bury(struct stek_set *set, int64_t now)
{
	bool changed = false;
	size_t i;

	for (i = set->count; i > 0; i--)
		if (stek_key_state(&set->keys[i - 1], now) == STEK_DEAD)
			changed |= stek_set_remove(set, set->keys[i - 1].name);
	return changed;
}

/* A key seals no more once a later one does. */
static bool
tighten(struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	struct stek_key *key, *successor;
	bool changed = false;
	size_t i;

	for (i = 0; i + 1 < set->count; i++) {
		key = &set->keys[i];
		successor = &set->keys[i + 1];
		if (successor->seal_from > now)
			break;
		if (key->seal_until > successor->seal_from) {
			key->seal_until = successor->seal_from;
			changed = true;
		}
		if (key->open_until > key->seal_until + policy->tickets) {
			key->open_until = key->seal_until + policy->tickets;
			changed = true;
		}
	}
	return changed;
}

/* Evict what is missed least: an astray key, or the oldest that opens. */
static void
make_room(struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last = &set->keys[set->count - 1];

	if (set->count < STEK_KEYS_MAX)
		return;
	if (!is_astray(last, policy, now))
		last = &set->keys[0];
	(void)stek_set_remove(set, last->name);
}

static enum stek_err
place(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    struct stek_key *key, int64_t from)
{
	key->seal_from = from;
	key->seal_until = from + 2 * policy->rotate;
	key->open_until = key->seal_until + policy->tickets;
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
		err = place(set, policy, now, &key, from);
	} while (err == STEK_ERR_DUPLICATE);
	return err;
}

/* Let the pending key, or else a new one, seal from then on. */
static enum stek_err
advance(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    int64_t from)
{
	const struct stek_key *last = newest(set, policy, now);
	struct stek_key STEK_WIPED key;

	if (last == NULL || last->seal_from <= now)
		return mint(set, policy, now, from);
	key = *last;
	(void)stek_set_remove(set, key.name);
	return place(set, policy, now, &key,
	    from < key.seal_from ? from : key.seal_from);
}

/* When the key after this one is to be published. */
static int64_t
due(const struct stek_key *last, const struct stek_policy *policy)
{
	return last->seal_from + policy->rotate - policy->lead;
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
	int64_t from = last->seal_from + policy->rotate;

	if (from - now < policy->lead / 2)
		from = now + policy->lead;
	if (from > last->seal_until)
		from = last->seal_until;
	return from > now ? from : now;
}

/* Bring a set to what it should be now; *changed says whether it was not. */
static enum stek_err
settle(struct stek_set *set, const struct stek_policy *policy, int64_t now,
    bool *changed)
{
	const struct stek_key *last;
	enum stek_err err = STEK_OK;

	*changed |= bury(set, now);
	if (stek_set_sealing(set, now) == NULL) {
		err = advance(set, policy, now, now);
		*changed = true;
	}
	if (err != STEK_OK)
		return err;
	last = newest(set, policy, now);
	if (last != NULL && now >= due(last, policy)) {
		err = mint(set, policy, now, next_from(last, policy, now));
		*changed = true;
	}
	if (err != STEK_OK)
		return err;
	*changed |= tighten(set, policy, now);
	*changed |= bury(set, now);
	return STEK_OK;
}

static int64_t
wake_time(
    const struct stek_set *set, const struct stek_policy *policy, int64_t now)
{
	const struct stek_key *last = newest(set, policy, now);
	int64_t wake = stek_set_wake(set, now);

	if (last != NULL && due(last, policy) < wake)
		wake = due(last, policy);
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
    const struct request *request, bool *changed)
{
	switch (request->what) {
	case NOTHING:
		break;
	case ROTATE:
		*changed = true;
		return advance(set, policy, now, request->from);
	case REVOKE:
		if (request->name != NULL) {
			*changed = stek_set_remove(set, request->name);
		} else {
			stek_set_clear(set);
			*changed = true;
		}
		break;
	}
	return STEK_OK;
}

static enum stek_err
plan(const struct stek_set *set, const struct stek_policy *policy, int64_t now,
    const struct request *request, struct stek_set *next, int64_t *wake)
{
	struct stek_set *work;
	bool changed = false;
	enum stek_err err;

	err = stek_policy_check(policy);
	if (err != STEK_OK)
		return err;
	work = stek_set_new();
	if (work == NULL)
		return STEK_ERR_MEMORY;
	stek_set_copy(work, set);
	err = carry_out(work, policy, now, request, &changed);
	if (err == STEK_OK)
		err = settle(work, policy, now, &changed);
	if (err != STEK_OK)
		goto out;
	work->version = set->version + (changed ? 1 : 0);
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
	struct request rotate = {ROTATE, from > now ? from : now, NULL};

	return plan(set, policy, now, &rotate, next, NULL);
}

enum stek_err
stek_plan_revoke(const struct stek_set *set, const struct stek_policy *policy,
    int64_t now, const uint8_t *name, struct stek_set *next)
{
	struct request revoke = {REVOKE, 0, name};

	return plan(set, policy, now, &revoke, next, NULL);
}
