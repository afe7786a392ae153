/* SPDX-License-Identifier: ISC */
/*
 * A key as a value: minting, checking, its state by its times.
 *
 * Never here: other keys (set.c), policy (plan.c), clocks.
 * Invariant: stek_key_check() passes for every key that enters a set.
 */
#include <sodium.h>
#include <string.h>

#include <stek.h>

/* 9999-12-31: sums of times stay far from overflow. */
#define TIME_MAX INT64_C(253402300799)

/* Shorter bytes are no text: chance makes some of them look like it. */
#define TEXT_MIN 24

/* The example keys of FIPS 197 and NIST SP 800-38A, by their first bytes. */
static const uint8_t published[][16] = {
    {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88,
        0x09, 0xcf, 0x4f, 0x3c},
    {0x8e, 0x73, 0xb0, 0xf7, 0xda, 0x0e, 0x64, 0x52, 0xc8, 0x10, 0xf3, 0x2b,
        0x80, 0x90, 0x79, 0xe5},
    {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0,
        0x85, 0x7d, 0x77, 0x81},
};

enum stek_state
stek_key_state(const struct stek_key *key, int64_t now)
{
	if (now >= key->open_until)
		return STEK_DEAD;
	if (now < key->seal_from)
		return STEK_PENDING;
	return now < key->seal_until ? STEK_SEALING : STEK_OPENING;
}

enum stek_err
stek_key_mint(struct stek_key *key)
{
	if (sodium_init() < 0)
		return STEK_ERR_SYSTEM;
	sodium_memzero(key, sizeof(*key));
	do {
		randombytes_buf(key->name, sizeof(key->name));
		randombytes_buf(key->aes, sizeof(key->aes));
		randombytes_buf(key->mac, sizeof(key->mac));
	} while (stek_key_weak(key->name, sizeof(key->name)) ||
	         stek_key_weak(key->aes, sizeof(key->aes)) ||
	         stek_key_weak(key->mac, sizeof(key->mac)));
	return STEK_OK;
}

/* A pattern of 1, 2, 4 or 8 bytes, or up to half of it, repeated. */
static bool
is_periodic(const uint8_t *bytes, size_t len)
{
	size_t i, period;

	for (period = 1; period <= len / 2; period++) {
		for (i = period; i < len; i++)
			if (bytes[i] != bytes[i - period])
				break;
		if (i == len)
			return true;
	}
	return false;
}

/* Counting up or down by any constant step. */
static bool
is_counting(const uint8_t *bytes, size_t len)
{
	uint8_t step = (uint8_t)(bytes[1] - bytes[0]);
	size_t i;

	for (i = 2; i < len; i++)
		if ((uint8_t)(bytes[i] - bytes[i - 1]) != step)
			return false;
	return true;
}

/* So few different bytes as random bytes never have: 8 x 31, 8 x 00. */
static bool
is_poor(const uint8_t *bytes, size_t len)
{
	uint64_t seen[4] = {0};
	size_t i, kinds = 0;

	for (i = 0; i < len; i++)
		seen[bytes[i] / 64] |= UINT64_C(1) << (bytes[i] % 64);
	for (i = 0; i < 4; i++)
		kinds += (size_t)__builtin_popcountll(seen[i]);
	sodium_memzero(seen, sizeof(seen));
	return kinds * 4 <= len;
}

/*
 * Text, also when padded with zeroes: a password, hex or base64 digits.  One
 * random name in five million is text: too many for keys derived for good.
 */
static bool
is_text(const uint8_t *bytes, size_t len)
{
	size_t i;

	if (len < TEXT_MIN)
		return false;
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	for (i = 0; i < len; i++)
		if ((bytes[i] < 0x20 || bytes[i] > 0x7e) && bytes[i] != '\n' &&
		    bytes[i] != '\r' && bytes[i] != '\t')
			return false;
	return true;
}

static bool
is_published(const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(published) / sizeof(published[0]); i++)
		if (len >= sizeof(published[i]) &&
		    memcmp(bytes, published[i], sizeof(published[i])) == 0)
			return true;
	return false;
}

bool
stek_key_weak(const uint8_t *bytes, size_t len)
{
	return len < 8 || is_periodic(bytes, len) || is_counting(bytes, len) ||
	       is_poor(bytes, len) || is_text(bytes, len) ||
	       is_published(bytes, len);
}

enum stek_err
stek_key_check(const struct stek_key *key)
{
	if (stek_key_weak(key->name, sizeof(key->name)) ||
	    stek_key_weak(key->aes, sizeof(key->aes)) ||
	    stek_key_weak(key->mac, sizeof(key->mac)) ||
	    sodium_memcmp(key->aes, key->mac, sizeof(key->aes)) == 0)
		return STEK_ERR_WEAK;
	if (key->seal_from <= 0 || key->seal_from > key->seal_until ||
	    key->seal_until > key->open_until || key->open_until > TIME_MAX)
		return STEK_ERR_TIMES;
	return STEK_OK;
}

void
stek_key_hex(const uint8_t name[STEK_NAME_LEN], char hex[STEK_NAME_HEX])
{
	sodium_bin2hex(hex, STEK_NAME_HEX, name, STEK_NAME_LEN);
}

void
stek_key_wipe(struct stek_key *key)
{
	sodium_memzero(key, sizeof(*key));
}
