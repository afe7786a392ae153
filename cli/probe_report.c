/* SPDX-License-Identifier: ISC */
/*
 * probe_report.c: a probe's result as text for people and as JSON.
 *
 * Never here: a session's secrets.  A ticket is none: in TLS 1.2 it crosses
 * the network in the clear.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "probe.h"

enum { NAME_HEX = 2 * PROBE_NAME_LEN + 1 };

static void
name_hex(const struct handshake *shake, char hex[NAME_HEX])
{
	(void)sodium_bin2hex(hex, NAME_HEX, shake->ticket, PROBE_NAME_LEN);
}

/* --- JSON --------------------------------------------------------------- */

static json_t *
hex_json(const uint8_t *bytes, size_t len)
{
	size_t size = 2 * len + 1;
	char *hex = malloc(size);
	json_t *json;

	if (hex == NULL)
		return NULL;
	json = json_string(sodium_bin2hex(hex, size, bytes, len));
	free(hex);
	return json;
}

static json_t *
name_json(const struct handshake *shake)
{
	if (!probe_sealed(shake))
		return json_null();
	return hex_json(shake->ticket, PROBE_NAME_LEN);
}

static json_t *
leaf_json(const struct handshake *shake)
{
	if (!shake->has_leaf)
		return json_null();
	return hex_json(shake->leaf, sizeof(shake->leaf));
}

static json_t *
own_json(const struct handshake_server *server, const struct probe_own *own)
{
	json_int_t lifetime = (json_int_t)own->shake.lifetime;
	json_int_t len = (json_int_t)own->shake.ticket_len;
	json_int_t stable = (json_int_t)own->name_len;

	return json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:s?}",
	    "address", server->address, "supported", own->supported, "issued",
	    own->issues, "name", name_json(&own->shake), "stable",
	    own->issues ? json_integer(stable) : json_null(), "lifetime",
	    own->issues ? json_integer(lifetime) : json_null(), "length",
	    own->issues ? json_integer(len) : json_null(), "certificate",
	    leaf_json(&own->shake), "error", own->error);
}

static json_t *
pair_json(const struct probe *probe, const struct probe_pair *pair, size_t from,
    size_t at)
{
	return json_pack("{s:s, s:s, s:b, s:o, s:s?}", "from",
	    probe->servers[from].address, "to", probe->servers[at].address,
	    "resumed", pair->resumed, "new_name", name_json(&pair->shake),
	    "reason", pair->resumed ? NULL : pair->reason);
}

static json_t *
version_json(const struct probe *probe, const struct probe_version *v)
{
	json_t *servers = json_array(), *pairs = json_array();
	size_t from, at;
	int err = 0;

	for (from = 0; from < probe->count; from++) {
		err |= json_array_append_new(
		    servers, own_json(&probe->servers[from], &v->own[from]));
		for (at = 0; at < probe->count; at++)
			if (v->own[from].supported && v->own[at].supported)
				err |= json_array_append_new(
				    pairs, pair_json(probe, &v->pairs[from][at],
				               from, at));
	}
	if (err != 0) {
		json_decref(servers);
		json_decref(pairs);
		return NULL;
	}
	return json_pack("{s:s, s:o, s:o}", "version", v->name, "servers",
	    servers, "pairs", pairs);
}

/* Takes over json, which may be NULL. */
static bool
put_json(json_t *json, size_t flags)
{
	bool done = json != NULL && json_dumpf(json, stdout, flags) == 0 &&
	            fputc('\n', stdout) != EOF && fflush(stdout) == 0;

	json_decref(json);
	if (!done)
		(void)fputs("stek probe: cannot write the result\n", stderr);
	return done;
}

bool
probe_report_json(const struct probe *probe)
{
	json_t *versions = json_array();
	size_t i;

	for (i = 0; i < probe->version_count; i++)
		if (json_array_append_new(versions,
		        version_json(probe, &probe->versions[i])) != 0) {
			json_decref(versions);
			return put_json(NULL, 0);
		}
	return put_json(json_pack("{s:o, s:b}", "versions", versions, "ok",
	                    probe_ok(probe)),
	    JSON_INDENT(2));
}

bool
probe_report_ticket(
    const char *address, const char *version, const struct handshake *shake)
{
	const struct probe_own own = {
	    .shake = *shake, .issues = probe_sealed(shake)};

	if (!own.issues)
		return put_json(json_pack("{s:s, s:s}", "address", address,
		                    "error", probe_own_error(&own)),
		    JSON_COMPACT);
	return put_json(
	    json_pack("{s:s, s:s, s:I, s:o}", "address", address, "version",
	        version, "lifetime", (json_int_t)shake->lifetime, "ticket",
	        hex_json(shake->ticket, shake->ticket_len)),
	    JSON_COMPACT);
}

/* --- text --------------------------------------------------------------- */

static char
letter(size_t i)
{
	return (char)('a' + i);
}

static void
put_own(size_t i, const struct probe_own *own)
{
	char name[NAME_HEX], leaf[17] = "-";

	if (!own->supported) {
		(void)printf("  %c  not supported\n", letter(i));
		return;
	}
	if (!own->issues) {
		(void)printf("  %c  %s\n", letter(i), own->error);
		return;
	}
	name_hex(&own->shake, name);
	if (own->shake.has_leaf)
		(void)sodium_bin2hex(leaf, sizeof(leaf), own->shake.leaf, 8);
	(void)printf("  %c  %s%c %7lu s  %5zu B  %s\n", letter(i), name,
	    own->name_len < PROBE_NAME_LEN ? '~' : ' ', own->shake.lifetime,
	    own->shake.ticket_len, leaf);
}

static const char *
cell(const struct probe_version *v, size_t from, size_t at)
{
	const struct probe_pair *pair = &v->pairs[from][at];

	if (!v->own[from].supported || !v->own[at].supported || !pair->tried)
		return "-";
	if (pair->renewed)
		return "renew";
	if (pair->resumed)
		return "yes";
	if (pair->shake.end != HANDSHAKE_DONE)
		return "BROKE";
	return pair->resumptions > 0 ? "SOME" : "NO";
}

static void
put_matrix(const struct probe *probe, const struct probe_version *v)
{
	size_t from, at;

	(void)printf("\n%13s", "");
	for (at = 0; at < probe->count; at++)
		(void)printf("  at %c ", letter(at));
	(void)putchar('\n');
	for (from = 0; from < probe->count; from++) {
		(void)printf("  ticket of %c", letter(from));
		for (at = 0; at < probe->count; at++)
			(void)printf("  %-5s", cell(v, from, at));
		(void)putchar('\n');
	}
}

/* The text, its lines broken at 80 columns and indented. */
static void
put_wrapped(const char *text, int indent)
{
	int column = indent;
	size_t len;

	while (*text != '\0') {
		len = strcspn(text, " ");
		if (column > indent && column + 1 + (int)len > 79) {
			(void)printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			column += printf(" ");
		}
		column += printf("%.*s", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
	(void)putchar('\n');
}

/* Each reason once, after the pairs that it is true of. */
static void
put_reasons(const struct probe *probe, const struct probe_version *v)
{
	const struct probe_pair *flat = &v->pairs[0][0];
	size_t i, k, max = sizeof(v->pairs) / sizeof(*flat);

	(void)probe;
	for (i = 0; i < max; i++) {
		if (flat[i].reason[0] == '\0')
			continue;
		for (k = 0; k < i; k++)
			if (strcmp(flat[k].reason, flat[i].reason) == 0)
				break;
		if (k < i)
			continue;
		(void)printf("\n ");
		for (k = i; k < max; k++)
			if (strcmp(flat[k].reason, flat[i].reason) == 0)
				(void)printf(" %c at %c;",
				    letter(k / PROBE_SERVERS_MAX),
				    letter(k % PROBE_SERVERS_MAX));
		(void)printf("\n    ");
		put_wrapped(flat[i].reason, 4);
	}
}

static void
put_version(const struct probe *probe, const struct probe_version *v)
{
	size_t i;

	(void)printf("\n%s\n     %-33s %9s  %7s  %s\n", v->name, "key name",
	    "lifetime", "length", "certificate");
	for (i = 0; i < probe->count; i++)
		put_own(i, &v->own[i]);
	put_matrix(probe, v);
	put_reasons(probe, v);
}

static void
count(const struct probe *probe, size_t *pairs, size_t *resumed)
{
	size_t i, from, at;
	const struct probe_version *v;

	*pairs = *resumed = 0;
	for (i = 0; i < probe->version_count; i++) {
		v = &probe->versions[i];
		for (from = 0; from < probe->count; from++)
			for (at = 0; at < probe->count; at++) {
				*pairs += v->own[from].supported &&
				          v->own[at].supported;
				*resumed += v->pairs[from][at].resumed;
			}
	}
}

bool
probe_report_text(const struct probe *probe)
{
	size_t i, pairs, resumed;

	for (i = 0; i < probe->count; i++)
		(void)printf(
		    "  %c  %s\n", letter(i), probe->servers[i].address);
	for (i = 0; i < probe->version_count; i++)
		put_version(probe, &probe->versions[i]);
	count(probe, &pairs, &resumed);
	if (probe_ok(probe))
		(void)printf("\nEvery ticket resumed at every server.\n");
	else
		(void)printf("\nOnly %zu of %zu ticket offers resumed.\n",
		    resumed, pairs);
	return fflush(stdout) == 0 && !ferror(stdout);
}
