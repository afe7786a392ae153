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

static const struct folder long_keys = {&layout_a80,
    "tls-ticket-key-cipher=aes-256-cbc", "tls-ticket-key-file=", ""};
static const struct folder short_keys = {&layout_a48,
    "tls-ticket-key-cipher=aes-128-cbc", "tls-ticket-key-file=", ""};

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
	return layout_read_one(&layout_a80, bytes, len, in, why);
}

static enum stek_err
read_short(const uint8_t *bytes, size_t len, int64_t now, struct format_in *in,
    struct format_why *why)
{
	(void)now;
	return layout_read_one(&layout_a48, bytes, len, in, why);
}

static enum stek_err
list_long(const uint8_t *bytes, size_t len, struct format_list *paths,
    struct format_why *why)
{
	return folder_list(&long_keys, bytes, len, paths, why);
}

static enum stek_err
list_short(const uint8_t *bytes, size_t len, struct format_list *paths,
    struct format_why *why)
{
	return folder_list(&short_keys, bytes, len, paths, why);
}

const struct format format_nghttpx = {
    .name = "nghttpx",
    .server = "nghttpx (80-byte keys)",
    .flags = FORMAT_FOLDER,
    .opening = STEK_KEYS_MAX,
    .hint = 43200,
    .trap = trap,
    .write = write_long,
    .read = read_long,
    .list = list_long,
    .ticket = layout_ticket,
};

const struct format format_nghttpx48 = {
    .name = "nghttpx48",
    .server = "nghttpx (48-byte keys)",
    .flags = FORMAT_FOLDER | FORMAT_SHORT,
    .opening = STEK_KEYS_MAX,
    .hint = 43200,
    .trap = trap,
    .write = write_short,
    .read = read_short,
    .list = list_short,
    .ticket = layout_ticket_short,
};
