/* SPDX-License-Identifier: ISC */
/* See verify.h. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify.h"

#define TICKET_MAX 32768

/* Which key sealed this ticket, in words. */
static void
explain(const struct verify *verify, const uint8_t *ticket, size_t len,
    const struct stek_key *expected, char why[CONF_WHY_LEN])
{
	const struct format *format = verify->conf->format;
	const struct stek_set *wanted = verify->wanted;
	char want[STEK_NAME_HEX], found[STEK_NAME_HEX] = "";
	size_t i;

	stek_key_hex(expected->name, want);
	for (i = 0; i < wanted->count; i++) {
		if (format->ticket(&wanted->keys[i], ticket, len) ==
		    FORMAT_TICKET_OTHER)
			continue;
		stek_key_hex(wanted->keys[i].name, found);
		(void)snprintf(why, CONF_WHY_LEN,
		    "the server still seals with key %s, not with %s: it has "
		    "not taken the new file",
		    found, want);
		return;
	}
	if (len >= STEK_NAME_LEN)
		stek_key_hex(ticket, found);
	(void)snprintf(why, CONF_WHY_LEN,
	    "the server seals with a key (%s) that is not of this farm, not "
	    "with %s: it does not use %.300s%s%s",
	    found, want, verify->conf->path, format->trap == NULL ? "" : "; ",
	    format->trap == NULL ? "" : format->trap);
}

/* What the ticket proves; not NAMED or PROVEN: why says what is wrong. */
static enum format_ticket
judge(const struct verify *verify, const uint8_t *ticket, size_t len,
    char why[CONF_WHY_LEN])
{
	const struct format *format = verify->conf->format;
	const struct stek_key *key =
	    stek_set_sealing(verify->wanted, verify->now);
	enum format_ticket verdict;

	if (key == NULL || format->ticket == NULL)
		return FORMAT_TICKET_NAMED;
	verdict = format->ticket(key, ticket, len);
	if (verdict == FORMAT_TICKET_OTHER)
		explain(verify, ticket, len, key, why);
	if (verdict == FORMAT_TICKET_FORGED)
		(void)snprintf(why, CONF_WHY_LEN,
		    "the server's ticket has the right key name, but its MAC "
		    "was not made with the key in %.300s%s%s",
		    verify->conf->path, format->trap == NULL ? "" : "; ",
		    format->trap == NULL ? "" : format->trap);
	return verdict;
}

enum format_ticket
verify_reply(
    const struct verify *verify, const char *text, char why[CONF_WHY_LEN])
{
	enum format_ticket verdict = FORMAT_TICKET_OTHER;
	uint8_t *ticket = NULL;
	const char *hex, *error;
	json_t *object = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
	size_t len;

	error = json_string_value(json_object_get(object, "error"));
	hex = json_string_value(json_object_get(object, "ticket"));
	if (hex == NULL) {
		(void)snprintf(why, CONF_WHY_LEN, "%.300s: %.600s",
		    verify->conf->verify,
		    error != NULL ? error : "the probe gave no answer");
		goto out;
	}
	ticket = malloc(TICKET_MAX);
	if (ticket == NULL || sodium_hex2bin(ticket, TICKET_MAX, hex,
	                          strlen(hex), NULL, &len, NULL) != 0) {
		(void)snprintf(
		    why, CONF_WHY_LEN, "the probe's answer is garbled");
		goto out;
	}
	verdict = judge(verify, ticket, len, why);
out:
	free(ticket);
	json_decref(object);
	return verdict;
}
