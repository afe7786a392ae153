/* SPDX-License-Identifier: ISC */
/*
 * XAES-256-GCM, put together from nettle's AES and GCM as its specification
 * has it: the first half of the nonce derives a key of AES-256-GCM, by
 * NIST SP 800-108r1 with CMAC; the second half is its nonce.
 *
 * Never here: AES and GCM themselves, or what is in a ticket.
 * Invariant: what derives a message's key is wiped before it is returned.
 */
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/aes.h>
#include <nettle/gcm.h>
#include <nettle/memops.h>

#include "xaes.h"

#define BLOCK AES_BLOCK_SIZE
#define HALF  GCM_IV_SIZE /* of a nonce */

struct xaes {
	struct aes256_ctx aes;
	uint8_t k1[BLOCK]; /* CMAC's first subkey */
};

/* A message's own key. */
struct derived {
	struct gcm_aes256_ctx gcm;
	uint8_t block[2][BLOCK];
	uint8_t key[2][BLOCK];
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

struct xaes *
xaes_new_raw(const uint8_t key[STEK_AES_LEN])
{
	struct xaes *xaes = malloc(sizeof(*xaes));

	if (xaes == NULL)
		return NULL;
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
xaes_free(void *xaes)
{
	if (xaes != NULL)
		explicit_bzero(xaes, sizeof(struct xaes));
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

/* Until the ciphertext may be worked on. */
static void
begin(struct derived *d, const struct xaes *xaes, const uint8_t *nonce,
    const uint8_t *ad, size_t ad_len)
{
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
	gcm_aes256_set_key(&d->gcm, d->key[0]);
	gcm_aes256_set_iv(&d->gcm, HALF, nonce + HALF);
	gcm_aes256_update(&d->gcm, ad_len, ad);
}

void
xaes_seal(const struct xaes *xaes, const uint8_t nonce[XAES_NONCE_LEN],
    const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
    uint8_t *out, uint8_t tag[XAES_TAG_LEN])
{
	struct derived d;

	begin(&d, xaes, nonce, ad, ad_len);
	gcm_aes256_encrypt(&d.gcm, len, out, in);
	gcm_aes256_digest(&d.gcm, XAES_TAG_LEN, tag);
	explicit_bzero(&d, sizeof(d));
}

bool
xaes_open(const struct xaes *xaes, const uint8_t nonce[XAES_NONCE_LEN],
    const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
    const uint8_t tag[XAES_TAG_LEN], uint8_t *out)
{
	uint8_t made[XAES_TAG_LEN];
	struct derived d;
	bool same;

	begin(&d, xaes, nonce, ad, ad_len);
	gcm_aes256_decrypt(&d.gcm, len, out, in);
	gcm_aes256_digest(&d.gcm, XAES_TAG_LEN, made);
	same = memeql_sec(made, tag, XAES_TAG_LEN) != 0;
	if (!same)
		explicit_bzero(out, len);
	explicit_bzero(&d, sizeof(d));
	explicit_bzero(made, sizeof(made));
	return same;
}
