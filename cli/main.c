/* SPDX-License-Identifier: ISC */
/*
 * main.c: the verbs of stek(1) and what they have in common on the command
 * line: -c FILE and -h, before or after the verb, and some verbs' --json.
 *
 * Never here: what a verb does.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <daemon/conf.h>
#include <daemon/memory.h>

#include "cli.h"
#include "say.h"

struct verb {
	const char *name;
	const char *args;
	const char *help; /* NULL: nobody's to call but stekd's */
	int (*run)(const struct cli *, int argc, char **argv);
};

static const struct verb verbs[] = {
    {"init", "", "make what stekd needs, where it is missing", verb_init},
    {"status", "[--json]", "what stekd is doing: keys, targets and nodes",
        verb_status},
    {"rotate", "[--now] [--timeout SECONDS]", "bring the next key forward",
        verb_rotate},
    {"revoke", "--all | --key NAME [--timeout SECONDS]",
        "take keys away from every server at once", verb_revoke},
    {"rekey", "[--new | --finish | --evict NODE] [--timeout SECONDS]",
        "go over to the next farm key", verb_rekey},
    {"forget", "NODE", "a node of the farm that will not come back",
        verb_forget},
    {"export", "--format FORMAT [--scope SCOPE] [-o FILE|FOLDER]",
        "write the farm's keys for a server", verb_export},
    {"import", "--format FORMAT FILE|FOLDER",
        "take another tool's keys into the farm", verb_import},
    {"check", "[--json]", "all that is wrong on this host", verb_check},
    {"show",
        "[--format FORMAT FILE|FOLDER]\n"
        "       stek show --format help",
        "list keys by name and time, or the formats", verb_show},
    {"probe",
        "[--json | --ticket] [--tls 1.2|1.3] [--sni NAME]\n"
        "                  [--timeout SECONDS] HOST:PORT...",
        "try each server's tickets at every server", verb_probe},
    {"run", "--ring FILE [--scope SCOPE] [--keep-own] -- COMMAND [ARGUMENT...]",
        "start a server that knows nothing of stek with a ring's keys",
        verb_run},
    {"derive", "", NULL, verb_derive},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void
usage(FILE *to)
{
	size_t i;

	(void)fprintf(to, "usage: stek [-c FILE] VERB [ARGUMENT...]\n\n");
	for (i = 0; i < VERBS && verbs[i].help != NULL; i++)
		(void)fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	(void)fprintf(to, "\nstek VERB -h shows a verb's arguments, "
	                  "stek -V the version; see stek(1).\n");
}

static void
usage_verb(FILE *to, const struct verb *verb)
{
	(void)fprintf(
	    to, "usage: stek [-c FILE] %s %s\n", verb->name, verb->args);
}

static const struct verb *
find(const char *name)
{
	size_t i;

	for (i = 0; i < VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/*
 * Take -c FILE, -h and -V out of the arguments, up to a "--", which may be
 * followed by another program's.  Returns how many are left, -1 if FILE is
 * missing.
 */
static int
take_common(int argc, char **argv, struct cli *cli, int *help, int *version)
{
	int from, to = 0;

	for (from = 0; from < argc; from++) {
		if (strcmp(argv[from], "--") == 0)
			break;
		if (strcmp(argv[from], "-V") == 0 ||
		    strcmp(argv[from], "--version") == 0) {
			*version = 1;
		} else if (strcmp(argv[from], "-h") == 0 ||
		           strcmp(argv[from], "--help") == 0) {
			*help = 1;
		} else if (strcmp(argv[from], "-c") == 0) {
			if (++from >= argc)
				return -1;
			cli->conf = argv[from];
		} else {
			argv[to++] = argv[from];
		}
	}
	while (from < argc)
		argv[to++] = argv[from++];
	argv[to] = NULL;
	return to;
}

bool
cli_take_json(const char *verb, int argc, char **argv, bool *json)
{
	static const struct option longs[] = {
	    {"json", no_argument, NULL, 'j'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	*json = false;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return false;
		*json = true;
	}
	if (optind == argc)
		return true;
	say_error("%s takes no argument, found \"%s\"", verb, argv[optind]);
	return false;
}

int
main(int argc, char **argv)
{
	static char program[] = "stek";
	struct cli cli = {.conf = CONF_DEFAULT};
	const struct verb *verb = NULL;
	int help = 0, version = 0, status;

	argc = take_common(argc - 1, argv + 1, &cli, &help, &version);
	argv++;
	if (argc > 0)
		verb = find(argv[0]);
	if (version) {
		(void)puts("stek " STEK_VERSION);
		return CLI_DONE;
	}
	if (help) {
		if (verb != NULL)
			usage_verb(stdout, verb);
		else
			usage(stdout);
		return CLI_DONE;
	}
	if (argc == -1)
		(void)fputs("stek: -c needs a file\n", stderr);
	else if (argc > 0 && verb == NULL)
		(void)fprintf(stderr, "stek: no verb \"%s\"\n", argv[0]);
	if (verb == NULL) {
		usage(stderr);
		return CLI_USAGE;
	}
	argv[0] = program;
	/* Limits are inherited: a server that is run keeps its own. */
	if (verb->run != verb_run)
		memory_protect();
	status = verb->run(&cli, argc, argv);
	if (status == CLI_USAGE)
		usage_verb(stderr, verb);
	return status;
}
