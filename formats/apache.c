/* SPDX-License-Identifier: ISC */
/*
 * Apache httpd: SSLSessionTicketKeyFile, one raw key of 48 bytes: name, HMAC,
 * AES.  It has no second key, so each change ends all earlier tickets.
 *
 * Never here: how httpd is reloaded.
 */
#include "layout.h"
#include "servers.h"

const struct format format_apache = {
    .name = "apache",
    .server = "Apache httpd",
    .flags = FORMAT_SHORT,
    .keys = 1,
    .hint = 300,
    .trap = "no overlap: each rotation ends all earlier tickets; httpd exits "
            "on a graceful restart with a short file; 2.4.71 with OpenSSL 3 "
            "does not use the file's HMAC key, which only a handshake shows",
    .layout = &layout_h48,
    .write = layout_write,
    .read = layout_read_one,
    .ticket = layout_ticket_short,
};
