/* SPDX-License-Identifier: ISC */
/*
 * nghttpx: tls-ticket-key-file, one raw key a file: name, AES, HMAC; the
 * first encrypts.  tls-ticket-key-cipher says which size the files must have.
 *
 * Never here: how it is reloaded.
 */
#include "folder.h"
#include "servers.h"

static const char trap[] = "include FOLDER/keys.conf, which must exist when it "
                           "starts; given a file of the wrong size it discards "
                           "all keys and runs on random ones";

static const struct folder long_keys = {
    "tls-ticket-key-cipher=aes-256-cbc", "tls-ticket-key-file=", ""};
static const struct folder short_keys = {
    "tls-ticket-key-cipher=aes-128-cbc", "tls-ticket-key-file=", ""};

const struct format format_nghttpx = {
    .name = "nghttpx",
    .server = "nghttpx (80-byte keys)",
    .flags = FORMAT_FOLDER,
    .opening = STEK_KEYS_MAX,
    .hint = 43200,
    .trap = trap,
    .layout = &layout_a80,
    .folder = &long_keys,
    .write = folder_write,
    .read = layout_read_one,
    .list = folder_list,
    .ticket = layout_ticket,
};

const struct format format_nghttpx48 = {
    .name = "nghttpx48",
    .server = "nghttpx (48-byte keys)",
    .flags = FORMAT_FOLDER | FORMAT_SHORT,
    .opening = STEK_KEYS_MAX,
    .hint = 43200,
    .trap = trap,
    .layout = &layout_a48,
    .folder = &short_keys,
    .write = folder_write,
    .read = layout_read_one,
    .list = folder_list,
    .ticket = layout_ticket_short,
};
