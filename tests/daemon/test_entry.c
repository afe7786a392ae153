/* SPDX-License-Identifier: ISC */
/* A node's entry: what it says comes through, and from nobody else. */
#include <sodium.h>
#include <string.h>

#include <daemon/entry.h>

#include "../unit/given.h"

static const uint8_t farm_key[STEK_FARM_KEY_LEN] = {1, 2, 3};
static const uint8_t other_key[STEK_FARM_KEY_LEN] = {1, 2, 4};

static struct entry
given_entry(void)
{
	struct entry entry = {.has = 7,
	    .confirmed = 6,
	    .at = 1700000000,
	    .offset = -3,
	    .offset_known = true,
	    .stale = true,
	    .unkept = true,
	    .instance = INT64_MAX};

	(void)strcpy(entry.failed, "web, mail");
	(void)strcpy(entry.stek, "1.2.3");
	(void)strcpy(entry.next, "0123456789abcdef");
	return entry;
}

static size_t
given_sealed(uint8_t bytes[ENTRY_MAX])
{
	struct entry entry = given_entry();
	size_t len = entry_seal(&entry, "farm", "node", farm_key, bytes);

	assert_in_range(len, 1, ENTRY_MAX);
	return len;
}

static void
what_a_node_says_comes_through(void **state)
{
	struct entry said = given_entry(), heard;
	uint8_t bytes[ENTRY_MAX];
	size_t len = given_sealed(bytes);

	(void)state;
	assert_true(entry_open(bytes, len, "farm", "node", farm_key, &heard));
	assert_int_equal(heard.has, said.has);
	assert_int_equal(heard.confirmed, said.confirmed);
	assert_int_equal(heard.at, said.at);
	assert_int_equal(heard.offset, said.offset);
	assert_true(heard.offset_known && heard.stale && heard.unkept);
	assert_int_equal(heard.instance, said.instance);
	assert_string_equal(heard.failed, said.failed);
	assert_string_equal(heard.stek, said.stek);
	assert_string_equal(heard.next, said.next);
}

static void
a_clock_that_is_not_known_stays_so(void **state)
{
	struct entry entry = given_entry();
	uint8_t bytes[ENTRY_MAX];
	size_t len;

	(void)state;
	entry.offset_known = false;
	len = entry_seal(&entry, "farm", "node", farm_key, bytes);
	assert_true(entry_open(bytes, len, "farm", "node", farm_key, &entry));
	assert_false(entry.offset_known);
}

static void
the_longest_list_of_failing_targets_has_room(void **state)
{
	struct entry entry = given_entry();
	uint8_t bytes[ENTRY_MAX];

	(void)state;
	memset(entry.failed, 'x', sizeof(entry.failed) - 1);
	assert_int_not_equal(
	    entry_seal(&entry, "farm", "node", farm_key, bytes), 0);
}

static void
an_entry_is_of_one_farm_one_node_and_one_farm_key(void **state)
{
	uint8_t bytes[ENTRY_MAX];
	size_t len = given_sealed(bytes);
	struct entry entry;

	(void)state;
	assert_false(entry_open(bytes, len, "farms", "node", farm_key, &entry));
	assert_false(entry_open(bytes, len, "farm", "nodes", farm_key, &entry));
	assert_false(entry_open(bytes, len, "farm", "node", other_key, &entry));
	/* The bound between the names is no letter of theirs. */
	assert_false(entry_open(bytes, len, "farm/n", "ode", farm_key, &entry));
}

static void
no_part_of_an_entry_is_one_nor_one_with_a_bit_changed(void **state)
{
	uint8_t bytes[ENTRY_MAX];
	size_t i, len = given_sealed(bytes);
	struct entry entry;

	(void)state;
	for (i = 0; i < len; i++)
		assert_false(
		    entry_open(bytes, i, "farm", "node", farm_key, &entry));
	for (i = 0; i < len; i++) {
		bytes[i] ^= 1;
		assert_false(
		    entry_open(bytes, len, "farm", "node", farm_key, &entry));
		bytes[i] ^= 1;
	}
	assert_false(
	    entry_open(bytes, ENTRY_MAX + 1, "farm", "node", farm_key, &entry));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_a_node_says_comes_through),
	    cmocka_unit_test(a_clock_that_is_not_known_stays_so),
	    cmocka_unit_test(the_longest_list_of_failing_targets_has_room),
	    cmocka_unit_test(an_entry_is_of_one_farm_one_node_and_one_farm_key),
	    cmocka_unit_test(
	        no_part_of_an_entry_is_one_nor_one_with_a_bit_changed),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
