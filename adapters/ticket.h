/* SPDX-License-Identifier: ISC */
/*
 * Whole tickets, for TLS libraries that leave all of a ticket to a callback:
 *
 *	key name 16 | nonce 24 | ciphertext | tag 16
 *
 * XAES-256-GCM with the key name as associated data.
 */
#ifndef ADAPTERS_TICKET_H
#define ADAPTERS_TICKET_H

#include <stek.h>

#include "slot.h"
#include "xaes.h"

#define TICKET_HEAD_LEN	(STEK_NAME_LEN + XAES_NONCE_LEN)
#define TICKET_OVERHEAD	(TICKET_HEAD_LEN + XAES_TAG_LEN)

/*
 * Seal with the key that seals in this scope at `now`; out has room for len
 * + TICKET_OVERHEAD bytes.  False: there is no ticket.
 */
STEK_CHECKED bool ticket_seal(struct slots *, const char *scope, int64_t now,
    const uint8_t *plain, size_t len, uint8_t *out);

/*
 * Open; out has room for len bytes, of which *out_len are then used.
 * STEK_OPEN_NO: a full handshake; out holds nothing of use.
 */
STEK_CHECKED enum stek_open ticket_open(struct slots *, const char *scope,
    int64_t now, const uint8_t *ticket, size_t len, uint8_t *out,
    size_t *out_len);

#endif
