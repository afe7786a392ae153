/* SPDX-License-Identifier: ISC */
/*
 * HAProxy: tls-ticket-keys, a base64 key a line, the last three of at least
 * three lines used.  The last but one encrypts; the last is there so that a
 * sibling that encrypts with it already is understood.
 *
 * Never here: HAProxy's socket.
 * Invariant: exactly three lines, and the same three for the same set: where
 * it has no opening or pending key, the sealing one fills the line.  So also
 * in the moments between two lines that come by HAProxy's socket, each of
 * which pushes another out, it seals with nothing but keys of the set.
 */
#include "layout.h"
#include "servers.h"
#include "text.h"

#include <sodium.h>
#include <string.h>

#define LINES    3
#define LINE_LEN 109 /* 80 bytes in base64, and LF */

static const char trap[] =
    "Debian's haproxy.cfg turns tickets off (no-tls-tickets in "
    "ssl-default-bind-options): take that out; a key pushed over the socket "
    "is lost by a reload unless the file has it too; 'show tls-keys *' prints "
    "secrets: never log it";

static void
put_line(const struct layout *layout, const struct stek_key *key,
    struct text_out *text)
{
	LAYOUT_WIPED struct layout_raw raw;

	layout_pack(layout, key, raw.bytes);
	text_put_base64(text, raw.bytes, layout->len);
	text_put(text, "\n");
}

static enum stek_err
write_lines(const struct format *format, const struct stek_set *set,
    int64_t now, const char *path, struct format_out *out)
{
	const struct stek_key *sealing = stek_set_sealing(set, now);
	const struct stek_key *first = order_find(set, now, STEK_OPENING);
	const struct stek_key *last = order_find(set, now, STEK_PENDING);
	struct text_out text;
	enum stek_err err;

	(void)path;
	err = text_open(out, "", LINES * LINE_LEN, &text);
	if (err != STEK_OK)
		return err;
	put_line(format->layout, first != NULL ? first : sealing, &text);
	put_line(format->layout, sealing, &text);
	put_line(format->layout, last != NULL ? last : sealing, &text);
	return text_close(&text);
}

/* The one that has those bytes; in->count if none has. */
static size_t
find(const struct format_in *in, const struct layout *layout,
    const uint8_t *bytes)
{
	STEK_WIPED struct stek_key key;
	size_t i;

	layout_unpack(layout, bytes, &key);
	for (i = 0; i < in->count; i++)
		if (memcmp(key.name, in->keys[i].name, STEK_NAME_LEN) == 0 &&
		    sodium_memcmp(key.aes, in->keys[i].aes, STEK_AES_LEN) ==
		        0 &&
		    sodium_memcmp(key.mac, in->keys[i].mac, STEK_MAC_LEN) == 0)
			break;
	return i;
}

/* *at: which key it was; copies: in which line there is another of each. */
static enum stek_err
read_line(const struct layout *layout, const struct text *line,
    struct format_in *in, size_t copies[STEK_KEYS_MAX], size_t *at,
    struct format_why *why)
{
	LAYOUT_WIPED struct layout_raw raw;

	if (line->len == 0 || line->chars[0] == '#')
		return format_refuse(why, STEK_ERR_FORMAT, line->line,
		    "expected a key in base64, found %s line, on which HAProxy "
		    "fails",
		    line->len == 0 ? "a blank" : "a comment");
	if (text_base64(line, raw.bytes, layout->len) != STEK_OK)
		return format_refuse(why, STEK_ERR_FORMAT, line->line,
		    "expected a key of %zu bytes in base64, found %zu "
		    "characters that are none",
		    layout->len, line->len);
	*at = find(in, layout, raw.bytes);
	if (*at < in->count) {
		copies[*at] = line->line;
		return STEK_OK;
	}
	return layout_add(layout, raw.bytes, line->line, in, why);
}

static enum stek_err
read_lines(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	struct text_in text = {bytes, len, 0, 0};
	size_t copies[STEK_KEYS_MAX] = {0}, lines = 0, last = 0, i;
	enum stek_err err;
	struct text line;

	(void)now;
	while (text_next(&text, &line)) {
		in->sealing = last;
		err = read_line(format->layout, &line, in, copies, &last, why);
		if (err != STEK_OK)
			return err;
		lines++;
	}
	if (lines < LINES)
		return format_refuse(why, STEK_ERR_FORMAT, text.line,
		    "expected at least %d keys, a line each, found %zu", LINES,
		    lines);
	/* No other key than the sealing one is there to fill lines. */
	for (i = 0; i < in->count; i++)
		if (copies[i] != 0 && i != in->sealing)
			return format_in_add(
			    in, &in->keys[i], in->is_short, copies[i], why);
	return STEK_OK;
}

const struct format format_haproxy = {
    .name = "haproxy",
    .server = "HAProxy (80-byte keys)",
    .keys = LINES,
    .opening = 1,
    .hint = 7200,
    .trap = trap,
    .layout = &layout_a80,
    .write = write_lines,
    .read = read_lines,
    .ticket = layout_ticket,
};

const struct format format_haproxy48 = {
    .name = "haproxy48",
    .server = "HAProxy (48-byte keys)",
    .flags = FORMAT_SHORT,
    .keys = LINES,
    .opening = 1,
    .hint = 7200,
    .trap = trap,
    .layout = &layout_a48,
    .write = write_lines,
    .read = read_lines,
    .ticket = layout_ticket_short,
};
