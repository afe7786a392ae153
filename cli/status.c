/* SPDX-License-Identifier: ISC */
/*
 * stek status: what stekd is doing, or, if it does not answer, what keys its
 * store holds.
 *
 * Never here: a byte of a key but its name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <daemon/held.h>
#include <daemon/utf8.h>

#include "ask.h"
#include "farm.h"
#include "nodes.h"
#include "say.h"
#include "timeline.h"

enum { SHORT = 8 };

static bool
is_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0');
}

/* --- keys ---------------------------------------------------------------- */

static enum stek_state
state_of(const char *name)
{
	if (strcmp(name, "pending") == 0 || strcmp(name, "held") == 0)
		return STEK_PENDING;
	if (strcmp(name, "sealing") == 0)
		return STEK_SEALING;
	return strcmp(name, "opening") == 0 ? STEK_OPENING : STEK_DEAD;
}

/* Of states that only a farm of many hosts has. */
static const char *
label_of(const char *name)
{
	if (strcmp(name, "held") == 0)
		return "held";
	return strcmp(name, "withheld") == 0 ? "withheld" : NULL;
}

static void
put_answered_keys(const json_t *status, int64_t now, bool colour)
{
	struct timeline_key keys[STEK_KEYS_MAX];
	const json_t *array = json_object_get(status, "keys"), *key;
	int64_t rotate = 0;
	size_t i, count = json_array_size(array);

	if (json_is_true(json_object_get(status, "mint")))
		rotate =
		    ask_number(json_object_get(status, "policy"), "rotate", 0);
	if (count > STEK_KEYS_MAX)
		count = STEK_KEYS_MAX;
	for (i = 0; i < count; i++) {
		key = json_array_get(array, i);
		(void)snprintf(keys[i].name, sizeof(keys[i].name), "%s",
		    ask_text(key, "name"));
		keys[i].state = state_of(ask_text(key, "state"));
		keys[i].label = label_of(ask_text(key, "state"));
		keys[i].seal_from = ask_number(key, "seal_from", now);
		keys[i].seal_until = ask_number(key, "seal_until", now);
		keys[i].open_until = ask_number(key, "open_until", now);
	}
	timeline_put(keys, count, rotate, now, colour);
}

static void
put_stored_keys(const struct stek_set *set, const struct stek_policy *policy,
    int64_t now, bool colour)
{
	struct timeline_key keys[STEK_KEYS_MAX];
	size_t i;

	for (i = 0; i < set->count; i++) {
		stek_key_hex(set->keys[i].name, keys[i].name);
		keys[i].state = stek_set_state(set, &set->keys[i], now);
		keys[i].seal_from = set->keys[i].seal_from;
		keys[i].seal_until = set->keys[i].seal_until;
		keys[i].open_until = set->keys[i].open_until;
		keys[i].label = NULL;
		if (&set->keys[i] != held_key(set))
			continue;
		keys[i].label = "held";
		keys[i].seal_from = held_from(&set->keys[i]);
		keys[i].seal_until = held_until(&set->keys[i], policy);
		keys[i].open_until = held_open_until(&set->keys[i], policy);
	}
	timeline_put(keys, set->count, 0, now, colour);
}

/* --- targets ------------------------------------------------------------- */

static void
put_version(const json_t *target)
{
	json_int_t version = ask_number(target, "version", -1);

	if (version < 0)
		(void)printf("  %-10s", "no version");
	else
		(void)printf("  version %-2" JSON_INTEGER_FORMAT, version);
}

static void
put_proof(const json_t *target, int64_t now)
{
	int64_t verified = ask_number(target, "verified", -1);
	const char *proof = ask_text(target, "proof");
	char text[SAY_SPAN_LEN], ago[SAY_SPAN_LEN + 8] = "";

	if (verified >= 0)
		(void)snprintf(ago, sizeof(ago), " %s ago",
		    say_span(now - verified, text));
	if (strcmp(proof, "mac") == 0)
		(void)printf("  MAC proven%s\n", ago);
	else if (strcmp(proof, "name") == 0)
		(void)printf("  name seen%s\n", ago);
	else if (verified >= 0)
		(void)printf("  not verified (last proof%s)\n", ago);
	else
		(void)printf("  not verified\n");
}

static void
put_error(const json_t *of)
{
	const char *error = ask_text(of, "error");

	if (error[0] == '\0')
		return;
	(void)printf("      ");
	say_clean(error);
	(void)putchar('\n');
}

static void
put_trouble(const json_t *target, int64_t now)
{
	int64_t next = ask_number(target, "next_try", -1);
	json_int_t tries = ask_number(target, "attempts", 0);
	char text[SAY_SPAN_LEN];

	put_error(target);
	if (next >= 0)
		(void)printf("      %" JSON_INTEGER_FORMAT
		             " %s failed, the next is in %s\n",
		    tries, tries == 1 ? "try" : "tries",
		    say_span(next - now, text));
}

static void
put_target(const json_t *target, int width, int64_t now, bool colour)
{
	const char *state = ask_text(target, "state");
	bool failed = strcmp(state, "failed") == 0;
	const char *begin = strcmp(state, "verified") == 0 ? "\033[32m"
	                    : failed                       ? "\033[31m"
	                                                   : "\033[33m";

	(void)printf("  %-*s  %s%-8s%s", width, ask_text(target, "name"),
	    colour ? begin : "", state, colour ? "\033[0m" : "");
	put_version(target);
	(void)printf("  %-*.*s", SHORT, SHORT, ask_text(target, "sealing"));
	put_proof(target, now);
	(void)printf("      %s ", ask_text(target, "format"));
	say_clean(ask_text(target, "path"));
	if (ask_text(target, "scope")[0] != '\0') {
		(void)printf(", scope ");
		say_clean(ask_text(target, "scope"));
	}
	(void)putchar('\n');
	put_trouble(target, now);
}

static void
put_targets(const json_t *status, int64_t now, bool colour)
{
	const json_t *array = json_object_get(status, "targets"), *target;
	int width = 0, len;
	size_t i;

	(void)printf("\ntargets\n");
	if (json_array_size(array) == 0)
		(void)printf("  none\n");
	for (i = 0; i < json_array_size(array); i++) {
		target = json_array_get(array, i);
		len = (int)strlen(ask_text(target, "name"));
		width = len > width ? len : width;
	}
	for (i = 0; i < json_array_size(array); i++)
		put_target(json_array_get(array, i), width, now, colour);
}

/* --- the verb ------------------------------------------------------------ */

static void
put_policy(const json_t *policy)
{
	char rotate[SAY_SPAN_LEN], tickets[SAY_SPAN_LEN], lead[SAY_SPAN_LEN];

	(void)printf("  policy: rotate %s, tickets %s, lead %s\n",
	    say_span(ask_number(policy, "rotate", 0), rotate),
	    say_span(ask_number(policy, "tickets", 0), tickets),
	    say_span(ask_number(policy, "lead", 0), lead));
}

static void
put_store(const json_t *store)
{
	(void)printf("  store %s:", ask_text(store, "kind"));
	say_clean(ask_text(store, "path"));
	(void)printf(": %s\n", ask_text(store, "state"));
	put_error(store);
}

/* What is wrong with neither store nor target; a line only if there is. */
static void
put_wrong(const json_t *status, const char *name, const char *about)
{
	const char *error = ask_text(status, name);

	if (error[0] == '\0')
		return;
	(void)printf("  %s: ", about);
	say_clean(error);
	(void)putchar('\n');
}

static void
put_text(const json_t *status)
{
	int64_t now = ask_number(status, "now", (json_int_t)time(NULL));
	bool colour = is_colour();

	(void)printf("farm %s, version %" JSON_INTEGER_FORMAT
	             ", stekd %" JSON_INTEGER_FORMAT "%s\n",
	    ask_text(status, "farm"), ask_number(status, "version", 0),
	    ask_number(status, "pid", 0),
	    json_is_false(json_object_get(status, "mint"))
	        ? ", which only follows its store"
	        : "");
	put_policy(json_object_get(status, "policy"));
	put_store(json_object_get(status, "store"));
	put_wrong(status, "conf_error", "the configuration was refused");
	put_wrong(status, "metrics_error", "metrics");
	put_wrong(status, "clock_error", "keys do not move on by this host");
	put_wrong(status, "node_error", "this node");
	put_wrong(status, "copy_error", "this host's copy of the keys is old");
	put_wrong(status, "waits_for", "the held key waits for");
	(void)printf("\nkeys\n");
	put_answered_keys(status, now, colour);
	put_targets(status, now, colour);
	nodes_put(status, now, colour);
}

/* No target has failed, and the store and all else is well. */
static bool
is_good(const json_t *status)
{
	const json_t *targets = json_object_get(status, "targets"),
	             *store = json_object_get(status, "store");
	size_t i;

	for (i = 0; i < json_array_size(targets); i++)
		if (strcmp(ask_text(json_array_get(targets, i), "state"),
		        "failed") == 0)
			return false;
	return strcmp(ask_text(store, "state"), "live") == 0 &&
	       nodes_are_good(status) &&
	       ask_text(status, "conf_error")[0] == '\0' &&
	       ask_text(status, "metrics_error")[0] == '\0' &&
	       ask_text(status, "node_error")[0] == '\0' &&
	       ask_text(status, "copy_error")[0] == '\0' &&
	       ask_text(status, "clock_error")[0] == '\0';
}

static bool
put_json(json_t *json)
{
	bool done = json != NULL &&
	            json_dumpf(json, stdout, JSON_INDENT(2)) == 0 &&
	            putchar('\n') != EOF;

	json_decref(json);
	return done;
}

/* What can be told without stekd. */
static void
put_store_alone(struct farm *farm)
{
	if (farm->conf == NULL)
		return;
	if (!farm_read(farm)) {
		say_error("%s", farm->why);
		return;
	}
	(void)printf("farm %s, version %" PRIu64 ", as its store has it\n"
	             "\nkeys\n",
	    farm->conf->farm, farm->set->version);
	put_stored_keys(
	    farm->set, &farm->conf->policy, time(NULL), is_colour());
}

static int
run(struct farm *farm, bool json)
{
	char why[ASK_WHY_LEN];
	json_t *status =
	    ask_once(farm->control, json_pack("{s:s}", "do", "status"), why);
	bool good;

	if (status == NULL) {
		say_error("%s", why);
		if (json)
			(void)put_json(json_pack(
			    "{s:b, s:o}", "done", 0, "error", utf8_json(why)));
		else
			put_store_alone(farm);
		(void)say_flush();
		return CLI_FAILED;
	}
	good = is_good(status) && farm->conf != NULL;
	if (json)
		good &= put_json(json_incref(status));
	else
		put_text(status);
	json_decref(status);
	return say_flush() == CLI_DONE && good ? CLI_DONE : CLI_FAILED;
}

int
verb_status(const struct cli *cli, int argc, char **argv)
{
	struct farm farm;
	bool json;
	int status;

	if (!cli_take_json("status", argc, argv, &json))
		return CLI_USAGE;
	if (!farm_open_stekd(&farm, cli)) {
		if (json)
			(void)put_json(json_pack("{s:b, s:o}", "done", 0,
			    "error", utf8_json(farm.why)));
		(void)say_flush();
		return CLI_FAILED;
	}
	status = run(&farm, json);
	farm_close(&farm);
	return status;
}
