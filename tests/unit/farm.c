/* SPDX-License-Identifier: ISC */
/* What a farm relies on, checked; see farm.h. */
#include <stdlib.h>

#include "farm.h"

uint64_t farm_seed;
int64_t farm_second;
static uint64_t state;

/* splitmix64 */
static uint64_t
chance(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int64_t
between(int64_t low, int64_t high)
{
	return low + (int64_t)(chance() % (uint64_t)(high - low + 1));
}

bool
one_in(int64_t n)
{
	return between(1, n) == 1;
}

static const char *
seeded_name(void)
{
	return "seeded";
}

static uint32_t
seeded_random(void)
{
	return (uint32_t)chance();
}

static void
seeded_buf(void *const buf, const size_t size)
{
	uint8_t *to = buf;
	size_t i;

	for (i = 0; i < size; i++)
		to[i] = (uint8_t)chance();
}

static randombytes_implementation seeded = {
    .implementation_name = seeded_name,
    .random = seeded_random,
    .buf = seeded_buf,
};

void
farm_policy(struct stek_policy *policy)
{
	static const int64_t rotates[] = {
	    1, 2, 60, HOUR, 6 * HOUR, DAY, 30 * DAY};
	int64_t most;

	do {
		policy->rotate = rotates[between(0, 6)];
		if (one_in(2))
			policy->rotate = between(1, policy->rotate);
		most = 14 * policy->rotate;
		policy->tickets = between(1, most < 7 * DAY ? most : 7 * DAY);
		policy->lead = between(0, policy->rotate);
		if (one_in(4))
			policy->lead = one_in(2) ? 0 : policy->rotate;
	} while (stek_policy_check(policy) != STEK_OK);
}

static void
begin(struct farm *farm, uint64_t with)
{
	farm_seed = with;
	state = with;
	memset(farm->tickets, 0, sizeof(farm->tickets));
	farm->next_ticket = 0;
	stek_set_clear(farm->set);
	farm->set->version = 0;
	stek_policy_default(&farm->policy);
	if (!one_in(3))
		farm_policy(&farm->policy);
	farm->now = NOON + between(0, DAY);
	farm->wake = farm->now;
}

/* What is true of every set, whatever happened. */
static void
check_set(const struct stek_set *set)
{
	static const struct stek_key none;
	size_t i, j;

	HOLDS(set->count <= STEK_KEYS_MAX);
	for (i = 0; i < set->count; i++) {
		HOLDS(stek_key_check(&set->keys[i]) == STEK_OK);
		HOLDS(i == 0 ||
		      set->keys[i - 1].seal_from <= set->keys[i].seal_from);
		for (j = 0; j < i; j++)
			HOLDS(memcmp(set->keys[i].name, set->keys[j].name, 4));
	}
	for (; i < STEK_KEYS_MAX; i++)
		HOLDS(memcmp(&set->keys[i], &none, sizeof(none)) == 0);
}

/* One key seals; none is dead. */
static void
check_now(const struct farm *farm)
{
	const struct stek_set *set = farm->set;
	size_t i, sealing = 0;

	for (i = 0; i < set->count; i++) {
		enum stek_state is =
		    stek_set_state(set, &set->keys[i], farm->now);

		HOLDS(is != STEK_DEAD);
		sealing += is == STEK_SEALING;
	}
	HOLDS(sealing == 1);
}

/* Times only come earlier; a version follows a change and nothing else. */
static void
check_change(const struct farm *farm)
{
	const struct stek_key *old, *new;
	size_t i;

	for (i = 0; i < farm->before->count; i++) {
		old = &farm->before->keys[i];
		new = stek_set_find(farm->set, old->name);
		if (new == NULL)
			continue;
		HOLDS(memcmp(old->aes, new->aes, sizeof(old->aes)) == 0);
		HOLDS(memcmp(old->mac, new->mac, sizeof(old->mac)) == 0);
		HOLDS(new->seal_from <= old->seal_from);
		HOLDS(new->seal_until <= old->seal_until);
		HOLDS(new->open_until <= old->open_until);
	}
	HOLDS(farm->set->version - farm->before->version ==
	      (same_keys(farm->set, farm->before) ? 0 : 1));
}

static void
check_idle_at(const struct farm *farm, int64_t at)
{
	int64_t wake;

	HOLDS(stek_plan(farm->set, &farm->policy, at, farm->again, &wake) ==
	      STEK_OK);
	HOLDS(farm->again->version == farm->set->version);
	HOLDS(same_keys(farm->again, farm->set));
	HOLDS(wake >= farm->wake);
}

/* Until the plan wants to be asked again, it has nothing to say. */
static void
check_until_wake(const struct farm *farm)
{
	const struct stek_set *set = farm->set;
	size_t i;

	HOLDS(farm->wake > farm->now);
	if (one_in(2))
		check_idle_at(farm, farm->now);
	else if (one_in(2))
		check_idle_at(farm, farm->wake - 1);
	else
		check_idle_at(farm, between(farm->now, farm->wake - 1));
	for (i = 0; i < set->count; i++)
		HOLDS(stek_set_state(set, &set->keys[i], farm->now) ==
		      stek_set_state(set, &set->keys[i], farm->wake - 1));
}

void
farm_plan(struct farm *farm)
{
	farm_second = farm->now;
	stek_set_copy(farm->before, farm->set);
	HOLDS(stek_plan(farm->set, &farm->policy, farm->now, farm->set,
	          &farm->wake) == STEK_OK);
	check_set(farm->set);
	check_now(farm);
	check_change(farm);
	check_until_wake(farm);
}

void
farm_check_request(struct farm *farm)
{
	check_set(farm->set);
	check_now(farm);
	check_change(farm);
}

void
farm_check_gone(const struct farm *farm)
{
	const struct stek_set *old = farm->before;
	int64_t end, next;
	size_t i;

	for (i = 0; i < old->count; i++) {
		end = old->keys[i].open_until;
		next = i + 1 < old->count ? old->keys[i + 1].seal_from : end;
		if (next <= farm->now && next + farm->policy.tickets < end)
			end = next + farm->policy.tickets;
		HOLDS(end <= farm->now ||
		      stek_set_find(farm->set, old->keys[i].name) != NULL);
	}
}

void
farm_check_schedule(const struct farm *farm, int64_t lead)
{
	const struct stek_set *set = farm->set;
	const struct stek_key *key;
	size_t i;

	HOLDS(set->count <= stek_policy_keys(&farm->policy));
	for (i = 1; i < set->count; i++) {
		key = &set->keys[i];
		HOLDS(key->seal_from ==
		      set->keys[i - 1].seal_from + farm->policy.rotate);
		if (stek_set_find(farm->before, key->name) == NULL)
			HOLDS(key->seal_from >= farm->now + lead);
	}
}

void
farm_check_lives(const struct farm *farm)
{
	const struct stek_set *set = farm->set;
	size_t i;

	for (i = 0; i + 1 < set->count; i++)
		if (set->keys[i + 1].seal_from <= farm->now)
			HOLDS(
			    set->keys[i].open_until <=
			    set->keys[i + 1].seal_from + farm->policy.tickets);
}

static void
seal_ticket(struct farm *farm, int64_t at)
{
	const struct stek_key *key = stek_set_sealing(farm->set, at);
	struct ticket *ticket;

	HOLDS(key != NULL);
	HOLDS(key->seal_from <= at && at < key->seal_until);
	ticket = &farm->tickets[farm->next_ticket++ % FARM_TICKETS];
	memcpy(ticket->name, key->name, STEK_NAME_LEN);
	ticket->sealed = at;
	ticket->until = at + farm->policy.tickets;
}

/* Every ticket opens until its time, by the set as it is up to `at`. */
static void
check_tickets(const struct farm *farm, int64_t at)
{
	const struct stek_key *key;
	const struct ticket *t;
	int64_t last;

	for (t = farm->tickets; t < farm->tickets + FARM_TICKETS; t++) {
		last = t->until <= at ? t->until - 1 : at;
		if (t->until <= farm->now || last < t->sealed)
			continue;
		farm_second = last;
		key = stek_set_find(farm->set, t->name);
		HOLDS(key != NULL);
		HOLDS(stek_key_state(key, last) != STEK_DEAD);
	}
}

void
farm_serve(struct farm *farm, int64_t to)
{
	int i;

	seal_ticket(farm, farm->now);
	seal_ticket(farm, farm->wake - 1 < to ? farm->wake - 1 : to);
	for (i = 0; i < 3; i++)
		if (stek_set_sealing(farm->set, to) != NULL)
			seal_ticket(farm, between(farm->now, to));
	check_tickets(farm, to);
	farm->now = to;
}

void
farm_forget(struct farm *farm, const uint8_t *name)
{
	struct ticket *t;

	for (t = farm->tickets; t < farm->tickets + FARM_TICKETS; t++)
		if (name == NULL || memcmp(t->name, name, STEK_NAME_LEN) == 0)
			t->until = 0;
}

static uint64_t
number_in(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

void
farm_tell(void (*story)(struct farm *))
{
	uint64_t one = number_in("STEK_SEED", 0);
	uint64_t last = number_in("STEK_SEEDS", 40), i;
	struct farm farm;

	assert_int_equal(randombytes_set_implementation(&seeded), 0);
	farm.set = given_set();
	farm.before = given_set();
	farm.again = given_set();
	for (i = one > 0 ? one : 1; i <= (one > 0 ? one : last); i++) {
		begin(&farm, i);
		story(&farm);
	}
	stek_set_free(farm.set);
	stek_set_free(farm.before);
	stek_set_free(farm.again);
}
