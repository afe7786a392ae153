/* SPDX-License-Identifier: ISC */
/*
 * Which tickets' secrets NSS can unwrap here.
 *
 * NSS wraps each ticket's secret with a key of the process, and makes that
 * key when it issues its first ticket.  When a ticket comes back NSS looks
 * that key up before it calls anybody, and if there is none a TLS 1.3
 * connection dies.  What the key is does not matter to us (nss.c), that
 * there is one does: so a ticket from elsewhere is refused until this
 * process has issued one for which NSS keeps the key in the same place.
 *
 * NSS has one place each for certificates that can decrypt (RSA key
 * exchange), RSA ones that can only sign, RSA-PSS and ECDSA ones: the first
 * that fits a certificate, in this order, not the auth type of a ticket.
 * So where RSA certificates of both kinds are in use, both places are to be
 * filled before an RSA ticket from elsewhere is taken.
 *
 * Never here: what is wrapped.
 */
#include <pthread.h>

#include "nss_preload.h"

enum {
	RSA,
	RSA_PSS,
	ECDSA,
	FAMILIES,
	NONE = FAMILIES,
};

enum {
	DECRYPTS = 1,
	ONLY_SIGNS = 2,
};

#define PLACES 2 /* for RSA */

struct family {
	PK11SymKey *wrapping[PLACES];
	CK_MECHANISM_TYPE mechanism;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct family families[FAMILIES];
static unsigned int rsa_kinds;

static int
family_of(uint8_t auth)
{
	switch (auth) {
	case ssl_auth_rsa_decrypt:
	case ssl_auth_rsa_sign:
		return RSA;
	case ssl_auth_rsa_pss:
		return RSA_PSS;
	case ssl_auth_ecdsa:
		return ECDSA;
	default:
		return NONE;
	}
}

static void
before_fork(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void
after_fork(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void
take_lock(void)
{
	static bool forks;

	(void)pthread_mutex_lock(&lock);
	if (!forks)
		forks =
		    pthread_atfork(before_fork, after_fork, after_fork) == 0;
}

void
nss_wrap_certificate(bool decrypts, bool signs)
{
	if (!decrypts && !signs)
		return;
	take_lock();
	rsa_kinds |= decrypts ? DECRYPTS : ONLY_SIGNS;
	(void)pthread_mutex_unlock(&lock);
}

/* How many places are to be filled before all are. */
static size_t
needed(int family)
{
	if (family != RSA)
		return 1;
	return rsa_kinds == DECRYPTS || rsa_kinds == ONLY_SIGNS ? 1 : PLACES;
}

void
nss_wrap_seen(uint8_t auth, PK11SymKey *wrapping, CK_MECHANISM_TYPE mechanism)
{
	const struct nss_real *real = nss_real();
	int family = family_of(auth);
	struct family *f;
	size_t i;

	if (family == NONE)
		return;
	f = &families[family];
	take_lock();
	for (i = 0; i < PLACES && f->wrapping[i] != wrapping; i++) {
		if (f->wrapping[i] != NULL &&
		    real->PK11_VerifyKeyOK(f->wrapping[i]))
			continue;
		if (f->wrapping[i] != NULL)
			real->PK11_FreeSymKey(f->wrapping[i]);
		f->wrapping[i] = real->PK11_ReferenceSymKey(wrapping);
		f->mechanism = mechanism;
		break;
	}
	(void)pthread_mutex_unlock(&lock);
}

PK11SlotInfo *
nss_wrap_ready(uint8_t auth, CK_MECHANISM_TYPE *mechanism)
{
	const struct nss_real *real = nss_real();
	int family = family_of(auth);
	PK11SlotInfo *slot = NULL;
	size_t i, good = 0;
	struct family *f;

	if (family == NONE)
		return NULL;
	f = &families[family];
	take_lock();
	for (i = 0; i < PLACES; i++)
		if (f->wrapping[i] != NULL &&
		    real->PK11_VerifyKeyOK(f->wrapping[i]))
			good++;
	if (good > 0 && good >= needed(family)) {
		*mechanism = f->mechanism;
		for (i = 0; slot == NULL && i < PLACES; i++)
			if (f->wrapping[i] != NULL)
				slot =
				    real->PK11_GetSlotFromKey(f->wrapping[i]);
	}
	(void)pthread_mutex_unlock(&lock);
	return slot;
}

void
nss_wrap_forget(void)
{
	const struct nss_real *real = nss_real();
	size_t i, k;

	take_lock();
	for (i = 0; i < FAMILIES; i++)
		for (k = 0; k < PLACES; k++) {
			if (families[i].wrapping[k] != NULL)
				real->PK11_FreeSymKey(families[i].wrapping[k]);
			families[i].wrapping[k] = NULL;
		}
	(void)pthread_mutex_unlock(&lock);
}
