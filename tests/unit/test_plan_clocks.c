/* SPDX-License-Identifier: ISC */
/*
 * Farms whose clock is wrong for a while: by seconds or by years, ahead or
 * behind, or at 1970 after a boot without a battery.
 *
 * Never here: farms whose clock is right (test_plan_months.c).
 */
#include "farm.h"

/* What is added to the true time; the clock then shows at least 1. */
static int64_t
an_error(int64_t truth)
{
	static const int64_t sizes[] = {
	    60, HOUR, 12 * HOUR, 3 * DAY, 60 * DAY, 20 * YEAR};
	int64_t size = between(1, sizes[between(0, 5)]);

	if (one_in(4))
		return between(1, HOUR) - truth;
	return one_in(2) ? size : -size;
}

/* Live on for so long by a clock that is wrong by so much. */
static void
live(struct farm *farm, int64_t error, int64_t span)
{
	int64_t end;
	int i;

	farm->now += error;
	end = farm->now + span;
	for (i = 0; i < 20 && farm->now < end; i++) {
		farm_plan(farm);
		farm->now = between(farm->now, farm->wake);
	}
	farm->now = end;
	farm_plan(farm);
	farm->now -= error;
}

static bool
has_only_keys_near(const struct farm *farm)
{
	const struct stek_set *set = farm->set;

	return set->keys[set->count - 1].seal_from <=
	       farm->now + farm->policy.rotate + farm->policy.lead;
}

/* By a right clock again, for that long. */
static void
recover(struct farm *farm, int64_t span)
{
	int64_t end = farm->now + span;

	while (farm->now < end) {
		farm_plan(farm);
		farm_check_lives(farm);
		farm->now = farm->wake < end ? farm->wake : end;
	}
}

static void
check_regular(struct farm *farm)
{
	const struct stek_key *sealing;
	int64_t from = 0;
	int i;

	farm_forget(farm, NULL);
	for (i = 0; i < 30; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		farm_check_lives(farm);
		HOLDS(has_only_keys_near(farm));
		sealing = stek_set_sealing(farm->set, farm->now);
		HOLDS(from == 0 || sealing->seal_from == from ||
		      sealing->seal_from == from + farm->policy.rotate);
		HOLDS(from == 0 || sealing->seal_from == from ||
		      farm->policy.lead == 0 ||
		      stek_set_find(farm->before, sealing->name) != NULL);
		from = sealing->seal_from;
		farm_serve(farm, farm->wake);
	}
}

/* The clock is right, then wrong, then right again. */
static void
misled(struct farm *farm)
{
	const struct stek_policy *policy = &farm->policy;
	int64_t truth;

	live(farm, 0, between(0, 4 * policy->rotate));
	truth = farm->now;
	live(farm, an_error(truth), between(0, 3 * policy->rotate));
	recover(farm, 2 * (policy->rotate + policy->tickets) + policy->lead);
	check_regular(farm);
}

/* As above, but the clock jumps about before it is right. */
static void
dazed(struct farm *farm)
{
	const struct stek_policy *policy = &farm->policy;
	int64_t truth;
	int i;

	for (i = 0; i < 12; i++) {
		truth = farm->now;
		live(farm, one_in(3) ? 0 : an_error(truth),
		    between(0, 2 * policy->rotate));
	}
	recover(farm, 2 * (policy->rotate + policy->tickets) + policy->lead);
	check_regular(farm);
}

/* Made late, by a clock that was ahead: then the last one seals to its end. */
static bool
is_relieved_at_its_end(const struct stek_set *set, const struct stek_key *key)
{
	const struct stek_key *next = key + 1;

	return next < set->keys + set->count &&
	       next->seal_from == key->seal_until;
}

/*
 * Once the clock is right, no key seals longer than any other does, but for one
 * that has a successor for its very end.
 */
static void
soon_sane(struct farm *farm)
{
	const struct stek_policy *policy = &farm->policy;
	const struct stek_key *sealing;
	int i;

	live(farm, 0, between(0, 4 * policy->rotate));
	live(farm, an_error(farm->now), between(0, policy->rotate));
	recover(farm, policy->lead + 1);
	for (i = 0; i < 60; i++) {
		farm_plan(farm);
		sealing = stek_set_sealing(farm->set, farm->now);
		HOLDS(farm->now < sealing->seal_from + policy->rotate ||
		      is_relieved_at_its_end(farm->set, sealing));
		HOLDS(i == 0 || policy->lead == 0 ||
		      stek_set_find(farm->before, sealing->name) != NULL);
		farm->now = farm->wake;
	}
}

/* Tickets from before a boot in 1970 open again once the clock is right. */
static void
rebooted(struct farm *farm)
{
	const struct stek_key *key;
	uint8_t name[STEK_NAME_LEN];
	int64_t end, truth;

	while (stek_policy_keys(&farm->policy) > STEK_KEYS_MAX / 2)
		farm_policy(&farm->policy);
	live(farm, 0, between(0, 4 * farm->policy.rotate));
	truth = farm->now;
	key = stek_set_sealing(farm->set, truth);
	memcpy(name, key->name, sizeof(name));
	end = truth + between(0, farm->policy.tickets - 1);
	live(farm, 1 - truth, end - truth);
	farm_plan(farm);
	key = stek_set_find(farm->set, name);
	HOLDS(key != NULL && key->open_until > farm->now);
}

#define STORY(name, story)              \
	static void name(void **unused) \
	{                               \
		(void)unused;           \
		farm_tell(story);       \
	}

STORY(a_wrong_clock_leaves_nothing_behind, misled)
STORY(nor_does_a_clock_that_jumps_about, dazed)
STORY(no_key_seals_too_long_once_the_clock_is_right, soon_sane)
STORY(a_boot_in_1970_costs_no_ticket, rebooted)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wrong_clock_leaves_nothing_behind),
	    cmocka_unit_test(nor_does_a_clock_that_jumps_about),
	    cmocka_unit_test(no_key_seals_too_long_once_the_clock_is_right),
	    cmocka_unit_test(a_boot_in_1970_costs_no_ticket),
	};

	return cmocka_run_group_tests_name("plan_clocks", tests, NULL, NULL);
}
