/* SPDX-License-Identifier: ISC */
/* See request.h. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "conf_check.h"
#include "request.h"

static bool
is_true(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

static const char *
read_revoke(const json_t *object, struct request *request)
{
	const char *hex = json_string_value(json_object_get(object, "key"));
	size_t len;

	request->what = REQUEST_REVOKE;
	request->all = is_true(object, "all");
	if (hex == NULL && request->all)
		return NULL;
	if (hex != NULL && !request->all && strlen(hex) == STEK_NAME_HEX - 1 &&
	    sodium_hex2bin(request->name, sizeof(request->name), hex,
	        strlen(hex), NULL, &len, NULL) == 0)
		return NULL;
	return "expected \"all\": true, or \"key\" and a key name of 32 hex "
	       "digits";
}

static const char *
read_node(const json_t *object, struct request *request, bool needed)
{
	const char *name = json_string_value(json_object_get(object, "node"));

	if (name == NULL && !needed)
		return NULL;
	if (name == NULL || !conf_is_name(name, CONF_NODE_MAX))
		return "expected \"node\" and the name of a node";
	(void)snprintf(request->node, sizeof(request->node), "%s", name);
	return NULL;
}

static const char *
read_object(const json_t *object, struct request *request)
{
	const char *verb = json_string_value(json_object_get(object, "do"));

	if (verb == NULL)
		return "expected a JSON object with \"do\"";
	if (strcmp(verb, "revoke") == 0)
		return read_revoke(object, request);
	if (strcmp(verb, "status") == 0) {
		request->what = REQUEST_STATUS;
		return NULL;
	}
	if (strcmp(verb, "rotate") == 0) {
		request->what = REQUEST_ROTATE;
		request->at_once = is_true(object, "now");
		return NULL;
	}
	if (strcmp(verb, "forget") == 0) {
		request->what = REQUEST_FORGET;
		return read_node(object, request, true);
	}
	if (strcmp(verb, "rekey") == 0) {
		request->what = REQUEST_REKEY;
		return read_node(object, request, false);
	}
	return "unknown \"do\"; expected status, rotate, revoke, forget or "
	       "rekey";
}

const char *
request_read(const char *line, size_t len, struct request *request)
{
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *why;

	memset(request, 0, sizeof(*request));
	why = read_object(object, request);
	json_decref(object);
	return why;
}
