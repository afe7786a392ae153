/* SPDX-License-Identifier: ISC */
/*
 * stek check: who can read or replace the configuration, the farm key, the
 * store and the control socket.
 *
 * Never here: targets (check_places.c).
 */
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <daemon/farm_key.h>
#include <daemon/safe.h>

#include "check.h"
#include "place.h"

#define DAY INT64_C(86400)

static void
check_above(struct check *check, const char *path, bool safe, const char *why)
{
	if (!safe)
		check_say(check, CHECK_FAIL, path,
		    "let root own it, and nobody else write to it",
		    "others can replace it: %s", why);
}

/* stekd starts as root, and goes on as its user. */
static bool
is_reachable(struct check *check, const char *path)
{
	const struct conf *conf = check->conf;
	char folder[PATH_MAX];

	if (place_reachable(path, conf->uid, conf->gid, folder))
		return true;
	check_say(check, CHECK_FAIL, path, "chmod o+x that folder",
	    "stekd's user %s cannot get at it, since it may not enter %s",
	    conf->user, folder);
	return false;
}

static void
check_conf(struct check *check)
{
	char why[CONF_WHY_LEN];
	struct stat st;

	if (stat(check->conf_path, &st) < 0)
		return;
	if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & 022) != 0)
		check_say(check, CHECK_FAIL, check->conf_path,
		    "chown root it, and chmod 0644 it",
		    "others can change it (uid %u, mode %04o), and the reload "
		    "commands in it run as root",
		    (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777);
	else
		check_say(check, CHECK_OK, check->conf_path, "",
		    "it is valid, with %zu target%s", check->conf->count,
		    check->conf->count == 1 ? "" : "s");
	check_above(
	    check, check->conf_path, safe_file(check->conf_path, why), why);
	if (is_reachable(check, check->conf_path) &&
	    !place_readable(&st, check->conf->uid, check->conf->gid))
		check_say(check, CHECK_FAIL, check->conf_path, "chmod 0644 it",
		    "stekd's user %s cannot read it (uid %u, mode %04o), so a "
		    "reload of stekd changes nothing",
		    check->conf->user, (unsigned int)st.st_uid,
		    (unsigned int)st.st_mode & 07777);
	if (check->conf->count == 0)
		check_say(check, CHECK_WARN, check->conf_path,
		    "see stek.conf(5)",
		    "it has no target, so keys go to no server");
}

/* Who can get at the file that the farm key is in, or follows from. */
static void
check_key_file(struct check *check, const char *path)
{
	char why[CONF_WHY_LEN];
	struct stat st;
	int64_t days;

	check_above(check, path, safe_file(path, why), why);
	if (stat(path, &st) < 0)
		return;
	days = (check->now - st.st_mtime) / DAY;
	if ((st.st_mode & 040) != 0)
		check_say(check, CHECK_NOTE, path, "",
		    "group %u can read it, and with it the store",
		    (unsigned int)st.st_gid);
	if (days > 365)
		check_say(check, CHECK_NOTE, path, "",
		    "it is %lld days old; who has had it in that time can read "
		    "any copy of the store",
		    (long long)days);
}

static void
check_farm_key(struct check *check)
{
	const char *text = check->conf->farm_key;
	struct farm_key_from from = farm_key_from(text);
	char path[PATH_MAX], why[CONF_WHY_LEN], kind[FARM_KIND_LEN];
	uint8_t *bytes;

	if (!farm_key_path(text, path, why)) {
		check_say(check, CHECK_NOTE, "farm key",
		    "start stekd, then check again",
		    "it cannot be looked at now: %s", why);
		return;
	}
	bytes = farm_key_read(text, farm_cert_derive, kind, why);
	if (bytes == NULL) {
		check_say(check, CHECK_FAIL, "farm key", "", "%s", why);
		return;
	}
	stek_file_free(bytes);
	check_key_file(check, path);
	if (from.cert)
		check_say(check, CHECK_NOTE, path,
		    "renew the certificate with the same key",
		    "the farm key is derived from it: with another key in it "
		    "no host can read the store once its stekd is restarted");
	check_say(check, CHECK_OK, path, "", "%s%s, which others cannot read",
	    from.cert ? "the farm key is derived from " : "", kind);
}

static void
check_set(struct check *check)
{
	const struct conf *conf = check->conf;
	char path[FORMAT_PATH_MAX + STEK_FARM_MAX + 16];
	struct stat st;

	conf_set_path(conf, path, sizeof(path));
	if (!is_reachable(check, conf->store_dir))
		return;
	if (stat(path, &st) == 0 && !place_readable(&st, conf->uid, conf->gid))
		check_say(check, CHECK_FAIL, path,
		    "chown it to that user; whatever copies it must, too",
		    "stekd's user %s cannot read it (uid %u, mode %04o)",
		    conf->user, (unsigned int)st.st_uid,
		    (unsigned int)st.st_mode & 07777);
}

static void
check_store(struct check *check)
{
	const struct conf *conf = check->conf;
	const char *path = conf->store_dir;
	char why[CONF_WHY_LEN];
	struct stat st;

	if (stat(path, &st) < 0) {
		check_say(check, CHECK_FAIL, path, "stek init", "%s",
		    strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		check_say(check, CHECK_FAIL, path, "",
		    "expected a folder, found something else");
	else if (st.st_uid != conf->uid)
		check_say(check, CHECK_FAIL, path, "chown it to that user",
		    "it belongs to uid %u; expected stekd's user %s (uid %u)",
		    (unsigned int)st.st_uid, conf->user,
		    (unsigned int)conf->uid);
	else if ((st.st_mode & 022) != 0)
		check_say(check, CHECK_FAIL, path, "chmod 0700 it",
		    "others can write to it (mode %04o)",
		    (unsigned int)st.st_mode & 07777);
	else if ((st.st_mode & 055) != 0)
		check_say(check, CHECK_WARN, path, "chmod 0700 it",
		    "others can look into it (mode %04o)",
		    (unsigned int)st.st_mode & 07777);
	else
		check_say(check, CHECK_OK, path, "", "a folder for %s alone",
		    conf->user);
	check_above(check, path, safe_above(path, why), why);
	check_set(check);
}

static void
check_control(struct check *check)
{
	const char *path = check->conf->control;
	char folder[PATH_MAX], why[CONF_WHY_LEN];
	struct stat st;

	place_folder(path, folder);
	if (stat(folder, &st) < 0)
		check_say(check, CHECK_FAIL, folder,
		    "stek init, or stekd.service, makes it",
		    "stekd's control socket needs it: %s", strerror(errno));
	else
		check_above(check, path, safe_above(path, why), why);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		check_say(check, CHECK_FAIL, path, "remove it",
		    "what is there is no socket, so stekd cannot start");
}

void
check_files(struct check *check)
{
	const struct conf *conf = check->conf;

	if (geteuid() != 0)
		check_say(check, CHECK_NOTE, "user", "run it as root",
		    "without root much of what follows cannot be seen");
	check_conf(check);
	check_farm_key(check);
	check_store(check);
	check_control(check);
	if (geteuid() == 0 && conf->uid == 0)
		check_say(check, CHECK_WARN, "user",
		    "name an unprivileged user of its own",
		    "stekd's process that holds the keys keeps root's "
		    "privilege");
	if (!conf->mint)
		check_say(check, CHECK_NOTE, "mint", "",
		    "this host only follows its store: its keys stop sealing "
		    "if that is not copied here in time");
	if (conf->allow_unlocked)
		check_say(check, CHECK_NOTE, "allow", "",
		    "\"unlocked\" lets stekd's keys be swapped out");
	if (conf->allow_disk)
		check_say(check, CHECK_NOTE, "allow", "",
		    "\"disk\" lets keys be written to a disk, where they can "
		    "be found after their time");
}
