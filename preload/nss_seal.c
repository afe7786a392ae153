/* SPDX-License-Identifier: ISC */
/*
 * NSS wraps a ticket's secret, and encrypts the ticket; see nss.c.
 *
 * Never here: a ticket's MAC, which nss_open.c makes too.
 * Invariant: a bare secret never leaves unencrypted, and no ticket is sealed
 * with the ring's key that NSS did not just wrap a secret for.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "nss_preload.h"

#define STACK_NEAR 65536 /* no frames of NSS's are longer */

/*
 * A ticket's secret is wrapped into a session on NSS's stack; sessions for
 * its cache are elsewhere, and their secrets are not for us to hold.
 */
static bool
for_a_ticket(const SECItem *wrapped)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t there = (uintptr_t)wrapped->data;

	return there > here && there - here < STACK_NEAR;
}

NSS_EXPORT SECStatus
PK11_WrapSymKey(CK_MECHANISM_TYPE type, SECItem *param, PK11SymKey *wrapping,
    PK11SymKey *secret, SECItem *wrapped)
{
	const struct nss_real *real = nss_real();
	SECStatus rv =
	    real->PK11_WrapSymKey(type, param, wrapping, secret, wrapped);
	struct nss_thread *t;

	if (rv != SECSuccess || !nss_is_ssl(NSS_CALLER) ||
	    !for_a_ticket(wrapped) || wrapped->len > NSS_SECRET_MAX)
		return rv;
	t = nss_thread_keep();
	nss_drop_secret(t);
	t->secret = real->PK11_ReferenceSymKey(secret);
	t->wrapping = real->PK11_ReferenceSymKey(wrapping);
	t->mechanism = type;
	memcpy(t->wrapped, wrapped->data, wrapped->len);
	t->wrapped_len = wrapped->len;
	return rv;
}

/* The ticket with its secret bare; NULL: it cannot be had.  To be freed. */
static uint8_t *
bare(const struct nss_thread *t, const struct nss_ticket *ticket,
    const uint8_t *data, size_t len)
{
	const struct nss_real *real = nss_real();
	uint8_t *copy;
	SECItem *value;

	if (real->PK11_ExtractKeyValue(t->secret) != SECSuccess)
		return NULL;
	value = real->PK11_GetKeyData(t->secret);
	if (value == NULL || value->len != ticket->secret_len)
		return NULL;
	copy = malloc(len);
	if (copy == NULL)
		return NULL;
	memcpy(copy, data, len);
	memcpy(copy + ticket->secret, value->data, value->len);
	return copy;
}

/* Does NSS's buffer hold what it should, where it should? */
static bool
is_placed(const uint8_t *out, const SECItem *iv)
{
	const uint8_t *head = out - NSS_HEAD_LEN;

	return iv != NULL && iv->len == NSS_IV_LEN &&
	       memcmp(head, nss_ring_name(), NSS_NAME_LEN) == 0 &&
	       memcmp(head + NSS_NAME_LEN, iv->data, NSS_IV_LEN) == 0;
}

/* Is this the ticket whose secret was wrapped just now? */
static bool
is_wrapped_here(const struct nss_thread *t, const struct nss_ticket *ticket,
    const uint8_t *data)
{
	return t->secret != NULL && t->wrapped_len == ticket->secret_len &&
	       memcmp(t->wrapped, data + ticket->secret, ticket->secret_len) ==
	           0;
}

/* True: sealed with the key, which the MAC then needs. */
static bool
seal_with(struct nss_key *key, const struct nss_ticket *ticket, uint8_t *out,
    unsigned int *out_len, unsigned int max, const uint8_t *data,
    unsigned int len)
{
	struct nss_thread *t = &nss_thread;
	uint8_t *wire = out - NSS_HEAD_LEN + NSS_NAME_LEN;
	uint8_t first[NSS_IV_LEN], iv[NSS_IV_LEN];
	SECItem param = {siBuffer, iv, sizeof(iv)};
	uint8_t *copy;
	bool done = false;

	/* NSS's own IV is the same in processes forked from one. */
	memcpy(first, nss_key_id(key), NSS_ID_LEN);
	if (!nss_ring_random(first + NSS_ID_LEN, sizeof(first) - NSS_ID_LEN))
		return false;
	copy = bare(t, ticket, data, len);
	if (copy == NULL)
		return false;
	nss_key_iv(key, first, iv);
	if (nss_real()->PK11_Encrypt(nss_key_aes(key), CKM_AES_CBC_PAD, &param,
	        out, out_len, max, copy, len) == SECSuccess) {
		memcpy(wire, first, sizeof(first));
		done = true;
	}
	sodium_memzero(copy, len);
	free(copy);
	return done;
}

/* True: sealed with the ring's key; false: it is NSS's to encrypt. */
static bool
seal(const SECItem *iv, uint8_t *out, unsigned int *out_len, unsigned int max,
    const uint8_t *data, unsigned int len)
{
	struct nss_thread *t = nss_thread_keep();
	struct nss_ticket ticket;
	struct nss_key *key;

	nss_drop_work(t);
	if (nss_ticket_is_cookie(data, len))
		return false;
	if (!nss_ticket_parse(data, len, &ticket) || !is_placed(out, iv) ||
	    !is_wrapped_here(t, &ticket, data)) {
		nss_unexpected("a ticket's form");
		return false;
	}
	nss_wrap_seen(ticket.auth, t->wrapping, t->mechanism);
	key = nss_ring_sealing();
	if (key != NULL &&
	    seal_with(key, &ticket, out, out_len, max, data, len)) {
		t->key = key;
		t->sealing = true;
		return true;
	}
	nss_key_give(key);
	return false;
}

NSS_EXPORT SECStatus
PK11_Encrypt(PK11SymKey *key, CK_MECHANISM_TYPE mechanism, SECItem *param,
    unsigned char *out, unsigned int *out_len, unsigned int max,
    const unsigned char *data, unsigned int len)
{
	bool sealed = false;

	if (nss_is_local_aes(key) && mechanism == CKM_AES_CBC_PAD &&
	    nss_is_ssl(NSS_CALLER)) {
		sealed = seal(param, out, out_len, max, data, len);
		nss_drop_secret(&nss_thread);
	}
	return sealed ? SECSuccess
	              : nss_real()->PK11_Encrypt(key, mechanism, param, out,
	                    out_len, max, data, len);
}
