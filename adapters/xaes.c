/* SPDX-License-Identifier: ISC */
/*
 * XAES-256-GCM, put together from AES and GCM as its specification has it: the
 * first half of the nonce derives a key of AES-256-GCM, by NIST SP 800-108r1
 * with CMAC; the second half is its nonce.
 *
 * AES is nettle's.  GCM is libsodium's where the processor has instructions
 * for it, as that needs an eighth of the memory for a key, and nettle's
 * elsewhere.
 *
 * A message's key leaves up to 4 KB behind, with nettle mostly tables that it
 * may not even have filled.  To wipe them took a tenth of the time of a
 * message; so they stay where the next message's will be, beside the key that
 * all of them are derived from, and are wiped with it.
 *
 * Never here: AES and GCM themselves, or what is in a ticket.
 * Invariant: nothing of a message's key is left but what xaes_free() wipes.
 */
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/aes.h>
#include <nettle/gcm.h>
#include <nettle/memops.h>
#include <sodium.h>

#include "xaes.h"

#define BLOCK AES_BLOCK_SIZE
#define HALF  GCM_IV_SIZE /* of a nonce */

/* A message's own key. */
struct derived {
	union {
		crypto_aead_aes256gcm_state sodium;
		struct gcm_aes256_ctx nettle;
	} gcm;
	uint8_t block[2][BLOCK];
	uint8_t key[2][BLOCK];
};

struct xaes {
	struct aes256_ctx aes;
	uint8_t k1[BLOCK]; /* CMAC's first subkey */
	bool has_sodium;
	struct derived *latest; /* of no use but to be written anew */
};

/* NIST SP 800-38B, section 6.1; without a branch on a secret. */
static void
subkey(const struct aes256_ctx *aes, uint8_t k1[BLOCK])
{
	static const uint8_t zero[BLOCK];
	uint8_t carry = 0, next;
	size_t i;

	aes256_encrypt(aes, BLOCK, k1, zero);
	for (i = BLOCK; i-- > 0;) {
		next = k1[i] >> 7;
		k1[i] = (uint8_t)(k1[i] << 1 | carry);
		carry = next;
	}
	k1[BLOCK - 1] ^= (uint8_t)(-carry & 0x87);
}

/* Aligned as libsodium's state has to be. */
static struct derived *
derived_new(void)
{
	void *at;

	return posix_memalign(&at, 64, sizeof(struct derived)) == 0 ? at : NULL;
}

struct xaes *
xaes_new_raw(const uint8_t key[STEK_AES_LEN])
{
	struct xaes *xaes;

	if (sodium_init() < 0)
		return NULL;
	xaes = malloc(sizeof(*xaes));
	if (xaes == NULL)
		return NULL;
	xaes->has_sodium = crypto_aead_aes256gcm_is_available() != 0;
	xaes->latest = derived_new();
	if (xaes->latest == NULL) {
		free(xaes);
		return NULL;
	}
	aes256_set_encrypt_key(&xaes->aes, key);
	subkey(&xaes->aes, xaes->k1);
	return xaes;
}

struct xaes *
xaes_new(const struct stek_key *key, const char *library)
{
	struct stek_key STEK_WIPED own;

	if (stek_scope_key(key, library, &own) != STEK_OK)
		return NULL;
	return xaes_new_raw(own.aes);
}

void
xaes_free(void *p)
{
	struct xaes *xaes = p;

	if (xaes == NULL)
		return;
	explicit_bzero(xaes->latest, sizeof(*xaes->latest));
	free(xaes->latest);
	explicit_bzero(xaes, sizeof(*xaes));
	free(xaes);
}

bool
xaes_random(uint8_t *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = getrandom(bytes, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* A message's own key, in latest->key. */
static void
derive(const struct xaes *xaes, const uint8_t *nonce)
{
	struct derived *d = xaes->latest;
	size_t i, k;

	for (i = 0; i < 2; i++) {
		uint8_t *m = d->block[i];

		m[0] = 0;
		m[1] = (uint8_t)(i + 1);
		m[2] = 'X';
		m[3] = 0;
		memcpy(m + 4, nonce, HALF);
		for (k = 0; k < BLOCK; k++)
			m[k] ^= xaes->k1[k];
	}
	aes256_encrypt(&xaes->aes, 2 * BLOCK, d->key[0], d->block[0]);
}

static struct gcm_aes256_ctx *
begin_nettle(
    struct derived *d, const uint8_t *nonce, const uint8_t *ad, size_t ad_len)
{
	struct gcm_aes256_ctx *gcm = &d->gcm.nettle;

	gcm_aes256_set_key(gcm, d->key[0]);
	gcm_aes256_set_iv(gcm, HALF, nonce + HALF);
	gcm_aes256_update(gcm, ad_len, ad);
	return gcm;
}

static crypto_aead_aes256gcm_state *
begin_sodium(struct derived *d)
{
	(void)crypto_aead_aes256gcm_beforenm(&d->gcm.sodium, d->key[0]);
	return &d->gcm.sodium;
}

void
xaes_seal(const struct xaes *xaes, const uint8_t nonce[XAES_NONCE_LEN],
    const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
    uint8_t *out, uint8_t tag[XAES_TAG_LEN])
{
	struct gcm_aes256_ctx *gcm;

	derive(xaes, nonce);
	if (xaes->has_sodium) {
		(void)crypto_aead_aes256gcm_encrypt_detached_afternm(out, tag,
		    NULL, in, len, ad, ad_len, NULL, nonce + HALF,
		    begin_sodium(xaes->latest));
		return;
	}
	gcm = begin_nettle(xaes->latest, nonce, ad, ad_len);
	gcm_aes256_encrypt(gcm, len, out, in);
	gcm_aes256_digest(gcm, XAES_TAG_LEN, tag);
}

static bool
open_nettle(struct derived *d, const uint8_t *nonce, const uint8_t *ad,
    size_t ad_len, const uint8_t *in, size_t len, const uint8_t *tag,
    uint8_t *out)
{
	struct gcm_aes256_ctx *gcm = begin_nettle(d, nonce, ad, ad_len);
	uint8_t made[XAES_TAG_LEN];
	bool same;

	gcm_aes256_decrypt(gcm, len, out, in);
	gcm_aes256_digest(gcm, XAES_TAG_LEN, made);
	same = memeql_sec(made, tag, XAES_TAG_LEN) != 0;
	explicit_bzero(made, sizeof(made));
	return same;
}

bool
xaes_open(const struct xaes *xaes, const uint8_t nonce[XAES_NONCE_LEN],
    const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
    const uint8_t tag[XAES_TAG_LEN], uint8_t *out)
{
	bool same;

	derive(xaes, nonce);
	if (xaes->has_sodium)
		same = crypto_aead_aes256gcm_decrypt_detached_afternm(out, NULL,
		           in, len, tag, ad, ad_len, nonce + HALF,
		           begin_sodium(xaes->latest)) == 0;
	else
		same = open_nettle(
		    xaes->latest, nonce, ad, ad_len, in, len, tag, out);
	if (!same)
		explicit_bzero(out, len);
	return same;
}

void
xaes_use_nettle(struct xaes *xaes)
{
	xaes->has_sodium = false;
}
