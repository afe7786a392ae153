/* SPDX-License-Identifier: ISC */
/*
 * Keys as raw bytes, and OpenSSL's tickets; see layout.h.
 *
 * Never here: text, lists, a server's name.
 * Invariant: offsets stand in the four layouts below and nowhere else.
 */
#include "layout.h"

#include <sodium.h>
#include <string.h>

#define SHORT_LEN 16 /* AES-128 key, and its HMAC key */
#define IV_LEN    16
#define BLOCK_LEN 16

const struct layout layout_a48 = {48, 16, 16, 32};
const struct layout layout_h48 = {48, 16, 32, 16};
const struct layout layout_a80 = {80, 32, 16, 48};
const struct layout layout_h80 = {80, 32, 48, 16};

void
layout_raw_wipe(struct layout_raw *raw)
{
	sodium_memzero(raw, sizeof(*raw));
}

static bool
is_short(const struct layout *layout)
{
	return layout->part == SHORT_LEN;
}

void
layout_pack(
    const struct layout *layout, const struct stek_key *key, uint8_t *bytes)
{
	STEK_WIPED struct stek_key parts = *key;

	if (is_short(layout))
		stek_scope_short(key, parts.aes, parts.mac);
	memcpy(bytes, key->name, STEK_NAME_LEN);
	memcpy(bytes + layout->aes, parts.aes, layout->part);
	memcpy(bytes + layout->mac, parts.mac, layout->part);
}

void
layout_unpack(
    const struct layout *layout, const uint8_t *bytes, struct stek_key *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->name, bytes, STEK_NAME_LEN);
	memcpy(key->aes, bytes + layout->aes, layout->part);
	memcpy(key->mac, bytes + layout->mac, layout->part);
}

enum stek_err
layout_add(const struct layout *layout, const uint8_t *bytes, size_t line,
    struct format_in *in, struct format_why *why)
{
	STEK_WIPED struct stek_key key;

	layout_unpack(layout, bytes, &key);
	return format_in_add(in, &key, is_short(layout), line, why);
}

enum stek_err
layout_put(const struct layout *layout, const struct order *order,
    struct format_out *out)
{
	enum stek_err err;
	uint8_t *bytes;
	size_t i;

	err = format_out_add(out, "", order->count * layout->len, &bytes);
	if (err != STEK_OK)
		return err;
	for (i = 0; i < order->count; i++)
		layout_pack(layout, order->keys[i], bytes + i * layout->len);
	return STEK_OK;
}

enum stek_err
layout_write(const struct format *format, const struct stek_set *set,
    int64_t now, const char *path, struct format_out *out)
{
	struct order order;

	(void)path;
	order_first(
	    set, now, format->keys > 0 ? format->keys : STEK_KEYS_MAX, &order);
	return layout_put(format->layout, &order, out);
}

enum stek_err
layout_read_one(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	const struct layout *layout = format->layout;

	(void)now;
	if (len != layout->len)
		return format_refuse(why, STEK_ERR_FORMAT, 0,
		    "expected one key of %zu bytes, found %zu bytes",
		    layout->len, len);
	in->sealing = 0;
	return layout_add(layout, bytes, 0, in, why);
}

enum stek_err
layout_read(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	const struct layout *layout = format->layout;
	enum stek_err err;
	size_t at;

	(void)now;
	in->sealing = 0;
	if (len == 0 || len % layout->len != 0)
		return format_refuse(why, STEK_ERR_FORMAT, 0,
		    "expected keys of %zu bytes each, found %zu bytes, which "
		    "is %zu keys and %zu bytes",
		    layout->len, len, len / layout->len, len % layout->len);
	for (at = 0; at < len; at += layout->len) {
		err = layout_add(layout, bytes + at, 0, in, why);
		if (err != STEK_OK)
			return err;
	}
	return STEK_OK;
}

bool
layout_mac(const uint8_t *mac_key, size_t mac_key_len, const uint8_t *bytes,
    size_t len, const uint8_t mac[LAYOUT_MAC_LEN])
{
	crypto_auth_hmacsha256_state state;
	uint8_t want[LAYOUT_MAC_LEN];
	bool good;

	crypto_auth_hmacsha256_init(&state, mac_key, mac_key_len);
	crypto_auth_hmacsha256_update(&state, bytes, len);
	crypto_auth_hmacsha256_final(&state, want);
	good = sodium_memcmp(want, mac, sizeof(want)) == 0;
	sodium_memzero(&state, sizeof(state));
	sodium_memzero(want, sizeof(want));
	return good;
}

bool
layout_ticket_mac(const uint8_t *mac_key, size_t mac_key_len,
    const uint8_t *ticket, size_t len)
{
	const size_t frame = STEK_NAME_LEN + IV_LEN + LAYOUT_MAC_LEN;

	if (len <= frame || (len - frame) % BLOCK_LEN != 0)
		return false;
	len -= LAYOUT_MAC_LEN;
	return layout_mac(mac_key, mac_key_len, ticket, len, ticket + len);
}

static enum format_ticket
judge(const struct stek_key *key, size_t mac_key_len, const uint8_t *ticket,
    size_t len)
{
	if (len < STEK_NAME_LEN ||
	    sodium_memcmp(ticket, key->name, STEK_NAME_LEN) != 0)
		return FORMAT_TICKET_OTHER;
	if (!layout_ticket_mac(key->mac, mac_key_len, ticket, len))
		return FORMAT_TICKET_FORGED;
	return FORMAT_TICKET_PROVEN;
}

enum format_ticket
layout_ticket(const struct stek_key *key, const uint8_t *ticket, size_t len)
{
	return judge(key, STEK_MAC_LEN, ticket, len);
}

enum format_ticket
layout_ticket_short(
    const struct stek_key *key, const uint8_t *ticket, size_t len)
{
	STEK_WIPED struct stek_key parts = *key;

	stek_scope_short(key, parts.aes, parts.mac);
	return judge(&parts, SHORT_LEN, ticket, len);
}
