/* SPDX-License-Identifier: ISC */
/*
 * See entry.h.  A nonce, then a JSON object, encrypted (XChaCha20-Poly1305);
 * farm and node are the associated data.
 */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"

#define MAGIC     "steknode"
#define MAGIC_LEN 8
#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define AD_MAX    (MAGIC_LEN + 512)
#define PLAIN_MAX (ENTRY_MAX - NONCE_LEN - TAG_LEN)

/* Neither name holds a slash. */
static size_t
associate(const char *farm, const char *node, char ad[AD_MAX])
{
	int len = snprintf(ad, AD_MAX, MAGIC "/%s/%s", farm, node);

	return len < AD_MAX ? (size_t)len : 0;
}

int64_t
entry_print(
    const struct stek_set *set, const uint8_t farm_key[STEK_FARM_KEY_LEN])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];
	int64_t print;

	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)set->keys,
	    set->count * sizeof(set->keys[0]), farm_key, STEK_FARM_KEY_LEN);
	memcpy(&print, hash, sizeof(print));
	return print & INT64_MAX;
}

static char *
write_text(const struct entry *entry)
{
	json_t *object = json_pack(
	    "{s:I, s:I, s:I, s:b, s:b, s:s, s:s, s:s, s:I, s:I}", "has",
	    (json_int_t)entry->has, "confirmed", (json_int_t)entry->confirmed,
	    "at", (json_int_t)entry->at, "stale", (int)entry->stale, "unkept",
	    (int)entry->unkept, "failed", entry->failed, "stek", entry->stek,
	    "next", entry->next, "instance", (json_int_t)entry->instance,
	    "print", (json_int_t)entry->print);
	char *text;

	if (entry->offset_known)
		(void)json_object_set_new(
		    object, "offset", json_integer(entry->offset));
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

size_t
entry_seal(const struct entry *entry, const char *farm, const char *node,
    const uint8_t farm_key[STEK_FARM_KEY_LEN], uint8_t out[ENTRY_MAX])
{
	char ad[AD_MAX], *text = write_text(entry);
	size_t ad_len = associate(farm, node, ad), len;

	len = text == NULL ? 0 : strlen(text);
	if (len == 0 || len > PLAIN_MAX || ad_len == 0) {
		free(text);
		return 0;
	}
	randombytes_buf(out, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL,
	    (const uint8_t *)text, len, (const uint8_t *)ad, ad_len, NULL, out,
	    farm_key);
	free(text);
	return NONCE_LEN + len + TAG_LEN;
}

static void
copy_text(const json_t *object, const char *name, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));

	(void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

static int64_t
number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static bool
read_text(const char *text, size_t len, struct entry *entry)
{
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	memset(entry, 0, sizeof(*entry));
	if (!json_is_object(object)) {
		json_decref(object);
		return false;
	}
	entry->has = (uint64_t)number(object, "has");
	entry->confirmed = (uint64_t)number(object, "confirmed");
	entry->at = number(object, "at");
	entry->print = number(object, "print");
	entry->instance = number(object, "instance");
	entry->offset = number(object, "offset");
	entry->offset_known = json_object_get(object, "offset") != NULL;
	entry->stale = json_is_true(json_object_get(object, "stale"));
	entry->unkept = json_is_true(json_object_get(object, "unkept"));
	copy_text(object, "failed", entry->failed, sizeof(entry->failed));
	copy_text(object, "stek", entry->stek, sizeof(entry->stek));
	copy_text(object, "next", entry->next, sizeof(entry->next));
	json_decref(object);
	return true;
}

bool
entry_open(const uint8_t *bytes, size_t len, const char *farm, const char *node,
    const uint8_t farm_key[STEK_FARM_KEY_LEN], struct entry *entry)
{
	char ad[AD_MAX], text[PLAIN_MAX];
	size_t ad_len = associate(farm, node, ad);

	if (len < NONCE_LEN + TAG_LEN || len > ENTRY_MAX || ad_len == 0 ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)text, NULL,
	        NULL, bytes + NONCE_LEN, len - NONCE_LEN, (const uint8_t *)ad,
	        ad_len, bytes, farm_key) != 0)
		return false;
	return read_text(text, len - NONCE_LEN - TAG_LEN, entry);
}
