/* SPDX-License-Identifier: ISC */
/* From one farm key to the next, and never back. */
#include <sodium.h>
#include <string.h>

#include <daemon/farm_keys.h>

#include "../unit/given.h"

static uint8_t *
given_farm_key(uint8_t first)
{
	uint8_t *key = stek_file_alloc(STEK_FARM_KEY_LEN);

	assert_non_null(key);
	key[0] = first;
	return key;
}

/* An encoded set of version `version`, by the key that begins so. */
static void
seal(uint8_t first, uint64_t version, uint8_t bytes[STEK_CODEC_LEN])
{
	struct stek_set *set = stek_set_new();
	uint8_t *key = given_farm_key(first);

	assert_non_null(set);
	set->version = version;
	assert_int_equal(stek_codec_encode(set, "farm", key, bytes), STEK_OK);
	stek_set_free(set);
	stek_file_free(key);
}

static enum stek_err
open_with(const struct farm_keys *keys, uint8_t first, bool *next)
{
	struct stek_set *set = stek_set_new();
	uint8_t bytes[STEK_CODEC_LEN];
	enum stek_err err;

	seal(first, 3, bytes);
	err = farm_keys_decode(keys, bytes, sizeof(bytes), "farm", set, next);
	assert_int_equal(set->version, err == STEK_OK ? 3 : 0);
	stek_set_free(set);
	return err;
}

static void
a_set_opens_by_the_key_in_use_and_by_the_next(void **state)
{
	struct farm_keys keys = {
	    .now = given_farm_key(1), .next = given_farm_key(2)};
	bool next;

	(void)state;
	assert_int_equal(open_with(&keys, 1, &next), STEK_OK);
	assert_false(next);
	assert_int_equal(open_with(&keys, 2, &next), STEK_OK);
	assert_true(next);
	assert_int_equal(open_with(&keys, 3, &next), STEK_ERR_AUTH);
	assert_false(next);
	farm_keys_free(&keys);
}

static void
who_has_moved_on_opens_nothing_by_the_old_key(void **state)
{
	struct farm_keys keys = {
	    .now = given_farm_key(1), .next = given_farm_key(2)};
	bool next;

	(void)state;
	farm_keys_move_on(&keys);
	assert_null(keys.next);
	assert_int_equal(open_with(&keys, 2, &next), STEK_OK);
	assert_false(next);
	assert_int_equal(open_with(&keys, 1, &next), STEK_ERR_AUTH);
	farm_keys_free(&keys);
}

static void
without_a_next_key_nothing_moves(void **state)
{
	struct farm_keys keys = {.now = given_farm_key(1)};
	bool next;

	(void)state;
	farm_keys_move_on(&keys);
	assert_int_equal(open_with(&keys, 1, &next), STEK_OK);
	farm_keys_free(&keys);
}

static void
a_print_tells_keys_apart(void **state)
{
	uint8_t *one = given_farm_key(2), *same = given_farm_key(2);
	uint8_t *other = given_farm_key(3);
	char prints[4][FARM_PRINT_LEN];

	(void)state;
	farm_keys_print(NULL, prints[0]);
	farm_keys_print(one, prints[1]);
	farm_keys_print(same, prints[2]);
	farm_keys_print(other, prints[3]);
	assert_string_equal(prints[0], "");
	assert_int_equal(strlen(prints[1]), FARM_PRINT_LEN - 1);
	assert_string_equal(prints[1], prints[2]);
	assert_string_not_equal(prints[1], prints[3]);
	stek_file_free(one);
	stek_file_free(same);
	stek_file_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_set_opens_by_the_key_in_use_and_by_the_next),
	    cmocka_unit_test(who_has_moved_on_opens_nothing_by_the_old_key),
	    cmocka_unit_test(without_a_next_key_nothing_moves),
	    cmocka_unit_test(a_print_tells_keys_apart),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
