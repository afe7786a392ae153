/* SPDX-License-Identifier: ISC */
/*
 * stek revoke: take one key, or all, away from every server at once.
 *
 * Never here: removing a key, which stekd does.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "change.h"
#include "farm.h"
#include "say.h"

enum { PREFIX_MIN = 8, NAME_HEX = STEK_NAME_HEX - 1, ASK_SECONDS = 10 };

struct options {
	bool all;
	int timeout;
	char prefix[STEK_NAME_HEX]; /* of the key's name */
};

static bool
take_prefix(const char *text, char prefix[STEK_NAME_HEX])
{
	size_t i, len = strlen(text);

	if (len < PREFIX_MIN || len > NAME_HEX ||
	    strspn(text, "0123456789abcdefABCDEF") != len) {
		say_error("--key \"%.64s\": expected a key's name, or the "
		          "first %d or more of its %d hex digits",
		    text, PREFIX_MIN, NAME_HEX);
		return false;
	}
	for (i = 0; i <= len; i++)
		prefix[i] = (char)tolower((unsigned char)text[i]);
	return true;
}

/* The only one of stekd's keys that begins so. */
static bool
resolve(const json_t *status, char prefix[STEK_NAME_HEX])
{
	const json_t *keys = json_object_get(status, "keys");
	const char *name, *found = NULL;
	size_t i;

	for (i = 0; i < json_array_size(keys); i++) {
		name = ask_text(json_array_get(keys, i), "name");
		if (strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		if (found != NULL) {
			say_error("%s and %s both begin with %s: give more "
			          "digits",
			    found, name, prefix);
			return false;
		}
		found = name;
	}
	if (found != NULL && strlen(found) == NAME_HEX) {
		memcpy(prefix, found, STEK_NAME_HEX);
		return true;
	}
	say_error(
	    "no key's name begins with %s; \"stek status\" lists them", prefix);
	return false;
}

/* The whole name of a prefix; false: it has been said why not. */
static bool
complete(const char *socket, char prefix[STEK_NAME_HEX])
{
	json_t *status = NULL;
	struct ask ask;
	bool found = false;

	if (strlen(prefix) == NAME_HEX)
		return true;
	if (ask_open(
	        &ask, socket, json_pack("{s:s}", "do", "status"), ASK_SECONDS))
		status = ask_next(&ask);
	if (status == NULL)
		say_error("%s", ask.why);
	else
		found = resolve(status, prefix);
	json_decref(status);
	ask_close(&ask);
	return found;
}

static int
run(const char *socket, struct options *opt)
{
	if (opt->all)
		return change_run(socket,
		    json_pack("{s:s, s:b}", "do", "revoke", "all", 1),
		    opt->timeout);
	if (!complete(socket, opt->prefix))
		return CLI_FAILED;
	return change_run(socket,
	    json_pack("{s:s, s:s}", "do", "revoke", "key", opt->prefix),
	    opt->timeout);
}

int
verb_revoke(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"all", no_argument, NULL, 'a'},
	    {"key", required_argument, NULL, 'k'},
	    {"timeout", required_argument, NULL, 't'},
	    {NULL, 0, NULL, 0},
	};
	struct options opt = {.timeout = CHANGE_TIMEOUT};
	struct farm farm;
	int c, status;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'a')
			opt.all = true;
		else if (c == 't')
			opt.timeout = change_timeout(optarg);
		else if (c != 'k' || !take_prefix(optarg, opt.prefix))
			return CLI_USAGE;
		if (opt.timeout < 0)
			return CLI_USAGE;
	}
	if (optind != argc || opt.all == (opt.prefix[0] != '\0'))
		return say_usage("revoke needs --all or --key NAME, one of "
		                 "them");
	if (!farm_open(&farm, cli))
		return CLI_FAILED;
	status = run(farm.conf->control, &opt);
	farm_close(&farm);
	return status;
}
