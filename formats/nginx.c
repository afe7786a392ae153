/* SPDX-License-Identifier: ISC */
/*
 * nginx: ssl_session_ticket_key, one raw key a file, the first encrypts.
 * Its size alone tells nginx the order of a key's parts: 48 bytes are name,
 * AES, HMAC; 80 bytes are name, HMAC, AES.
 *
 * Never here: how nginx is reloaded.
 * Invariant: a configuration that includes all .conf files of the folder is
 * valid whether or not there is a list yet.
 */
#include "folder.h"
#include "servers.h"

static const char trap[] =
    "include FOLDER/*.conf at http{}: nginx uses the default server's keys, "
    "whatever server SNI picks, and resumes only under a byte-identical "
    "certificate";

static const struct folder folder = {NULL, "ssl_session_ticket_key ", ";"};

const struct format format_nginx = {
    .name = "nginx",
    .server = "nginx (80-byte keys)",
    .flags = FORMAT_FOLDER,
    .opening = STEK_KEYS_MAX,
    .hint = 300,
    .trap = trap,
    .layout = &layout_h80,
    .folder = &folder,
    .write = folder_write,
    .read = layout_read_one,
    .list = folder_list,
    .ticket = layout_ticket,
};

const struct format format_nginx48 = {
    .name = "nginx48",
    .server = "nginx (48-byte keys)",
    .flags = FORMAT_FOLDER | FORMAT_SHORT,
    .opening = STEK_KEYS_MAX,
    .hint = 300,
    .trap = trap,
    .layout = &layout_a48,
    .folder = &folder,
    .write = folder_write,
    .read = layout_read_one,
    .list = folder_list,
    .ticket = layout_ticket_short,
};
