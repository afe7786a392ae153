/* SPDX-License-Identifier: ISC */
/*
 * stek init: what stekd needs before it can start, each only if missing.
 *
 * Never here: replacing or repairing what is there; a key's bytes on any
 * output.
 * Invariant: a second run makes nothing and says so.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <daemon/farm_key.h>

#include "advice.h"
#include "farm.h"
#include "newkey.h"
#include "place.h"
#include "say.h"

static const char template[] =
    "# stek.conf: see stek.conf(5).  What is commented out shows the default.\n"
    "\n"
    "# The farm's name; the same on every host of the farm.\n"
    "#farm     = \"farm\"\n"
    "\n"
    "# Where the farm's keys are kept, encrypted with the farm key; for a\n"
    "# farm of hosts \"etcd:https://etcd1:2379,https://etcd2:2379\".\n"
    "#store    = \"dir:/var/lib/stek\"\n"
    "\n"
    "# The farm key can be \"cert:/etc/ssl/private/server.key\", too: derived\n"
    "# from a private key that all hosts of the farm have.\n"
    "#farm_key = \"/etc/stek/farm.key\"\n"
    "\n"
    "# With etcd: this host's name (its hostname), and what it shows etcd.\n"
    "#node     = \"\"\n"
    "#etcd { ca = \"\"  cert = \"\"  key = \"\" }\n"
    "\n"
    "# Who stekd runs as, and the socket at which stek(1) finds it.\n"
    "#user     = \"_stek\"\n"
    "#control  = \"/run/stek/control\"\n"
    "\n"
    "# Prometheus metrics, such as \"127.0.0.1:9466\".\n"
    "#metrics  = \"\"\n"
    "\n"
    "# false on hosts whose store is copied from another host.\n"
    "#mint     = true\n"
    "\n"
    "# A key seals for `rotate`, its tickets open for `tickets`, and it is\n"
    "# handed to every server `lead` before it seals.\n"
    "#policy { rotate = \"6h\"  tickets = \"12h\"  lead = \"10m\" }\n"
    "\n"
    "# One target for each place that keys go to.  This one needs in\n"
    "# nginx.conf, at http{}:  include /run/stek/web/*.conf;\n"
    "#target web {\n"
    "#    format = \"nginx\"               # \"stek show --format help\"\n"
    "#    path   = \"/run/stek/web\"\n"
    "#    owner  = \"root:root\"\n"
    "#    mode   = \"0600\"\n"
    "#    reload = \"systemctl try-reload-or-restart nginx\"\n"
    "#    verify = \"127.0.0.1:443\"\n"
    "#    scope  = \"\"\n"
    "#}\n";

static void
tell(const char *what, const char *path, const char *meaning)
{
	(void)printf("%-6s %-28s %s\n", what, path, meaning);
}

static bool
fail(const char *path)
{
	say_error("%s: %s", path, strerror(errno));
	return false;
}

/* 1: it is there; 0: it is not; -1: that cannot be told, and it was said. */
static int
exists(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	(void)fail(path);
	return -1;
}

/* The folders above the path, for all to enter. */
static bool
make_parents(const char *path)
{
	char folder[PATH_MAX];
	char *slash;

	if (snprintf(folder, sizeof(folder), "%s", path) >=
	    (int)sizeof(folder)) {
		errno = ENAMETOOLONG;
		return fail(path);
	}
	for (slash = folder; (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			return fail(folder);
		*slash = '/';
	}
	return true;
}

static bool
make_conf(const char *path)
{
	int there = exists(path);

	if (there < 0)
		return false;
	if (there > 0) {
		tell("found", path, "configuration");
		return true;
	}
	if (!make_parents(path))
		return false;
	if (stek_file_write(path, (const uint8_t *)template,
	        sizeof(template) - 1, 0644, (uid_t)-1, (gid_t)-1) != STEK_OK)
		return fail(path);
	tell("made", path, "configuration: edit it, then run init again");
	return true;
}

/* It is somebody else's to make: systemd's, or the certificate's owner's. */
static bool
find_farm_key(const struct conf *conf)
{
	char path[PATH_MAX], why[CONF_WHY_LEN], kind[FARM_KIND_LEN];
	char meaning[FARM_KIND_LEN + 64];
	struct farm_key_from from = farm_key_from(conf->farm_key);
	uint8_t *bytes;

	if (from.credential != NULL &&
	    !farm_key_path(conf->farm_key, path, why)) {
		tell("later", conf->farm_key,
		    "farm key: stekd gets it from systemd when it is started");
		return true;
	}
	bytes = farm_key_read(conf->farm_key, farm_cert_derive, kind, why);
	if (bytes == NULL) {
		say_error("%s", why);
		return false;
	}
	stek_file_free(bytes);
	(void)snprintf(meaning, sizeof(meaning), "farm key: %s%s",
	    from.cert ? "derived from " : "", kind);
	tell("found", conf->farm_key, meaning);
	return true;
}

static bool
make_farm_key(const struct conf *conf)
{
	struct farm_key_from from = farm_key_from(conf->farm_key);
	int there;

	if (from.cert || from.credential != NULL)
		return find_farm_key(conf);
	there = exists(conf->farm_key);
	if (there < 0)
		return false;
	if (there > 0) {
		tell("found", conf->farm_key, "farm key");
		return newkey_tidy(conf->farm_key);
	}
	if (!make_parents(conf->farm_key))
		return false;
	if (!newkey_make(conf->farm_key))
		return false;
	tell("made", conf->farm_key,
	    "farm key: copy it to every host of the farm, as you would a TLS "
	    "private key");
	return true;
}

static bool
make_store(const struct conf *conf)
{
	int there = exists(conf->store_dir);

	if (there < 0)
		return false;
	if (there > 0) {
		tell("found", conf->store_dir, "store");
		return true;
	}
	if (!make_parents(conf->store_dir))
		return false;
	if (mkdir(conf->store_dir, 0700) < 0)
		return fail(conf->store_dir);
	if (geteuid() == 0 && chown(conf->store_dir, conf->uid, conf->gid) < 0)
		return fail(conf->store_dir);
	tell("made", conf->store_dir, "store");
	return true;
}

/* In memory it vanishes at boot; systemd then makes it for stekd. */
static bool
make_control(const struct conf *conf)
{
	char folder[PATH_MAX];
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", conf->control);
	slash = strrchr(folder, '/');
	if (slash == folder)
		return true;
	*slash = '\0';
	switch (exists(folder)) {
	case -1:
		return false;
	case 1:
		return true;
	default:
		if (!make_parents(conf->control))
			return false;
		tell("made", folder, "folder of the control socket");
		return true;
	}
}

static bool
check_farm_key(const struct conf *conf)
{
	struct farm_key_from from = farm_key_from(conf->farm_key);
	char why[CONF_WHY_LEN], kind[FARM_KIND_LEN];
	uint8_t *bytes;

	/* find_farm_key() has done so. */
	if (from.cert || from.credential != NULL)
		return true;
	bytes = farm_key_read(conf->farm_key, farm_cert_derive, kind, why);
	if (bytes == NULL)
		say_error("%s", why);
	stek_file_free(bytes);
	return bytes != NULL;
}

static bool
check_store(const struct conf *conf)
{
	struct stat st;

	if (stat(conf->store_dir, &st) < 0)
		return fail(conf->store_dir);
	if (!S_ISDIR(st.st_mode))
		say_error("%s: expected a folder", conf->store_dir);
	else if (st.st_uid != conf->uid && st.st_uid != 0)
		say_error("%s: belongs to uid %u, expected %s (uid %u): "
		          "chown %s %s",
		    conf->store_dir, (unsigned int)st.st_uid, conf->user,
		    (unsigned int)conf->uid, conf->user, conf->store_dir);
	else if ((st.st_mode & 077) != 0)
		say_error("%s: others can enter it, expected mode 0700: "
		          "chmod 0700 %s",
		    conf->store_dir, conf->store_dir);
	else
		return true;
	return false;
}

static bool
check_target(const struct conf *conf, const struct conf_target *target)
{
	bool in_memory;

	if (!place_in_memory(target->path, &in_memory))
		return fail(target->path);
	if (in_memory || conf->allow_disk)
		return true;
	say_error("target %s: %s would be on a disk, where keys outlive their "
	          "time; expected a place in memory such as /run, or "
	          "allow = {\"disk\"}",
	    target->name, target->path);
	return false;
}

static bool
check_all(const struct conf *conf)
{
	bool good = check_farm_key(conf);
	size_t i;

	good &= check_store(conf);
	for (i = 0; i < conf->count; i++)
		good &= check_target(conf, &conf->targets[i]);
	return good;
}

static void
next_steps(const char *path, const struct conf *conf)
{
	char line[FORMAT_PATH_MAX + 128];
	const struct advice *advice;
	size_t i;

	(void)printf("\nNext:\n");
	if (conf->count == 0)
		(void)printf("  Name a target in %s.\n", path);
	if (strcmp(path, CONF_DEFAULT) == 0)
		(void)printf("  Start stekd: systemctl enable --now stekd\n");
	else
		(void)printf("  Start stekd: stekd -c %s\n", path);
	for (i = 0; i < conf->count; i++) {
		advice = advice_find(conf->targets[i].format->name);
		if (advice == NULL)
			continue;
		advice_line(advice, conf->targets[i].path, line, sizeof(line));
		(void)printf("  Target %s, %s:\n      %s\n",
		    conf->targets[i].name, advice->where, line);
	}
	(void)printf("  Then: stek check, stek status, stek probe\n");
}

int
verb_init(const struct cli *cli, int argc, char **argv)
{
	struct farm farm;
	int status = CLI_FAILED;

	if (argc > 1)
		return say_usage(
		    "init takes no argument, found \"%s\"", argv[1]);
	/* stekd's user must get at what is made, whatever root's umask. */
	(void)umask(022);
	if (!make_conf(cli->conf) || !farm_open(&farm, cli))
		return CLI_FAILED;
	if (!make_farm_key(farm.conf) || !make_store(farm.conf) ||
	    !make_control(farm.conf) || !check_all(farm.conf))
		goto out;
	next_steps(cli->conf, farm.conf);
	status = say_flush();
out:
	farm_close(&farm);
	return status;
}
