/* SPDX-License-Identifier: ISC */
/*
 * See ticket.h.
 *
 * Never here: a TLS library, or which scope a connection has.
 * Invariant: a ticket is opened whole and proven, or not at all.
 */
#include <string.h>

#include "ticket.h"

bool
ticket_seal(struct slots *slots, const char *scope, int64_t now,
    const uint8_t *plain, size_t len, uint8_t *out)
{
	struct slot *slot = slot_take(slots);
	uint8_t *nonce = out + STEK_NAME_LEN;
	uint8_t *sealed = out + TICKET_HEAD_LEN;
	const struct xaes *xaes;
	bool done = false;

	if (slot == NULL)
		return false;
	xaes = slot_sealing(slot, scope, now, out);
	if (xaes != NULL && slot_random(slot, nonce, XAES_NONCE_LEN)) {
		xaes_seal(xaes, nonce, out, STEK_NAME_LEN, plain, len, sealed,
		    sealed + len);
		done = true;
	}
	slot_give(slot);
	return done;
}

enum stek_open
ticket_open(struct slots *slots, const char *scope, int64_t now,
    const uint8_t *ticket, size_t len, uint8_t *out, size_t *out_len)
{
	const uint8_t *nonce = ticket + STEK_NAME_LEN;
	const uint8_t *sealed = ticket + TICKET_HEAD_LEN;
	enum stek_open verdict = STEK_OPEN_NO;
	const struct xaes *xaes;
	struct slot *slot;
	bool renew;

	*out_len = 0;
	if (len < TICKET_OVERHEAD)
		return STEK_OPEN_NO;
	len -= TICKET_OVERHEAD;
	slot = slot_take(slots);
	if (slot == NULL)
		return STEK_OPEN_NO;
	xaes = slot_opening(slot, scope, now, ticket, &renew);
	if (xaes != NULL && xaes_open(xaes, nonce, ticket, STEK_NAME_LEN,
	                        sealed, len, sealed + len, out)) {
		verdict = renew ? STEK_OPEN_RENEW : STEK_OPEN_USE;
		*out_len = len;
	}
	slot_give(slot);
	return verdict;
}
