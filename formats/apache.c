/* SPDX-License-Identifier: ISC */
/*
 * Apache httpd: SSLSessionTicketKeyFile, one raw key of 48 bytes: name, HMAC,
 * AES.  It has no second key, so each change ends all earlier tickets.
 *
 * Never here: how httpd is reloaded.
 */
#include "layout.h"
#include "servers.h"

static enum stek_err
write_one(const struct stek_set *set, int64_t now, const char *path,
    struct format_out *out)
{
	struct order order;

	(void)path;
	order_first(set, now, 1, &order);
	return layout_write(&layout_h48, &order, out);
}

static enum stek_err
read_one(const uint8_t *bytes, size_t len, int64_t now, struct format_in *in,
    struct format_why *why)
{
	(void)now;
	return layout_read_one(&layout_h48, bytes, len, in, why);
}

const struct format format_apache = {
    .name = "apache",
    .server = "Apache httpd",
    .flags = FORMAT_SHORT,
    .keys = 1,
    .hint = 300,
    .trap = "no overlap: each rotation ends all earlier tickets; httpd exits "
            "on a graceful restart with a short file; 2.4.71 with OpenSSL 3 "
            "does not use the file's HMAC key, which only a handshake shows",
    .write = write_one,
    .read = read_one,
    .ticket = layout_ticket_short,
};
