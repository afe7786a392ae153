/* SPDX-License-Identifier: ISC */
/*
 * stunnel: ticketKeySecret and ticketMacSecret, in hex, in a file that its
 * configuration includes.  It has one key, and no name: its tickets begin
 * with whatever was in memory, so only their MAC tells whose they are.  The
 * key's name stands in a comment, for stek to read back.
 *
 * Never here: how stunnel is reloaded.
 * Invariant: a file without that comment gives the same name each time.
 */
#include "layout.h"
#include "servers.h"
#include "text.h"

#include <sodium.h>
#include <string.h>

#define NAME_WORD "; stek key "
#define AES_WORD  "ticketKeySecret"
#define MAC_WORD  "ticketMacSecret"
#define ROOM      256 /* three lines: 44, 83 and 83 characters */
#define SHORT_LEN 16

static enum stek_err
write_one(const struct format *format, const struct stek_set *set, int64_t now,
    const char *path, struct format_out *out)
{
	const struct stek_key *key = stek_set_sealing(set, now);
	struct text_out text;
	enum stek_err err;

	(void)format;
	(void)path;
	err = text_open(out, "", ROOM, &text);
	if (err != STEK_OK)
		return err;
	text_put(&text, NAME_WORD);
	text_put_hex(&text, key->name, STEK_NAME_LEN);
	text_put(&text, "\n" AES_WORD " = ");
	text_put_hex(&text, key->aes, STEK_AES_LEN);
	text_put(&text, "\n" MAC_WORD " = ");
	text_put_hex(&text, key->mac, STEK_MAC_LEN);
	text_put(&text, "\n");
	return text_close(&text);
}

/* What was found so far; a length of 0 is not yet. */
struct found {
	size_t name, aes, mac;
};

/* "WORD = HEX", of 16 or 32 bytes; len as in struct found. */
static enum stek_err
read_secret(const char *word, const struct text *hex, uint8_t *bytes,
    size_t *len, struct format_why *why)
{
	if (*len != 0)
		return format_refuse(why, STEK_ERR_FORMAT, hex->line,
		    "expected one %s, found another", word);
	*len = hex->len / 2;
	if ((*len != SHORT_LEN && *len != STEK_AES_LEN) ||
	    text_hex(hex, bytes, *len) != STEK_OK)
		return format_refuse(why, STEK_ERR_FORMAT, hex->line,
		    "expected 32 or 64 hex digits after %s, found %zu "
		    "characters that are none",
		    word, hex->len);
	return STEK_OK;
}

static enum stek_err
read_line(struct text *line, struct stek_key *key, struct found *found,
    struct format_why *why)
{
	struct text word = *line;
	const char *equals = memchr(line->chars, '=', line->len);

	if (equals != NULL) {
		word.len = (size_t)(equals - line->chars);
		line->chars += word.len + 1;
		line->len -= word.len + 1;
		text_trim(&word);
		text_trim(line);
	}
	if (equals != NULL && text_is_nocase(&word, AES_WORD))
		return read_secret(AES_WORD, line, key->aes, &found->aes, why);
	if (equals != NULL && text_is_nocase(&word, MAC_WORD))
		return read_secret(MAC_WORD, line, key->mac, &found->mac, why);
	return format_refuse(why, STEK_ERR_FORMAT, line->line,
	    "expected " AES_WORD " or " MAC_WORD ", found another line");
}

/* Comments, of which one may hold the name; true if it was one. */
static bool
read_comment(struct text *line, struct stek_key *key, struct found *found)
{
	if (line->len == 0 || line->chars[0] == '#')
		return true;
	if (line->chars[0] != ';')
		return false;
	if (text_cut_front(line, NAME_WORD) &&
	    text_hex(line, key->name, STEK_NAME_LEN) == STEK_OK)
		found->name = STEK_NAME_LEN;
	return true;
}

/* A name for a key without one. */
static void
name_key(struct stek_key *key)
{
	(void)crypto_generichash(key->name, STEK_NAME_LEN, key->aes,
	    STEK_AES_LEN, key->mac, STEK_MAC_LEN);
}

static enum stek_err
read_file(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	STEK_WIPED struct stek_key key = {0};
	struct text_in text = {bytes, len, 0, 0};
	struct found found = {0};
	enum stek_err err;
	struct text line;

	(void)format;
	(void)now;
	while (text_next(&text, &line)) {
		text_trim(&line);
		if (read_comment(&line, &key, &found))
			continue;
		err = read_line(&line, &key, &found, why);
		if (err != STEK_OK)
			return err;
	}
	if (found.aes == 0 || found.mac != found.aes)
		return format_refuse(why, STEK_ERR_FORMAT, text.line,
		    "expected " AES_WORD " and " MAC_WORD " of one length, "
		    "found %zu and %zu bytes",
		    found.aes, found.mac);
	if (found.name == 0)
		name_key(&key);
	in->sealing = 0;
	return format_in_add(in, &key, found.aes == SHORT_LEN, 0, why);
}

static enum format_ticket
ticket(const struct stek_key *key, const uint8_t *bytes, size_t len)
{
	if (layout_ticket_mac(key->mac, STEK_MAC_LEN, bytes, len))
		return FORMAT_TICKET_PROVEN;
	return FORMAT_TICKET_OTHER;
}

const struct format format_stunnel = {
    .name = "stunnel",
    .server = "stunnel",
    .keys = 1,
    .hint = 300,
    .trap = "include it in each service, not above them, by a folder that "
            "holds nothing but a link to the file; no overlap: each rotation "
            "ends all earlier tickets; its tickets carry no key name",
    .write = write_one,
    .read = read_file,
    .ticket = ticket,
};
