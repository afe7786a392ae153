/* SPDX-License-Identifier: ISC */
/*
 * The ring: keys of a server that reads shared memory by libstek's adapters
 * and needs no file.
 *
 * Never here: the ring itself, which is libstek's.
 */
#include "layout.h"
#include "servers.h"

#define NSS_HEAD_LEN 34 /* name, IV and the ciphertext's length */

/*
 * NSS's tickets have the ciphertext's length before it.  Those of stock NSS
 * (preload/nss.c) do not even have the key's name, so that the MAC must tell.
 */
static bool
has_nss_mac(const struct stek_key *key, const uint8_t *bytes, size_t len)
{
	const uint8_t *sealed = bytes + NSS_HEAD_LEN;

	if (len <= NSS_HEAD_LEN + LAYOUT_MAC_LEN)
		return false;
	len -= LAYOUT_MAC_LEN;
	return (size_t)(sealed[-2] << 8 | sealed[-1]) == len - NSS_HEAD_LEN &&
	       layout_mac(key->mac, STEK_MAC_LEN, bytes, len, bytes + len);
}

/* Each TLS library has its own layout; all others begin with the name. */
static enum format_ticket
ticket(const struct stek_key *key, const uint8_t *bytes, size_t len)
{
	enum format_ticket found = layout_ticket(key, bytes, len);

	if (found != FORMAT_TICKET_PROVEN && has_nss_mac(key, bytes, len))
		return FORMAT_TICKET_PROVEN;
	return found == FORMAT_TICKET_FORGED ? FORMAT_TICKET_NAMED : found;
}

const struct format format_ring = {
    .name = "ring",
    .server = "a server with libstek",
    .flags = FORMAT_RING,
    .opening = STEK_KEYS_MAX,
    .ticket = ticket,
};
