/* SPDX-License-Identifier: ISC */
/*
 * What all verbs of stek(1) share: their table's shape and the words they
 * end with.  One file a verb; main.c holds the table.
 *
 * Never here: what only one verb needs.
 */
#ifndef STEK_CLI_H
#define STEK_CLI_H

#include <stdbool.h>

enum {
	CLI_DONE = 0,	/* it was done, or what was asked about is right */
	CLI_FAILED = 1,	/* it failed, or found something wrong */
	CLI_USAGE = 2,	/* wrong usage; main() prints the verb's usage */
};

struct cli {
	const char *conf;	/* path of the configuration, never NULL */
};

/* For verbs that take --json and nothing else; false: wrong usage. */
bool cli_take_json(const char *verb, int argc, char **argv, bool *json);

/*
 * argv[0] is "stek", for getopt's messages; the verb's arguments follow.
 * The return value is the exit status.
 */
int verb_check(const struct cli *, int argc, char **argv);
int verb_rekey(const struct cli *, int argc, char **argv);
int verb_forget(const struct cli *, int argc, char **argv);
int verb_derive(const struct cli *, int argc, char **argv);
int verb_export(const struct cli *, int argc, char **argv);
int verb_import(const struct cli *, int argc, char **argv);
int verb_init(const struct cli *, int argc, char **argv);
int verb_probe(const struct cli *, int argc, char **argv);
int verb_revoke(const struct cli *, int argc, char **argv);
int verb_rotate(const struct cli *, int argc, char **argv);
int verb_run(const struct cli *, int argc, char **argv);
int verb_show(const struct cli *, int argc, char **argv);
int verb_status(const struct cli *, int argc, char **argv);

#endif
