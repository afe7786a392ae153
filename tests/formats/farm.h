/* SPDX-License-Identifier: ISC */
/*
 * The farm whose keys every format test writes and reads: five keys, one of
 * each state and one opening key more, with bytes known to the tests.
 *
 * Never here: what any format makes of them.
 */
#ifndef STEK_TEST_FARM_H
#define STEK_TEST_FARM_H

#include <stek.h>

#include "format.h"

#define NOW INT64_C(1700000000)

/*
 * A key as hex.  The short keys, and the pads of haproxy, were computed by
 * another implementation of HKDF (RFC 5869; Python's hmac).
 */
struct known {
	const char *name, *aes, *mac;
	const char *short_aes, *short_mac;
	int64_t seal_from, seal_until, open_until;
};

extern const struct known dead, oldest, opening, sealing, pending;

/* Decode hex of any even length to `at`. */
void put(uint8_t *at, const char *hex);

void known_key(const struct known *, struct stek_key *);

/* All five keys; to be freed by stek_set_free(). */
struct stek_set *farm_new(void);

/* A set of only that key. */
struct stek_set *farm_of(const struct known *);

/* Found as this key is read from a format with long or short keys. */
void expect_same(const struct stek_key *found, const struct stek_key *,
    bool is_short);

/*
 * Reading fails with that error and a reason of what was expected and found,
 * and leaves no key behind.
 */
void expect_refusal(const struct format *, const uint8_t *bytes, size_t len,
    enum stek_err);

#endif
