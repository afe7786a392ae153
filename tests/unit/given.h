/* SPDX-License-Identifier: ISC */
/*
 * Keys and sets that tests begin with.
 *
 * Never here: checks of what the library does.
 * Invariant: a key's bytes follow from its number alone, and pass
 * stek_key_check().
 */
#ifndef GIVEN_H
#define GIVEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include <stek.h>

/* A moment in 2023, for times that need to be plausible. */
#define NOON INT64_C(1700000000)

static inline void
given_bytes(uint8_t *out, size_t len, uint8_t what, uint64_t number)
{
	uint8_t seed[randombytes_SEEDBYTES] = {what};

	memcpy(seed + 1, &number, sizeof(number));
	randombytes_buf_deterministic(out, len, seed);
}

/* Key number n, which seals and opens at those times. */
static inline struct stek_key
given_key(uint64_t number, int64_t from, int64_t seal_until, int64_t open_until)
{
	struct stek_key key;

	given_bytes(key.name, sizeof(key.name), 'n', number);
	given_bytes(key.aes, sizeof(key.aes), 'a', number);
	given_bytes(key.mac, sizeof(key.mac), 'm', number);
	key.seal_from = from;
	key.seal_until = seal_until;
	key.open_until = open_until;
	return key;
}

static inline void
given_add(struct stek_set *set, uint64_t number, int64_t from,
    int64_t seal_until, int64_t open_until)
{
	struct stek_key key = given_key(number, from, seal_until, open_until);

	assert_int_equal(stek_set_add(set, &key), STEK_OK);
}

static inline struct stek_set *
given_set(void)
{
	struct stek_set *set = stek_set_new();

	assert_non_null(set);
	return set;
}

static inline bool
same_keys(const struct stek_set *a, const struct stek_set *b)
{
	return a->count == b->count &&
	       memcmp(a->keys, b->keys, sizeof(a->keys)) == 0;
}

#endif
