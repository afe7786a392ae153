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

static const struct folder long_keys = {
    &layout_h80, NULL, "ssl_session_ticket_key ", ";"};
static const struct folder short_keys = {
    &layout_a48, NULL, "ssl_session_ticket_key ", ";"};

static enum stek_err
write_long(const struct stek_set *set, int64_t now, const char *path,
    struct format_out *out)
{
	return folder_write(&long_keys, set, now, path, out);
}

static enum stek_err
write_short(const struct stek_set *set, int64_t now, const char *path,
    struct format_out *out)
{
	return folder_write(&short_keys, set, now, path, out);
}

static enum stek_err
read_long(const uint8_t *bytes, size_t len, int64_t now, struct format_in *in,
    struct format_why *why)
{
	(void)now;
	return layout_read_one(&layout_h80, bytes, len, in, why);
}

static enum stek_err
read_short(const uint8_t *bytes, size_t len, int64_t now, struct format_in *in,
    struct format_why *why)
{
	(void)now;
	return layout_read_one(&layout_a48, bytes, len, in, why);
}

static enum stek_err
list(const uint8_t *bytes, size_t len, struct format_list *paths,
    struct format_why *why)
{
	return folder_list(&long_keys, bytes, len, paths, why);
}

const struct format format_nginx = {
    .name = "nginx",
    .server = "nginx (80-byte keys)",
    .flags = FORMAT_FOLDER,
    .opening = STEK_KEYS_MAX,
    .hint = 300,
    .trap = trap,
    .write = write_long,
    .read = read_long,
    .list = list,
    .ticket = layout_ticket,
};

const struct format format_nginx48 = {
    .name = "nginx48",
    .server = "nginx (48-byte keys)",
    .flags = FORMAT_FOLDER | FORMAT_SHORT,
    .opening = STEK_KEYS_MAX,
    .hint = 300,
    .trap = trap,
    .write = write_short,
    .read = read_short,
    .list = list,
    .ticket = layout_ticket_short,
};
