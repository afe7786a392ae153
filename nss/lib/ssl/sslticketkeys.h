/* SPDX-License-Identifier: MPL-2.0
 *
 * This Source Code Form is subject to the terms of the Mozilla Public
 * License, v. 2.0. If a copy of the MPL was not distributed with this
 * file, You can obtain one at http://mozilla.org/MPL/2.0/.
 *
 * Session ticket keys that the application chooses, so that servers can share
 * them, rotate them and take them away.
 *
 * This needs public headers of NSS only. An application can be compiled with
 * a copy of it and an NSS that is older: the calls then fail with
 * SSL_ERROR_UNSUPPORTED_EXPERIMENTAL_API.
 */

#ifndef __sslticketkeys_h_
#define __sslticketkeys_h_

#include "prtime.h"
#include "prtypes.h"
#include "seccomon.h"
#include "secmodt.h"
#include "sslexp.h"

SEC_BEGIN_PROTOS

#define SSL_SESSION_TICKET_KEY_NAME_LEN 16
#define SSL_SESSION_TICKET_ENC_KEY_LEN  32 /* AES-256-CBC */
#define SSL_SESSION_TICKET_MAC_KEY_LEN  32 /* HMAC-SHA256 */
#define SSL_MAX_SESSION_TICKET_KEYS     64

/* A key has a name, which tickets show in the clear and which is all that a
 * server has to find the key by; two symmetric keys; and two times, in
 * microseconds as of PR_Now(). A key seals tickets while
 *
 *      notBefore <= now < notAfter
 *
 * and opens them while now < notAfter, before notBefore too: servers whose
 * clocks differ, or that are told of a new key one after another, then take
 * each other's tickets all the same. A key with equal times opens only. */
typedef struct SSLSessionTicketKeyStr {
    PRUint8 name[SSL_SESSION_TICKET_KEY_NAME_LEN];
    PK11SymKey *encKey; /* 32 bytes, for CKM_AES_CBC_PAD both ways */
    PK11SymKey *macKey; /* 32 bytes, signs with CKM_SHA256_HMAC */
    PRTime notBefore;
    PRTime notAfter;
} SSLSessionTicketKey;

/* The same with the bytes of the keys, which NSS imports into its own slot.
 * The caller wipes its copy. */
typedef struct SSLSessionTicketKeyBytesStr {
    PRUint8 name[SSL_SESSION_TICKET_KEY_NAME_LEN];
    PRUint8 encKey[SSL_SESSION_TICKET_ENC_KEY_LEN];
    PRUint8 macKey[SSL_SESSION_TICKET_MAC_KEY_LEN];
    PRTime notBefore;
    PRTime notAfter;
} SSLSessionTicketKeyBytes;

/*
 * SSL_SetSessionTicketKeys() and SSL_SetSessionTicketKeyBytes() replace the
 * session ticket keys of this process, all of them at once. They may be called
 * at any time after NSS_Init(), by any thread, while handshakes run: a ticket
 * is sealed or opened wholly under the old keys or wholly under the new ones.
 * Handles are referenced, arrays are copied.
 *
 * Of the keys that may seal, the one with the latest notBefore does; of equal
 * ones, the first of the array. While none may seal, or with |count| 0, tickets
 * are sealed with the keys that NSS makes for itself. Those open what they
 * sealed in any case.
 *
 * - A ticket under another key than the sealing one resumes, and is replaced:
 *   in TLS 1.3 as ever, in TLS 1.2 and before by a NewSessionTicket in the
 *   abbreviated handshake. A replaced ticket of TLS 1.2 does not make the
 *   session last longer.
 * - While keys are set, a ticket that none of them opens is a full handshake,
 *   never an alert: its key may have been revoked, or its layout may be that
 *   of another implementation with which the keys are shared.
 * - Cookies of HelloRetryRequest stay under the keys that NSS makes.
 * - The secret of a session is protected by the ticket's key alone, and not
 *   wrapped with a key of this process as well: another process has to get at
 *   it. A secret that its token does not give away goes into a ticket under
 *   the keys that NSS makes. In FIPS mode no secret leaves or enters the token:
 *   the calls fail, and keys that were set before are not used.
 * - State against the replay of 0-RTT data is not shared. Servers that share
 *   ticket keys and accept 0-RTT each accept such data once (RFC 8446,
 *   section 8).
 *
 * After fork() the child sets them anew, once it has initialized NSS.
 * NSS_Shutdown() forgets them.
 *
 * On failure nothing changes, and PR_GetError() tells:
 *
 * SEC_ERROR_INVALID_ARGS   no array, too many keys, a name of zeros only, or
 *                          a name twice
 * SEC_ERROR_INVALID_TIME   notAfter is before notBefore, or not positive
 * SEC_ERROR_INVALID_KEY    a key is missing, all zeros, not of 32 bytes, or
 *                          cannot do what it is for
 *
 * or an error of a token.
 */
#define SSL_SetSessionTicketKeys(keys, count)                                  \
    SSL_EXPERIMENTAL_API(                                                      \
        "SSL_SetSessionTicketKeys",                                            \
        (const SSLSessionTicketKey *_keys, unsigned int _count),               \
        (keys, count))

#define SSL_SetSessionTicketKeyBytes(keys, count)                              \
    SSL_EXPERIMENTAL_API(                                                      \
        "SSL_SetSessionTicketKeyBytes",                                        \
        (const SSLSessionTicketKeyBytes *_keys, unsigned int _count),          \
        (keys, count))

SEC_END_PROTOS

#endif /* __sslticketkeys_h_ */
