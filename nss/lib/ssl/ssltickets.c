/* SPDX-License-Identifier: MPL-2.0
 *
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at http://mozilla.org/MPL/2.0/.
 *
 * Session tickets under the keys that the application has set: sealed, opened
 * and renewed. Never here: how the keys are set (sslticketkeys.c), the layout
 * of what is sealed (selfencrypt.c), cookies.
 *
 * A bare secret is sealed with one of these keys, or not at all.
 */

#include "nss.h"
#include "pk11func.h"
#include "secerr.h"
#include "ssl.h"
#include "sslproto.h"
#include "sslimpl.h"
#include "selfencrypt.h"
#include "ssl3ext.h"

/* A token in FIPS mode lets no secret out or in. It can be switched to that
 * mode after keys were set. */
static sslTicketKeySet *
ssl_GetUsableTicketKeySet(void)
{
    return PK11_IsFIPS() ? NULL : ssl_GetTicketKeySet();
}

/* Keys do not outlive their token, nor a fork(). */
static PRBool
ssl_IsTicketKeyUsable(const SSLSessionTicketKey *key)
{
    return PK11_VerifyKeyOK(key->encKey) && PK11_VerifyKeyOK(key->macKey);
}

static const sslTicketKey *
ssl_FindSealingTicketKey(const sslTicketKeySet *set, PRTime now)
{
    const sslTicketKey *found = NULL;

    for (unsigned int i = 0; i < set->count; ++i) {
        const SSLSessionTicketKey *key = &set->keys[i].key;
        if (key->notBefore <= now && now < key->notAfter &&
            (!found || key->notBefore > found->key.notBefore) &&
            ssl_IsTicketKeyUsable(key)) {
            found = &set->keys[i];
        }
    }
    return found;
}

static PRBool
ssl_IsTicketKeyName(const PRUint8 *name, const SECItem *ticket)
{
    return ticket->len >= SSL_SESSION_TICKET_KEY_NAME_LEN &&
           PORT_Memcmp(ticket->data, name, SSL_SESSION_TICKET_KEY_NAME_LEN) ==
               0;
}

/* --- Bare secrets --- */

static SECStatus
ssl_ExportBareSecret(PK11SymKey *secret, PRUint8 *out, unsigned int *outLen,
                     unsigned int maxOutLen)
{
    const SECItem *data;

    if (PK11_ExtractKeyValue(secret) != SECSuccess) {
        return SECFailure;
    }
    data = PK11_GetKeyData(secret);
    if (!data || !data->len || data->len > maxOutLen) {
        PORT_SetError(SEC_ERROR_LIBRARY_FAILURE);
        return SECFailure;
    }
    PORT_Memcpy(out, data->data, data->len);
    *outLen = data->len;
    return SECSuccess;
}

PK11SymKey *
ssl_ImportBareSecret(SECItem *secret, CK_MECHANISM_TYPE target,
                     CK_ATTRIBUTE_TYPE operation, int keySize,
                     CK_FLAGS keyFlags, void *pinArg)
{
    PK11SlotInfo *slot;
    PK11SymKey *key;

    if (keySize < 0 || secret->len != (unsigned int)keySize) {
        PORT_SetError(SEC_ERROR_BAD_DATA);
        return NULL;
    }
    slot = PK11_GetInternalSlot();
    if (!slot) {
        return NULL;
    }
    key = PK11_ImportSymKeyWithFlags(slot, target, PK11_OriginUnwrap, operation,
                                     secret, keyFlags, PR_FALSE, pinArg);
    PK11_FreeSlot(slot);
    /* It was needed this once. */
    PORT_Memset(secret->data, 0, secret->len);
    return key;
}

/* Finds out whether secrets can be got into and out of the token at all. What
 * comes of it can stand in for a wrapping key. */
PK11SymKey *
ssl_TryBareSecret(void)
{
    PRUint8 in[SSL3_MASTER_SECRET_LENGTH] = { 1 };
    PRUint8 out[SSL3_MASTER_SECRET_LENGTH];
    unsigned int outLen;
    SECItem item = { siBuffer, in, sizeof(in) };
    PK11SymKey *key;

    key = ssl_ImportBareSecret(&item, CKM_SSL3_MASTER_KEY_DERIVE, CKA_DERIVE,
                               sizeof(in), CKF_SIGN | CKF_VERIFY, NULL);
    if (key &&
        ssl_ExportBareSecret(key, out, &outLen, sizeof(out)) != SECSuccess) {
        PK11_FreeSymKey(key);
        key = NULL;
    }
    return key;
}

/* --- Sealing and opening --- */

PRBool
ssl_BeginTicket(const sslSocket *ss, PK11SymKey *secret, sslSessionID *sid,
                const sslTicketKey **key, SECStatus *rv)
{
    sslTicketKeySet *set = ssl_GetUsableTicketKeySet();
    unsigned int len;

    if (!set) {
        return PR_FALSE;
    }
    *key = ssl_FindSealingTicketKey(set, ssl_Time(ss));
    /* A secret that stays inside must be wrapped, and a secret that is wrapped
     * must not be sealed with a shared key: no other process can unwrap it. */
    if (!*key ||
        ssl_ExportBareSecret(secret, sid->u.ssl3.keys.wrapped_master_secret,
                             &len, WRAPPED_MASTER_SECRET_SIZE) != SECSuccess) {
        *key = NULL;
        ssl_FreeTicketKeySet(set);
        return PR_FALSE;
    }
    sid->u.ssl3.keys.wrapped_master_secret_len = len;
    sid->u.ssl3.masterWrapMech = SSL_BARE_TICKET_SECRET;
    *rv = SECSuccess;
    return PR_TRUE;
}

PRBool
ssl_SealTicket(const sslTicketKey *key, const sslBuffer *plaintext,
               SECItem *ticket, SECStatus *rv)
{
    if (!key) {
        return PR_FALSE;
    }
    *rv = ssl_SelfEncryptProtectInt(key->key.encKey, key->key.macKey,
                                    key->key.name, SSL_BUFFER_BASE(plaintext),
                                    SSL_BUFFER_LEN(plaintext), ticket->data,
                                    &ticket->len, ticket->len);
    return PR_TRUE;
}

void
ssl_EndTicket(const sslTicketKey **key, sslSessionID *sid, PRUint8 *secret,
              unsigned int secretLen, sslBuffer *plaintext)
{
    if (!*key) {
        return;
    }
    ssl_FreeTicketKeySet((*key)->set);
    *key = NULL;
    PORT_Memset(&sid->u.ssl3.keys, 0, sizeof(sid->u.ssl3.keys));
    PORT_Memset(secret, 0, secretLen);
    if (plaintext->buf) {
        PORT_Memset(plaintext->buf, 0, plaintext->len);
    }
}

static SECStatus
ssl_OpenTicketWithSet(const sslTicketKeySet *set, PRTime now,
                      const SECItem *ticket, SECItem *plaintext)
{
    for (unsigned int i = 0; i < set->count; ++i) {
        const SSLSessionTicketKey *key = &set->keys[i].key;
        unsigned int len = 0;
        SECStatus rv;

        if (!ssl_IsTicketKeyName(key->name, ticket)) {
            continue;
        }
        if (now >= key->notAfter || !ssl_IsTicketKeyUsable(key)) {
            return SECFailure;
        }
        rv = ssl_SelfEncryptUnprotectInt(key->encKey, key->macKey, key->name,
                                         ticket->data, ticket->len,
                                         plaintext->data, &len, plaintext->len);
        if (rv == SECSuccess) {
            plaintext->len = len;
        }
        return rv;
    }
    return SECFailure;
}

static PRBool
ssl_IsSelfEncryptTicket(sslSocket *ss, const SECItem *ticket)
{
    PRUint8 name[SELF_ENCRYPT_KEY_NAME_LEN];
    PK11SymKey *encKey;
    PK11SymKey *macKey;

    return ssl_GetSelfEncryptKeys(ss, name, &encKey, &macKey) == SECSuccess &&
           ssl_IsTicketKeyName(name, ticket);
}

PRBool
ssl_OpenTicket(sslSocket *ss, const SECItem *ticket, SECItem *plaintext,
               SECStatus *rv)
{
    sslTicketKeySet *set = ssl_GetUsableTicketKeySet();

    if (!set) {
        return PR_FALSE;
    }
    *rv = ssl_OpenTicketWithSet(set, ssl_Time(ss), ticket, plaintext);
    ssl_FreeTicketKeySet(set);
    if (*rv != SECSuccess) {
        if (ssl_IsSelfEncryptTicket(ss, ticket)) {
            return PR_FALSE;
        }
        /* Of shared keys, a ticket that does not open need not be an attack.
         * Told like this, it never ends a handshake. */
        PORT_SetError(SEC_ERROR_NOT_A_RECIPIENT);
    }
    return PR_TRUE;
}

/* --- Renewal --- */

PRBool
ssl_OfferTicketRenewal(sslSocket *ss)
{
    const SECItem *ticket = &ss->sec.ci.sid->u.ssl3.locked.sessionTicket.ticket;
    const sslTicketKey *key;
    sslTicketKeySet *set;
    PRBool renew;

    if (!ss->statelessResume) {
        return PR_FALSE;
    }
    set = ssl_GetUsableTicketKeySet();
    if (!set) {
        return PR_FALSE;
    }
    key = ssl_FindSealingTicketKey(set, ssl_Time(ss));
    renew = key && !ssl_IsTicketKeyName(key->key.name, ticket);
    ssl_FreeTicketKeySet(set);
    return renew && ssl3_RegisterExtensionSender(
                        ss, &ss->xtnData, ssl_session_ticket_xtn,
                        ssl_SendEmptyExtension) == SECSuccess;
}

SECStatus
ssl_RenewTicket(sslSocket *ss, SECStatus (*send)(sslSocket *ss))
{
    const sslNamedGroupDef *group = ss->sec.keaGroup;
    SECStatus rv;

    /* The ticket tells of the handshake that the secret is from. */
    ss->sec.keaGroup = ss->sec.originalKeaGroup;
    rv = send(ss);
    ss->sec.keaGroup = group;
    return rv;
}

PRTime
ssl_GetTicketTimestamp(const sslSocket *ss, PRTime now)
{
    if (ss->version >= SSL_LIBRARY_VERSION_TLS_1_3 || !ss->ssl3.hs.isResuming) {
        return now;
    }
    return ss->sec.ci.sid->creationTime;
}
