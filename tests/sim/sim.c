/* SPDX-License-Identifier: ISC */
/*
 * sim: runs farms, many small ones or a large one, and tells what broke.
 *
 *	sim [--from SEED] [--seeds N] [--seconds S]
 *	sim --large NODES DAYS [--from SEED]
 *	sim --seed N [--trace]	one seed; all its events
 *	sim --until INVARIANT	for mutants: fails unless it breaks first
 *	--no-shrink, --nodes N, --keep A,B,...	of the faults
 *
 * Never here: what is checked.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shrink.h"

#define TRACE_LINES 60
#define LINE_MAX_   256

struct options {
	uint64_t from, seeds;
	int64_t seconds;
	uint32_t large, nodes;
	int64_t days;
	bool trace, goes_on, is_shrunk;
	const char *until, *keep, *name;
};

static void
tell_script(const struct script *script, uint32_t *left)
{
	const struct farm_conf *conf = &script->conf;
	char line[LINE_MAX_];
	uint32_t i;

	(void)printf("seed %" PRIu64 ": %u nodes, rotate %" PRId64
	             " s, tickets %" PRId64 " s, lead %" PRId64
	             " s, postpone %" PRId64 " s, stale_after %" PRId64 " s\n",
	    script->seed, script->nodes, conf->policy.rotate,
	    conf->policy.tickets, conf->policy.lead, conf->postpone,
	    conf->stale_after);
	*left = 0;
	for (i = 0; i < script->count; i++) {
		if (script->faults[i].dropped ||
		    script->faults[i].at > script->length)
			continue;
		script_tell(script, &script->faults[i], line, sizeof(line));
		(void)printf("  %3u  %s\n", i, line);
		(*left)++;
	}
}

static void
tell_repeat(const struct script *script)
{
	const char *comma = "";
	uint32_t i;

	(void)printf("repeat: sim --seed %" PRIu64 " --nodes %u --keep ",
	    script->seed, script->nodes);
	for (i = 0; i < script->count; i++) {
		if (script->faults[i].dropped)
			continue;
		(void)printf("%s%u:%" PRId64, comma, i, script->faults[i].len);
		comma = ",";
	}
	(void)printf("%s\n", *comma == '\0' ? "none" : "");
}

/* The last lines of a run; returns how many there were. */
static size_t
tell_trace(const struct script *script, struct world *world, bool quiet)
{
	char *text = NULL, *line;
	size_t len = 0, lines = 0, i;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return 0;
	run(script, out, world);
	(void)fclose(out);
	for (i = 0; i < len; i++)
		lines += text[i] == '\n';
	for (i = len, line = text; i > 0; i--)
		if (text[i - 1] == '\n' && i < len && --lines == 0)
			break;
	lines = 0;
	for (i = len; i > 0; i--)
		if (text[i - 1] == '\n' && ++lines == TRACE_LINES + 1)
			break;
	line = text + i;
	if (!quiet)
		(void)fputs(line, stdout);
	for (lines = 0, i = 0; i < len; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

/* A line for the table of mutations, or all that is to be known. */
static void
tell_broken(struct script *script, const struct options *options,
    const char *invariant, const char *why)
{
	struct world world;
	uint32_t left;
	size_t lines;

	if (!options->is_shrunk)
		shrink(script, invariant);
	if (options->until == NULL) {
		(void)printf("%s broken: %s\n", invariant, why);
		tell_script(script, &left);
		(void)tell_trace(script, &world, false);
		tell_repeat(script);
	} else {
		lines = tell_trace(script, &world, true);
		(void)printf("%s breaks %s at seed %" PRIu64
		             " with %u nodes: %s (%zu lines)\n",
		    options->name, invariant, script->seed, script->nodes, why,
		    lines);
	}
	run_free(&world);
}

static void
keep(struct script *script, const char *list)
{
	char *copy = strdup(list), *rest = NULL, *item, *end;
	unsigned long at;
	uint32_t i;

	for (i = 0; i < script->count; i++)
		script->faults[i].dropped = true;
	for (item = copy == NULL ? NULL : strtok_r(copy, ",", &rest);
	     item != NULL; item = strtok_r(NULL, ",", &rest)) {
		at = strtoul(item, &end, 10);
		if (end == item || at >= script->count)
			continue;
		script->faults[at].dropped = false;
		if (*end == ':')
			script->faults[at].len = strtoll(end + 1, NULL, 10);
	}
	free(copy);
}

static void
make(struct script *script, const struct options *options, uint64_t seed)
{
	if (options->large > 0)
		script_large(script, seed, options->large, options->days * DAY);
	else
		script_make(script, seed);
	if (options->nodes > 0)
		script->nodes = options->nodes;
	if (options->keep != NULL)
		keep(script, options->keep);
}

static void
add(struct count *sum, const struct count *count)
{
	sum->events += count->events;
	sum->mints += count->mints;
	sum->confirms += count->confirms;
	sum->forces += count->forces;
	sum->restores += count->restores;
	sum->attempts += count->attempts;
	sum->conflicts += count->conflicts;
	sum->refused += count->refused;
	sum->planned += count->planned;
	sum->plans += count->plans;
	sum->lists += count->lists;
	sum->asks += count->asks;
	if (count->worst > sum->worst)
		sum->worst = count->worst;
}

static void
tell_sum(const struct count *sum, uint64_t seeds, int64_t seconds)
{
	(void)printf("%" PRIu64 " farms, %" PRId64 " s: %" PRIu64
	             " events, %" PRIu64 " keys, %" PRIu64
	             " confirmed, %" PRIu64 " forced, %" PRIu64
	             " sets restored\n",
	    seeds, seconds, sum->events, sum->mints, sum->confirms, sum->forces,
	    sum->restores);
	(void)printf("%" PRIu64 " swaps, of which %" PRIu64
	             " too late, %" PRIu64 " in a row at most, and %" PRIu64
	             " refused; for %" PRIu64 " planned keys %" PRIu64
	             ".  Nodes were listed %" PRIu64
	             " times, a writer was asked after %" PRIu64 " times.\n",
	    sum->attempts, sum->conflicts, sum->worst, sum->refused,
	    sum->planned, sum->plans, sum->lists, sum->asks);
}

/* 0 if all is as wished. */
static int
run_seeds(const struct options *options)
{
	time_t began = time(NULL);
	struct count sum = {0};
	struct script script;
	struct world world;
	uint64_t i;

	for (i = 0; i < options->seeds; i++) {
		if (options->seconds > 0 &&
		    time(NULL) - began >= options->seconds)
			break;
		make(&script, options, options->from + i);
		run(&script, options->trace ? stdout : NULL, &world);
		add(&sum, &world.count);
		run_free(&world);
		if (world.broken != NULL && options->goes_on)
			(void)printf("%" PRIu64 ": %s broken: %s\n",
			    script.seed, world.broken, world.why);
		if (world.broken == NULL || options->goes_on)
			continue;
		tell_broken(&script, options, world.broken, world.why);
		return options->until == NULL ||
		       strstr(options->until, world.broken) == NULL;
	}
	tell_sum(&sum, i, (int64_t)(time(NULL) - began));
	if (options->until == NULL)
		return 0;
	(void)printf("%s has not broken %s\n", options->name, options->until);
	return 1;
}

static bool
parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
	    {"from", required_argument, NULL, 'f'},
	    {"seeds", required_argument, NULL, 'n'},
	    {"seconds", required_argument, NULL, 's'},
	    {"seed", required_argument, NULL, '1'},
	    {"large", required_argument, NULL, 'l'},
	    {"days", required_argument, NULL, 'd'},
	    {"nodes", required_argument, NULL, 'N'},
	    {"keep", required_argument, NULL, 'k'},
	    {"until", required_argument, NULL, 'u'},
	    {"name", required_argument, NULL, 'm'},
	    {"go-on", no_argument, NULL, 'g'},
	    {"trace", no_argument, NULL, 't'},
	    {"no-shrink", no_argument, NULL, 'x'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
		case '1':
			options->from = strtoull(optarg, NULL, 10);
			if (c == '1')
				options->seeds = 1;
			break;
		case 'n':
			options->seeds = strtoull(optarg, NULL, 10);
			break;
		case 's':
			options->seconds = strtoll(optarg, NULL, 10);
			break;
		case 'l':
			options->large = (uint32_t)strtoul(optarg, NULL, 10);
			options->seeds = 1;
			break;
		case 'd':
			options->days = strtoll(optarg, NULL, 10);
			break;
		case 'N':
			options->nodes = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			options->keep = optarg;
			options->is_shrunk = true;
			break;
		case 'u':
			options->until = optarg;
			break;
		case 'm':
			options->name = optarg;
			break;
		case 't':
			options->trace = true;
			break;
		case 'g':
			options->goes_on = true;
			break;
		case 'x':
			options->is_shrunk = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

int
main(int argc, char **argv)
{
	struct options options = {
	    .from = 1, .seeds = 1000, .days = 30, .name = "it"};

	if (!parse(argc, argv, &options)) {
		(void)fputs("usage: sim [--seeds N] [--seed N] [--large NODES "
		            "--days D] [--trace]; see its source\n",
		    stderr);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return run_seeds(&options);
}
