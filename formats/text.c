/* SPDX-License-Identifier: ISC */
/*
 * Lines of text in and out of key files; see text.h.
 *
 * Never here: what the lines of any server mean.
 * Invariant: key bytes become text and text key bytes only by libsodium's
 * constant-time codecs.
 */
#include "text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

bool
text_next(struct text_in *in, struct text *line)
{
	const uint8_t *end;
	size_t left = in->len - in->at;

	if (left == 0)
		return false;
	line->chars = (const char *)in->bytes + in->at;
	line->line = ++in->line;
	end = memchr(in->bytes + in->at, '\n', left);
	line->len = end == NULL ? left : (size_t)(end - in->bytes) - in->at;
	in->at += line->len + (end != NULL);
	if (line->len > 0 && line->chars[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void
text_trim(struct text *text)
{
	while (text->len > 0 && is_blank(text->chars[0])) {
		text->chars++;
		text->len--;
	}
	while (text->len > 0 && is_blank(text->chars[text->len - 1]))
		text->len--;
}

bool
text_is(const struct text *text, const char *word)
{
	return text->len == strlen(word) &&
	       memcmp(text->chars, word, text->len) == 0;
}

bool
text_is_nocase(const struct text *text, const char *word)
{
	return text->len == strlen(word) &&
	       strncasecmp(text->chars, word, text->len) == 0;
}

bool
text_cut_front(struct text *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || memcmp(text->chars, word, len) != 0)
		return false;
	text->chars += len;
	text->len -= len;
	return true;
}

bool
text_cut_back(struct text *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len ||
	    memcmp(text->chars + text->len - len, word, len) != 0)
		return false;
	text->len -= len;
	return true;
}

enum stek_err
text_hex(const struct text *text, uint8_t *bytes, size_t len)
{
	size_t got = 0;

	if (sodium_hex2bin(
	        bytes, len, text->chars, text->len, NULL, &got, NULL) == 0 &&
	    got == len)
		return STEK_OK;
	sodium_memzero(bytes, len);
	return STEK_ERR_FORMAT;
}

enum stek_err
text_base64(const struct text *text, uint8_t *bytes, size_t len)
{
	size_t got = 0;

	if (sodium_base642bin(bytes, len, text->chars, text->len, NULL, &got,
	        NULL, BASE64) == 0 &&
	    got == len)
		return STEK_OK;
	sodium_memzero(bytes, len);
	return STEK_ERR_FORMAT;
}

enum stek_err
text_number(const struct text *text, int64_t *number)
{
	int64_t sum = 0;
	size_t i;

	if (text->len == 0 || text->len > 18)
		return STEK_ERR_FORMAT;
	for (i = 0; i < text->len; i++) {
		if (text->chars[i] < '0' || text->chars[i] > '9')
			return STEK_ERR_FORMAT;
		sum = sum * 10 + (text->chars[i] - '0');
	}
	*number = sum;
	return STEK_OK;
}

enum stek_err
text_open(struct format_out *out, const char *name, size_t size,
    struct text_out *text)
{
	enum stek_err err;
	uint8_t *bytes;

	/* The codecs end what they write with a NUL, overwritten next. */
	err = format_out_add(out, name, size + 1, &bytes);
	if (err != STEK_OK)
		return err;
	text->file = &out->files[out->count - 1];
	text->file->len = 0;
	text->size = size;
	text->full = false;
	return STEK_OK;
}

/* Room for len characters and a NUL, or NULL. */
static char *
extend(struct text_out *text, size_t len)
{
	char *at = (char *)text->file->bytes + text->file->len;

	if (text->full || len > text->size - text->file->len) {
		text->full = true;
		return NULL;
	}
	text->file->len += len;
	return at;
}

void
text_put(struct text_out *text, const char *chars)
{
	size_t len = strlen(chars);
	char *at = extend(text, len);

	if (at != NULL)
		memcpy(at, chars, len);
}

void
text_put_hex(struct text_out *text, const uint8_t *bytes, size_t len)
{
	char *at = extend(text, len * 2);

	if (at != NULL)
		sodium_bin2hex(at, len * 2 + 1, bytes, len);
}

void
text_put_base64(struct text_out *text, const uint8_t *bytes, size_t len)
{
	size_t size = sodium_base64_encoded_len(len, BASE64);
	char *at = extend(text, size - 1);

	if (at != NULL)
		sodium_bin2base64(at, size, bytes, len, BASE64);
}

void
text_put_number(struct text_out *text, int64_t number)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%lld", (long long)number);
	text_put(text, digits);
}

enum stek_err
text_close(struct text_out *text)
{
	return text->full ? STEK_ERR_FULL : STEK_OK;
}
