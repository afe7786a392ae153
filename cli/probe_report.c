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

/* Null: it is not known, as there was no answer to tell from. */
static json_t *
supported_json(const struct probe_own *own)
{
	if (!own->supported)
		return json_false();
	return own->shake.end == HANDSHAKE_DONE ? json_true() : json_null();
}

static json_t *
own_json(const struct reach_server *server, const struct probe_own *own)
{
	json_int_t lifetime = (json_int_t)own->shake.lifetime;
	json_int_t len = (json_int_t)own->shake.ticket_len;
	json_int_t stable = (json_int_t)own->name_len;

	return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:s?, s:o, s:s?}",
	    "address", server->address, "supported", supported_json(own),
	    "issued", own->issues, "name", name_json(&own->shake), "stable",
	    own->issues ? json_integer(stable) : json_null(), "lifetime",
	    own->issues ? json_integer(lifetime) : json_null(), "length",
	    own->issues ? json_integer(len) : json_null(), "cipher",
	    own->shake.cipher, "certificate", leaf_json(&own->shake), "error",
	    own->error);
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

static const struct cell {
	const char *word;
	const char *meaning;
} cells[] = {
    {"-", "not tried"},
    {"yes", "resumed"},
    {"renew", "resumed, and given a ticket of another key"},
    {"NO", "refused: a full handshake"},
    {"SOME", "resumed in some of several tries"},
    {"BROKE", "no handshake at all"},
};

enum { CELL_UNTRIED, CELL_YES, CELL_RENEW, CELL_NO, CELL_SOME, CELL_BROKE };

static char
letter(size_t i)
{
	return (char)('a' + i);
}

/* The text, its lines broken before column 80 and indented. */
static void
put_wrapped(const char *text, int indent)
{
	int column = 80, len;

	for (; *text != '\0'; text += len, text += strspn(text, " ")) {
		len = (int)strcspn(text, " ");
		if (column + 1 + len > 79) {
			(void)printf("%s%*s%.*s", column < 80 ? "\n" : "",
			    indent, "", len, text);
			column = indent + len;
		} else {
			(void)printf(" %.*s", len, text);
			column += 1 + len;
		}
	}
	(void)putchar('\n');
}

static void
put_own(size_t i, const struct probe_version *v)
{
	const struct probe_own *own = &v->own[i];
	char name[NAME_HEX], leaf[17] = "-";

	if (!own->supported || !own->issues) {
		(void)printf("  %c  %s%s\n", letter(i),
		    own->supported ? "" : "no such version: ", own->error);
		return;
	}
	name_hex(&own->shake, name);
	if (own->shake.has_leaf)
		(void)sodium_bin2hex(leaf, sizeof(leaf), own->shake.leaf, 8);
	(void)printf("  %c  %s  %8lu s  %4zu B  %s\n", letter(i), name,
	    own->shake.lifetime, own->shake.ticket_len, leaf);
	if (own->name_len == 0)
		(void)printf("     not a stable name: the server leaves it to "
		             "chance, or has several keys\n");
	else if (own->name_len < PROBE_NAME_LEN)
		(void)printf("     only the first %zu bytes are the name: the "
		             "rest changes\n",
		    own->name_len);
}

static size_t
cell(const struct probe_version *v, size_t from, size_t at)
{
	const struct probe_pair *pair = &v->pairs[from][at];

	if (!pair->tried)
		return CELL_UNTRIED;
	if (pair->resumed)
		return pair->renewed ? CELL_RENEW : CELL_YES;
	if (pair->resumptions > 0)
		return CELL_SOME;
	return pair->shake.end == HANDSHAKE_DONE ? CELL_NO : CELL_BROKE;
}

static bool
any_has(const struct probe *probe, const struct probe_version *v)
{
	size_t i;

	for (i = 0; i < probe->count; i++)
		if (v->own[i].supported)
			return true;
	return false;
}

static void
put_matrix(const struct probe *probe, const struct probe_version *v)
{
	bool used[sizeof(cells) / sizeof(cells[0])] = {false};
	size_t from, at, i;

	if (!any_has(probe, v))
		return;
	(void)printf("\n%13s", "");
	for (at = 0; at < probe->count; at++)
		(void)printf("%*sat %c", at == 0 ? 2 : 3, "", letter(at));
	(void)putchar('\n');
	for (from = 0; from < probe->count; from++) {
		(void)printf("  ticket of %c", letter(from));
		for (at = 0; at < probe->count; at++) {
			i = cell(v, from, at);
			used[i] = true;
			(void)printf("  %-*s", at + 1 < probe->count ? 5 : 0,
			    cells[i].word);
		}
		(void)putchar('\n');
	}
	(void)putchar('\n');
	for (i = 0; i < sizeof(used); i++)
		if (used[i])
			(void)printf(
			    "  %-5s  %s\n", cells[i].word, cells[i].meaning);
}

static bool
same_reason(const struct probe_pair *a, const struct probe_pair *b)
{
	return a->tried && b->tried && strcmp(a->reason, b->reason) == 0;
}

/* Each reason once, after the pairs that it is true of. */
static void
put_reasons(const struct probe_version *v)
{
	const struct probe_pair *flat = &v->pairs[0][0];
	size_t i, k, max = sizeof(v->pairs) / sizeof(*flat);
	const char *sep;

	for (i = 0; i < max; i++) {
		if (!flat[i].tried || flat[i].reason[0] == '\0')
			continue;
		for (k = 0; k < i && !same_reason(&flat[k], &flat[i]); k++)
			;
		if (k < i)
			continue;
		for (sep = "\n  "; k < max; k++) {
			if (!same_reason(&flat[k], &flat[i]))
				continue;
			(void)printf("%s%c at %c", sep,
			    letter(k / PROBE_SERVERS_MAX),
			    letter(k % PROBE_SERVERS_MAX));
			sep = ", ";
		}
		(void)printf(":\n");
		put_wrapped(flat[i].reason, 4);
	}
}

struct tally {
	size_t failed; /* servers with no version at all */
	size_t lacking; /* servers without one of the versions */
	size_t offers;
	size_t resumed;
	size_t abroad; /* resumed at another server */
};

static void
tally(const struct probe *probe, struct tally *t)
{
	const struct probe_version *v;
	size_t i, from, at;

	memset(t, 0, sizeof(*t));
	for (from = 0; from < probe->count; from++)
		t->failed += probe_failed(probe, from);
	for (i = 0; i < probe->version_count; i++) {
		v = &probe->versions[i];
		for (from = 0; from < probe->count; from++) {
			t->lacking += !v->own[from].supported;
			for (at = 0; at < probe->count; at++) {
				t->offers += v->pairs[from][at].tried;
				t->resumed += v->pairs[from][at].resumed;
				t->abroad +=
				    from != at && v->pairs[from][at].resumed;
			}
		}
	}
}

static void
put_conclusion(const struct probe *probe)
{
	struct tally t;

	tally(probe, &t);
	if (probe_ok(probe))
		(void)printf("\nEvery ticket resumed at every server%s.\n",
		    t.lacking > 0 ? " that has its version of TLS" : "");
	else if (t.failed > 0)
		(void)printf("\n%zu of %zu servers could not be probed.\n",
		    t.failed, probe->count);
	else if (t.offers == 0)
		(void)printf("\nNo ticket was issued, so none can resume.\n");
	else if (probe->count > 1 && t.resumed > 0 && t.abroad == 0)
		(void)printf("\nNo ticket resumed at another server than the "
		             "one that issued it.\n");
	else if (t.resumed == t.offers)
		(void)printf("\nEvery ticket resumed, but not every server "
		             "issues or takes them.\n");
	else
		(void)printf("\nOf %zu tickets offered, %zu did not resume.\n",
		    t.offers, t.offers - t.resumed);
}

bool
probe_report_text(const struct probe *probe)
{
	size_t i, k;

	for (i = 0; i < probe->count; i++)
		(void)printf(
		    "  %c  %s\n", letter(i), probe->servers[i].address);
	for (i = 0; i < probe->version_count; i++) {
		(void)printf("\n%s\n     %-32s  %10s  %6s  %s\n",
		    probe->versions[i].name, "key name", "lifetime", "length",
		    "certificate");
		for (k = 0; k < probe->count; k++)
			put_own(k, &probe->versions[i]);
		put_matrix(probe, &probe->versions[i]);
		put_reasons(&probe->versions[i]);
	}
	put_conclusion(probe);
	return fflush(stdout) == 0 && !ferror(stdout);
}
