/* SPDX-License-Identifier: ISC */
/*
 * A key by itself: its states, what counts as weak, its name as text.
 *
 * Never here: other keys (test_set.c).
 */
#include "given.h"

static void
assert_weak(const char *what, const uint8_t *bytes, size_t len)
{
	if (!stek_key_weak(bytes, len))
		fail_msg("not found weak: %s, %zu bytes", what, len);
}

/* As such a file would hold it, at each length that servers take. */
static void
assert_pattern_weak(const char *what, const uint8_t *pattern, size_t period)
{
	static const size_t lens[] = {16, 32, 48, 64, 80};
	uint8_t bytes[80];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern[i % period];
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		assert_weak(what, bytes, lens[i]);
}

static void
all_zero_is_weak(void **state)
{
	static const uint8_t zero[80];
	size_t len;

	(void)state;
	for (len = 0; len <= sizeof(zero); len++)
		assert_weak("zero", zero, len);
}

static void
any_one_byte_repeated_is_weak(void **state)
{
	unsigned int byte;
	uint8_t pattern;

	(void)state;
	for (byte = 0; byte < 256; byte++) {
		pattern = (uint8_t)byte;
		assert_pattern_weak("one byte", &pattern, 1);
	}
}

static void
eight_or_sixteen_times_31_and_then_zeroes_is_weak(void **state)
{
	uint8_t bytes[32] = {0};

	(void)state;
	memset(bytes, 0x31, 8);
	assert_weak("31 x 8, 00 x 8", bytes, 16);
	memset(bytes, 0x31, 16);
	assert_weak("31 x 16, 00 x 16", bytes, 32);
}

static void
counters_are_weak_from_wherever_they_start(void **state)
{
	static const uint8_t starts[] = {0x00, 0x01, 0x10, 0x11, 0x20, 0x21};
	static const uint8_t steps[] = {0x01, 0x11, 0xff};
	uint8_t bytes[80];
	size_t i, j, k;

	(void)state;
	for (i = 0; i < sizeof(starts); i++)
		for (j = 0; j < sizeof(steps); j++) {
			for (k = 0; k < sizeof(bytes); k++)
				bytes[k] = (uint8_t)(starts[i] + k * steps[j]);
			assert_weak("counter", bytes, 16);
			assert_weak("counter", bytes, 32);
			assert_weak("counter", bytes, 80);
		}
}

static void
patterns_of_two_four_and_eight_bytes_are_weak(void **state)
{
	static const uint8_t pattern[] = {
	    0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xba, 0xbe};

	(void)state;
	assert_pattern_weak("2 bytes", pattern, 2);
	assert_pattern_weak("DEADBEEF", pattern, 4);
	assert_pattern_weak("DEADBEEFCAFEBABE", pattern, 8);
}

/* FIPS 197 appendices A and C, SP 800-38A appendix F. */
static void
published_example_keys_are_weak(void **state)
{
	static const uint8_t aes128[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae,
	    0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
	static const uint8_t aes192[24] = {0x8e, 0x73, 0xb0, 0xf7, 0xda, 0x0e,
	    0x64, 0x52, 0xc8, 0x10, 0xf3, 0x2b, 0x80, 0x90, 0x79, 0xe5, 0x62,
	    0xf8, 0xea, 0xd2, 0x52, 0x2c, 0x6b, 0x7b};
	static const uint8_t aes256[32] = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca,
	    0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81, 0x1f,
	    0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3,
	    0x09, 0x14, 0xdf, 0xf4};
	uint8_t counting[32];
	size_t i;

	(void)state;
	assert_weak("FIPS 197 AES-128", aes128, sizeof(aes128));
	assert_weak("FIPS 197 AES-192", aes192, sizeof(aes192));
	assert_weak("FIPS 197 AES-256", aes256, sizeof(aes256));
	for (i = 0; i < sizeof(counting); i++)
		counting[i] = (uint8_t)i;
	assert_weak("FIPS 197 C.3", counting, sizeof(counting));
}

static void
text_is_weak_also_when_padded(void **state)
{
	static const char base64[] = "k3n8sVq0zJ1yXw7TgB5uLhR2oCmPdE9f";
	static const char hex[] = "8f14e45fceea167a5a36dedd4bea2543";
	uint8_t padded[32] = "correct horse battery";

	(void)state;
	assert_weak("base64", (const uint8_t *)base64, 32);
	assert_weak("base64 and newline",
	    (const uint8_t *)"k3n8sVq0zJ1yXw7TgB5uLhR2oCmPdE9\n", 32);
	assert_weak("hex", (const uint8_t *)hex, 32);
	assert_weak("a sentence and zeroes", padded, sizeof(padded));
}

/* Derived names are never minted anew: chance must not refuse one. */
static void
a_name_that_looks_like_text_is_not_weak(void **state)
{
	(void)state;
	assert_false(stek_key_weak((const uint8_t *)"k3n8sVq0zJ1yXw7T", 16));
}

static void
a_few_bytes_in_any_order_are_weak(void **state)
{
	uint8_t bytes[32];
	size_t i;

	(void)state;
	given_bytes(bytes, sizeof(bytes), 'f', 1);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(0x90 + (bytes[i] & 3));
	assert_weak("four kinds of byte", bytes, 16);
	assert_weak("four kinds of byte", bytes, 32);
}

static void
under_eight_bytes_are_weak_and_eight_need_not_be(void **state)
{
	static const uint8_t bytes[] = {
	    0x9f, 0x02, 0xe1, 0x77, 0xc8, 0x1b, 0xd4, 0x60};
	size_t len;

	(void)state;
	for (len = 0; len < 8; len++)
		assert_weak("short", bytes, len);
	assert_false(stek_key_weak(bytes, 8));
}

static void
random_bytes_are_not_weak(void **state)
{
	uint8_t bytes[80];
	uint64_t n;

	(void)state;
	for (n = 0; n < 100000; n++) {
		given_bytes(bytes, sizeof(bytes), 'w', n);
		if (stek_key_weak(bytes, 16) || stek_key_weak(bytes, 32) ||
		    stek_key_weak(bytes, 48) || stek_key_weak(bytes, 80))
			fail_msg("random bytes %llu are found weak",
			    (unsigned long long)n);
	}
}

static void
minted_keys_differ_and_have_no_times(void **state)
{
	struct stek_key a, b;

	(void)state;
	assert_int_equal(stek_key_mint(&a), STEK_OK);
	assert_int_equal(stek_key_mint(&b), STEK_OK);
	assert_int_equal(a.seal_from, 0);
	assert_int_equal(a.seal_until, 0);
	assert_int_equal(a.open_until, 0);
	assert_memory_not_equal(a.name, b.name, 4);
	assert_memory_not_equal(a.aes, b.aes, STEK_AES_LEN);
	assert_memory_not_equal(a.mac, b.mac, STEK_MAC_LEN);
	assert_memory_not_equal(a.aes, a.mac, STEK_AES_LEN);
	a.seal_from = a.seal_until = a.open_until = 1;
	assert_int_equal(stek_key_check(&a), STEK_OK);
}

/* The generator of this test counts before it is random. */
static unsigned int calls;

static void
poor_buf(void *const buf, const size_t size)
{
	/* The name of one draw, the AES key of the next, then the HMAC key. */
	if (calls == 0 || calls == 4 || calls == 8)
		memset(buf, 0, size);
	else
		given_bytes(buf, size, 'p', calls);
	calls++;
}

static uint32_t
poor_random(void)
{
	return 0;
}

static const char *
poor_name(void)
{
	return "poor";
}

static void
a_weak_draw_is_drawn_again(void **state)
{
	static randombytes_implementation poor = {
	    .implementation_name = poor_name,
	    .random = poor_random,
	    .buf = poor_buf,
	};
	struct stek_key key;

	(void)state;
	assert_int_equal(randombytes_set_implementation(&poor), 0);
	assert_int_equal(stek_key_mint(&key), STEK_OK);
	assert_int_equal(randombytes_set_implementation(
	                     &randombytes_sysrandom_implementation),
	    0);
	assert_int_equal(calls, 12);
	key.seal_from = key.seal_until = key.open_until = 1;
	assert_int_equal(stek_key_check(&key), STEK_OK);
}

static void
a_key_changes_state_at_the_very_second(void **state)
{
	struct stek_key key = given_key(1, 100, 200, 300);

	(void)state;
	assert_int_equal(stek_key_state(&key, INT64_MIN), STEK_PENDING);
	assert_int_equal(stek_key_state(&key, 99), STEK_PENDING);
	assert_int_equal(stek_key_state(&key, 100), STEK_SEALING);
	assert_int_equal(stek_key_state(&key, 199), STEK_SEALING);
	assert_int_equal(stek_key_state(&key, 200), STEK_OPENING);
	assert_int_equal(stek_key_state(&key, 299), STEK_OPENING);
	assert_int_equal(stek_key_state(&key, 300), STEK_DEAD);
	assert_int_equal(stek_key_state(&key, INT64_MAX), STEK_DEAD);
}

static void
a_key_of_no_time_is_dead(void **state)
{
	struct stek_key key = given_key(1, 100, 100, 100);

	(void)state;
	assert_int_equal(stek_key_state(&key, 99), STEK_PENDING);
	assert_int_equal(stek_key_state(&key, 100), STEK_DEAD);
}

static void
times_out_of_order_or_range_are_refused(void **state)
{
	static const struct {
		int64_t from, seal_until, open_until;
		enum stek_err expected;
	} cases[] = {
	    {1, 1, 1, STEK_OK},
	    {1, 2, 3, STEK_OK},
	    {0, 2, 3, STEK_ERR_TIMES},
	    {-1, 2, 3, STEK_ERR_TIMES},
	    {INT64_MIN, 2, 3, STEK_ERR_TIMES},
	    {3, 2, 4, STEK_ERR_TIMES},
	    {1, 3, 2, STEK_ERR_TIMES},
	    {1, 2, INT64_C(253402300799), STEK_OK},
	    {1, 2, INT64_C(253402300800), STEK_ERR_TIMES},
	    {1, 2, INT64_MAX, STEK_ERR_TIMES},
	};
	struct stek_key key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		key = given_key(
		    i, cases[i].from, cases[i].seal_until, cases[i].open_until);
		assert_int_equal(stek_key_check(&key), cases[i].expected);
	}
}

static void
each_part_of_a_key_is_checked_for_weakness(void **state)
{
	struct stek_key key;

	(void)state;
	key = given_key(1, 1, 2, 3);
	memset(key.name, 0, sizeof(key.name));
	assert_int_equal(stek_key_check(&key), STEK_ERR_WEAK);
	key = given_key(1, 1, 2, 3);
	memset(key.aes, 0x5a, sizeof(key.aes));
	assert_int_equal(stek_key_check(&key), STEK_ERR_WEAK);
	key = given_key(1, 1, 2, 3);
	memset(key.mac, 0xff, sizeof(key.mac));
	assert_int_equal(stek_key_check(&key), STEK_ERR_WEAK);
	key = given_key(1, 1, 2, 3);
	memcpy(key.mac, key.aes, sizeof(key.mac));
	assert_int_equal(stek_key_check(&key), STEK_ERR_WEAK);
}

static void
a_name_is_shown_as_32_lower_case_digits(void **state)
{
	static const uint8_t name[STEK_NAME_LEN] = {0x00, 0x01, 0x0a, 0x10,
	    0x7f, 0x80, 0x9c, 0xa0, 0xab, 0xcd, 0xef, 0xf0, 0xfe, 0xff, 0x55,
	    0xaa};
	char hex[STEK_NAME_HEX];

	(void)state;
	memset(hex, 'x', sizeof(hex));
	stek_key_hex(name, hex);
	assert_string_equal(hex, "00010a107f809ca0abcdeff0feff55aa");
}

static void
wiping_leaves_nothing(void **state)
{
	static const struct stek_key none;
	struct stek_key key = given_key(1, 100, 200, 300);

	(void)state;
	stek_key_wipe(&key);
	assert_memory_equal(&key, &none, sizeof(none));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_zero_is_weak),
	    cmocka_unit_test(any_one_byte_repeated_is_weak),
	    cmocka_unit_test(eight_or_sixteen_times_31_and_then_zeroes_is_weak),
	    cmocka_unit_test(counters_are_weak_from_wherever_they_start),
	    cmocka_unit_test(patterns_of_two_four_and_eight_bytes_are_weak),
	    cmocka_unit_test(published_example_keys_are_weak),
	    cmocka_unit_test(text_is_weak_also_when_padded),
	    cmocka_unit_test(a_name_that_looks_like_text_is_not_weak),
	    cmocka_unit_test(a_few_bytes_in_any_order_are_weak),
	    cmocka_unit_test(under_eight_bytes_are_weak_and_eight_need_not_be),
	    cmocka_unit_test(random_bytes_are_not_weak),
	    cmocka_unit_test(minted_keys_differ_and_have_no_times),
	    cmocka_unit_test(a_weak_draw_is_drawn_again),
	    cmocka_unit_test(a_key_changes_state_at_the_very_second),
	    cmocka_unit_test(a_key_of_no_time_is_dead),
	    cmocka_unit_test(times_out_of_order_or_range_are_refused),
	    cmocka_unit_test(each_part_of_a_key_is_checked_for_weakness),
	    cmocka_unit_test(a_name_is_shown_as_32_lower_case_digits),
	    cmocka_unit_test(wiping_leaves_nothing),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
