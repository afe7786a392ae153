/* SPDX-License-Identifier: ISC */
/*
 * stek show: what keys there are in a file, a folder, a ring or the farm's
 * store; or which formats there are.
 *
 * Never here: a byte of a key but its name.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <daemon/held.h>

#include "advice.h"
#include "farm.h"
#include "keyfile.h"
#include "say.h"

/* --- the formats --------------------------------------------------------- */

static void
put_format(const struct format *format)
{
	const struct advice *advice = advice_find(format->name);
	char line[256];

	(void)printf("%s\n", format->name);
	(void)printf("    %s, %s\n", format->server,
	    (format->flags & FORMAT_REFUSED) != 0
	        ? "which stek refuses to drive"
	    : (format->flags & FORMAT_RING) != 0   ? "a ring in shared memory"
	    : (format->flags & FORMAT_FOLDER) != 0 ? "a folder, one key a file"
	                                           : "one file");
	if (advice != NULL) {
		advice_line(advice, "PATH", line, sizeof(line));
		(void)printf("    %s:\n        %s\n", advice->where, line);
	}
	if (advice != NULL && advice->reload != NULL)
		(void)printf("    reload = \"%s\"\n", advice->reload);
	if (format->trap != NULL) {
		(void)printf("    Know that:\n");
		say_wrapped(format->trap, 8);
	}
}

static int
show_formats(void)
{
	const struct format *format;
	size_t i;

	for (i = 0; (format = format_at(i)) != NULL; i++)
		put_format(format);
	return say_flush();
}

/* --- keys ---------------------------------------------------------------- */

static void
put_times(const struct stek_key *key, int64_t now)
{
	char text[SAY_TIME_LEN];

	if (key->seal_from != 0 && !held_is(key))
		(void)printf("      %-12s %s\n", "seals from",
		    say_time(key->seal_from, now, text));
	if (key->seal_until != 0 && !held_is(key))
		(void)printf("      %-12s %s\n", "seals until",
		    say_time(key->seal_until, now, text));
	if (key->open_until != 0)
		(void)printf("      %-12s %s\n", "opens until",
		    say_time(key->open_until, now, text));
}

static void
put_key(
    const struct stek_key *key, const char *role, bool is_short, int64_t now)
{
	char hex[STEK_NAME_HEX];

	stek_key_hex(key->name, hex);
	(void)printf("  %s  %-8s  %s\n", hex, role,
	    is_short ? "48 bytes, AES-128" : "80 bytes, AES-256");
	put_times(key, now);
}

static void
put_held(
    const struct stek_key *key, const struct stek_policy *policy, int64_t now)
{
	char hex[STEK_NAME_HEX], text[SAY_TIME_LEN];

	stek_key_hex(key->name, hex);
	(void)printf(
	    "  %s  held      80 bytes, AES-256\n"
	    "      seals from   %s, when all nodes have confirmed it\n",
	    hex, say_time(held_from(key), now, text));
	(void)printf("      opens until  %s, if they do not\n",
	    say_time(held_open_until(key, policy), now, text));
}

static void
put_count(size_t count)
{
	(void)printf("%zu key%s\n", count, count == 1 ? "" : "s");
}

static int
show_file(const struct format *format, const char *path)
{
	struct keyfile *file = keyfile_new();
	int64_t now = time(NULL);
	int status = CLI_FAILED;
	size_t i;

	if (file == NULL) {
		say_error("no guarded memory to be had (see \"ulimit -l\")");
		return CLI_FAILED;
	}
	if (keyfile_read(file, format, path, now) != STEK_OK) {
		say_error("%s", file->why);
		goto out;
	}
	(void)printf("%s (%s): ", path, format->server);
	put_count(file->in.count);
	for (i = 0; i < file->in.count; i++)
		put_key(&file->in.keys[i],
		    i == file->in.sealing ? "encrypts" : "opens",
		    file->in.is_short, now);
	status = say_flush();
out:
	keyfile_free(file);
	return status;
}

static void
put_store_key(const struct farm *farm, const struct stek_key *key, int64_t now)
{
	static const char *const states[] = {
	    [STEK_PENDING] = "pending",
	    [STEK_SEALING] = "sealing",
	    [STEK_OPENING] = "opening",
	    [STEK_DEAD] = "expired",
	};

	if (held_is(key))
		put_held(key, &farm->conf->policy, now);
	else
		put_key(key, states[stek_set_state(farm->set, key, now)], false,
		    now);
}

static int
show_store(const struct cli *cli)
{
	int64_t now = time(NULL);
	int status = CLI_FAILED;
	const struct stek_set *set;
	struct farm farm;
	size_t i;

	if (!farm_open(&farm, cli))
		return CLI_FAILED;
	if (!farm_read(&farm)) {
		say_error("%s", farm.why);
		goto out;
	}
	set = farm.set;
	(void)printf(
	    "farm %s, version %" PRIu64 ": ", farm.conf->farm, set->version);
	put_count(set->count);
	for (i = 0; i < set->count; i++)
		put_store_key(&farm, &set->keys[i], now);
	status = say_flush();
out:
	farm_close(&farm);
	return status;
}

int
verb_show(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"format", required_argument, NULL, 'f'},
	    {NULL, 0, NULL, 0},
	};
	const struct format *format;
	const char *name = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'f')
			return CLI_USAGE;
		name = optarg;
	}
	if (name == NULL && optind < argc)
		return say_usage("to show a file, name its --format");
	if (name == NULL)
		return show_store(cli);
	if (strcmp(name, "help") == 0 && optind == argc)
		return show_formats();
	if (optind + 1 != argc)
		return say_usage("expected one file or folder after --format");
	format = keyfile_format(name);
	if (format == NULL)
		return CLI_USAGE;
	return show_file(format, argv[optind]);
}
