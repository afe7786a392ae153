/* SPDX-License-Identifier: ISC */
/*
 * Apache Traffic Server: proxy.config.ssl.server.ticket_key.filename, raw
 * keys of 48 bytes in a row, each name, HMAC, AES; the first encrypts.
 *
 * Never here: how it is reloaded.
 */
#include "layout.h"
#include "servers.h"

static enum stek_err
write_row(const struct stek_set *set, int64_t now, const char *path,
    struct format_out *out)
{
	struct order order;

	(void)path;
	order_first(set, now, STEK_KEYS_MAX, &order);
	return layout_write(&layout_h48, &order, out);
}

static enum stek_err
read_row(const uint8_t *bytes, size_t len, int64_t now, struct format_in *in,
    struct format_why *why)
{
	(void)now;
	in->sealing = 0;
	return layout_read(&layout_h48, bytes, len, in, why);
}

const struct format format_trafficserver = {
    .name = "trafficserver",
    .server = "Apache Traffic Server",
    .flags = FORMAT_SHORT,
    .opening = STEK_KEYS_MAX,
    .hint = 7200,
    .trap = "'traffic_ctl config reload' takes some seconds and needs "
            "traffic_manager; a partial key at the file's end is ignored "
            "without a word",
    .write = write_row,
    .read = read_row,
    .ticket = layout_ticket_short,
};
