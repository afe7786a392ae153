/* SPDX-License-Identifier: ISC */
/* See nodes.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "nodes.h"
#include "say.h"

enum { SKEW_MAX = 30 };

static bool
is_true(const json_t *node, const char *name)
{
	return json_is_true(json_object_get(node, name));
}

/* In a word. */
static const char *
state_of(const json_t *node, json_int_t version)
{
	if (!is_true(node, "live"))
		return "gone";
	if (!is_true(node, "readable"))
		return "stranger";
	if (is_true(node, "stale"))
		return "stale";
	if (ask_text(node, "failed")[0] != '\0' || is_true(node, "unkept"))
		return "failing";
	if (ask_number(node, "confirmed", 0) > version)
		return "ahead";
	return is_true(node, "same") ? "live" : "behind";
}

static bool
is_skewed(const json_t *node)
{
	return llabs(ask_number(node, "offset", 0)) > SKEW_MAX;
}

static void
put_note(const json_t *node, const char *state, int64_t now)
{
	char text[SAY_SPAN_LEN];

	if (strcmp(state, "gone") == 0 && is_true(node, "readable"))
		(void)printf("  last heard of %s ago",
		    say_span(now - ask_number(node, "said", now), text));
	if (strcmp(state, "stranger") == 0)
		(void)printf("  has another farm key");
	if (strcmp(state, "stale") == 0)
		(void)printf("  was cut off for too long: uses no keys");
	if (ask_text(node, "failed")[0] != '\0') {
		(void)printf("  targets that fail: ");
		say_clean(ask_text(node, "failed"));
	}
	if (is_true(node, "unkept"))
		(void)printf("  cannot keep a copy of the keys");
	if (is_skewed(node))
		(void)printf("  its clock is off");
}

static void
put_node(const json_t *node, const json_t *status, int width, int64_t now,
    bool colour)
{
	json_int_t version = ask_number(status, "version", 0);
	const char *state = state_of(node, version);
	bool good = strcmp(state, "live") == 0;

	(void)printf("  %-*s  %s%-8s%s", width, ask_text(node, "name"),
	    !colour ? ""
	    : good  ? "\033[32m"
	            : "\033[31m",
	    state, colour ? "\033[0m" : "");
	if (is_true(node, "readable"))
		(void)printf("  version %-4" JSON_INTEGER_FORMAT,
		    ask_number(node, "confirmed", 0));
	if (json_is_integer(json_object_get(node, "offset")))
		(void)printf("  clock %+" JSON_INTEGER_FORMAT " s",
		    ask_number(node, "offset", 0));
	put_note(node, state, now);
	(void)putchar('\n');
}

void
nodes_put(const json_t *status, int64_t now, bool colour)
{
	const json_t *nodes = json_object_get(status, "nodes");
	const char *error = ask_text(status, "nodes_error");
	int width = 0, len;
	size_t i;

	if (!json_is_array(nodes))
		return;
	(void)printf("\nnodes\n");
	if (error[0] != '\0') {
		(void)printf("  as they were when the store last told: ");
		say_clean(error);
		(void)putchar('\n');
	}
	for (i = 0; i < json_array_size(nodes); i++) {
		len = (int)strlen(ask_text(json_array_get(nodes, i), "name"));
		width = len > width ? len : width;
	}
	for (i = 0; i < json_array_size(nodes); i++)
		put_node(json_array_get(nodes, i), status, width, now, colour);
}

bool
nodes_are_good(const json_t *status)
{
	const json_t *nodes = json_object_get(status, "nodes"), *node;
	json_int_t version = ask_number(status, "version", 0);
	size_t i;

	for (i = 0; i < json_array_size(nodes); i++) {
		node = json_array_get(nodes, i);
		if (strcmp(state_of(node, version), "live") != 0 ||
		    is_skewed(node))
			return false;
	}
	return ask_text(status, "nodes_error")[0] == '\0';
}
