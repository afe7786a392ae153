/* SPDX-License-Identifier: ISC */
/*
 * A set as bytes: its layout taken apart by hand, and all that is not a set
 * of this farm refused.
 */
#include "given.h"

/* As lib/codec.c documents it. */
#define VERSION_AT 8
#define NONCE_AT   16
#define CIPHER_AT  40
#define PLAIN_LEN  1666
#define SLOT_LEN   104

static const uint8_t farm_key[STEK_FARM_KEY_LEN] = {0x5c, 0x01, 0xf3};

struct scene {
	struct stek_set *set;
	uint8_t bytes[STEK_CODEC_LEN];
};

static int
set_up(void **state)
{
	static struct scene scene;

	scene.set = given_set();
	given_add(scene.set, 1, NOON, NOON + 100, NOON + 200);
	given_add(scene.set, 2, NOON + 50, NOON + 150, NOON + 250);
	scene.set->version = UINT64_C(0x0102030405060708);
	if (stek_codec_encode(scene.set, "farm", farm_key, scene.bytes) !=
	    STEK_OK)
		return -1;
	*state = &scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;

	stek_set_free(scene->set);
	return 0;
}

/* The set must come out unchanged if the bytes are refused. */
static enum stek_err
decode(const uint8_t *bytes, size_t len, const char *farm, const uint8_t *key,
    struct stek_set *out)
{
	struct stek_set *set = given_set(), *before = given_set();
	enum stek_err err;

	given_add(set, 77, 1, 2, 3);
	set->version = 3;
	stek_set_copy(before, set);
	err = stek_codec_decode(bytes, len, farm, key, set);
	if (err != STEK_OK)
		assert_memory_equal(set, before, sizeof(*set));
	else if (out != NULL)
		stek_set_copy(out, set);
	stek_set_free(set);
	stek_set_free(before);
	return err;
}

static enum stek_err
decode_ours(const struct scene *scene, struct stek_set *out)
{
	return decode(scene->bytes, STEK_CODEC_LEN, "farm", farm_key, out);
}

/* Head and farm name, which nothing may change. */
static size_t
associate(const struct scene *scene, const char *farm, uint8_t *ad)
{
	memcpy(ad, scene->bytes, NONCE_AT);
	memcpy(ad + NONCE_AT, farm, strlen(farm));
	return NONCE_AT + strlen(farm);
}

static void
unseal(const struct scene *scene, uint8_t plain[PLAIN_LEN])
{
	uint8_t ad[80];
	size_t len = associate(scene, "farm", ad);

	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL,
	                     NULL, scene->bytes + CIPHER_AT, PLAIN_LEN + 16, ad,
	                     len, scene->bytes + NONCE_AT, farm_key),
	    0);
}

/* As one who has the farm key but not this code. */
static void
seal(struct scene *scene, const uint8_t plain[PLAIN_LEN])
{
	uint8_t ad[80];
	size_t len = associate(scene, "farm", ad);

	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_encrypt(
	                     scene->bytes + CIPHER_AT, NULL, plain, PLAIN_LEN,
	                     ad, len, NULL, scene->bytes + NONCE_AT, farm_key),
	    0);
}

static uint8_t *
slot(uint8_t *plain, size_t i)
{
	return plain + 2 + i * SLOT_LEN;
}

static void
put_time(uint8_t *at, int64_t time)
{
	uint64_t value = (uint64_t)time;
	int i;

	for (i = 7; i >= 0; i--, value >>= 8)
		at[i] = (uint8_t)value;
}

static void
the_layout_is_the_documented_one(void **state)
{
	struct scene *scene = *state;
	uint8_t plain[PLAIN_LEN], time[8];
	const uint8_t *at;
	size_t i;

	assert_memory_equal(scene->bytes, "stekset1", 8);
	assert_memory_equal(scene->bytes + VERSION_AT, "\1\2\3\4\5\6\7\10", 8);
	unseal(scene, plain);
	assert_memory_equal(plain, "\0\2", 2);
	for (i = 0; i < 2; i++) {
		at = slot(plain, i);
		assert_memory_equal(at, scene->set->keys[i].name, 16);
		assert_memory_equal(at + 16, scene->set->keys[i].aes, 32);
		assert_memory_equal(at + 48, scene->set->keys[i].mac, 32);
		put_time(time, scene->set->keys[i].seal_from);
		assert_memory_equal(at + 80, time, 8);
		put_time(time, scene->set->keys[i].seal_until);
		assert_memory_equal(at + 88, time, 8);
		put_time(time, scene->set->keys[i].open_until);
		assert_memory_equal(at + 96, time, 8);
	}
	assert_true(sodium_is_zero(slot(plain, 2), 14 * SLOT_LEN));
}

static void
what_is_encoded_comes_back(void **state)
{
	struct scene *scene = *state;
	struct stek_set *out = given_set();
	uint64_t i;

	for (i = 0; i <= STEK_KEYS_MAX; i++) {
		stek_set_clear(scene->set);
		while (scene->set->count < i)
			given_add(scene->set, scene->set->count + 10,
			    NOON - (int64_t)scene->set->count, NOON, NOON);
		scene->set->version = i * UINT64_C(0x0fffffffffffffff);
		assert_int_equal(stek_codec_encode(scene->set, "farm", farm_key,
		                     scene->bytes),
		    STEK_OK);
		assert_int_equal(decode_ours(scene, out), STEK_OK);
		assert_memory_equal(out, scene->set, sizeof(*out));
	}
	stek_set_free(out);
}

static void
no_two_encodings_are_alike(void **state)
{
	struct scene *scene = *state;
	uint8_t again[STEK_CODEC_LEN];

	assert_int_equal(
	    stek_codec_encode(scene->set, "farm", farm_key, again), STEK_OK);
	assert_memory_not_equal(again + NONCE_AT, scene->bytes + NONCE_AT, 24);
	assert_memory_not_equal(
	    again + CIPHER_AT, scene->bytes + CIPHER_AT, 64);
}

static void
a_flipped_bit_anywhere_is_seen(void **state)
{
	struct scene *scene = *state;
	size_t i;

	for (i = 0; i < STEK_CODEC_LEN; i++) {
		scene->bytes[i] ^= (uint8_t)(1 << (i % 8));
		assert_int_equal(decode_ours(scene, NULL),
		    i < 8 ? STEK_ERR_FORMAT : STEK_ERR_AUTH);
		scene->bytes[i] ^= (uint8_t)(1 << (i % 8));
	}
	assert_int_equal(decode_ours(scene, NULL), STEK_OK);
}

static void
any_other_length_is_refused(void **state)
{
	struct scene *scene = *state;
	uint8_t longer[STEK_CODEC_LEN + 16] = {0};
	uint64_t version;
	size_t len;

	memcpy(longer, scene->bytes, STEK_CODEC_LEN);
	for (len = 0; len <= sizeof(longer); len++) {
		if (len == STEK_CODEC_LEN)
			continue;
		assert_int_equal(decode(longer, len, "farm", farm_key, NULL),
		    STEK_ERR_FORMAT);
		assert_int_equal(
		    stek_codec_version(longer, len, &version), STEK_ERR_FORMAT);
	}
}

static void
another_farm_or_farm_key_is_refused(void **state)
{
	static const char *const farms[] = {"farn", "far", "farmm", "Farm"};
	struct scene *scene = *state;
	uint8_t other[STEK_FARM_KEY_LEN];
	size_t i;

	for (i = 0; i < sizeof(farms) / sizeof(farms[0]); i++)
		assert_int_equal(decode(scene->bytes, STEK_CODEC_LEN, farms[i],
		                     farm_key, NULL),
		    STEK_ERR_AUTH);
	for (i = 0; i < sizeof(other); i++) {
		memcpy(other, farm_key, sizeof(other));
		other[i] ^= 0x10;
		assert_int_equal(
		    decode(scene->bytes, STEK_CODEC_LEN, "farm", other, NULL),
		    STEK_ERR_AUTH);
	}
}

static void
a_farm_has_a_name_of_1_to_64_bytes(void **state)
{
	struct scene *scene = *state;
	char farm[STEK_FARM_MAX + 2] = "";

	assert_int_equal(
	    stek_codec_encode(scene->set, "", farm_key, scene->bytes),
	    STEK_ERR_FORMAT);
	assert_int_equal(
	    decode(scene->bytes, STEK_CODEC_LEN, "", farm_key, NULL),
	    STEK_ERR_FORMAT);
	memset(farm, 'f', STEK_FARM_MAX);
	assert_int_equal(
	    stek_codec_encode(scene->set, farm, farm_key, scene->bytes),
	    STEK_OK);
	assert_int_equal(
	    decode(scene->bytes, STEK_CODEC_LEN, farm, farm_key, NULL),
	    STEK_OK);
	farm[STEK_FARM_MAX] = 'f';
	assert_int_equal(
	    stek_codec_encode(scene->set, farm, farm_key, scene->bytes),
	    STEK_ERR_FORMAT);
	assert_int_equal(
	    decode(scene->bytes, STEK_CODEC_LEN, farm, farm_key, NULL),
	    STEK_ERR_FORMAT);
}

static void
the_version_can_be_read_without_a_key_but_not_changed(void **state)
{
	struct scene *scene = *state;
	uint64_t version = 0;

	assert_int_equal(
	    stek_codec_version(scene->bytes, STEK_CODEC_LEN, &version),
	    STEK_OK);
	assert_true(version == UINT64_C(0x0102030405060708));
	scene->bytes[VERSION_AT + 7]++;
	assert_int_equal(
	    stek_codec_version(scene->bytes, STEK_CODEC_LEN, &version),
	    STEK_OK);
	assert_true(version == UINT64_C(0x0102030405060709));
	assert_int_equal(decode_ours(scene, NULL), STEK_ERR_AUTH);
}

static void
a_sealed_count_past_16_is_refused(void **state)
{
	static const uint8_t counts[][2] = {
	    {0, 17}, {1, 0}, {1, 2}, {255, 255}};
	struct scene *scene = *state;
	uint8_t plain[PLAIN_LEN];
	size_t i;

	unseal(scene, plain);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memcpy(plain, counts[i], 2);
		seal(scene, plain);
		assert_int_equal(decode_ours(scene, NULL), STEK_ERR_FULL);
	}
}

static void
a_sealed_count_past_the_keys_is_refused(void **state)
{
	struct scene *scene = *state;
	uint8_t plain[PLAIN_LEN];

	unseal(scene, plain);
	plain[1] = 3;
	seal(scene, plain);
	assert_int_equal(decode_ours(scene, NULL), STEK_ERR_WEAK);
}

static void
sealed_keys_that_no_set_takes_are_refused(void **state)
{
	struct scene *scene = *state;
	uint8_t good[PLAIN_LEN], plain[PLAIN_LEN];

	unseal(scene, good);
	memcpy(plain, good, sizeof(plain));
	memcpy(slot(plain, 1), slot(plain, 0), 4);
	seal(scene, plain);
	assert_int_equal(decode_ours(scene, NULL), STEK_ERR_DUPLICATE);

	memcpy(plain, good, sizeof(plain));
	memset(slot(plain, 1) + 16, 0, 32);
	seal(scene, plain);
	assert_int_equal(decode_ours(scene, NULL), STEK_ERR_WEAK);

	memcpy(plain, good, sizeof(plain));
	put_time(slot(plain, 0) + 88, NOON - 1);
	seal(scene, plain);
	assert_int_equal(decode_ours(scene, NULL), STEK_ERR_TIMES);

	memcpy(plain, good, sizeof(plain));
	put_time(slot(plain, 0) + 80, -1);
	seal(scene, plain);
	assert_int_equal(decode_ours(scene, NULL), STEK_ERR_TIMES);
}

static void
sealed_keys_out_of_order_come_out_in_order(void **state)
{
	struct scene *scene = *state;
	struct stek_set *out = given_set();
	uint8_t plain[PLAIN_LEN], first[SLOT_LEN];

	unseal(scene, plain);
	memcpy(first, slot(plain, 0), SLOT_LEN);
	memcpy(slot(plain, 0), slot(plain, 1), SLOT_LEN);
	memcpy(slot(plain, 1), first, SLOT_LEN);
	seal(scene, plain);
	assert_int_equal(decode_ours(scene, out), STEK_OK);
	assert_true(same_keys(out, scene->set));
	stek_set_free(out);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_layout_is_the_documented_one),
	    CASE(what_is_encoded_comes_back),
	    CASE(no_two_encodings_are_alike),
	    CASE(a_flipped_bit_anywhere_is_seen),
	    CASE(any_other_length_is_refused),
	    CASE(another_farm_or_farm_key_is_refused),
	    CASE(a_farm_has_a_name_of_1_to_64_bytes),
	    CASE(the_version_can_be_read_without_a_key_but_not_changed),
	    CASE(a_sealed_count_past_16_is_refused),
	    CASE(a_sealed_count_past_the_keys_is_refused),
	    CASE(sealed_keys_that_no_set_takes_are_refused),
	    CASE(sealed_keys_out_of_order_come_out_in_order),
	};

	return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
