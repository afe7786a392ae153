/* SPDX-License-Identifier: ISC */
/* Rules of the farm of which tests/sim could not tell what was wrong. */
#include <daemon/farm.h>

#include "../unit/given.h"

static const struct farm_conf conf = {
    .policy = {.rotate = 3600, .tickets = 7200, .lead = 300},
    .postpone = 3600,
    .mint = true,
    .node = 1};

/* Key 1 has sealed, key 2 seals, at NOON. */
static void
given_two(struct stek_set *set, uint64_t version)
{
	stek_set_clear(set);
	given_add(set, 1, NOON - 5000, NOON - 1000, NOON + 6200);
	given_add(set, 2, NOON - 1000, NOON + 6200, NOON + 13400);
	set->version = version;
}

static struct farm_todo
step(struct farm *farm, enum farm_what what, int64_t after)
{
	struct farm_event event = {.what = what,
	    .now = NOON + after / 1000,
	    .ran = 100000 + after,
	    .clock = NOON + after / 1000};
	struct farm_todo todo;

	farm_step(farm, &event, &todo);
	return todo;
}

static struct farm_todo
find(struct farm *farm, const struct stek_set *set, int64_t after)
{
	struct farm_event event = {.what = FARM_FOUND,
	    .now = NOON + after / 1000,
	    .ran = 100000 + after,
	    .set = set};
	struct farm_todo todo;

	farm_step(farm, &event, &todo);
	return todo;
}

static struct farm_todo
revoke(struct farm *farm, uint64_t number, int64_t after)
{
	struct stek_key key = given_key(number, 1, 2, 3);
	struct farm_event event = {.what = FARM_DO_REVOKE,
	    .now = NOON + after / 1000,
	    .ran = 100000 + after,
	    .name = key.name};
	struct farm_todo todo;

	farm_step(farm, &event, &todo);
	return todo;
}

/* In step with a store that has both keys. */
static void
given_farm(struct farm *farm, struct stek_set *set)
{
	memset(farm, 0, sizeof(*farm));
	given_two(set, 5);
	farm_begin(farm, &conf, set, NOON, 100000);
	(void)find(farm, set, 0);
	(void)step(farm, FARM_CLOCK, 0);
	(void)step(farm, FARM_CONTACT, 0);
}

static bool
has(const struct stek_set *set, uint64_t number)
{
	struct stek_key key = given_key(number, 1, 2, 3);

	return stek_set_find(set, key.name) != NULL;
}

static bool
uses(const struct farm *farm, uint64_t number, int64_t after)
{
	struct stek_set *view = given_set();
	bool it_has;

	farm_view(farm, 100000 + after, view);
	it_has = has(view, number);
	stek_set_free(view);
	return it_has;
}

static void
a_key_that_was_taken_away_does_not_come_back_with_an_older_set(void **state)
{
	struct stek_set *set = given_set(), *without = given_set();
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	given_add(without, 2, NOON - 1000, NOON + 6200, NOON + 13400);
	without->version = 6;
	(void)find(&farm, without, 10);
	assert_false(uses(&farm, 1, 10));
	given_two(set, 6);
	todo = find(&farm, set, 20);
	assert_true(todo.adopted && todo.forked);
	assert_false(uses(&farm, 1, 20));
	/* Within the pause that nodes draw, the farm is told. */
	todo = step(&farm, FARM_TIME, 3000);
	assert_true(todo.swap && farm.offered == FARM_REVOKE);
	assert_false(has(&farm.offer, 1));
	stek_set_free(set);
	stek_set_free(without);
}

static void
a_key_that_has_died_may_come_back(void **state)
{
	struct stek_set *set = given_set(), *without = given_set();
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	given_add(without, 2, NOON - 1000, NOON + 6200, NOON + 13400);
	without->version = 6;
	(void)find(&farm, without, 6201000);
	given_two(set, 6);
	(void)find(&farm, set, 6202000);
	assert_false(farm.revoking);
	stek_set_free(set);
	stek_set_free(without);
}

static void
what_was_revoked_is_withheld_although_the_store_does_not_answer(void **state)
{
	struct stek_set *set = given_set();
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	todo = revoke(&farm, 2, 1000);
	assert_true(todo.swap);
	assert_in_range(todo.pause, 0, 1000);
	todo = step(&farm, FARM_TIME, 2000);
	assert_true(todo.publish);
	assert_int_equal(todo.taken, NOON + 13400);
	assert_false(uses(&farm, 2, 2000));
	todo = step(&farm, FARM_TIME, 3000);
	assert_int_equal(todo.taken, 0);
	stek_set_free(set);
}

static void
a_clock_of_the_store_that_is_ahead_buries_no_key(void **state)
{
	struct stek_set *set = given_set();
	struct farm_event event = {.what = FARM_CLOCK,
	    .now = NOON,
	    .ran = 100000,
	    .clock = NOON + 25 * 86400};
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	farm_step(&farm, &event, &todo);
	assert_non_null(farm_trouble(&farm));
	todo = revoke(&farm, 1, 1000);
	assert_true(todo.swap);
	assert_true(has(&farm.offer, 2));
	assert_non_null(stek_set_sealing(&farm.offer, NOON + 2));
	stek_set_free(set);
}

static void
a_clock_of_the_store_that_is_behind_makes_no_dead_key(void **state)
{
	struct stek_set *set = given_set();
	struct farm_event event = {.what = FARM_CLOCK,
	    .now = NOON,
	    .ran = 100000,
	    .clock = NOON - 3 * 86400};
	const struct stek_key *sealing;
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	farm_step(&farm, &event, &todo);
	todo = revoke(&farm, 2, 1000);
	assert_true(todo.swap);
	sealing = stek_set_sealing(&farm.offer, NOON + 2);
	assert_non_null(sealing);
	assert_null(stek_set_find(set, sealing->name));
	stek_set_free(set);
}

static void
no_key_is_left_of_an_offer_that_is_over(void **state)
{
	static const struct stek_key none[STEK_KEYS_MAX];
	struct stek_set *set = given_set();
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	(void)revoke(&farm, 2, 1000);
	assert_int_not_equal(farm.offer.count, 0);
	(void)step(&farm, FARM_REFUSED, 1500);
	assert_int_equal(farm.offer.count, 0);
	assert_memory_equal(farm.offer.keys, none, sizeof(none));
	stek_set_free(set);
}

static void
an_end_of_a_swap_that_is_not_under_way_changes_nothing(void **state)
{
	struct stek_set *set = given_set();
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	todo = step(&farm, FARM_SWAPPED, 1000);
	assert_false(todo.adopted);
	assert_int_equal(farm.set.version, 5);
	stek_set_free(set);
}

static void
a_late_answer_brings_no_older_set_back(void **state)
{
	struct stek_set *set = given_set();
	struct farm_todo todo;
	struct farm farm;

	(void)state;
	given_farm(&farm, set);
	(void)revoke(&farm, 1, 1000);
	given_two(set, 9);
	(void)find(&farm, set, 1010);
	(void)find(&farm, NULL, 1020);
	todo = step(&farm, FARM_SWAPPED, 1030);
	assert_false(todo.adopted);
	assert_int_equal(farm.set.version, 9);
	stek_set_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
	        a_key_that_was_taken_away_does_not_come_back_with_an_older_set),
	    cmocka_unit_test(a_key_that_has_died_may_come_back),
	    cmocka_unit_test(
	        what_was_revoked_is_withheld_although_the_store_does_not_answer),
	    cmocka_unit_test(a_clock_of_the_store_that_is_ahead_buries_no_key),
	    cmocka_unit_test(
	        a_clock_of_the_store_that_is_behind_makes_no_dead_key),
	    cmocka_unit_test(no_key_is_left_of_an_offer_that_is_over),
	    cmocka_unit_test(
	        an_end_of_a_swap_that_is_not_under_way_changes_nothing),
	    cmocka_unit_test(a_late_answer_brings_no_older_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
