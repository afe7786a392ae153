/* SPDX-License-Identifier: ISC */
/*
 * run.c: stek run: start a server on an unmodified TLS library with the
 * farm's keys.
 *
 * It sets four variables and becomes the server: LD_PRELOAD, with the objects
 * of preload/ before what was there; the ring's path and scope, and whether
 * the server keeps keys of its own, for them to find.  None is secret.
 *
 * Never here: the ring itself, or which TLS library the server has: each
 * object does nothing in a process without its own.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stek.h>

#include <daemon/conf_check.h>

#include "cli.h"
#include "say.h"

/* One a TLS library. */
static const char *const objects[] = {
#ifdef STEK_PRELOAD_GNUTLS
    "gnutls.so",
#endif
#ifdef STEK_PRELOAD_MBEDTLS
    "mbedtls.so",
#endif
#ifdef STEK_PRELOAD_NSS
    "nss.so",
#endif
#ifdef STEK_PRELOAD_OPENSSL
    "openssl.so",
#endif
#ifdef STEK_PRELOAD_WOLFSSL
    "wolfssl.so",
#endif
    NULL,
};

struct run {
	const char *ring;
	const char *scope;
	bool keep_own;
	char **command;
};

static bool
take_arguments(int argc, char **argv, struct run *run)
{
	static const struct option longs[] = {
	    {"ring", required_argument, NULL, 'r'},
	    {"scope", required_argument, NULL, 's'},
	    {"keep-own", no_argument, NULL, 'k'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		if (c == 'r')
			run->ring = optarg;
		else if (c == 's')
			run->scope = optarg;
		else if (c == 'k')
			run->keep_own = true;
		else
			return false;
	}
	run->command = argv + optind;
	if (run->ring == NULL)
		say_error("run needs --ring FILE: the path of a target with "
		          "format = \"ring\"");
	else if (run->command[0] == NULL)
		say_error("run needs a command to become, after --");
	else
		return true;
	return false;
}

/* From the root: the server may go to another folder before it looks. */
static bool
set_ring(const char *ring)
{
	char path[PATH_MAX], here[PATH_MAX];

	if (ring[0] == '/')
		return setenv("STEK_RING", ring, 1) == 0;
	if (getcwd(here, sizeof(here)) == NULL ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", here, ring) >=
	        sizeof(path))
		return false;
	return setenv("STEK_RING", path, 1) == 0;
}

/*
 * Said now, where the operator looks; the server does without the ring until
 * it is mended.
 */
static void
look_at(const char *ring)
{
	struct stek_ring *opened;
	enum stek_err err = stek_ring_open(ring, &opened);

	if (err == STEK_OK)
		stek_ring_close(opened);
	else
		say_error("%s: %s; the server does without until that is "
		          "mended",
		    ring,
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err));
}

static bool
add(char *list, size_t size, const char *path)
{
	size_t len = strlen(list);

	return (size_t)snprintf(list + len, size - len, "%s%s",
	           len > 0 ? ":" : "", path) < size - len;
}

/* The objects, then what was there; false: said why. */
static bool
set_preload(void)
{
	const char *was = getenv("LD_PRELOAD");
	const char *folder = getenv("STEK_PRELOAD");
	char list[8 * PATH_MAX] = "", path[PATH_MAX];
	size_t i;

	if (folder == NULL || folder[0] == '\0')
		folder = STEK_PRELOAD_DIR;
	if (strpbrk(folder, ": ") != NULL) {
		say_error("%s: a folder for LD_PRELOAD must have neither "
		          "colons nor blanks in its name",
		    folder);
		return false;
	}
	for (i = 0; objects[i] != NULL; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, objects[i]);
		if (access(path, R_OK) < 0) {
			say_error("%s: %s: is stek installed as a whole?", path,
			    strerror(errno));
			return false;
		}
		if (!add(list, sizeof(list), path))
			return false;
	}
	if (i == 0) {
		say_error("this stek was built without any TLS library that "
		          "run is for");
		return false;
	}
	if (was != NULL && was[0] != '\0' && !add(list, sizeof(list), was)) {
		say_error("LD_PRELOAD is too long already");
		return false;
	}
	return setenv("LD_PRELOAD", list, 1) == 0;
}

int
verb_run(const struct cli *cli, int argc, char **argv)
{
	struct run run = {.scope = ""};
	char why[CONF_WHY_LEN];

	(void)cli;
	if (!take_arguments(argc, argv, &run))
		return CLI_USAGE;
	if (!conf_check("target|scope", run.scope, why)) {
		say_error("--scope: %s", why);
		return CLI_USAGE;
	}
	look_at(run.ring);
	if (!set_preload())
		return CLI_FAILED;
	if (!set_ring(run.ring) || setenv("STEK_SCOPE", run.scope, 1) < 0 ||
	    setenv("STEK_KEEP_OWN", run.keep_own ? "1" : "", 1) < 0) {
		say_error("%s: %s", run.ring, strerror(errno));
		return CLI_FAILED;
	}
	(void)execvp(run.command[0], run.command);
	say_error("%s: %s", run.command[0], strerror(errno));
	return CLI_FAILED;
}
