/* SPDX-License-Identifier: ISC */
/* A held key: which it is, and how long it lives at who hears no more of it. */
#include <daemon/farm.h>

#include "../unit/given.h"

#define FROM NOON

static const struct stek_policy policy = {
    .rotate = 3600, .tickets = 7200, .lead = 300};

static void
given_held(struct stek_set *set)
{
	given_add(set, 2, FROM + HELD_FOR, FROM + HELD_FOR, FROM + HELD_FOR);
}

static void
a_held_key_is_found_with_its_time(void **state)
{
	struct stek_set *set = given_set();

	(void)state;
	given_add(set, 1, FROM - 3600, FROM + 3600, FROM + 10800);
	assert_null(held_key(set));
	given_held(set);
	assert_non_null(held_key(set));
	assert_int_equal(held_from(held_key(set)), FROM);
	stek_set_free(set);
}

static void
a_key_that_was_cut_short_to_nothing_is_not_held(void **state)
{
	struct stek_set *set = given_set();

	(void)state;
	given_add(set, 1, FROM, FROM, FROM + 7200);
	assert_null(held_key(set));
	stek_set_free(set);
}

static void
a_held_key_is_found_before_one_that_is_astray(void **state)
{
	struct stek_set *set = given_set();
	int64_t far = FROM + 2 * HELD_FOR;

	(void)state;
	given_held(set);
	given_add(set, 3, far, far + 7200, far + 14400);
	assert_non_null(held_key(set));
	assert_int_equal(held_from(held_key(set)), FROM);
	stek_set_free(set);
}

static void
servers_open_with_a_held_key_no_longer_than_if_it_had_sealed(void **state)
{
	struct stek_set *set = given_set(), *view = given_set();
	struct farm_conf conf = {.policy = policy, .mint = true};
	int64_t end = FROM + 2 * policy.rotate + policy.tickets;
	struct farm farm;

	(void)state;
	memset(&farm, 0, sizeof(farm));
	given_held(set);
	set->version = 1;
	farm_begin(&farm, &conf, set, FROM, 0);
	farm_view(&farm, 0, view);
	assert_int_equal(view->count, 1);
	assert_int_equal(stek_key_state(view->keys, FROM), STEK_PENDING);
	assert_int_equal(stek_key_state(view->keys, end - 1), STEK_PENDING);
	assert_int_equal(stek_key_state(view->keys, end), STEK_DEAD);
	stek_set_free(set);
	stek_set_free(view);
}

static void
its_end_at_servers_is_a_time_to_look_again(void **state)
{
	struct farm_event event = {.what = FARM_TIME, .now = FROM};
	struct farm_conf conf = {.policy = policy, .postpone = FARM_WAIT};
	struct stek_set *set = given_set();
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	memset(&farm, 0, sizeof(farm));
	given_held(set);
	set->version = 1;
	farm_begin(&farm, &conf, set, FROM, 0);
	farm_step(&farm, &event, &todo);
	assert_int_equal(todo.wake, held_until(held_key(set), &policy));
	event.now = todo.wake;
	event.ran = (todo.wake - FROM) * 1000;
	farm_step(&farm, &event, &todo);
	assert_int_equal(todo.wake, held_open_until(held_key(set), &policy));
	stek_set_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_held_key_is_found_with_its_time),
	    cmocka_unit_test(a_key_that_was_cut_short_to_nothing_is_not_held),
	    cmocka_unit_test(a_held_key_is_found_before_one_that_is_astray),
	    cmocka_unit_test(
	        servers_open_with_a_held_key_no_longer_than_if_it_had_sealed),
	    cmocka_unit_test(its_end_at_servers_is_a_time_to_look_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
