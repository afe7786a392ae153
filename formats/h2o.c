/* SPDX-License-Identifier: ISC */
/*
 * h2o: ticket-store: file, a YAML list of keys with their times.  Of those
 * whose not_before has come the newest encrypts, and of several that came at
 * once the last in the file.  h2o polls the file.
 *
 * A key there is the AES-256 key and an HMAC key as long as SHA-256's block.
 * HMAC fills its key up with zeroes to that length (RFC 2104), so 32 bytes
 * and 32 zeroes are stek's HMAC key.
 *
 * Never here: h2o's other stores.
 */
#include "layout.h"
#include "servers.h"
#include "yaml.h"

#include <sodium.h>
#include <string.h>

#define BLOCK_LEN  64
#define SECRET_LEN (STEK_AES_LEN + BLOCK_LEN)
#define ENTRY_ROOM 512 /* a key's six lines: at most 375 characters */

enum field { NAME, CIPHER, HASH, KEY, NOT_BEFORE, NOT_AFTER, FIELDS };

static const char *const fields[FIELDS] = {
    "name", "cipher", "hash", "key", "not_before", "not_after"};

static const uint8_t filler[BLOCK_LEN - STEK_MAC_LEN];

static void
put_key(struct text_out *text, const struct stek_key *key)
{
	text_put(text, "- name: ");
	text_put_hex(text, key->name, STEK_NAME_LEN);
	text_put(text, "\n  cipher: AES-256-CBC\n  hash: SHA256\n  key: ");
	text_put_hex(text, key->aes, STEK_AES_LEN);
	text_put_hex(text, key->mac, STEK_MAC_LEN);
	text_put_hex(text, filler, sizeof(filler));
	text_put(text, "\n  not_before: ");
	text_put_number(text, key->seal_from);
	text_put(text, "\n  not_after: ");
	text_put_number(text, key->open_until);
	text_put(text, "\n");
}

static enum stek_err
write_keys(const struct format *format, const struct stek_set *set, int64_t now,
    const char *path, struct format_out *out)
{
	struct text_out text;
	struct order order;
	enum stek_err err;
	size_t i;

	(void)format;
	(void)path;
	order_last(set, now, STEK_KEYS_MAX, &order);
	err = text_open(out, "", order.count * ENTRY_ROOM, &text);
	if (err != STEK_OK)
		return err;
	for (i = 0; i < order.count; i++)
		put_key(&text, order.keys[i]);
	return text_close(&text);
}

/* One list item being read. */
struct entry {
	struct stek_key key;
	bool have[FIELDS];
	size_t line; /* where it began; 0: there is none yet */
	size_t column;
};

static enum stek_err
read_secret(
    const struct text *hex, struct stek_key *key, struct format_why *why)
{
	uint8_t secret[SECRET_LEN];
	enum stek_err err;

	err = text_hex(hex, secret, sizeof(secret));
	if (err != STEK_OK)
		return format_refuse(why, err, hex->line,
		    "expected %d hex digits (AES-256 key, HMAC key), found "
		    "%zu characters that are none",
		    SECRET_LEN * 2, hex->len);
	memcpy(key->aes, secret, STEK_AES_LEN);
	memcpy(key->mac, secret + STEK_AES_LEN, STEK_MAC_LEN);
	if (!sodium_is_zero(
	        secret + STEK_AES_LEN + STEK_MAC_LEN, sizeof(filler)))
		err = format_refuse(why, STEK_ERR_FORMAT, hex->line,
		    "expected an HMAC key of %d bytes, filled up with zeroes, "
		    "found a longer one",
		    STEK_MAC_LEN);
	sodium_memzero(secret, sizeof(secret));
	return err;
}

static enum stek_err
read_field(enum field field, const struct text *value, struct stek_key *key,
    struct format_why *why)
{
	static const char *const wanted[FIELDS] = {"32 hex digits",
	    "AES-256-CBC", "SHA256", "", "Unix seconds", "Unix seconds"};
	bool good = false;

	if (field == KEY)
		return read_secret(value, key, why);
	if (field == NAME)
		good = text_hex(value, key->name, STEK_NAME_LEN) == STEK_OK;
	if (field == CIPHER || field == HASH)
		good = text_is_nocase(value, wanted[field]);
	if (field == NOT_BEFORE)
		good = text_number(value, &key->seal_from) == STEK_OK;
	if (field == NOT_AFTER)
		good = text_number(value, &key->open_until) == STEK_OK;
	if (good)
		return STEK_OK;
	return format_refuse(why, STEK_ERR_FORMAT, value->line,
	    "expected %s after %s, found something else", wanted[field],
	    fields[field]);
}

static enum stek_err
read_line(const struct yaml *yaml, struct entry *entry, struct format_why *why)
{
	size_t field;

	if (yaml->column != entry->column)
		return format_refuse(why, STEK_ERR_FORMAT, yaml->key.line,
		    "expected column %zu as on line %zu, found %zu",
		    entry->column + 1, entry->line, yaml->column + 1);
	for (field = 0; field < FIELDS; field++)
		if (text_is(&yaml->key, fields[field]))
			break;
	if (field == FIELDS || entry->have[field])
		return format_refuse(why, STEK_ERR_FORMAT, yaml->key.line,
		    "expected each of name, cipher, hash, key, not_before and "
		    "not_after once, found %s",
		    field == FIELDS ? "something else" : fields[field]);
	entry->have[field] = true;
	return read_field(field, &yaml->value, &entry->key, why);
}

static enum stek_err
end_entry(struct entry *entry, int64_t now, struct format_in *in,
    struct format_why *why)
{
	size_t i;

	if (entry->line == 0)
		return STEK_OK;
	for (i = 0; i < FIELDS; i++)
		if (!entry->have[i])
			return format_refuse(why, STEK_ERR_FORMAT, entry->line,
			    "expected a key with %s, found none", fields[i]);
	if (entry->key.seal_from > entry->key.open_until)
		return format_refuse(why, STEK_ERR_TIMES, entry->line,
		    "expected not_before <= not_after, found it later");
	if (entry->key.open_until <= now)
		return format_refuse(why, STEK_ERR_TIMES, entry->line,
		    "expected a key that opens tickets, found one that expired "
		    "at %lld",
		    (long long)entry->key.open_until);
	return format_in_add(in, &entry->key, false, entry->line, why);
}

/* All items stand in the first one's column, which read_line() checks. */
static void
begin_entry(const struct yaml *yaml, struct entry *entry)
{
	if (entry->line == 0)
		entry->column = yaml->column;
	entry->line = yaml->key.line;
	memset(entry->have, 0, sizeof(entry->have));
	stek_key_wipe(&entry->key);
}

/* Which of the keys encrypts; count: none. */
static size_t
sealing(const struct format_in *in, int64_t now)
{
	size_t i, best = in->count;

	for (i = 0; i < in->count; i++)
		if (in->keys[i].seal_from <= now &&
		    (best == in->count ||
		        in->keys[i].seal_from >= in->keys[best].seal_from))
			best = i;
	return best;
}

static enum stek_err
read_lines(struct text_in *text, struct entry *entry, int64_t now,
    struct format_in *in, struct format_why *why)
{
	enum stek_err err;
	struct yaml yaml;

	for (;;) {
		err = yaml_next(text, &yaml, why);
		if (err == STEK_OK && (yaml.end || yaml.is_item))
			err = end_entry(entry, now, in, why);
		if (err != STEK_OK || yaml.end)
			return err;
		if (yaml.is_item)
			begin_entry(&yaml, entry);
		if (entry->line == 0)
			return format_refuse(why, STEK_ERR_FORMAT,
			    yaml.key.line,
			    "expected \"- \" before a key's "
			    "first line, found none");
		err = read_line(&yaml, entry, why);
		if (err != STEK_OK)
			return err;
	}
}

static enum stek_err
read_keys(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	struct text_in text = {bytes, len, 0, 0};
	struct entry entry = {0};
	enum stek_err err;

	(void)format;
	err = read_lines(&text, &entry, now, in, why);
	stek_key_wipe(&entry.key);
	if (err == STEK_OK && in->count == 0)
		err = format_refuse(why, STEK_ERR_FORMAT, text.line,
		    "expected at least one key, found none");
	in->sealing = sealing(in, now);
	return err;
}

const struct format format_h2o = {
    .name = "h2o",
    .server = "h2o",
    .opening = STEK_KEYS_MAX,
    .tick = 10,
    .spacing = 2,
    .hint = 7200,
    .trap = "the file must belong to the user it runs as, or it seals with "
            "throwaway keys in silence; it misses a rewrite within the same "
            "second",
    .write = write_keys,
    .read = read_keys,
    .ticket = layout_ticket,
};
