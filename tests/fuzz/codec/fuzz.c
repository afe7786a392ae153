/* SPDX-License-Identifier: ISC */
/*
 * An encoded set: as it is ('r' and the bytes of a store), or with what is
 * inside it, sealed here with the farm key so that it gets past the MAC ('s'
 * and the plaintext).
 *
 * Invariant: what is taken is a set like any other, and encodes to what
 * decodes to itself.
 */
#include <sodium.h>
#include <string.h>

#include <stek.h>

#include "fuzz.h"

#define HEAD_LEN  16
#define NONCE_LEN 24
#define PLAIN_LEN (STEK_CODEC_LEN - HEAD_LEN - NONCE_LEN - 16)

static const uint8_t farm_key[STEK_FARM_KEY_LEN] = "0123456789abcdef";

/* Version 1, a nonce of zeroes; short plaintext is filled up with zeroes. */
static void
seal(const uint8_t *bytes, size_t len, uint8_t out[STEK_CODEC_LEN])
{
	uint8_t plain[PLAIN_LEN] = {0}, ad[HEAD_LEN + 4];

	memcpy(plain, bytes, len < PLAIN_LEN ? len : PLAIN_LEN);
	memset(out, 0, STEK_CODEC_LEN);
	memcpy(out, "stekset1", 8);
	out[15] = 1;
	memcpy(ad, out, HEAD_LEN);
	memcpy(ad + HEAD_LEN, "farm", 4);
	FUZZ_EXPECT(crypto_aead_xchacha20poly1305_ietf_encrypt(
	                out + HEAD_LEN + NONCE_LEN, NULL, plain, PLAIN_LEN, ad,
	                sizeof(ad), NULL, out + HEAD_LEN, farm_key) == 0);
}

static void
expect_sound(const struct stek_set *set)
{
	size_t i, j;

	FUZZ_EXPECT(set->count <= STEK_KEYS_MAX);
	for (i = 0; i < set->count; i++) {
		FUZZ_EXPECT(stek_key_check(&set->keys[i]) == STEK_OK);
		FUZZ_EXPECT(i == 0 || set->keys[i - 1].seal_from <=
		                          set->keys[i].seal_from);
		for (j = 0; j < i; j++)
			FUZZ_EXPECT(memcmp(set->keys[i].name, set->keys[j].name,
			                4) != 0);
	}
}

static void
expect_again(const struct stek_set *set, struct stek_set *again)
{
	uint8_t bytes[STEK_CODEC_LEN];

	FUZZ_EXPECT(stek_codec_encode(set, "farm", farm_key, bytes) == STEK_OK);
	FUZZ_EXPECT(stek_codec_decode(bytes, sizeof(bytes), "farm", farm_key,
	                again) == STEK_OK);
	FUZZ_EXPECT(memcmp(set, again, sizeof(*set)) == 0);
}

static void
decode(const uint8_t *bytes, size_t len)
{
	struct stek_set *set = stek_set_new(), *again = stek_set_new();
	enum stek_err err;
	uint64_t version;

	FUZZ_EXPECT(set != NULL && again != NULL);
	err = stek_codec_decode(bytes, len, "farm", farm_key, set);
	if (err == STEK_OK) {
		FUZZ_EXPECT(
		    stek_codec_version(bytes, len, &version) == STEK_OK);
		FUZZ_EXPECT(version == set->version);
		expect_sound(set);
		expect_again(set, again);
	} else {
		FUZZ_EXPECT(err != STEK_ERR_MEMORY && err != STEK_ERR_SYSTEM);
		FUZZ_EXPECT(memcmp(set, again, sizeof(*set)) == 0);
	}
	stek_set_free(set);
	stek_set_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	uint8_t sealed[STEK_CODEC_LEN];

	if (len == 0)
		return 0;
	if (bytes[0] != 's') {
		decode(bytes + 1, len - 1);
		return 0;
	}
	seal(bytes + 1, len - 1, sealed);
	decode(sealed, sizeof(sealed));
	return 0;
}
