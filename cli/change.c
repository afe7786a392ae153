/* SPDX-License-Identifier: ISC */
/*
 * See change.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "change.h"
#include "say.h"

int
change_timeout(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end != text && *end == '\0' && n >= 1 && n <= 86400)
		return (int)n;
	say_error("--timeout is a number of seconds, 1 to 86400");
	return -1;
}

static void
put_begin(const json_t *answer, json_int_t targets)
{
	int64_t now = time(NULL), from = ask_number(answer, "seal_from", 0);
	const char *name = ask_text(answer, "sealing");
	char text[SAY_TIME_LEN];

	/* The set is as it was; what it says of keys is not so here. */
	if (ask_text(answer, "farm_error")[0] != '\0') {
		say_error("%s", ask_text(answer, "farm_error"));
		(void)fflush(stdout);
		return;
	}
	(void)printf("version %" JSON_INTEGER_FORMAT ": ",
	    ask_number(answer, "version", 0));
	if (json_is_true(json_object_get(answer, "held")))
		(void)printf("key %s begins to seal %s%s, once all nodes have "
		             "confirmed it\n",
		    name, from > now ? "at " : "",
		    from > now ? say_time(from, now, text) : "at once");
	else if (from > now)
		(void)printf("key %s begins to seal at %s\n", name,
		    say_time(from, now, text));
	else
		(void)printf("key %s seals now\n", name);
	if (json_is_false(json_object_get(answer, "moved")))
		(void)printf("nothing was moved: it was on its way already, "
		             "and only --now has it seal sooner\n");
	if (targets == 0)
		(void)printf("no targets to confirm it\n");
	(void)fflush(stdout);
}

/* A target of this host, or another node. */
static void
put_one(const json_t *answer, const char *what)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));
	const char *detail = ask_text(answer, "detail");

	(void)printf("  %-12s  %s %" JSON_INTEGER_FORMAT " ms",
	    ask_text(answer, what), ok ? "confirmed in" : "FAILED after",
	    ask_number(answer, "ms", 0));
	if (detail[0] != '\0') {
		(void)fputs(ok ? "  (" : ": ", stdout);
		say_clean(detail);
		(void)fputs(ok ? ")" : "", stdout);
	}
	(void)putchar('\n');
	(void)fflush(stdout);
}

static int
put_end(const json_t *answer, json_int_t targets, json_int_t nodes)
{
	json_int_t failed = ask_number(answer, "failed", 0);

	if (failed == 0 && nodes > 0)
		(void)printf("all targets and nodes have confirmed it\n");
	else if (failed == 0 && targets > 0)
		(void)printf("%s\n", targets == 1
		                         ? "the target has confirmed it"
		                         : "all targets have confirmed it");
	if (failed > 0 && nodes > 0)
		say_error(
		    "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		    " targets and nodes have not confirmed it; targets "
		    "are tried again, nodes follow once they are back, see "
		    "\"stek status\"",
		    failed, targets + nodes);
	else if (failed > 0)
		say_error("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		          " targets failed; stekd tries them again, see "
		          "\"stek status\"",
		    failed, targets);
	return say_flush() == CLI_DONE && failed == 0 ? CLI_DONE : CLI_FAILED;
}

/* It was begun: what has not been heard of yet may still happen. */
static int
give_up(const struct ask *ask, json_int_t targets, json_int_t heard)
{
	say_error("%s", ask->why);
	if (ask->ended)
		return CLI_FAILED;
	if (targets > heard)
		say_error("the change was made, but %" JSON_INTEGER_FORMAT
		          " of %" JSON_INTEGER_FORMAT
		          " targets have not answered; see \"stek status\"",
		    targets - heard, targets);
	else if (targets == heard)
		say_error("the change was made, but not every node has "
		          "confirmed it yet; see \"stek status\"");
	return CLI_FAILED;
}

static int
watch(struct ask *ask)
{
	json_int_t targets = -1, heard = 0, nodes = 0;
	bool missed = false;
	int status = -1;
	json_t *answer;

	while (status < 0) {
		answer = ask_next(ask);
		if (answer == NULL)
			return give_up(ask, targets, heard);
		if (json_is_true(json_object_get(answer, "done"))) {
			status = put_end(answer, targets, nodes);
		} else if (json_object_get(answer, "target") != NULL) {
			heard++;
			put_one(answer, "target");
		} else if (json_object_get(answer, "node") != NULL) {
			nodes++;
			put_one(answer, "node");
		} else {
			targets = ask_number(answer, "targets", 0);
			missed = ask_text(answer, "farm_error")[0] != '\0';
			put_begin(answer, targets);
		}
		json_decref(answer);
	}
	return missed ? CLI_FAILED : status;
}

int
change_run(const char *socket, json_t *request, int timeout)
{
	int status = CLI_FAILED;
	struct ask ask;

	if (ask_open(&ask, socket, request, timeout))
		status = watch(&ask);
	else
		say_error("%s", ask.why);
	ask_close(&ask);
	return status;
}
