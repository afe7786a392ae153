/* SPDX-License-Identifier: ISC */
/*
 * What the plan does, one situation at a time.
 *
 * Never here: long stories (test_plan_months.c, test_plan_clocks.c).
 */
#include "given.h"

#define HOUR INT64_C(3600)
#define DAY  (24 * HOUR)

struct situation {
	struct stek_set *set;
	struct stek_policy policy; /* 6 h, 12 h, 10 min */
	int64_t wake;
};

static int
set_up(void **state)
{
	static struct situation s;

	s.set = given_set();
	s.wake = 0;
	stek_policy_default(&s.policy);
	*state = &s;
	return 0;
}

static int
tear_down(void **state)
{
	struct situation *s = *state;

	stek_set_free(s->set);
	return 0;
}

static void
plan_at(struct situation *s, int64_t now)
{
	assert_int_equal(
	    stek_plan(s->set, &s->policy, now, s->set, &s->wake), STEK_OK);
}

static void
assert_times(const struct stek_key *key, int64_t from, int64_t seal_until,
    int64_t open_until)
{
	assert_int_equal(key->seal_from, from);
	assert_int_equal(key->seal_until, seal_until);
	assert_int_equal(key->open_until, open_until);
}

static void
the_default_policy_is_six_hours_twelve_hours_ten_minutes(void **state)
{
	struct situation *s = *state;

	assert_int_equal(s->policy.rotate, 6 * HOUR);
	assert_int_equal(s->policy.tickets, 12 * HOUR);
	assert_int_equal(s->policy.lead, 600);
	assert_int_equal(stek_policy_check(&s->policy), STEK_OK);
	assert_int_equal(stek_policy_keys(&s->policy), 4);
}

static void
a_policy_is_refused_one_past_each_bound(void **state)
{
	static const struct {
		struct stek_policy policy;
		enum stek_err expected;
	} cases[] = {
	    {{1, 1, 0}, STEK_OK},
	    {{1, 1, 1}, STEK_OK},
	    {{0, 1, 0}, STEK_ERR_POLICY},
	    {{-1, 1, 0}, STEK_ERR_POLICY},
	    {{INT64_MIN, 1, 0}, STEK_ERR_POLICY},
	    {{30 * DAY, DAY, 600}, STEK_OK},
	    {{30 * DAY + 1, DAY, 600}, STEK_ERR_POLICY},
	    {{INT64_MAX, DAY, 600}, STEK_ERR_POLICY},
	    {{DAY, 0, 600}, STEK_ERR_POLICY},
	    {{DAY, -1, 600}, STEK_ERR_POLICY},
	    {{DAY, 7 * DAY, 600}, STEK_OK},
	    {{DAY, 7 * DAY + 1, 600}, STEK_ERR_POLICY},
	    {{1, INT64_MAX, 0}, STEK_ERR_POLICY},
	    {{HOUR, HOUR, -1}, STEK_ERR_POLICY},
	    {{HOUR, HOUR, 0}, STEK_OK},
	    {{HOUR, HOUR, HOUR}, STEK_OK},
	    {{HOUR, HOUR, HOUR + 1}, STEK_ERR_POLICY},
	    {{HOUR, 14 * HOUR, 0}, STEK_OK},
	    {{HOUR, 14 * HOUR + 1, 0}, STEK_ERR_POLICY},
	};
	struct situation *s = *state;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    stek_policy_check(&cases[i].policy), cases[i].expected);
		assert_int_equal(
		    stek_plan(s->set, &cases[i].policy, NOON, s->set, &s->wake),
		    cases[i].expected);
	}
}

static void
a_refused_plan_changes_nothing(void **state)
{
	struct situation *s = *state;
	struct stek_set *before = given_set();

	plan_at(s, NOON);
	stek_set_copy(before, s->set);
	s->policy.rotate = 0;
	assert_int_equal(
	    stek_plan(s->set, &s->policy, NOON + DAY, s->set, &s->wake),
	    STEK_ERR_POLICY);
	assert_int_equal(stek_plan_rotate(s->set, &s->policy, NOON + DAY,
	                     NOON + DAY, s->set),
	    STEK_ERR_POLICY);
	assert_int_equal(
	    stek_plan_revoke(s->set, &s->policy, NOON + DAY, NULL, s->set),
	    STEK_ERR_POLICY);
	assert_true(same_keys(s->set, before));
	assert_int_equal(s->set->version, before->version);
	assert_int_equal(s->wake, NOON + 6 * HOUR - 600);
	stek_set_free(before);
}

static void
a_now_that_no_clock_shows_is_refused(void **state)
{
	static const int64_t nows[] = {
	    INT64_MIN, -1, 0, INT64_C(253402300800), INT64_MAX};
	static const uint8_t unknown[STEK_NAME_LEN] = "no such key";
	struct situation *s = *state;
	size_t i;

	for (i = 0; i < sizeof(nows) / sizeof(nows[0]); i++) {
		assert_int_equal(
		    stek_plan(s->set, &s->policy, nows[i], s->set, &s->wake),
		    STEK_ERR_TIMES);
		assert_int_equal(stek_plan_rotate(s->set, &s->policy, nows[i],
		                     nows[i], s->set),
		    STEK_ERR_TIMES);
		assert_int_equal(
		    stek_plan_revoke(s->set, &s->policy, nows[i], NULL, s->set),
		    STEK_ERR_TIMES);
		assert_int_equal(stek_plan_revoke(s->set, &s->policy, nows[i],
		                     unknown, s->set),
		    STEK_ERR_TIMES);
	}
	assert_int_equal(s->set->count, 0);
	plan_at(s, 1);
	assert_int_equal(s->set->keys[0].seal_from, 1);
}

static void
an_empty_set_gets_a_key_that_seals_at_once(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	assert_int_equal(s->set->version, 1);
	assert_int_equal(s->set->count, 1);
	assert_times(
	    &s->set->keys[0], NOON, NOON + 12 * HOUR, NOON + 24 * HOUR);
	assert_int_equal(s->wake, NOON + 6 * HOUR - 600);
}

static void
the_next_key_comes_its_lead_ahead_and_not_a_second_sooner(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 6 * HOUR - 601);
	assert_int_equal(s->set->count, 1);
	assert_int_equal(s->set->version, 1);
	plan_at(s, NOON + 6 * HOUR - 600);
	assert_int_equal(s->set->count, 2);
	assert_int_equal(s->set->version, 2);
	assert_times(&s->set->keys[1], NOON + 6 * HOUR, NOON + 18 * HOUR,
	    NOON + 30 * HOUR);
	assert_int_equal(s->wake, NOON + 6 * HOUR);
}

static void
a_key_is_cut_short_once_its_successor_seals(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 6 * HOUR - 600);
	plan_at(s, NOON + 6 * HOUR - 1);
	assert_int_equal(s->set->version, 2);
	assert_times(
	    &s->set->keys[0], NOON, NOON + 12 * HOUR, NOON + 24 * HOUR);
	plan_at(s, NOON + 6 * HOUR);
	assert_int_equal(s->set->version, 3);
	assert_times(&s->set->keys[0], NOON, NOON + 6 * HOUR, NOON + 18 * HOUR);
}

static void
a_key_is_gone_when_its_last_ticket_is(void **state)
{
	struct situation *s = *state;
	uint8_t first[STEK_NAME_LEN];

	plan_at(s, NOON);
	memcpy(first, s->set->keys[0].name, sizeof(first));
	while (s->wake < NOON + 18 * HOUR)
		plan_at(s, s->wake);
	plan_at(s, NOON + 18 * HOUR - 1);
	assert_non_null(stek_set_find(s->set, first));
	assert_int_equal(s->wake, NOON + 18 * HOUR);
	plan_at(s, NOON + 18 * HOUR);
	assert_null(stek_set_find(s->set, first));
}

static void
a_late_plan_gives_the_next_key_a_whole_lead(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 6 * HOUR - 299);
	assert_int_equal(s->set->keys[1].seal_from, NOON + 6 * HOUR + 301);
}

static void
a_slightly_late_plan_keeps_the_schedule(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 6 * HOUR - 300);
	assert_int_equal(s->set->keys[1].seal_from, NOON + 6 * HOUR);
}

static void
sealing_does_not_stop_for_the_sake_of_a_lead(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 12 * HOUR - 5);
	assert_int_equal(s->set->keys[1].seal_from, NOON + 12 * HOUR);
}

static void
after_a_month_without_a_plan_a_new_key_seals_at_once(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 30 * DAY);
	assert_int_equal(s->set->count, 1);
	assert_int_equal(s->set->keys[0].seal_from, NOON + 30 * DAY);
}

static void
with_a_lead_of_rotate_there_is_always_a_pending_key(void **state)
{
	struct situation *s = *state;

	s->policy = (struct stek_policy) {HOUR, HOUR, HOUR};
	plan_at(s, NOON);
	assert_int_equal(s->set->count, 2);
	assert_int_equal(s->set->version, 1);
	assert_int_equal(s->set->keys[1].seal_from, NOON + HOUR);
	assert_int_equal(s->wake, NOON + HOUR);
	plan_at(s, NOON + HOUR);
	assert_int_equal(s->set->count, 3);
	assert_int_equal(s->set->keys[2].seal_from, NOON + 2 * HOUR);
}

static void
one_plan_is_enough_also_with_a_lead_of_rotate(void **state)
{
	struct situation *s = *state;

	s->policy = (struct stek_policy) {1, 9, 1};
	plan_at(s, NOON);
	plan_at(s, NOON + 2);
	plan_at(s, NOON + 2);
	assert_int_equal(s->set->version, 2);
}

static void
a_longer_rotate_leaves_the_next_key_its_lead(void **state)
{
	struct situation *s = *state;

	s->policy = (struct stek_policy) {HOUR, HOUR, 600};
	plan_at(s, NOON);
	s->policy = (struct stek_policy) {DAY, HOUR, 600};
	plan_at(s, NOON + 1);
	assert_int_equal(s->wake, NOON + 2 * HOUR - 600);
	plan_at(s, s->wake);
	assert_int_equal(s->set->keys[1].seal_from, NOON + 2 * HOUR);
}

static void
rotating_seals_with_the_pending_key_from_then_on(void **state)
{
	struct situation *s = *state;
	uint8_t pending[STEK_NAME_LEN];

	plan_at(s, NOON);
	plan_at(s, NOON + 6 * HOUR - 600);
	memcpy(pending, s->set->keys[1].name, sizeof(pending));
	assert_int_equal(
	    stek_plan_rotate(s->set, &s->policy, NOON + 6 * HOUR - 500,
	        NOON + 6 * HOUR - 400, s->set),
	    STEK_OK);
	assert_int_equal(s->set->count, 2);
	assert_int_equal(s->set->version, 3);
	assert_memory_equal(s->set->keys[1].name, pending, sizeof(pending));
	assert_times(&s->set->keys[1], NOON + 6 * HOUR - 400,
	    NOON + 18 * HOUR - 400, NOON + 30 * HOUR - 400);
}

static void
rotating_mints_a_key_if_none_is_pending(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	assert_int_equal(stek_plan_rotate(s->set, &s->policy, NOON + HOUR,
	                     NOON + HOUR, s->set),
	    STEK_OK);
	assert_int_equal(s->set->count, 2);
	assert_int_equal(s->set->version, 2);
	assert_times(&s->set->keys[0], NOON, NOON + HOUR, NOON + 13 * HOUR);
	assert_int_equal(s->set->keys[1].seal_from, NOON + HOUR);
}

static void
rotating_later_than_planned_is_no_change(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	plan_at(s, NOON + 6 * HOUR - 600);
	assert_int_equal(stek_plan_rotate(s->set, &s->policy,
	                     NOON + 6 * HOUR - 500, NOON + 7 * HOUR, s->set),
	    STEK_OK);
	assert_int_equal(s->set->version, 2);
}

static void
rotating_is_no_later_than_the_plan_would_be(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	assert_int_equal(stek_plan_rotate(s->set, &s->policy, NOON + HOUR,
	                     INT64_MAX, s->set),
	    STEK_OK);
	assert_int_equal(s->set->keys[1].seal_from, NOON + 6 * HOUR);
}

static void
rotating_from_a_moment_that_is_past_is_rotating_now(void **state)
{
	struct situation *s = *state;

	plan_at(s, NOON);
	assert_int_equal(stek_plan_rotate(s->set, &s->policy, NOON + HOUR,
	                     NOON - HOUR, s->set),
	    STEK_OK);
	assert_times(&s->set->keys[0], NOON, NOON + HOUR, NOON + 13 * HOUR);
	assert_int_equal(s->set->keys[1].seal_from, NOON + HOUR);
}

static void
revoking_the_sealing_key_puts_a_new_one_in_its_place(void **state)
{
	struct situation *s = *state;
	uint8_t name[STEK_NAME_LEN];

	plan_at(s, NOON);
	memcpy(name, s->set->keys[0].name, sizeof(name));
	assert_int_equal(
	    stek_plan_revoke(s->set, &s->policy, NOON + 1, name, s->set),
	    STEK_OK);
	assert_int_equal(s->set->version, 2);
	assert_int_equal(s->set->count, 1);
	assert_null(stek_set_find(s->set, name));
	assert_int_equal(s->set->keys[0].seal_from, NOON + 1);
}

static void
revoking_all_leaves_no_old_key(void **state)
{
	struct situation *s = *state;
	struct stek_set *before = given_set();
	size_t i;

	plan_at(s, NOON);
	while (s->set->count < 4)
		plan_at(s, s->wake);
	stek_set_copy(before, s->set);
	assert_int_equal(
	    stek_plan_revoke(s->set, &s->policy, s->wake, NULL, s->set),
	    STEK_OK);
	assert_int_equal(s->set->count, 1);
	assert_int_equal(s->set->version, before->version + 1);
	for (i = 0; i < before->count; i++)
		assert_null(stek_set_find(s->set, before->keys[i].name));
	stek_set_free(before);
}

static void
revoking_an_unknown_name_changes_nothing_even_if_a_key_is_due(void **state)
{
	static const uint8_t unknown[STEK_NAME_LEN] = "no such key";
	struct situation *s = *state;

	plan_at(s, NOON);
	assert_int_equal(stek_plan_revoke(s->set, &s->policy, NOON + 30 * DAY,
	                     unknown, s->set),
	    STEK_OK);
	assert_int_equal(s->set->version, 1);
	assert_int_equal(s->set->keys[0].seal_from, NOON);
}

static void
a_full_set_gives_up_its_oldest_key(void **state)
{
	struct situation *s = *state;
	uint64_t i;

	for (i = 0; i < STEK_KEYS_MAX; i++)
		given_add(s->set, i, NOON + (int64_t)i, NOON + (int64_t)i + 1,
		    NOON + DAY);
	plan_at(s, NOON + 60);
	assert_int_equal(s->set->count, STEK_KEYS_MAX);
	assert_int_equal(s->set->keys[0].seal_from, NOON + 1);
	assert_int_equal(s->set->keys[15].seal_from, NOON + 60);
}

static void
a_key_that_takes_over_late_is_not_astray(void **state)
{
	struct situation *s = *state;
	int64_t late = NOON + 6 * HOUR + 900;

	given_add(s->set, 1, NOON, late, late + 12 * HOUR);
	given_add(s->set, 2, late, late + 12 * HOUR, late + DAY);
	plan_at(s, NOON + 6 * HOUR);
	assert_int_equal(s->set->count, 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_default_policy_is_six_hours_twelve_hours_ten_minutes),
	    CASE(a_policy_is_refused_one_past_each_bound),
	    CASE(a_refused_plan_changes_nothing),
	    CASE(a_now_that_no_clock_shows_is_refused),
	    CASE(an_empty_set_gets_a_key_that_seals_at_once),
	    CASE(the_next_key_comes_its_lead_ahead_and_not_a_second_sooner),
	    CASE(a_key_is_cut_short_once_its_successor_seals),
	    CASE(a_key_is_gone_when_its_last_ticket_is),
	    CASE(a_late_plan_gives_the_next_key_a_whole_lead),
	    CASE(a_slightly_late_plan_keeps_the_schedule),
	    CASE(sealing_does_not_stop_for_the_sake_of_a_lead),
	    CASE(after_a_month_without_a_plan_a_new_key_seals_at_once),
	    CASE(with_a_lead_of_rotate_there_is_always_a_pending_key),
	    CASE(one_plan_is_enough_also_with_a_lead_of_rotate),
	    CASE(a_longer_rotate_leaves_the_next_key_its_lead),
	    CASE(rotating_seals_with_the_pending_key_from_then_on),
	    CASE(rotating_mints_a_key_if_none_is_pending),
	    CASE(rotating_later_than_planned_is_no_change),
	    CASE(rotating_is_no_later_than_the_plan_would_be),
	    CASE(rotating_from_a_moment_that_is_past_is_rotating_now),
	    CASE(revoking_the_sealing_key_puts_a_new_one_in_its_place),
	    CASE(revoking_all_leaves_no_old_key),
	    CASE(revoking_an_unknown_name_changes_nothing_even_if_a_key_is_due),
	    CASE(a_full_set_gives_up_its_oldest_key),
	    CASE(a_key_that_takes_over_late_is_not_astray),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
