/* SPDX-License-Identifier: ISC */
/*
 * dnsdist: ticketKeyFile, raw keys of 80 bytes in a row, each name, AES,
 * HMAC.  It loads them in turn, so the last encrypts, and keeps five unless
 * told otherwise (numberOfTicketsKeys).
 *
 * Never here: dnsdist's console.
 */
#include "layout.h"
#include "servers.h"

#define KEPT 5

static enum stek_err
write_row(const struct format *format, const struct stek_set *set, int64_t now,
    const char *path, struct format_out *out)
{
	struct order order;

	(void)path;
	order_last(set, now, format->keys, &order);
	return layout_put(format->layout, &order, out);
}

static enum stek_err
read_row(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	enum stek_err err;

	err = layout_read(format, bytes, len, now, in, why);
	if (err != STEK_OK)
		return err;
	in->sealing = in->count - 1;
	return STEK_OK;
}

const struct format format_dnsdist = {
    .name = "dnsdist",
    .server = "dnsdist",
    .keys = KEPT,
    .opening = KEPT - 2,
    .hint = 7200,
    .trap = "set ticketsKeysRotationDelay=0, or it changes to random keys by "
            "itself; reload by reloadAllCertificates(): loadTicketsKeys() "
            "only adds keys, so it cannot revoke",
    .layout = &layout_a80,
    .write = write_row,
    .read = read_row,
    .ticket = layout_ticket,
};
