/* SPDX-License-Identifier: ISC */
/*
 * stek rekey: from one farm key to the next, which is also how a host is
 * evicted: who has only the old one cannot read what is sealed from then on.
 *
 * Never here: sealing anything, which stekd does; a key's bytes on any output.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <daemon/farm_keys.h>

#include "change.h"
#include "farm.h"
#include "newkey.h"
#include "say.h"

/* The file of the next farm key; false: it is none of stek's making. */
static bool
next_path(const struct conf *conf, char path[PATH_MAX])
{
	struct farm_key_from from;
	char text[PATH_MAX];

	farm_keys_next_from(conf, text, sizeof(text));
	from = farm_key_from(text);
	if (text[0] == '\0' || from.cert || from.path == NULL) {
		say_error(
		    "the farm key (%s) is no file of stek's; name the one "
		    "that is to follow it in the configuration "
		    "(farm_key_next)",
		    conf->farm_key);
		return false;
	}
	(void)snprintf(path, PATH_MAX, "%s", from.path);
	return true;
}

static int
make_next(const struct conf *conf)
{
	char path[PATH_MAX];

	if (!next_path(conf, path))
		return CLI_FAILED;
	if (access(path, F_OK) == 0) {
		say_error("%s: is there already; nothing was changed", path);
		return CLI_FAILED;
	}
	if (!newkey_make(path))
		return CLI_FAILED;
	(void)printf("made %s: copy it to every host that is to stay in the "
	             "farm, as you would a TLS private key, and restart stekd "
	             "there; then \"stek rekey\" on one of them\n",
	    path);
	return say_flush();
}

/* It is in use everywhere: give it the name of the one in use. */
static int
finish(struct farm *farm)
{
	const struct conf *conf = farm->conf;
	struct farm_key_from from = farm_key_from(conf->farm_key);
	char path[PATH_MAX];

	/* A TLS private key is not stek's to replace, nor is a credential. */
	if (from.cert || from.path == NULL) {
		say_error(
		    "the farm key (%s) is no file of stek's: name the new "
		    "one in the configuration instead (farm_key), and "
		    "restart stekd; nothing was changed",
		    conf->farm_key);
		return CLI_FAILED;
	}
	if (!next_path(conf, path))
		return CLI_FAILED;
	if (access(path, F_OK) != 0) {
		say_error("%s: %s; nothing was changed", path, strerror(errno));
		return CLI_FAILED;
	}
	if (!farm_read(farm)) {
		say_error("%s", farm->why);
		return CLI_FAILED;
	}
	if (!farm->moved && farm->keys.next == NULL) {
		say_error("%s: it is no other than the farm key in use; "
		          "nothing was changed",
		    path);
		return CLI_FAILED;
	}
	if (!farm->moved) {
		say_error("this host's set is sealed with the old farm key "
		          "still; \"stek rekey\" first.  Nothing was changed");
		return CLI_FAILED;
	}
	if (rename(path, from.path) < 0) {
		say_error("%s: %s", path, strerror(errno));
		return CLI_FAILED;
	}
	(void)printf("%s is the farm key from now on; the old one is gone\n",
	    conf->farm_key);
	return say_flush();
}

struct options {
	bool make, finish;
	const char *evict;
	int timeout;
};

static int
run(struct farm *farm, const struct options *opt)
{
	json_t *request;

	if (opt->make)
		return make_next(farm->conf);
	if (opt->finish)
		return finish(farm);
	request = json_pack("{s:s}", "do", "rekey");
	if (opt->evict != NULL)
		(void)json_object_set_new(
		    request, "node", json_string(opt->evict));
	return change_run(farm->control, request, opt->timeout);
}

int
verb_rekey(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"new", no_argument, NULL, 'n'},
	    {"finish", no_argument, NULL, 'f'},
	    {"evict", required_argument, NULL, 'e'},
	    {"timeout", required_argument, NULL, 't'},
	    {NULL, 0, NULL, 0},
	};
	struct options opt = {.timeout = CHANGE_TIMEOUT};
	struct farm farm;
	int c, status;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'n')
			opt.make = true;
		else if (c == 'f')
			opt.finish = true;
		else if (c == 'e')
			opt.evict = optarg;
		else if (c == 't')
			opt.timeout = change_timeout(optarg);
		else
			return CLI_USAGE;
		if (opt.timeout < 0)
			return CLI_USAGE;
	}
	if (optind != argc || opt.make + opt.finish + (opt.evict != NULL) > 1)
		return say_usage("rekey takes --new, --finish or --evict NODE, "
		                 "one of them or none");
	if (!farm_open(&farm, cli))
		return CLI_FAILED;
	status = run(&farm, &opt);
	farm_close(&farm);
	return status;
}
