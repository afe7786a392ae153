/* SPDX-License-Identifier: ISC */
/*
 * Apache Traffic Server: proxy.config.ssl.server.ticket_key.filename, raw
 * keys of 48 bytes in a row, each name, HMAC, AES; the first encrypts.
 *
 * Never here: how it is reloaded.
 */
#include "layout.h"
#include "servers.h"

const struct format format_trafficserver = {
    .name = "trafficserver",
    .server = "Apache Traffic Server",
    .flags = FORMAT_SHORT,
    .opening = STEK_KEYS_MAX,
    .hint = 7200,
    .trap = "'traffic_ctl config reload' takes some seconds and needs "
            "traffic_manager; a partial key at the file's end is ignored "
            "without a word",
    .layout = &layout_h48,
    .write = layout_write,
    .read = layout_read,
    .ticket = layout_ticket_short,
};
