/* SPDX-License-Identifier: ISC */
/*
 * The ring: keys of a server that reads shared memory by libstek's adapters
 * and needs no file.
 *
 * Never here: the ring itself, which is libstek's.
 */
#include "layout.h"
#include "servers.h"

/* Each TLS library has its own layout; all begin with the name. */
static enum format_ticket
ticket(const struct stek_key *key, const uint8_t *bytes, size_t len)
{
	enum format_ticket found = layout_ticket(key, bytes, len);

	return found == FORMAT_TICKET_FORGED ? FORMAT_TICKET_NAMED : found;
}

const struct format format_ring = {
    .name = "ring",
    .server = "a server with libstek",
    .flags = FORMAT_RING,
    .opening = STEK_KEYS_MAX,
    .ticket = ticket,
};
