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
    &layout_a80, "server:", "\ttls-session-ticket-keys: \"", "\""};

static enum stek_err
write_folder(const struct stek_set *set, int64_t now, const char *path,
    struct format_out *out)
{
	return folder_write(&folder, set, now, path, out);
}

static enum stek_err
read_key(const uint8_t *bytes, size_t len, int64_t now, struct format_in *in,
    struct format_why *why)
{
	(void)now;
	return layout_read_one(&layout_a80, bytes, len, in, why);
}

static enum stek_err
list(const uint8_t *bytes, size_t len, struct format_list *paths,
    struct format_why *why)
{
	return folder_list(&folder, bytes, len, paths, why);
}

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
    .write = write_folder,
    .read = read_key,
    .list = list,
    .ticket = layout_ticket,
};
