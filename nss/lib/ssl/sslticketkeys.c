/* SPDX-License-Identifier: MPL-2.0
 *
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at http://mozilla.org/MPL/2.0/.
 *
 * The session ticket keys that the application has set: one set a process, and
 * what may come into it. Never here: what the handshake does with them
 * (ssltickets.c), the keys that NSS makes for itself (sslsnce.c).
 *
 * The keys are a set that is never changed, only replaced. Whoever uses it
 * holds a reference; the lock is held only to take one, or to replace the set.
 */

#include "nss.h"
#include "pk11func.h"
#include "secerr.h"
#include "ssl.h"
#include "sslimpl.h"
#include "selfencrypt.h"

static struct {
    PRCallOnceType setup;
    PRRWLock *lock;
    sslTicketKeySet *set;        /* NULL: no keys are set */
    PK11SymKey *bareWrappingKey; /* from the first set on */
} ssl_ticket_keys;

/* After fork(), or when a token was taken out, the object that a key stands
 * for is gone, and its number may be another's by now: to free the key would
 * destroy that one. */
static void
ssl_FreeKeyOfToken(PK11SymKey *key)
{
    if (PK11_VerifyKeyOK(key)) {
        PK11_FreeSymKey(key);
    }
}

void
ssl_FreeTicketKeySet(sslTicketKeySet *set)
{
    if (!set || PR_ATOMIC_DECREMENT(&set->refs) != 0) {
        return;
    }
    for (unsigned int i = 0; i < set->count; ++i) {
        ssl_FreeKeyOfToken(set->keys[i].key.encKey);
        ssl_FreeKeyOfToken(set->keys[i].key.macKey);
    }
    PORT_Free(set);
}

static SECStatus
ssl_TicketKeysShutdown(void *appData, void *nssData)
{
    ssl_FreeTicketKeySet(ssl_ticket_keys.set);
    if (ssl_ticket_keys.bareWrappingKey) {
        ssl_FreeKeyOfToken(ssl_ticket_keys.bareWrappingKey);
    }
    PR_DestroyRWLock(ssl_ticket_keys.lock);
    PORT_Memset(&ssl_ticket_keys, 0, sizeof(ssl_ticket_keys));
    return SECSuccess;
}

static PRStatus
ssl_TicketKeysSetup(void)
{
    ssl_ticket_keys.lock = PR_NewRWLock(PR_RWLOCK_RANK_NONE, NULL);
    if (!ssl_ticket_keys.lock) {
        return PR_FAILURE;
    }
    if (NSS_RegisterShutdown(ssl_TicketKeysShutdown, NULL) != SECSuccess) {
        PR_DestroyRWLock(ssl_ticket_keys.lock);
        ssl_ticket_keys.lock = NULL;
        return PR_FAILURE;
    }
    return PR_SUCCESS;
}

static SECStatus
ssl_InitTicketKeys(void)
{
    if (PR_CallOnce(&ssl_ticket_keys.setup, &ssl_TicketKeysSetup) !=
        PR_SUCCESS) {
        PORT_SetError(SEC_ERROR_LIBRARY_FAILURE);
        return SECFailure;
    }
    return SECSuccess;
}

sslTicketKeySet *
ssl_GetTicketKeySet(void)
{
    sslTicketKeySet *set;

    if (ssl_InitTicketKeys() != SECSuccess) {
        return NULL;
    }
    PR_RWLock_Rlock(ssl_ticket_keys.lock);
    set = ssl_ticket_keys.set;
    if (set) {
        (void)PR_ATOMIC_INCREMENT(&set->refs);
    }
    PR_RWLock_Unlock(ssl_ticket_keys.lock);
    return set;
}

PK11SymKey *
ssl_GetBareSecretWrappingKey(void)
{
    PK11SymKey *key = NULL;

    if (ssl_InitTicketKeys() != SECSuccess) {
        return NULL;
    }
    PR_RWLock_Rlock(ssl_ticket_keys.lock);
    if (ssl_ticket_keys.bareWrappingKey) {
        key = PK11_ReferenceSymKey(ssl_ticket_keys.bareWrappingKey);
    }
    PR_RWLock_Unlock(ssl_ticket_keys.lock);
    if (!key) {
        PORT_SetError(SEC_ERROR_LIBRARY_FAILURE);
    }
    return key;
}

static PRBool
ssl_IsZero(const PRUint8 *data, unsigned int len)
{
    PRUint8 any = 0;

    for (unsigned int i = 0; i < len; ++i) {
        any |= data[i];
    }
    return any == 0;
}

static SECStatus
ssl_CheckTicketKeyNames(const SSLSessionTicketKey *keys, unsigned int count)
{
    for (unsigned int i = 0; i < count; ++i) {
        if (ssl_IsZero(keys[i].name, sizeof(keys[i].name))) {
            goto loser;
        }
        for (unsigned int j = 0; j < i; ++j) {
            if (PORT_Memcmp(keys[i].name, keys[j].name, sizeof(keys[i].name)) ==
                0) {
                goto loser;
            }
        }
    }
    return SECSuccess;

loser:
    PORT_SetError(SEC_ERROR_INVALID_ARGS);
    return SECFailure;
}

static SECStatus
ssl_CheckTicketKeyTimes(const SSLSessionTicketKey *keys, unsigned int count)
{
    for (unsigned int i = 0; i < count; ++i) {
        if (keys[i].notAfter <= 0 || keys[i].notBefore > keys[i].notAfter) {
            PORT_SetError(SEC_ERROR_INVALID_TIME);
            return SECFailure;
        }
    }
    return SECSuccess;
}

/* A handle can be of any token, and of any kind: that it works is seen by
 * using it, here rather than in the first handshake. */
static SECStatus
ssl_TryTicketKey(const SSLSessionTicketKey *key)
{
    const PRUint8 in[1] = { 0xa5 };
    PRUint8 sealed[128];
    PRUint8 out[sizeof(sealed)];
    unsigned int sealedLen;
    unsigned int outLen;

    PORT_Assert(ssl_SelfEncryptGetProtectedSize(sizeof(in)) <= sizeof(sealed));
    if (!key->encKey || !key->macKey ||
        PK11_GetKeyLength(key->encKey) != SSL_SESSION_TICKET_ENC_KEY_LEN ||
        PK11_GetKeyLength(key->macKey) != SSL_SESSION_TICKET_MAC_KEY_LEN ||
        ssl_SelfEncryptProtectInt(key->encKey, key->macKey, key->name, in,
                                  sizeof(in), sealed, &sealedLen,
                                  sizeof(sealed)) != SECSuccess ||
        ssl_SelfEncryptUnprotectInt(key->encKey, key->macKey, key->name, sealed,
                                    sealedLen, out, &outLen,
                                    sizeof(out)) != SECSuccess) {
        PORT_SetError(SEC_ERROR_INVALID_KEY);
        return SECFailure;
    }
    return SECSuccess;
}

static sslTicketKeySet *
ssl_NewTicketKeySet(const SSLSessionTicketKey *keys, unsigned int count)
{
    sslTicketKeySet *set;

    set = (sslTicketKeySet *)PORT_ZAlloc(sizeof(sslTicketKeySet) +
                                         count * sizeof(sslTicketKey));
    if (!set) {
        return NULL;
    }
    set->refs = 1;
    set->count = count;
    for (unsigned int i = 0; i < count; ++i) {
        set->keys[i].key = keys[i];
        set->keys[i].key.encKey = PK11_ReferenceSymKey(keys[i].encKey);
        set->keys[i].key.macKey = PK11_ReferenceSymKey(keys[i].macKey);
        set->keys[i].set = set;
    }
    return set;
}

/* Takes what it is given. |wrappingKey| is needed the first time only. */
static void
ssl_SwapTicketKeySet(sslTicketKeySet *set, PK11SymKey *wrappingKey)
{
    sslTicketKeySet *old;

    PR_RWLock_Wlock(ssl_ticket_keys.lock);
    old = ssl_ticket_keys.set;
    ssl_ticket_keys.set = set;
    if (!ssl_ticket_keys.bareWrappingKey) {
        ssl_ticket_keys.bareWrappingKey = wrappingKey;
        wrappingKey = NULL;
    }
    PR_RWLock_Unlock(ssl_ticket_keys.lock);
    ssl_FreeTicketKeySet(old);
    if (wrappingKey) {
        PK11_FreeSymKey(wrappingKey);
    }
}

static SECStatus
ssl_CheckTicketKeyCount(const void *keys, unsigned int count)
{
    if (count > SSL_MAX_SESSION_TICKET_KEYS || (count && !keys)) {
        PORT_SetError(SEC_ERROR_INVALID_ARGS);
        return SECFailure;
    }
    return SECSuccess;
}

SECStatus
SSLExp_SetSessionTicketKeys(const SSLSessionTicketKey *keys, unsigned int count)
{
    sslTicketKeySet *set = NULL;
    PK11SymKey *wrappingKey = NULL;

    if (ssl_CheckTicketKeyCount(keys, count) != SECSuccess ||
        ssl_CheckTicketKeyNames(keys, count) != SECSuccess ||
        ssl_CheckTicketKeyTimes(keys, count) != SECSuccess) {
        return SECFailure;
    }
    for (unsigned int i = 0; i < count; ++i) {
        if (ssl_TryTicketKey(&keys[i]) != SECSuccess) {
            return SECFailure;
        }
    }
    if (ssl_InitTicketKeys() != SECSuccess) {
        return SECFailure;
    }
    if (count) {
        wrappingKey = ssl_TryBareSecret();
        if (!wrappingKey) {
            return SECFailure;
        }
        set = ssl_NewTicketKeySet(keys, count);
        if (!set) {
            PK11_FreeSymKey(wrappingKey);
            return SECFailure;
        }
    }
    ssl_SwapTicketKeySet(set, wrappingKey);
    return SECSuccess;
}

static PK11SymKey *
ssl_ImportTicketKey(PK11SlotInfo *slot, CK_MECHANISM_TYPE mechanism,
                    CK_ATTRIBUTE_TYPE operation, CK_FLAGS flags,
                    const PRUint8 *data, unsigned int len)
{
    SECItem item = { siBuffer, CONST_CAST(PRUint8, data), len };

    if (ssl_IsZero(data, len)) {
        PORT_SetError(SEC_ERROR_INVALID_KEY);
        return NULL;
    }
    return PK11_ImportSymKeyWithFlags(slot, mechanism, PK11_OriginUnwrap,
                                      operation, &item, flags, PR_FALSE, NULL);
}

static SECStatus
ssl_ImportTicketKeys(PK11SlotInfo *slot, const SSLSessionTicketKeyBytes *from,
                     SSLSessionTicketKey *to)
{
    PORT_Memcpy(to->name, from->name, sizeof(to->name));
    to->notBefore = from->notBefore;
    to->notAfter = from->notAfter;
    to->encKey =
        ssl_ImportTicketKey(slot, CKM_AES_CBC, CKA_ENCRYPT, CKF_DECRYPT,
                            from->encKey, sizeof(from->encKey));
    if (!to->encKey) {
        return SECFailure;
    }
    to->macKey = ssl_ImportTicketKey(slot, CKM_SHA256_HMAC, CKA_SIGN, 0,
                                     from->macKey, sizeof(from->macKey));
    return to->macKey ? SECSuccess : SECFailure;
}

SECStatus
SSLExp_SetSessionTicketKeyBytes(const SSLSessionTicketKeyBytes *keys,
                                unsigned int count)
{
    SSLSessionTicketKey handles[SSL_MAX_SESSION_TICKET_KEYS] = { { { 0 } } };
    PK11SlotInfo *slot;
    SECStatus rv = SECSuccess;

    if (ssl_CheckTicketKeyCount(keys, count) != SECSuccess) {
        return SECFailure;
    }
    slot = PK11_GetInternalSlot();
    if (!slot) {
        return SECFailure;
    }
    for (unsigned int i = 0; i < count && rv == SECSuccess; ++i) {
        rv = ssl_ImportTicketKeys(slot, &keys[i], &handles[i]);
    }
    PK11_FreeSlot(slot);
    if (rv == SECSuccess) {
        rv = SSLExp_SetSessionTicketKeys(handles, count);
    }
    for (unsigned int i = 0; i < count; ++i) {
        if (handles[i].encKey) {
            PK11_FreeSymKey(handles[i].encKey);
        }
        if (handles[i].macKey) {
            PK11_FreeSymKey(handles[i].macKey);
        }
    }
    return rv;
}
