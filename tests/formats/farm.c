/* SPDX-License-Identifier: ISC */
/*
 * The farm whose keys every format test writes and reads; see farm.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "farm.h"

const struct known oldest = {"62ffe56b4930f56022327fba64ca16ce",
    "60e67c66d343ca9a456b183d674a4c46"
    "fba51844338cd5cb42afebd95e597c47",
    "abfafaea1d8872a82ed79264a562d0bd"
    "25b8dd878993f79c7991e967b91a13df",
    "b85bd23e786f0dc554f73748fe238eed", "ee5cc1c214f57b7ee735b89d04453e42",
    NOW - 44200, NOW - 22600, NOW + 20600};

const struct known opening = {"68ed9063fa06d3e7a04e0436351254a1",
    "999ef3d534792dc7302467c8d282e340"
    "618ef89db12054f6501aaad0c79b6565",
    "4befcd85dd481ddd458f93f778529b3d"
    "3fd116a3cdc3e6b9a8ff4cf0f65d10cf",
    "c1e9b1ddb6c277a89bc50ed32077d77c", "f1759a51f0ec16300f92bd5b59605fe5",
    NOW - 22600, NOW - 1000, NOW + 42200};

const struct known sealing = {"b5f71c96af543fc9b04e90662c2b0bc0",
    "7f632bf0f54bf91a5c110dbb287165b1"
    "4d7df84210a2d372c48dabe3b3feedcf",
    "65de6760cfcfedd86a5a68ac54e45433"
    "e67ba24910501098f0a7ebb6c0816c65",
    "05ca065335bfa82a4df74e19a317dcb6", "a74205c76e7b39342f3ce876d7b9680b",
    NOW - 1000, NOW + 42200, NOW + 85400};

const struct known pending = {"ff396484e8158232d0956ee9982ecdde",
    "57f096abcd32b64c1ae608b053d07f19"
    "32da17e886de13eb6043af063f2225fe",
    "b3c2d82e05deda06af1ff42bf3174988"
    "13f224bc591f8d8adab3c1886788f43d",
    "66dc9e3f3b531cefcf599563ec561d50", "b0f36c5f0c313905fcd327ac3f8e089a",
    NOW + 300, NOW + 43500, NOW + 86700};

const struct known dead = {"2a548391c016c7d0e3dc23bae4aa31e3",
    "5c4cd11c9f0e713e4f1d5045365b3754"
    "47d65a8574df0b0c0a5086afd600aa6b",
    "d09d63f83b5b539294a57c61b429b5f4"
    "5edf978102629cc9cecf6fc19f12754c",
    "bcfe925276db9b93ec2192da09afd8a5", "e4f46861bca3092299e099734c40c920",
    NOW - 200000, NOW - 150000, NOW - 10};

void
put(uint8_t *at, const char *hex)
{
	size_t len = strlen(hex) / 2;

	assert_int_equal(
	    sodium_hex2bin(at, len, hex, len * 2, NULL, NULL, NULL), 0);
}

void
known_key(const struct known *known, struct stek_key *key)
{
	put(key->name, known->name);
	put(key->aes, known->aes);
	put(key->mac, known->mac);
	key->seal_from = known->seal_from;
	key->seal_until = known->seal_until;
	key->open_until = known->open_until;
}

static void
add(struct stek_set *set, const struct known *known)
{
	struct stek_key key;

	known_key(known, &key);
	assert_int_equal(stek_set_add(set, &key), STEK_OK);
}

struct stek_set *
farm_new(void)
{
	struct stek_set *set = stek_set_new();

	assert_non_null(set);
	add(set, &oldest);
	add(set, &opening);
	add(set, &sealing);
	add(set, &pending);
	add(set, &dead);
	return set;
}

struct stek_set *
farm_of(const struct known *known)
{
	struct stek_set *set = stek_set_new();

	assert_non_null(set);
	add(set, known);
	return set;
}

void
expect_refusal(const struct format *format, const uint8_t *bytes, size_t len,
    enum stek_err err)
{
	static const struct format_in empty;
	struct format_why why;
	struct format_in in;

	assert_int_equal(format_read(format, bytes, len, NOW, &in, &why), err);
	assert_memory_equal(&in, &empty, sizeof(in));
	assert_true(strncmp(why.text, "expected ", 9) == 0);
	assert_non_null(strstr(why.text, "found "));
}

void
expect_same(
    const struct stek_key *found, const struct stek_key *key, bool is_short)
{
	STEK_WIPED struct stek_key want = *key;

	if (is_short) {
		memset(&want, 0, sizeof(want));
		memcpy(want.name, key->name, sizeof(want.name));
		stek_scope_short(key, want.aes, want.mac);
	}
	assert_memory_equal(found->name, want.name, sizeof(want.name));
	assert_memory_equal(found->aes, want.aes, sizeof(want.aes));
	assert_memory_equal(found->mac, want.mac, sizeof(want.mac));
}
