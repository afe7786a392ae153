/* SPDX-License-Identifier: ISC */
/*
 * stek check: a farm's store in etcd, and its other nodes, as stekd sees
 * them.
 *
 * Never here: asking etcd.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "check.h"
#include "place.h"

#define SKEW_MAX 30 /* s */

static bool
is_plain(const char *endpoint)
{
	return strncmp(endpoint, "http://", 7) == 0 &&
	       strncmp(endpoint + 7, "127.", 4) != 0 &&
	       strncmp(endpoint + 7, "localhost:", 10) != 0 &&
	       strncmp(endpoint + 7, "[::1]", 5) != 0;
}

static void
check_endpoints(struct check *check)
{
	const struct conf_etcd *etcd = &check->conf->etcd;
	size_t i;

	for (i = 0; i < etcd->count; i++)
		if (is_plain(etcd->endpoints[i]))
			check_say(check, CHECK_WARN, etcd->endpoints[i],
			    "use https:// and etcd's own TLS",
			    "what goes over the network is not protected: keys "
			    "are sealed, but whoever is on the way can keep "
			    "them "
			    "from this host%s",
			    etcd->password[0] != '\0'
			        ? ", and read its password"
			        : "");
	if (etcd->count == 1)
		check_say(check, CHECK_NOTE, etcd->endpoints[0], "",
		    "it is the only endpoint: without it this host hears of no "
		    "rotation and no revocation; name all members of etcd");
	if (etcd->cert[0] == '\0' && etcd->user[0] == '\0')
		check_say(check, CHECK_WARN, "etcd",
		    "give each host a certificate (etcd { cert key }) or a "
		    "password, and etcd auth enable",
		    "this host shows etcd neither certificate nor password; "
		    "whoever else may do so can stop rotation and revocation");
}

/* False: stekd's user cannot read it, or it is not named. */
static bool
check_readable(struct check *check, const char *path, struct stat *st)
{
	const struct conf *conf = check->conf;

	if (path[0] == '\0')
		return false;
	if (stat(path, st) < 0) {
		check_say(check, CHECK_FAIL, path, "", "%s", strerror(errno));
		return false;
	}
	if (place_readable(st, conf->uid, conf->gid))
		return true;
	check_say(check, CHECK_FAIL, path, "let that user read it",
	    "stekd's user %s cannot read it (uid %u, mode %04o)", conf->user,
	    (unsigned int)st->st_uid, (unsigned int)st->st_mode & 07777);
	return false;
}

/* What etcd's users prove themselves by. */
static void
check_secret(struct check *check, const char *path)
{
	const struct conf *conf = check->conf;
	struct stat st;

	if (!check_readable(check, path, &st))
		return;
	if ((st.st_mode & 07) != 0)
		check_say(check, CHECK_WARN, path, "chmod 0600 it",
		    "others can read what this host proves itself to etcd with "
		    "(mode %04o)",
		    (unsigned int)st.st_mode & 07777);
	else
		check_say(check, CHECK_OK, path, "",
		    "stekd's user %s can read it, others cannot", conf->user);
}

void
check_etcd(struct check *check)
{
	struct stat st;

	if (!conf_is_shared(check->conf))
		return;
	check_endpoints(check);
	(void)check_readable(check, check->conf->etcd.ca, &st);
	(void)check_readable(check, check->conf->etcd.cert, &st);
	check_secret(check, check->conf->etcd.key);
	check_secret(check, check->conf->etcd.password);
}

/* What is in etcd is not of this host's farm key: then who is the stranger? */
static bool
is_stranger(const json_t *status)
{
	return strcmp(ask_text(json_object_get(status, "store"), "state"),
	           "failing") == 0;
}

static void
check_node(
    struct check *check, const json_t *node, json_int_t version, bool stranger)
{
	const char *name = ask_text(node, "name");
	json_int_t offset = ask_number(node, "offset", 0);

	if (!json_is_true(json_object_get(node, "live")))
		check_say(check, CHECK_WARN, name,
		    "start its stekd, or \"stek forget\" it",
		    "the node is gone: a revocation does not reach it");
	else if (!json_is_true(json_object_get(node, "readable")) && stranger)
		check_say(check, CHECK_FAIL, "farm key",
		    "compare it with the other hosts', and copy theirs if it "
		    "is "
		    "another",
		    "what node %s says is not of this host's farm key, nor is "
		    "what is in etcd",
		    name);
	else if (!json_is_true(json_object_get(node, "readable")))
		check_say(check, CHECK_WARN, name,
		    "give it this farm's key, or take it out of etcd's users",
		    "the node has another farm key, and gets no keys");
	else if (ask_text(node, "failed")[0] != '\0')
		check_say(check, CHECK_FAIL, name, "see stek status there",
		    "the node has targets that fail: %s",
		    ask_text(node, "failed"));
	else if (ask_number(node, "confirmed", 0) < version)
		check_say(check, CHECK_NOTE, name, "",
		    "the node has not confirmed version %" JSON_INTEGER_FORMAT
		    " yet",
		    version);
	if (llabs(offset) > SKEW_MAX)
		check_say(check, CHECK_WARN, name, "set it by NTP",
		    "the node's clock is %" JSON_INTEGER_FORMAT
		    " s %s etcd's: its servers seal and forget by it",
		    (json_int_t)llabs(offset),
		    offset > 0 ? "ahead of" : "behind");
}

void
check_nodes(struct check *check, const json_t *status)
{
	const json_t *nodes = json_object_get(status, "nodes");
	const char *rights =
	    ask_text(json_object_get(status, "store"), "rights");
	size_t i;

	if (!json_is_array(nodes))
		return;
	if (strcmp(rights, "none needed") == 0)
		check_say(check, CHECK_WARN, "etcd",
		    "add users and roles, then \"etcdctl auth enable\"",
		    "its authentication is off (as of ten minutes ago, at "
		    "most): who reaches it can delete the farm's keys there");
	else if (strcmp(rights, "everything") == 0)
		check_say(check, CHECK_WARN, "etcd",
		    "give it a role for its prefix alone (stek.conf(5))",
		    "this host may read more of it than the farm's prefix");
	else if (rights[0] != '\0')
		check_say(check, CHECK_OK, "etcd", "",
		    "this host is a user of it that may not read everything "
		    "there");
	for (i = 0; i < json_array_size(nodes); i++)
		check_node(check, json_array_get(nodes, i),
		    ask_number(status, "version", 0), is_stranger(status));
	if (ask_text(status, "nodes_error")[0] != '\0')
		check_say(check, CHECK_WARN, "nodes", "",
		    "they could not be asked for: %s",
		    ask_text(status, "nodes_error"));
}
