/* SPDX-License-Identifier: ISC */
/*
 * Months in the life of farms whose clock is right: the plan is asked when it
 * wants to be, or late, or not for weeks; operators rotate, revoke and change
 * their policy at any moment.
 *
 * Never here: single situations (test_plan.c), wrong clocks
 * (test_plan_clocks.c).
 */
#include "farm.h"

#define STEPS 60

static void
punctual(struct farm *farm)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		farm_check_schedule(farm, farm->policy.lead);
		farm_check_lives(farm);
		farm_serve(farm, farm->wake);
	}
}

/* Late by no more than half the lead, as on a busy host. */
static void
tardy(struct farm *farm)
{
	const int64_t most = farm->policy.lead / 2;
	int i;

	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		farm_check_schedule(farm, farm->policy.lead - most);
		farm_check_lives(farm);
		farm_serve(farm, farm->wake + between(0, most));
	}
}

/* Woken far more often than it asked for. */
static void
restless(struct farm *farm)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		farm_check_schedule(farm, farm->policy.lead);
		farm_check_lives(farm);
		farm_serve(farm, between(farm->now, farm->wake));
	}
}

static int64_t
an_absence(const struct farm *farm)
{
	const int64_t rotate = farm->policy.rotate;
	const int64_t absences[] = {rotate / 2, rotate * 3 / 2, 2 * rotate,
	    3 * rotate, 30 * DAY, between(0, 4 * rotate)};

	return absences[between(0, 5)];
}

/* The rotator is dead now and then; servers go on with what they have. */
static void
deserted(struct farm *farm)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		farm_check_lives(farm);
		HOLDS(farm->set->count <= stek_policy_keys(&farm->policy));
		farm_serve(
		    farm, farm->wake + (one_in(6) ? an_absence(farm) : 0));
	}
}

static void
rotate(struct farm *farm)
{
	int64_t from = farm->now + between(0, farm->policy.rotate);

	if (one_in(2))
		from = farm->now;
	stek_set_copy(farm->before, farm->set);
	HOLDS(stek_plan_rotate(farm->set, &farm->policy, farm->now, from,
	          farm->set) == STEK_OK);
	farm_check_request(farm);
	HOLDS(from > farm->now ||
	      stek_set_sealing(farm->set, farm->now)->seal_from == from);
}

/* An operator rotates, for now or a time ahead. */
static void
hurried(struct farm *farm)
{
	int i;

	while (stek_policy_keys(&farm->policy) > STEK_KEYS_MAX / 2)
		farm_policy(&farm->policy);
	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		if (one_in(3) && farm->set->count <= STEK_KEYS_MAX / 2) {
			rotate(farm);
			farm_check_gone(farm);
			farm_plan(farm);
		}
		farm_check_lives(farm);
		farm_serve(farm, between(farm->now, farm->wake));
	}
}

/* Someone rotates like mad: old tickets suffer, nothing else. */
static void
crowded(struct farm *farm)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		rotate(farm);
		farm_plan(farm);
		farm_check_lives(farm);
		farm->now += between(0, 3);
	}
	/* Where keys live long enough to gather. */
	HOLDS(farm->policy.tickets < 60 || farm->set->count > 2);
}

static void
revoke(struct farm *farm)
{
	uint8_t buf[STEK_NAME_LEN];
	const uint8_t *name = NULL, *old;
	size_t i = (size_t)between(0, (int64_t)farm->set->count);

	if (i < farm->set->count)
		name = memcpy(buf, farm->set->keys[i].name, STEK_NAME_LEN);
	stek_set_copy(farm->before, farm->set);
	HOLDS(stek_plan_revoke(farm->set, &farm->policy, farm->now, name,
	          farm->set) == STEK_OK);
	farm_check_request(farm);
	for (i = 0; i < farm->before->count; i++) {
		old = farm->before->keys[i].name;
		HOLDS((stek_set_find(farm->set, old) == NULL) ==
		      (name == NULL || memcmp(old, name, sizeof(buf)) == 0));
	}
	farm_forget(farm, name);
}

/* Keys are revoked at any moment; the tickets of others stay good. */
static void
betrayed(struct farm *farm)
{
	int i;

	for (i = 0; i < STEPS; i++) {
		farm_plan(farm);
		farm_check_gone(farm);
		if (one_in(4)) {
			revoke(farm);
			farm_plan(farm);
		}
		farm_check_lives(farm);
		farm_serve(farm, between(farm->now, farm->wake));
	}
}

static bool
share_a_key(const struct stek_set *a, const struct stek_set *b)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (stek_set_find(b, a->keys[i].name) != NULL)
			return true;
	return false;
}

/* A new key is announced in time, if the key before it lasts so long. */
static void
check_announced(const struct farm *farm)
{
	const struct stek_key *sealing, *key;
	size_t i;

	sealing = stek_set_sealing(farm->before, farm->now);
	for (i = 0; i < farm->set->count; i++) {
		key = &farm->set->keys[i];
		HOLDS(sealing == NULL ||
		      stek_set_find(farm->before, key->name) != NULL ||
		      key->seal_from >= farm->now + farm->policy.lead / 2 ||
		      key->seal_from >= sealing->seal_until);
	}
}

/* Go on until none of the keys of now is left. */
static void
outlive(struct farm *farm)
{
	struct stek_set *old = given_set();
	int i;

	stek_set_copy(old, farm->set);
	for (i = 0; i == 0 || share_a_key(old, farm->set); i++) {
		HOLDS(i < 200);
		farm_plan(farm);
		check_announced(farm);
		farm->now = farm->wake;
	}
	stek_set_free(old);
}

/* The policy changes; without the old one's keys, all is regular. */
static void
reformed(struct farm *farm)
{
	int i, reform;

	for (reform = 0; reform < 6; reform++) {
		for (i = (int)between(0, 8); i > 0; i--) {
			farm_plan(farm);
			farm->now = between(farm->now, farm->wake);
		}
		farm_policy(&farm->policy);
		outlive(farm);
		outlive(farm);
		farm_forget(farm, NULL);
		punctual(farm);
	}
}

#define STORY(name, story)              \
	static void name(void **unused) \
	{                               \
		(void)unused;           \
		farm_tell(story);       \
	}

STORY(keys_follow_each_other_without_drift, punctual)
STORY(small_delays_move_no_key, tardy)
STORY(asking_too_often_changes_nothing, restless)
STORY(a_dead_rotator_stretches_no_key, deserted)
STORY(an_operator_may_rotate_at_any_moment, hurried)
STORY(rotating_like_mad_overflows_no_set, crowded)
STORY(revoking_takes_that_key_and_no_other, betrayed)
STORY(a_new_policy_takes_over_from_the_old, reformed)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_follow_each_other_without_drift),
	    cmocka_unit_test(small_delays_move_no_key),
	    cmocka_unit_test(asking_too_often_changes_nothing),
	    cmocka_unit_test(a_dead_rotator_stretches_no_key),
	    cmocka_unit_test(an_operator_may_rotate_at_any_moment),
	    cmocka_unit_test(rotating_like_mad_overflows_no_set),
	    cmocka_unit_test(revoking_takes_that_key_and_no_other),
	    cmocka_unit_test(a_new_policy_takes_over_from_the_old),
	};

	return cmocka_run_group_tests_name("plan_months", tests, NULL, NULL);
}
