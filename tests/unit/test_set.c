/* SPDX-License-Identifier: ISC */
/*
 * The keys of a set: their order, which one seals, what is refused.
 *
 * Never here: when keys come and go (test_plan.c).
 */
#include "given.h"

static int
set_up(void **state)
{
	*state = stek_set_new();
	return *state == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	stek_set_free(*state);
	return 0;
}

static enum stek_err
add(struct stek_set *set, const struct stek_key *key)
{
	return stek_set_add(set, key);
}

static void
assert_empty_from(const struct stek_set *set, size_t i)
{
	static const struct stek_key none;

	for (; i < STEK_KEYS_MAX; i++)
		assert_memory_equal(&set->keys[i], &none, sizeof(none));
}

static void
a_new_set_is_empty_and_of_version_0(void **state)
{
	const struct stek_set *set = *state;

	assert_int_equal(set->version, 0);
	assert_int_equal(set->count, 0);
	assert_empty_from(set, 0);
	stek_set_free(NULL);
}

static void
keys_are_ordered_by_seal_from_however_they_come(void **state)
{
	static const int64_t from[] = {50, 10, 90, 30, 70, 20};
	struct stek_set *set = *state;
	size_t i;

	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		given_add(set, i, from[i], 100, 200);
	assert_int_equal(set->count, 6);
	for (i = 1; i < set->count; i++)
		assert_true(
		    set->keys[i - 1].seal_from < set->keys[i].seal_from);
	assert_empty_from(set, 6);
}

static void
of_equal_times_the_later_added_comes_later(void **state)
{
	struct stek_set *set = *state;
	struct stek_key second = given_key(2, 10, 20, 30);

	given_add(set, 1, 10, 20, 30);
	given_add(set, 2, 10, 20, 30);
	assert_memory_equal(&set->keys[1], &second, sizeof(second));
	assert_ptr_equal(stek_set_sealing(set, 15), &set->keys[1]);
}

static void
what_is_refused_changes_nothing(void **state)
{
	struct stek_set *set = *state, *before = given_set();
	struct stek_key key;

	given_add(set, 1, 10, 20, 30);
	stek_set_copy(before, set);
	key = given_key(2, 10, 20, 30);
	memset(key.aes, 0, sizeof(key.aes));
	assert_int_equal(add(set, &key), STEK_ERR_WEAK);
	key = given_key(2, 10, 20, 19);
	assert_int_equal(add(set, &key), STEK_ERR_TIMES);
	key = given_key(1, 10, 20, 30);
	assert_int_equal(add(set, &key), STEK_ERR_DUPLICATE);
	assert_memory_equal(set, before, sizeof(*set));
	stek_set_free(before);
}

static void
names_must_differ_in_their_first_four_bytes(void **state)
{
	struct stek_set *set = *state;
	struct stek_key key = given_key(2, 10, 20, 30);

	given_add(set, 1, 10, 20, 30);
	memcpy(key.name, set->keys[0].name, 4);
	assert_int_equal(add(set, &key), STEK_ERR_DUPLICATE);
	key.name[3] ^= 1;
	assert_int_equal(add(set, &key), STEK_OK);
}

static void
sixteen_keys_fit_and_a_seventeenth_does_not(void **state)
{
	struct stek_set *set = *state;
	struct stek_key key = given_key(99, 10, 20, 30);
	uint64_t i;

	for (i = 0; i < STEK_KEYS_MAX; i++)
		given_add(set, i, 10, 20, 30);
	assert_int_equal(add(set, &key), STEK_ERR_FULL);
	assert_int_equal(set->count, STEK_KEYS_MAX);
	assert_null(stek_set_find(set, key.name));
}

static void
a_removed_key_is_wiped_and_the_others_stay_in_order(void **state)
{
	struct stek_set *set = *state;
	uint8_t name[STEK_NAME_LEN];

	given_add(set, 1, 10, 20, 30);
	given_add(set, 2, 20, 30, 40);
	given_add(set, 3, 30, 40, 50);
	memcpy(name, set->keys[1].name, sizeof(name));
	assert_true(stek_set_remove(set, name));
	assert_int_equal(set->count, 2);
	assert_int_equal(set->keys[0].seal_from, 10);
	assert_int_equal(set->keys[1].seal_from, 30);
	assert_empty_from(set, 2);
	assert_null(stek_set_find(set, name));
	assert_false(stek_set_remove(set, name));
	assert_int_equal(set->count, 2);
}

static void
a_key_may_be_removed_by_the_name_in_its_slot(void **state)
{
	struct stek_set *set = *state;

	given_add(set, 1, 10, 20, 30);
	given_add(set, 2, 20, 30, 40);
	assert_true(stek_set_remove(set, set->keys[0].name));
	assert_int_equal(set->count, 1);
	assert_int_equal(set->keys[0].seal_from, 20);
}

static void
finding_compares_the_whole_name(void **state)
{
	struct stek_set *set = *state;
	uint8_t name[STEK_NAME_LEN];
	size_t i;

	given_add(set, 1, 10, 20, 30);
	given_add(set, 2, 20, 30, 40);
	assert_ptr_equal(stek_set_find(set, set->keys[1].name), &set->keys[1]);
	for (i = 0; i < sizeof(name); i++) {
		memcpy(name, set->keys[1].name, sizeof(name));
		name[i] ^= 0x80;
		assert_null(stek_set_find(set, name));
	}
}

static void
the_key_that_seals_is_the_last_that_began(void **state)
{
	struct stek_set *set = *state;

	given_add(set, 1, 100, 400, 900);
	given_add(set, 2, 200, 300, 900);
	assert_null(stek_set_sealing(set, 99));
	assert_ptr_equal(stek_set_sealing(set, 100), &set->keys[0]);
	assert_ptr_equal(stek_set_sealing(set, 199), &set->keys[0]);
	assert_ptr_equal(stek_set_sealing(set, 200), &set->keys[1]);
	assert_ptr_equal(stek_set_sealing(set, 299), &set->keys[1]);
	assert_ptr_equal(stek_set_sealing(set, 300), &set->keys[0]);
	assert_null(stek_set_sealing(set, 400));
}

static void
only_the_key_that_seals_is_in_that_state(void **state)
{
	struct stek_set *set = *state;
	const struct stek_key *keys = set->keys;

	given_add(set, 1, 100, 400, 900);
	given_add(set, 2, 200, 400, 1000);
	assert_int_equal(stek_set_state(set, &keys[0], 150), STEK_SEALING);
	assert_int_equal(stek_set_state(set, &keys[1], 150), STEK_PENDING);
	assert_int_equal(stek_set_state(set, &keys[0], 200), STEK_OPENING);
	assert_int_equal(stek_set_state(set, &keys[1], 200), STEK_SEALING);
	assert_int_equal(stek_set_state(set, &keys[1], 400), STEK_OPENING);
	assert_int_equal(stek_set_state(set, &keys[0], 900), STEK_DEAD);
}

static void
it_wakes_at_each_time_of_a_key_and_then_never(void **state)
{
	static const int64_t times[] = {10, 20, 25, 30, 35, 40};
	struct stek_set *set = *state;
	int64_t now = 0;
	size_t i;

	assert_int_equal(stek_set_wake(set, 0), INT64_MAX);
	given_add(set, 1, 10, 20, 30);
	given_add(set, 2, 25, 35, 40);
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		now = stek_set_wake(set, now);
		assert_int_equal(now, times[i]);
	}
	assert_int_equal(stek_set_wake(set, now), INT64_MAX);
}

static void
clearing_wipes_and_keeps_the_version(void **state)
{
	struct stek_set *set = *state;

	given_add(set, 1, 10, 20, 30);
	set->version = 5;
	stek_set_clear(set);
	assert_int_equal(set->count, 0);
	assert_int_equal(set->version, 5);
	assert_empty_from(set, 0);
}

static void
a_copy_is_equal_and_apart(void **state)
{
	struct stek_set *set = *state, *copy = given_set();

	given_add(set, 1, 10, 20, 30);
	set->version = 5;
	stek_set_copy(copy, set);
	assert_memory_equal(copy, set, sizeof(*set));
	assert_true(stek_set_remove(copy, set->keys[0].name));
	assert_int_equal(set->count, 1);
	stek_set_copy(set, set);
	assert_int_equal(set->count, 1);
	stek_set_free(copy);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_new_set_is_empty_and_of_version_0),
	    CASE(keys_are_ordered_by_seal_from_however_they_come),
	    CASE(of_equal_times_the_later_added_comes_later),
	    CASE(what_is_refused_changes_nothing),
	    CASE(names_must_differ_in_their_first_four_bytes),
	    CASE(sixteen_keys_fit_and_a_seventeenth_does_not),
	    CASE(a_removed_key_is_wiped_and_the_others_stay_in_order),
	    CASE(a_key_may_be_removed_by_the_name_in_its_slot),
	    CASE(finding_compares_the_whole_name),
	    CASE(the_key_that_seals_is_the_last_that_began),
	    CASE(only_the_key_that_seals_is_in_that_state),
	    CASE(it_wakes_at_each_time_of_a_key_and_then_never),
	    CASE(clearing_wipes_and_keeps_the_version),
	    CASE(a_copy_is_equal_and_apart),
	};

	return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
