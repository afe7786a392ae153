/* SPDX-License-Identifier: MPL-2.0
 *
 * This file is PRIVATE to SSL.
 *
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at http://mozilla.org/MPL/2.0/.
 *
 * What the handshake needs of the session ticket keys that the application
 * has set (sslticketkeys.h). To be included by sslimpl.h, after its types.
 */

#ifndef __sslticketkeysi_h_
#define __sslticketkeysi_h_

#include "sslticketkeys.h"

SEC_BEGIN_PROTOS

/* In the place of a wrapping mechanism: the secret is not wrapped, but in the
 * ticket as it is. No mechanism of PKCS #11 has this number, and no NSS that
 * does not know it takes it for one. */
#define SSL_BARE_TICKET_SECRET (CKM_INVALID_MECHANISM - 1)

typedef struct sslTicketKeyStr sslTicketKey;
typedef struct sslTicketKeySetStr sslTicketKeySet;

struct sslTicketKeyStr {
    SSLSessionTicketKey key;
    sslTicketKeySet *set; /* not a reference of its own */
};

/* Never changed once it is the process's. */
struct sslTicketKeySetStr {
    PRInt32 refs;
    unsigned int count;
    sslTicketKey keys[1]; /* as many as |count| */
};

/* A reference to the keys of this process, or NULL if none are set. */
sslTicketKeySet *ssl_GetTicketKeySet(void);
void ssl_FreeTicketKeySet(sslTicketKeySet *set);

/* Sealing, in three steps that belong to one ticket, so that whether its
 * secret is bare and which key seals it are one decision.
 *
 * The first two return PR_FALSE, and have done nothing, if the ticket has to
 * be made as without this interface. Otherwise the outcome is in |rv|. */
PRBool ssl_BeginTicket(const sslSocket *ss, PK11SymKey *secret,
                       sslSessionID *sid, const sslTicketKey **key,
                       SECStatus *rv);
PRBool ssl_SealTicket(const sslTicketKey *key, const sslBuffer *plaintext,
                      SECItem *ticket, SECStatus *rv);
/* On every way out: drops the key and wipes the bare secret. */
void ssl_EndTicket(const sslTicketKey **key, sslSessionID *sid,
                   PRUint8 *secret, unsigned int secretLen,
                   sslBuffer *plaintext);

/* Returns PR_FALSE, and has done nothing, if the ticket is to be opened as
 * without this interface. Otherwise the outcome is in |rv|; the only error is
 * SEC_ERROR_NOT_A_RECIPIENT. */
PRBool ssl_OpenTicket(sslSocket *ss, const SECItem *ticket, SECItem *plaintext,
                      SECStatus *rv);

/* A bare secret as a key object. There is no wrapping key then; where one has
 * to be shown, another key stands in for it. */
PK11SymKey *ssl_GetBareSecretWrappingKey(void);
PK11SymKey *ssl_TryBareSecret(void);
PK11SymKey *ssl_ImportBareSecret(SECItem *secret, CK_MECHANISM_TYPE target,
                                 CK_ATTRIBUTE_TYPE operation, int keySize,
                                 CK_FLAGS keyFlags, void *pinArg);

/* Renewal in an abbreviated handshake of TLS 1.2 or before: the first, called
 * before the ServerHello, promises a ticket if there should be one; if it did,
 * the second has |send| send it. */
PRBool ssl_OfferTicketRenewal(sslSocket *ss);
SECStatus ssl_RenewTicket(sslSocket *ss, SECStatus (*send)(sslSocket *ss));
/* When the session of a new ticket began: |now|, unless it is a renewal. */
PRTime ssl_GetTicketTimestamp(const sslSocket *ss, PRTime now);

SECStatus SSLExp_SetSessionTicketKeys(const SSLSessionTicketKey *keys,
                                      unsigned int count);
SECStatus SSLExp_SetSessionTicketKeyBytes(const SSLSessionTicketKeyBytes *keys,
                                          unsigned int count);

SEC_END_PROTOS

#endif /* __sslticketkeysi_h_ */
