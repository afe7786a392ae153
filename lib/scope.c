/* SPDX-License-Identifier: ISC */
/*
 * Keys derived from keys: those of a scope, and the short ones of servers
 * that take AES-128.
 *
 * Never here: who has which scope.
 * Invariant: the derivation is fixed for good: hosts of different versions of
 * stek must derive the same keys.
 */
#include <sodium.h>
#include <string.h>

#include <stek.h>

#define HASH_LEN    crypto_auth_hmacsha256_BYTES
#define SCOPE_LABEL "stek scope v1"
#define SHORT_LABEL "stek aes-128 v1"

/* What HKDF reads and writes, so that one call wipes all of it. */
struct hkdf {
	crypto_auth_hmacsha256_state mac;
	uint8_t secret[STEK_AES_LEN + STEK_MAC_LEN];
	uint8_t prk[HASH_LEN];
	uint8_t block[HASH_LEN];
};

/* RFC 5869, with libsodium's HMAC (its own HKDF came after 1.0.18). */
static void
hkdf(const struct stek_key *key, const char *label, const char *info,
    uint8_t *out, size_t len)
{
	struct hkdf h;
	uint8_t counter = 1;
	size_t done, take;

	memcpy(h.secret, key->aes, STEK_AES_LEN);
	memcpy(h.secret + STEK_AES_LEN, key->mac, STEK_MAC_LEN);
	crypto_auth_hmacsha256_init(&h.mac, key->name, STEK_NAME_LEN);
	crypto_auth_hmacsha256_update(&h.mac, h.secret, sizeof(h.secret));
	crypto_auth_hmacsha256_final(&h.mac, h.prk);
	for (done = 0; done < len; done += take, counter++) {
		crypto_auth_hmacsha256_init(&h.mac, h.prk, HASH_LEN);
		if (done > 0)
			crypto_auth_hmacsha256_update(
			    &h.mac, h.block, HASH_LEN);
		crypto_auth_hmacsha256_update(
		    &h.mac, (const uint8_t *)label, strlen(label));
		crypto_auth_hmacsha256_update(
		    &h.mac, (const uint8_t *)info, strlen(info));
		crypto_auth_hmacsha256_update(&h.mac, &counter, 1);
		crypto_auth_hmacsha256_final(&h.mac, h.block);
		take = len - done < HASH_LEN ? len - done : HASH_LEN;
		memcpy(out + done, h.block, take);
	}
	sodium_memzero(&h, sizeof(h));
}

enum stek_err
stek_scope_key(
    const struct stek_key *key, const char *scope, struct stek_key *out)
{
	struct stek_key STEK_WIPED new = *key;

	if (strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	if (scope[0] != '\0') {
		uint8_t bytes[STEK_NAME_LEN + STEK_AES_LEN + STEK_MAC_LEN];

		hkdf(key, SCOPE_LABEL, scope, bytes, sizeof(bytes));
		memcpy(new.name, bytes, STEK_NAME_LEN);
		memcpy(new.aes, bytes + STEK_NAME_LEN, STEK_AES_LEN);
		memcpy(new.mac, bytes + STEK_NAME_LEN + STEK_AES_LEN,
		    STEK_MAC_LEN);
		sodium_memzero(bytes, sizeof(bytes));
	}
	*out = new;
	return STEK_OK;
}

enum stek_err
stek_scope_set(
    const struct stek_set *set, const char *scope, struct stek_set *out)
{
	enum stek_err err;
	size_t i;

	if (strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	stek_set_copy(out, set);
	for (i = 0; i < out->count; i++) {
		err = stek_scope_key(&out->keys[i], scope, &out->keys[i]);
		if (err != STEK_OK)
			return err;
	}
	return STEK_OK;
}

void
stek_scope_short(const struct stek_key *key, uint8_t aes[16], uint8_t mac[16])
{
	uint8_t bytes[32];

	hkdf(key, SHORT_LABEL, "", bytes, sizeof(bytes));
	memcpy(aes, bytes, 16);
	memcpy(mac, bytes + 16, 16);
	sodium_memzero(bytes, sizeof(bytes));
}
