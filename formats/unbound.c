/* SPDX-License-Identifier: ISC */
/*
 * Unbound: tls-session-ticket-keys, one raw key of 80 bytes a file: name,
 * AES, HMAC; the first encrypts.
 *
 * Never here: how it is restarted.
 */
#include "folder.h"
#include "servers.h"

static const struct folder folder = {
    "server:", "\ttls-session-ticket-keys: \"", "\""};

const struct format format_unbound = {
    .name = "unbound",
    .server = "Unbound",
    .flags = FORMAT_FOLDER,
    .opening = STEK_KEYS_MAX,
    .hint = 7200,
    .trap = "include FOLDER/*.conf, and see that the folder exists when it "
            "starts; it takes new keys up by a restart only, "
            "which empties its cache; unbound-checkconf does not look into "
            "key files",
    .layout = &layout_a80,
    .folder = &folder,
    .write = folder_write,
    .read = layout_read_one,
    .list = folder_list,
    .ticket = layout_ticket,
};
