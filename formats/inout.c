/* SPDX-License-Identifier: ISC */
/*
 * What goes in and out of every format: files being filled, keys being
 * gathered, and why a file was refused.
 *
 * Never here: how any server's file looks.
 * Invariant: every key that was read has passed format_in_add().
 */
#include "format.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PREFIX_LEN 4 /* some servers compare no more of a name */
#define SHORT_LEN  16

enum stek_err
format_out_add(
    struct format_out *out, const char *name, size_t len, uint8_t **bytes)
{
	struct format_file *file;

	if (out->count >= FORMAT_FILES_MAX)
		return STEK_ERR_FULL;
	file = &out->files[out->count];
	file->bytes = stek_file_alloc(len);
	if (file->bytes == NULL)
		return STEK_ERR_MEMORY;
	(void)snprintf(file->name, sizeof(file->name), "%s", name);
	file->len = len;
	*bytes = file->bytes;
	out->count++;
	return STEK_OK;
}

void
format_out_free(struct format_out *out)
{
	size_t i;

	for (i = 0; i < out->count; i++)
		stek_file_free(out->files[i].bytes);
	memset(out, 0, sizeof(*out));
}

void
format_in_wipe(struct format_in *in)
{
	sodium_memzero(in, sizeof(*in));
}

enum stek_err
format_refuse(struct format_why *why, enum stek_err err, size_t line,
    const char *text, ...)
{
	va_list args;

	va_start(args, text);
	(void)vsnprintf(why->text, sizeof(why->text), text, args);
	va_end(args);
	why->line = line;
	return err;
}

/* Both short keys as one: each alone is too short to be told from text. */
static bool
are_weak_short(const struct stek_key *key)
{
	uint8_t both[2 * SHORT_LEN];
	bool weak;

	memcpy(both, key->aes, SHORT_LEN);
	memcpy(both + SHORT_LEN, key->mac, SHORT_LEN);
	weak = stek_key_weak(both, sizeof(both));
	sodium_memzero(both, sizeof(both));
	return weak;
}

/* What of the key is not random; NULL: nothing. */
static const char *
weak_part(const struct stek_key *key, bool is_short)
{
	if (stek_key_weak(key->name, sizeof(key->name)))
		return "name";
	if (is_short && are_weak_short(key))
		return "AES key and HMAC key";
	if (stek_key_weak(key->aes, is_short ? SHORT_LEN : STEK_AES_LEN))
		return "AES key";
	if (stek_key_weak(key->mac, is_short ? SHORT_LEN : STEK_MAC_LEN))
		return "HMAC key";
	return NULL;
}

static bool
has_prefix_of(const struct format_in *in, const struct stek_key *key)
{
	size_t i;

	for (i = 0; i < in->count; i++)
		if (memcmp(in->keys[i].name, key->name, PREFIX_LEN) == 0)
			return true;
	return false;
}

enum stek_err
format_in_add(struct format_in *in, const struct stek_key *key, bool is_short,
    size_t line, struct format_why *why)
{
	const char *weak = weak_part(key, is_short);

	if (in->count >= STEK_KEYS_MAX)
		return format_refuse(why, STEK_ERR_FULL, line,
		    "expected at most %d keys, found more", STEK_KEYS_MAX);
	if (weak != NULL)
		return format_refuse(why, STEK_ERR_WEAK, line,
		    "expected random bytes as the %s of key %zu, found zeroes, "
		    "a pattern, text or a published example",
		    weak, in->count + 1);
	if (sodium_memcmp(key->aes, key->mac, STEK_AES_LEN) == 0)
		return format_refuse(why, STEK_ERR_WEAK, line,
		    "expected two keys in key %zu, found an AES key equal to "
		    "its HMAC key",
		    in->count + 1);
	if (has_prefix_of(in, key))
		return format_refuse(why, STEK_ERR_DUPLICATE, line,
		    "expected names that differ in their first 4 bytes, found "
		    "key %zu named like one before it",
		    in->count + 1);
	if (in->count > 0 && in->is_short != is_short)
		return format_refuse(why, STEK_ERR_FORMAT, line,
		    "expected keys of one size, found key %zu of another",
		    in->count + 1);
	in->is_short = is_short;
	in->keys[in->count++] = *key;
	return STEK_OK;
}
