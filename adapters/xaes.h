/* SPDX-License-Identifier: ISC */
/*
 * XAES-256-GCM (c2sp.org/XAES-256-GCM), for adapters that encrypt a ticket
 * themselves: AES-256-GCM with nonces of 192 bits, which may be drawn at
 * random by a whole farm for as long as a key lives.
 */
#ifndef ADAPTERS_XAES_H
#define ADAPTERS_XAES_H

#include <stek.h>

#define XAES_NONCE_LEN	24
#define XAES_TAG_LEN	16

struct xaes;

/*
 * The key's AES key for that library alone, derived as a scope of its own, so
 * that a ticket of one library proves nothing to another.  NULL: out of
 * memory.
 */
struct xaes *xaes_new(const struct stek_key *, const char *library);
void xaes_free(void *);	/* wipes; for struct slot_library */

/* From the system; for struct slot_library. */
bool xaes_random(uint8_t *, size_t);

/* in and out may be the same.  One thread at a time, as slots have it. */
void xaes_seal(const struct xaes *, const uint8_t nonce[XAES_NONCE_LEN],
    const uint8_t *ad, size_t ad_len, const uint8_t *in, size_t len,
    uint8_t *out, uint8_t tag[XAES_TAG_LEN]);

/* False: not sealed so; out is then all zero. */
STEK_CHECKED bool xaes_open(const struct xaes *,
    const uint8_t nonce[XAES_NONCE_LEN], const uint8_t *ad, size_t ad_len,
    const uint8_t *in, size_t len, const uint8_t tag[XAES_TAG_LEN],
    uint8_t *out);

/* For the tests of the algorithm: the key as it is; without libsodium. */
struct xaes *xaes_new_raw(const uint8_t key[STEK_AES_LEN]);
void xaes_use_nettle(struct xaes *);

#endif
