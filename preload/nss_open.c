/* SPDX-License-Identifier: ISC */
/*
 * NSS makes or checks a ticket's MAC, decrypts the ticket, and unwraps its
 * secret; see nss.c.
 *
 * Never here: which key may open.
 * Invariant: nothing is decrypted whose MAC is not proven, and what cannot be
 * opened is "not for us": to NSS anything else would be a reason to give up
 * the connection.
 */
#include <sodium.h>
#include <string.h>

#include "nss_preload.h"

/* --- the MAC, of both --------------------------------------------------- */

/*
 * NSS gets a stand-in: making a context costs as much as the MAC, and ours
 * needs none.  One of NSS's own is made once it is known to be needed.
 */
static PK11Context *
stand_in(struct nss_thread *t)
{
	return (void *)&t->stand_in;
}

static bool
is_stand_in(const PK11Context *context)
{
	return context == stand_in(&nss_thread);
}

NSS_EXPORT PK11Context *
PK11_CreateContextBySymKey(CK_MECHANISM_TYPE type, CK_ATTRIBUTE_TYPE operation,
    PK11SymKey *key, const SECItem *param)
{
	struct nss_thread *t;

	if (!nss_is_local_mac(key) || type != CKM_SHA256_HMAC ||
	    operation != CKA_SIGN || !nss_is_ssl(NSS_CALLER))
		return nss_real()->PK11_CreateContextBySymKey(
		    type, operation, key, param);
	t = nss_thread_keep();
	if (!t->sealing)
		nss_drop_work(t);
	t->ready = false;
	t->refuse = false;
	t->behind = NULL;
	t->mac_key = key;
	return stand_in(t);
}

NSS_EXPORT SECStatus
PK11_DigestBegin(PK11Context *context)
{
	return is_stand_in(context) ? SECSuccess
	                            : nss_real()->PK11_DigestBegin(context);
}

/* With NSS's own key. */
static SECStatus
hash_locally(struct nss_thread *t, const unsigned char *in, unsigned int len)
{
	const struct nss_real *real = nss_real();
	SECItem none = {siBuffer, NULL, 0};

	if (t->context == NULL) {
		t->context = real->PK11_CreateContextBySymKey(
		    CKM_SHA256_HMAC, CKA_SIGN, t->mac_key, &none);
		if (t->context == NULL ||
		    real->PK11_DigestBegin(t->context) != SECSuccess)
			return SECFailure;
	}
	return real->PK11_DigestOp(t->context, in, len);
}

NSS_EXPORT SECStatus
PK11_DigestOp(PK11Context *context, const unsigned char *in, unsigned int len)
{
	struct nss_thread *t = &nss_thread;

	if (!is_stand_in(context))
		return nss_real()->PK11_DigestOp(context, in, len);
	if (!t->sealing)
		t->key = nss_ring_opening(in, len);
	t->behind = in + len;
	if (t->key == NULL)
		return hash_locally(t, in, len);
	/* That of a ticket from a client was proven to be right. */
	if (t->sealing)
		nss_key_mac(t->key, in, len, t->mac);
	else
		memcpy(t->mac, t->behind, sizeof(t->mac));
	t->ready = true;
	return SECSuccess;
}

/*
 * NSS's own MAC is right, or the ticket is somebody else's: of another
 * process that has the same name, or none of anybody.
 */
static bool
is_ours(const struct nss_thread *t, const uint8_t *mac, unsigned int len)
{
	/* It is being made: its place is right behind. */
	if (mac == t->behind)
		return true;
	return len == NSS_MAC_LEN &&
	       sodium_memcmp(mac, t->behind, NSS_MAC_LEN) == 0;
}

static SECStatus
finish(struct nss_thread *t, unsigned char *data, unsigned int *len,
    unsigned int max)
{
	SECStatus rv;

	if (t->ready) {
		if (max < NSS_MAC_LEN)
			return SECFailure;
		memcpy(data, t->mac, NSS_MAC_LEN);
		*len = NSS_MAC_LEN;
		return SECSuccess;
	}
	if (t->context == NULL)
		return SECFailure;
	rv = nss_real()->PK11_DigestFinal(t->context, data, len, max);
	if (rv == SECSuccess && t->behind != NULL && !is_ours(t, data, *len)) {
		t->refuse = true;
		return SECFailure;
	}
	return rv;
}

NSS_EXPORT SECStatus
PK11_DigestFinal(PK11Context *context, unsigned char *data, unsigned int *len,
    unsigned int max)
{
	return is_stand_in(context)
	           ? finish(&nss_thread, data, len, max)
	           : nss_real()->PK11_DigestFinal(context, data, len, max);
}

/* The last call of a MAC, after NSS has set its own error. */
NSS_EXPORT void
PK11_DestroyContext(PK11Context *context, PRBool freeit)
{
	struct nss_thread *t = &nss_thread;
	bool refuse = t->refuse;

	if (!is_stand_in(context)) {
		nss_real()->PK11_DestroyContext(context, freeit);
		return;
	}
	if (t->context != NULL)
		nss_real()->PK11_DestroyContext(t->context, PR_TRUE);
	t->context = NULL;
	t->ready = false;
	t->refuse = false;
	if (t->sealing)
		nss_drop_work(t);
	if (refuse)
		nss_real()->PR_SetError(SEC_ERROR_NOT_A_RECIPIENT, 0);
}

/* --- open --------------------------------------------------------------- */

/* NSS gets something in the secret's place that it can show us again. */
static void
put_token(struct nss_thread *t, const struct nss_ticket *ticket, uint8_t *plain)
{
	size_t i;

	t->token_len = ticket->secret_len;
	for (i = 0; i < t->token_len; i++)
		t->token[i] = t->mac[i % NSS_MAC_LEN];
	memcpy(plain + ticket->secret, t->token, t->token_len);
}

/* Take the bare secret out of a ticket; false: this process cannot use it. */
static bool
take_secret(struct nss_thread *t, uint8_t *plain, size_t len)
{
	const struct nss_real *real = nss_real();
	SECItem item = {siBuffer, NULL, 0};
	CK_MECHANISM_TYPE mechanism;
	struct nss_ticket ticket;
	PK11SlotInfo *slot;
	size_t i;

	if (!nss_ticket_parse(plain, len, &ticket))
		return false;
	slot = nss_wrap_ready(ticket.auth, &mechanism);
	if (slot == NULL)
		return false;
	nss_drop_key(&t->opened);
	item.data = plain + ticket.secret;
	item.len = (unsigned int)ticket.secret_len;
	/* As NSS would unwrap it. */
	t->opened = real->PK11_ImportSymKeyWithFlags(slot,
	    CKM_SSL3_MASTER_KEY_DERIVE, PK11_OriginUnwrap, CKA_DERIVE, &item,
	    CKF_SIGN | CKF_VERIFY, PR_FALSE, NULL);
	real->PK11_FreeSlot(slot);
	if (t->opened == NULL)
		return false;
	put_token(t, &ticket, plain);
	for (i = 0; i < 4; i++)
		plain[ticket.mechanism + i] =
		    (uint8_t)(mechanism >> (24 - 8 * i));
	return true;
}

static SECStatus
open_with(struct nss_key *key, const SECItem *wire, uint8_t *out,
    unsigned int *out_len, unsigned int max, const uint8_t *data,
    unsigned int len)
{
	uint8_t iv[NSS_IV_LEN];
	SECItem param = {siBuffer, iv, sizeof(iv)};

	if (wire == NULL || wire->len != NSS_IV_LEN)
		goto refuse;
	nss_key_iv(key, wire->data, iv);
	if (nss_real()->PK11_Decrypt(nss_key_aes(key), CKM_AES_CBC_PAD, &param,
	        out, out_len, max, data, len) == SECSuccess) {
		if (take_secret(&nss_thread, out, *out_len))
			return SECSuccess;
		sodium_memzero(out, *out_len);
	}
refuse:
	nss_real()->PR_SetError(SEC_ERROR_NOT_A_RECIPIENT, 0);
	return SECFailure;
}

NSS_EXPORT SECStatus
PK11_Decrypt(PK11SymKey *key, CK_MECHANISM_TYPE mechanism, SECItem *param,
    unsigned char *out, unsigned int *out_len, unsigned int max,
    const unsigned char *data, unsigned int len)
{
	struct nss_thread *t = &nss_thread;
	SECStatus rv;

	if (t->key == NULL || !nss_is_local_aes(key) || !nss_is_ssl(NSS_CALLER))
		return nss_real()->PK11_Decrypt(
		    key, mechanism, param, out, out_len, max, data, len);
	rv = open_with(t->key, param, out, out_len, max, data, len);
	nss_drop_work(t);
	return rv;
}

NSS_EXPORT PK11SymKey *
PK11_UnwrapSymKeyWithFlags(PK11SymKey *with, CK_MECHANISM_TYPE type,
    SECItem *param, SECItem *wrapped, CK_MECHANISM_TYPE target,
    CK_ATTRIBUTE_TYPE operation, int size, CK_FLAGS flags)
{
	struct nss_thread *t = &nss_thread;
	PK11SymKey *secret;

	if (t->opened == NULL || wrapped->len != t->token_len ||
	    memcmp(wrapped->data, t->token, t->token_len) != 0 ||
	    !nss_is_ssl(NSS_CALLER))
		return nss_real()->PK11_UnwrapSymKeyWithFlags(
		    with, type, param, wrapped, target, operation, size, flags);
	secret = t->opened;
	t->opened = NULL;
	return secret;
}
