/* SPDX-License-Identifier: ISC */
/*
 * Envoy: a file of its secret discovery service (SDS), YAML with one secret
 * of session ticket keys in base64: name, HMAC, AES; the first encrypts.
 * Envoy watches the file and knows the secret by its name.
 *
 * Never here: xDS over a network.
 * Invariant: what is read has the lines of `steps`, in order and depth.
 */
#include "layout.h"
#include "servers.h"
#include "yaml.h"

#define SECRET_TYPE            \
	"type.googleapis.com/" \
	"envoy.extensions.transport_sockets.tls.v3.Secret"
#define SECRET_NAME "stek"
#define HEAD_ROOM   512 /* the lines before the keys */
#define KEY_ROOM    160 /* a key's line */

/* A version that changes whenever what Envoy does with the keys changes. */
static void
put_head(struct text_out *text, const struct stek_set *set,
    const struct stek_key *sealing)
{
	text_put(text, "version_info: \"");
	text_put_number(text, (int64_t)(set->version & INT64_MAX));
	text_put(text, "-");
	text_put_hex(text, sealing->name, STEK_NAME_LEN);
	text_put(text, "\"\nresources:\n"
	               "- \"@type\": \"" SECRET_TYPE "\"\n"
	               "  name: \"" SECRET_NAME "\"\n"
	               "  session_ticket_keys:\n"
	               "    keys:\n");
}

static void
put_key(struct text_out *text, const struct stek_key *key)
{
	LAYOUT_WIPED struct layout_raw raw;

	layout_pack(&layout_h80, key, raw.bytes);
	text_put(text, "    - inline_bytes: \"");
	text_put_base64(text, raw.bytes, layout_h80.len);
	text_put(text, "\"\n");
}

static enum stek_err
write_secret(const struct format *format, const struct stek_set *set,
    int64_t now, const char *path, struct format_out *out)
{
	struct text_out text;
	struct order order;
	enum stek_err err;
	size_t i;

	(void)format;
	(void)path;
	order_first(set, now, STEK_KEYS_MAX, &order);
	err = text_open(out, "", HEAD_ROOM + order.count * KEY_ROOM, &text);
	if (err != STEK_OK)
		return err;
	put_head(&text, set, order.keys[0]);
	for (i = 0; i < order.count; i++)
		put_key(&text, order.keys[i]);
	return text_close(&text);
}

/* The lines before the keys. */
static const struct step {
	const char *key;
	bool is_item;
	bool has_value;
	bool is_deeper; /* than the line before; otherwise the same */
} steps[] = {
    {"version_info", false, true, false}, /* may be left out */
    {"resources", false, false, false},
    {"@type", true, true, true},
    {"name", false, true, false},
    {"session_ticket_keys", false, false, false},
    {"keys", false, false, true},
    {"inline_bytes", true, true, true},
};
static const struct step next_key = {"inline_bytes", true, true, false};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static bool
is_step(const struct yaml *yaml, const struct step *step, size_t column)
{
	return text_is(&yaml->key, step->key) &&
	       yaml->is_item == step->is_item &&
	       (yaml->value.len > 0) == step->has_value &&
	       (step->is_deeper ? yaml->column > column
	                        : yaml->column == column);
}

static enum stek_err
read_key(const struct text *value, struct format_in *in, struct format_why *why)
{
	LAYOUT_WIPED struct layout_raw raw;

	if (text_base64(value, raw.bytes, layout_h80.len) != STEK_OK)
		return format_refuse(why, STEK_ERR_FORMAT, value->line,
		    "expected a key of %zu bytes in base64, found %zu "
		    "characters that are none",
		    layout_h80.len, value->len);
	return layout_add(&layout_h80, raw.bytes, value->line, in, why);
}

static enum stek_err
read_step(const struct yaml *yaml, size_t at, struct format_in *in,
    struct format_why *why)
{
	if (at >= STEPS - 1)
		return read_key(&yaml->value, in, why);
	if (yaml->is_item && !text_is(&yaml->value, SECRET_TYPE))
		return format_refuse(why, STEK_ERR_FORMAT, yaml->key.line,
		    "expected the type " SECRET_TYPE ", found another");
	return STEK_OK;
}

static enum stek_err
read_secret(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	struct text_in text = {bytes, len, 0, 0};
	const struct step *step;
	size_t at = 0, column = 0;
	enum stek_err err;
	struct yaml yaml;

	(void)format;
	(void)now;
	for (;; at++, column = yaml.column) {
		err = yaml_next(&text, &yaml, why);
		if (err != STEK_OK || yaml.end)
			break;
		if (at == 0 && !is_step(&yaml, &steps[0], 0))
			at++;
		step = at < STEPS ? &steps[at] : &next_key;
		if (!is_step(&yaml, step, column))
			return format_refuse(why, STEK_ERR_FORMAT,
			    yaml.key.line,
			    "expected \"%s%s:\" in its place, "
			    "found another line",
			    step->is_item ? "- " : "", step->key);
		err = read_step(&yaml, at, in, why);
		if (err != STEK_OK)
			return err;
	}
	if (err == STEK_OK && in->count == 0)
		err = format_refuse(why, STEK_ERR_FORMAT, text.line,
		    "expected at least one \"- inline_bytes:\", found none");
	in->sealing = 0;
	return err;
}

const struct format format_envoy = {
    .name = "envoy",
    .server = "Envoy (SDS file)",
    .opening = STEK_KEYS_MAX,
    .tick = 1,
    .hint = 7200,
    .trap = "its configuration must ask for the secret by the name stek, with "
            "this file as path_config_source",
    .write = write_secret,
    .read = read_secret,
    .ticket = layout_ticket,
};
