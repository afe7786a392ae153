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

enum { PREFIX_MIN = 8, NAME_HEX = STEK_NAME_HEX - 1 };

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

/* How many keys' names begin so; *key is the last of them. */
static size_t
count_matches(const struct stek_set *set, const char *prefix, size_t *key)
{
	char hex[STEK_NAME_HEX];
	size_t i, count = 0;

	for (i = 0; i < set->count; i++) {
		stek_key_hex(set->keys[i].name, hex);
		if (strncmp(hex, prefix, strlen(prefix)) != 0)
			continue;
		*key = i;
		count++;
	}
	return count;
}

/*
 * A name may have been seen on the wire of a target with a scope: then turn
 * it into the name of the farm's key that it was derived from.
 */
static void
leave_scope(struct farm *farm, char prefix[STEK_NAME_HEX])
{
	struct stek_set *scoped = stek_set_new();
	const char *scope;
	size_t i, key;

	if (scoped == NULL || farm->conf == NULL || !farm_read(farm) ||
	    count_matches(farm->set, prefix, &key) > 0)
		goto out;
	for (i = 0; i < farm->conf->count; i++) {
		scope = farm->conf->targets[i].scope;
		if (stek_scope_set(farm->set, scope, scoped) != STEK_OK ||
		    count_matches(scoped, prefix, &key) != 1)
			continue;
		(void)printf("%s: in scope \"", prefix);
		stek_key_hex(farm->set->keys[key].name, prefix);
		say_clean(scope);
		(void)printf("\" the name of the farm's key %s\n", prefix);
		break;
	}
out:
	stek_set_free(scoped);
}

/* The whole name of a prefix; false: it has been said why not. */
static bool
complete(struct farm *farm, char prefix[STEK_NAME_HEX])
{
	char why[ASK_WHY_LEN];
	json_t *status;
	bool found = false;

	leave_scope(farm, prefix);
	if (strlen(prefix) == NAME_HEX)
		return true;
	status =
	    ask_once(farm->control, json_pack("{s:s}", "do", "status"), why);
	if (status == NULL)
		say_error("%s", why);
	else
		found = resolve(status, prefix);
	json_decref(status);
	return found;
}

static int
run(struct farm *farm, struct options *opt)
{
	const char *socket = farm->control;

	if (opt->all)
		return change_run(socket,
		    json_pack("{s:s, s:b}", "do", "revoke", "all", 1),
		    opt->timeout);
	if (!complete(farm, opt->prefix))
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
	if (!farm_open_stekd(&farm, cli))
		return CLI_FAILED;
	status = run(&farm, &opt);
	farm_close(&farm);
	return status;
}
