/* SPDX-License-Identifier: ISC */
/*
 * The farm's keys for the session tickets of an unmodified NSS.
 *
 * NSS has no way to set its ticket keys.  But its libssl3 calls libnss3 for
 * all that it does with them, so an object that is loaded before both, by
 * LD_PRELOAD, gets those calls.  On the wire a ticket is
 *
 *	name 16 | IV 16 | length 2 | AES-256-CBC | HMAC-SHA256 32
 *
 * NSS makes two keys and a name for itself.  The name, which it compares
 * before it calls anybody, we set to the same value in every process of a
 * scope; the keys stay as they are.  When it encrypts a ticket with its key,
 * we do it with the ring's, and the same for the MAC; the first 4 bytes of
 * the IV then tell which key of the ring that was.  AES-CBC itself begins
 * with a MAC of that IV, so that it cannot be foreseen.  When NSS opens a
 * ticket, we look for the key by those bytes and prove the MAC; with no such
 * key, NSS's own must fit.
 *
 * The secret in a ticket is wrapped once more, with a key of the process.
 * With the ticket keys alone a sibling would unwrap it to garbage, and the
 * connection die.  So a ticket of ours carries the bare secret: when NSS
 * wraps one for a ticket, we keep hold of it and put it in.  At the sibling
 * it is imported at once, and handed over when NSS comes to unwrap what
 * stands in its place.  There is no wrapping key for the farm: the secret is
 * protected by the ticket key alone, which rotates and can be revoked, and
 * by nothing that lives longer.  NSS's own wrapping key never leaves the
 * process and opens nothing of the farm's.
 *
 * Whatever is not as expected leaves a ticket NSS's own, and a ticket that
 * cannot be opened is "not for us" to NSS, which is a full handshake.
 * Cookies of HelloRetryRequest, which NSS protects with the same keys, are
 * never touched: the server that sent one gets it back.
 *
 * This file knows NSS's own keys as they are made; nss_seal.c and nss_open.c
 * have the rest.
 *
 * Never here: a thread, a signal, a file (nss_ring.c has the ring); anything
 * in a process that has no libssl3.
 * Invariant: what NSS gets back is what it would get from its own keys, or
 * an error that it takes for a ticket of somebody else.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "nss_preload.h"

#define KEY_BITS 32 /* bytes of NSS's ticket keys, both */

__thread struct nss_thread nss_thread NSS_AT_HAND;
static pthread_key_t ends;
static atomic_bool has_ends;

/* NSS's own ticket keys, to know them by. */
static _Atomic(PK11SymKey *) local_aes, local_mac;

/* --- what a thread holds ------------------------------------------------ */

void
nss_drop_key(PK11SymKey **key)
{
	if (*key != NULL)
		nss_real()->PK11_FreeSymKey(*key);
	*key = NULL;
}

void
nss_drop_secret(struct nss_thread *t)
{
	nss_drop_key(&t->secret);
	nss_drop_key(&t->wrapping);
	t->wrapped_len = 0;
}

void
nss_drop_work(struct nss_thread *t)
{
	nss_key_give(t->key);
	t->key = NULL;
	t->sealing = false;
	t->ready = false;
}

static void
thread_ends(void *p)
{
	struct nss_thread *t = p;

	nss_drop_secret(t);
	nss_drop_work(t);
	nss_drop_key(&t->opened);
}

struct nss_thread *
nss_thread_keep(void)
{
	if (has_ends && pthread_getspecific(ends) == NULL)
		(void)pthread_setspecific(ends, &nss_thread);
	return &nss_thread;
}

static SECStatus
on_shutdown(void *app, void *nss)
{
	(void)app;
	(void)nss;
	atomic_store(&local_aes, NULL);
	atomic_store(&local_mac, NULL);
	thread_ends(&nss_thread);
	nss_ring_forget();
	nss_wrap_forget();
	return SECSuccess;
}

bool
nss_is_local_aes(const PK11SymKey *key)
{
	return key != NULL && key == atomic_load(&local_aes);
}

bool
nss_is_local_mac(const PK11SymKey *key)
{
	return key != NULL && key == atomic_load(&local_mac);
}

PK11SlotInfo *
nss_local_slot(void)
{
	PK11SymKey *local = atomic_load(&local_aes);

	return local != NULL ? nss_real()->PK11_GetSlotFromKey(local) : NULL;
}

/* --- NSS makes its ticket keys ------------------------------------------ */

void
nss_unexpected(const char *what)
{
	static bool said;

	say_once(&said,
	    "stek: NSS makes or uses its ticket keys in another way than was "
	    "seen in 3.87 (%s), so its tickets are sealed with its own keys",
	    what);
}

static void
take_keys(struct nss_thread *t, PK11SymKey *mac)
{
	atomic_store(&local_aes, t->made);
	atomic_store(&local_mac, mac);
	t->making = IDLE;
	if (!has_ends)
		has_ends = pthread_key_create(&ends, thread_ends) == 0;
	/* Once for each time that NSS starts; twice is refused. */
	(void)nss_real()->NSS_RegisterShutdown(on_shutdown, NULL);
}

NSS_EXPORT SECStatus
PK11_GenerateRandom(unsigned char *data, int len)
{
	SECStatus rv = nss_real()->PK11_GenerateRandom(data, len);

	nss_thread.making = IDLE;
	if (rv == SECSuccess && len == NSS_NAME_SET && nss_examine() &&
	    nss_is_ssl(NSS_CALLER)) {
		nss_thread.making = NAMED;
		nss_thread.name = data;
	}
	return rv;
}

NSS_EXPORT PK11SlotInfo *
PK11_GetBestSlotMultiple(
    CK_MECHANISM_TYPE *types, unsigned int count, void *pin)
{
	if (nss_thread.making == NAMED && nss_is_ssl(NSS_CALLER) &&
	    count == 2 && types[0] == CKM_AES_CBC &&
	    types[1] == CKM_SHA256_HMAC) {
		memcpy(nss_thread.name, nss_ring_name(), NSS_NAME_SET);
		nss_thread.making = PLACED;
	}
	return nss_real()->PK11_GetBestSlotMultiple(types, count, pin);
}

NSS_EXPORT PK11SymKey *
PK11_KeyGen(PK11SlotInfo *slot, CK_MECHANISM_TYPE type, SECItem *param,
    int size, void *pin)
{
	PK11SymKey *key = nss_real()->PK11_KeyGen(slot, type, param, size, pin);
	struct nss_thread *t = &nss_thread;

	if (key == NULL || size != KEY_BITS || !nss_is_ssl(NSS_CALLER))
		return key;
	if (type == CKM_AES_CBC && t->making == PLACED) {
		t->making = HALF;
		t->made = key;
	} else if (type == CKM_SHA256_HMAC && t->making == HALF) {
		take_keys(t, key);
	} else if (type == CKM_AES_CBC || type == CKM_SHA256_HMAC) {
		nss_unexpected("their making");
	}
	return key;
}

/* With a session cache, one process makes them and all others fetch them. */
NSS_EXPORT PK11SymKey *
PK11_PubUnwrapSymKey(SECKEYPrivateKey *with, SECItem *wrapped,
    CK_MECHANISM_TYPE target, CK_ATTRIBUTE_TYPE operation, int size)
{
	PK11SymKey *key = nss_real()->PK11_PubUnwrapSymKey(
	    with, wrapped, target, operation, size);
	struct nss_thread *t = &nss_thread;

	if (key == NULL || (target != CKM_AES_CBC && target != CKM_SHA256_HMAC))
		return key;
	if (!nss_examine() || !nss_is_ssl(NSS_CALLER))
		return key;
	if (target == CKM_AES_CBC && operation == CKA_DECRYPT) {
		t->making = FETCHED;
		t->made = key;
	} else if (operation == CKA_SIGN && t->making == FETCHED) {
		take_keys(t, key);
	}
	return key;
}

/* --- which certificates there are --------------------------------------- */

static void
note_certificate(CERTCertificate *cert, bool by_usage, SSLAuthType only)
{
	SECOidTag tag;
	bool decrypts, signs;

	if (cert == NULL || !nss_examine())
		return;
	tag = nss_real()->SECOID_GetAlgorithmTag(
	    &cert->subjectPublicKeyInfo.algorithm);
	if (tag != SEC_OID_PKCS1_RSA_ENCRYPTION &&
	    tag != SEC_OID_X500_RSA_ENCRYPTION)
		return;
	decrypts = !by_usage || (cert->keyUsage & KU_KEY_ENCIPHERMENT) != 0;
	signs = !by_usage || (cert->keyUsage & KU_DIGITAL_SIGNATURE) != 0;
	if (only != ssl_auth_null) {
		decrypts = decrypts && only == ssl_auth_rsa_decrypt;
		signs = signs && only == ssl_auth_rsa_sign;
	}
	nss_wrap_certificate(decrypts, signs);
}

NSS_EXPORT SECStatus
SSL_ConfigServerCert(PRFileDesc *fd, CERTCertificate *cert,
    SECKEYPrivateKey *key, const SSLExtraServerCertData *data, unsigned int len)
{
	SSLAuthType only = ssl_auth_null;

	if (data != NULL && len >= sizeof(data->authType))
		only = data->authType;
	note_certificate(cert, true, only);
	return nss_real()->SSL_ConfigServerCert(fd, cert, key, data, len);
}

NSS_EXPORT SECStatus
SSL_ConfigSecureServerWithCertChain(PRFileDesc *fd, CERTCertificate *cert,
    const CERTCertificateList *chain, SECKEYPrivateKey *key, SSLKEAType kea)
{
	note_certificate(cert, false, ssl_auth_null);
	return nss_real()->SSL_ConfigSecureServerWithCertChain(
	    fd, cert, chain, key, kea);
}

NSS_EXPORT SECStatus
SSL_ConfigSecureServer(PRFileDesc *fd, CERTCertificate *cert,
    SECKEYPrivateKey *key, SSLKEAType kea)
{
	note_certificate(cert, false, ssl_auth_null);
	return nss_real()->SSL_ConfigSecureServer(fd, cert, key, kea);
}
