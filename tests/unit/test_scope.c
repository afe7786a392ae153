/* SPDX-License-Identifier: ISC */
/*
 * Derived keys, against an HKDF that is not ours.  The numbers below came
 * from this Python, which agrees with RFC 5869's first test vector:
 *
 *	import hmac, hashlib
 *	def hkdf(secret, salt, info, n):
 *	    prk = hmac.new(salt, secret, hashlib.sha256).digest()
 *	    out, block, i = b"", b"", 1
 *	    while len(out) < n:
 *	        block = hmac.new(prk, block + info + bytes([i]),
 *	                         hashlib.sha256).digest()
 *	        out, i = out + block, i + 1
 *	    return out[:n]
 *	name = bytes.fromhex("00112233445566778899aabbccddeeff")
 *	aes = bytes((7 * i + 1) % 256 for i in range(32))
 *	mac = bytes((i * i + 3) % 256 for i in range(32))
 *	hkdf(aes + mac, name, b"stek scope v1" + scope, 80)
 *	hkdf(aes + mac, name, b"stek aes-128 v1", 32)
 */
#include "given.h"

static struct stek_key
parent(void)
{
	struct stek_key key = {
	    .seal_from = 1, .seal_until = 2, .open_until = 3};
	size_t i;

	for (i = 0; i < STEK_NAME_LEN; i++)
		key.name[i] = (uint8_t)(0x11 * i);
	for (i = 0; i < STEK_AES_LEN; i++) {
		key.aes[i] = (uint8_t)(7 * i + 1);
		key.mac[i] = (uint8_t)(i * i + 3);
	}
	return key;
}

static void
assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
	char hex[2 * STEK_AES_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), bytes, len);
	assert_string_equal(hex, expected);
}

static struct stek_key
derive(const struct stek_key *key, const char *scope)
{
	struct stek_key out;

	assert_int_equal(stek_scope_key(key, scope, &out), STEK_OK);
	return out;
}

static void
a_scope_gives_what_rfc_5869_says(void **state)
{
	struct stek_key key = parent(), out = derive(&key, "www.example.com");

	(void)state;
	assert_hex(out.name, 16, "bc989bfca6a55bbf924e0e6ea6adc841");
	assert_hex(out.aes, 32,
	    "43dfa0daf6ec37979e846349e72218ae"
	    "e4efbb5ad479a34f6fda84b533def5e6");
	assert_hex(out.mac, 32,
	    "a3424e3b81680fa495e94daa8e43d35a"
	    "26c722bb9270f94c2622c7abf379617d");
}

static void
a_scope_of_one_letter_too(void **state)
{
	struct stek_key key = parent(), out = derive(&key, "x");

	(void)state;
	assert_hex(out.name, 16, "3068f59c27164c9be0ae30d3dcf4edb7");
	assert_hex(out.aes, 32,
	    "0e764a4d92cf4583d034ae8e59fa2758"
	    "c510bea3722c9e3565eeb7af9b4217df");
	assert_hex(out.mac, 32,
	    "b5a7a5d4bc583e7521d584951b590701"
	    "b50b2d09e8cf50d2efb3b9a1e1cbdbe0");
}

static void
and_the_longest_scope(void **state)
{
	char scope[STEK_SCOPE_MAX + 2] = "";
	struct stek_key key = parent(), out;

	(void)state;
	memset(scope, 's', STEK_SCOPE_MAX);
	out = derive(&key, scope);
	assert_hex(out.name, 16, "f512562401486d8150a52ceb318b935e");
	assert_hex(out.aes, 32,
	    "f826c25c6c7e8a475280176b05ece2b2"
	    "47c7421086f3e57f486fe2fcfc3b9293");
	assert_hex(out.mac, 32,
	    "a12343a849d7dd6e065eb28738a9d039"
	    "db5d4bb3125e7a47c0f0c6396efc3bd5");
	scope[STEK_SCOPE_MAX] = 's';
	assert_int_equal(stek_scope_key(&key, scope, &out), STEK_ERR_FORMAT);
}

static void
scopes_within_scopes(void **state)
{
	struct stek_key key = parent(), a = derive(&key, "a"),
	                ab = derive(&a, "b"), flat = derive(&key, "ab");

	(void)state;
	assert_hex(ab.name, 16, "73654f47c432547f417f22209e33a79b");
	assert_hex(ab.aes, 32,
	    "9a939446e2a8bba9b6682fab68682e13"
	    "92e072597f8b30c46969bc189023469f");
	assert_hex(ab.mac, 32,
	    "54c092aabdaa34d1c6b119d10fca60be"
	    "e8f414542451e5bcdd256b4adc6ff5bc");
	assert_memory_not_equal(ab.name, flat.name, STEK_NAME_LEN);
}

static void
the_short_key_is_a_derivation_of_its_own(void **state)
{
	struct stek_key key = parent();
	uint8_t aes[16], mac[16];

	(void)state;
	stek_scope_short(&key, aes, mac);
	assert_hex(aes, 16, "0645d04fd93385670a106233ad1f55ba");
	assert_hex(mac, 16, "d190049acc2a349a2ee0e03a1676f98f");
}

static void
the_empty_scope_is_the_key_itself(void **state)
{
	struct stek_key key = parent(), out = derive(&key, "");

	(void)state;
	assert_memory_equal(&out, &key, sizeof(key));
}

static void
the_times_stay(void **state)
{
	struct stek_key key = parent(), out = derive(&key, "x");

	(void)state;
	assert_int_equal(out.seal_from, 1);
	assert_int_equal(out.seal_until, 2);
	assert_int_equal(out.open_until, 3);
}

static void
a_key_may_be_derived_in_place(void **state)
{
	struct stek_key key = parent(), out = derive(&key, "x");

	(void)state;
	assert_int_equal(stek_scope_key(&key, "x", &key), STEK_OK);
	assert_memory_equal(&key, &out, sizeof(key));
}

static void
each_part_of_a_key_counts(void **state)
{
	const struct stek_key key = parent(), out = derive(&key, "x");
	struct stek_key other;

	(void)state;
	other = key;
	other.name[15] ^= 1;
	other = derive(&other, "x");
	assert_memory_not_equal(other.aes, out.aes, STEK_AES_LEN);
	other = key;
	other.aes[31] ^= 1;
	other = derive(&other, "x");
	assert_memory_not_equal(other.name, out.name, STEK_NAME_LEN);
	other = key;
	other.mac[31] ^= 1;
	other = derive(&other, "x");
	assert_memory_not_equal(other.name, out.name, STEK_NAME_LEN);
}

static void
scopes_that_look_alike_differ(void **state)
{
	static const char *const scopes[] = {
	    "", "a", "A", "a ", " a", "a.", "aa", "\x01", "\xff"};
	struct stek_key key = parent(), one, other;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		for (j = 0; j < i; j++) {
			one = derive(&key, scopes[i]);
			other = derive(&key, scopes[j]);
			assert_memory_not_equal(one.name, other.name, 4);
			assert_memory_not_equal(one.aes, other.aes, 32);
			assert_memory_not_equal(one.mac, other.mac, 32);
		}
}

static void
a_set_is_derived_key_by_key(void **state)
{
	struct stek_set *set = given_set(), *out = given_set();
	struct stek_key want;
	uint64_t i;

	(void)state;
	for (i = 0; i < STEK_KEYS_MAX; i++)
		given_add(set, i, 1 + (int64_t)i, 100, 200);
	set->version = 9;
	assert_int_equal(stek_scope_set(set, "x", out), STEK_OK);
	assert_int_equal(out->version, 9);
	assert_int_equal(out->count, STEK_KEYS_MAX);
	for (i = 0; i < STEK_KEYS_MAX; i++) {
		want = derive(&set->keys[i], "x");
		assert_memory_equal(&out->keys[i], &want, sizeof(want));
	}
	assert_int_equal(stek_scope_set(set, "x", set), STEK_OK);
	assert_true(same_keys(set, out));
	stek_set_free(set);
	stek_set_free(out);
}

static void
a_set_of_too_long_a_scope_is_left_alone(void **state)
{
	struct stek_set *set = given_set(), *before = given_set();
	char scope[STEK_SCOPE_MAX + 2] = "";

	(void)state;
	memset(scope, 's', STEK_SCOPE_MAX + 1);
	given_add(set, 1, 1, 2, 3);
	stek_set_copy(before, set);
	assert_int_equal(stek_scope_set(set, scope, set), STEK_ERR_FORMAT);
	assert_true(same_keys(set, before));
	stek_set_free(set);
	stek_set_free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_scope_gives_what_rfc_5869_says),
	    cmocka_unit_test(a_scope_of_one_letter_too),
	    cmocka_unit_test(and_the_longest_scope),
	    cmocka_unit_test(scopes_within_scopes),
	    cmocka_unit_test(the_short_key_is_a_derivation_of_its_own),
	    cmocka_unit_test(the_empty_scope_is_the_key_itself),
	    cmocka_unit_test(the_times_stay),
	    cmocka_unit_test(a_key_may_be_derived_in_place),
	    cmocka_unit_test(each_part_of_a_key_counts),
	    cmocka_unit_test(scopes_that_look_alike_differ),
	    cmocka_unit_test(a_set_is_derived_key_by_key),
	    cmocka_unit_test(a_set_of_too_long_a_scope_is_left_alone),
	};

	return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
