/* SPDX-License-Identifier: ISC */
/*
 * A set as bytes for a store, always encrypted with the farm key.
 *
 *	0	8	"stekset1"
 *	8	8	version
 *	16	24	nonce, random
 *	40	1666	count (2), then 16 slots of 104 bytes: name, AES key,
 *			HMAC key, seal_from, seal_until, open_until
 *	1706	16	tag
 *
 * All numbers are big-endian.  The first 16 bytes and the farm's name are
 * the associated data.  The length says nothing about the number of keys.
 *
 * Never here: where the bytes go (a store's work).
 * Invariant: decode() takes only what encode() made with the same farm key,
 * farm and version.
 */
#include <sodium.h>
#include <string.h>

#include <stek.h>

#define MAGIC      "stekset1"
#define HEAD_LEN   16
#define NONCE_LEN  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SLOT_LEN   (STEK_NAME_LEN + STEK_AES_LEN + STEK_MAC_LEN + 3 * 8)
#define PLAIN_LEN  (2 + STEK_KEYS_MAX * SLOT_LEN)
#define CIPHER_AT  (HEAD_LEN + NONCE_LEN)
#define CIPHER_LEN (PLAIN_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES)

_Static_assert(CIPHER_AT + CIPHER_LEN == STEK_CODEC_LEN, "see stek.h");

static void
put_be64(uint8_t *to, uint64_t value)
{
	int i;

	for (i = 7; i >= 0; i--, value >>= 8)
		to[i] = (uint8_t)value;
}

static uint64_t
get_be64(const uint8_t *from)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < 8; i++)
		value = value << 8 | from[i];
	return value;
}

static void
put_slot(uint8_t *to, const struct stek_key *key)
{
	memcpy(to, key->name, STEK_NAME_LEN);
	to += STEK_NAME_LEN;
	memcpy(to, key->aes, STEK_AES_LEN);
	to += STEK_AES_LEN;
	memcpy(to, key->mac, STEK_MAC_LEN);
	to += STEK_MAC_LEN;
	put_be64(to, (uint64_t)key->seal_from);
	put_be64(to + 8, (uint64_t)key->seal_until);
	put_be64(to + 16, (uint64_t)key->open_until);
}

static void
get_slot(const uint8_t *from, struct stek_key *key)
{
	memcpy(key->name, from, STEK_NAME_LEN);
	from += STEK_NAME_LEN;
	memcpy(key->aes, from, STEK_AES_LEN);
	from += STEK_AES_LEN;
	memcpy(key->mac, from, STEK_MAC_LEN);
	from += STEK_MAC_LEN;
	key->seal_from = (int64_t)get_be64(from);
	key->seal_until = (int64_t)get_be64(from + 8);
	key->open_until = (int64_t)get_be64(from + 16);
}

/* Head and farm; its length, or 0 if the farm's name does not fit. */
static size_t
associate(
    const uint8_t *head, const char *farm, uint8_t ad[HEAD_LEN + STEK_FARM_MAX])
{
	size_t len = strlen(farm);

	if (len == 0 || len > STEK_FARM_MAX)
		return 0;
	memcpy(ad, head, HEAD_LEN);
	memcpy(ad + HEAD_LEN, farm, len);
	return HEAD_LEN + len;
}

enum stek_err
stek_codec_encode(const struct stek_set *set, const char *farm,
    const uint8_t farm_key[STEK_FARM_KEY_LEN], uint8_t out[STEK_CODEC_LEN])
{
	uint8_t ad[HEAD_LEN + STEK_FARM_MAX];
	uint8_t *plain;
	size_t ad_len, i;

	memcpy(out, MAGIC, 8);
	put_be64(out + 8, set->version);
	ad_len = associate(out, farm, ad);
	if (ad_len == 0 || set->count > STEK_KEYS_MAX)
		return STEK_ERR_FORMAT;
	plain = stek_file_alloc(PLAIN_LEN);
	if (plain == NULL)
		return STEK_ERR_MEMORY;
	plain[1] = (uint8_t)set->count;
	for (i = 0; i < set->count; i++)
		put_slot(plain + 2 + i * SLOT_LEN, &set->keys[i]);
	randombytes_buf(out + HEAD_LEN, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + CIPHER_AT, NULL,
	    plain, PLAIN_LEN, ad, ad_len, NULL, out + HEAD_LEN, farm_key);
	stek_file_free(plain);
	return STEK_OK;
}

enum stek_err
stek_codec_version(const uint8_t *bytes, size_t len, uint64_t *version)
{
	if (len != STEK_CODEC_LEN || memcmp(bytes, MAGIC, 8) != 0)
		return STEK_ERR_FORMAT;
	*version = get_be64(bytes + 8);
	return STEK_OK;
}

/* The decrypted slots, which must be a set of their own. */
static enum stek_err
take_plain(const uint8_t *plain, struct stek_set *set)
{
	struct stek_key STEK_WIPED key;
	size_t count = (size_t)plain[0] << 8 | plain[1];
	enum stek_err err = STEK_OK;
	size_t i;

	if (count > STEK_KEYS_MAX)
		return STEK_ERR_FULL;
	for (i = 0; i < count && err == STEK_OK; i++) {
		get_slot(plain + 2 + i * SLOT_LEN, &key);
		err = stek_set_add(set, &key);
	}
	return err;
}

enum stek_err
stek_codec_decode(const uint8_t *bytes, size_t len, const char *farm,
    const uint8_t farm_key[STEK_FARM_KEY_LEN], struct stek_set *set)
{
	uint8_t ad[HEAD_LEN + STEK_FARM_MAX];
	struct stek_set *work = NULL;
	uint8_t *plain = NULL;
	enum stek_err err;
	uint64_t version;
	size_t ad_len;

	err = stek_codec_version(bytes, len, &version);
	if (err != STEK_OK)
		return err;
	ad_len = associate(bytes, farm, ad);
	if (ad_len == 0)
		return STEK_ERR_FORMAT;
	work = stek_set_new();
	plain = stek_file_alloc(PLAIN_LEN);
	err = STEK_ERR_MEMORY;
	if (work == NULL || plain == NULL)
		goto out;
	err = STEK_ERR_AUTH;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL,
	        bytes + CIPHER_AT, CIPHER_LEN, ad, ad_len, bytes + HEAD_LEN,
	        farm_key) != 0)
		goto out;
	err = take_plain(plain, work);
	if (err != STEK_OK)
		goto out;
	work->version = version;
	stek_set_copy(set, work);
out:
	stek_file_free(plain);
	stek_set_free(work);
	return err;
}
