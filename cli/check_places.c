/* SPDX-License-Identifier: ISC */
/*
 * stek check: each target's place, who can get at it, and the keys that are
 * there.
 *
 * Never here: a byte of a key but its name.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <daemon/safe.h>

#include "advice.h"
#include "check.h"
#include "keyfile.h"
#include "place.h"

static bool
is_folder(const struct conf_target *target)
{
	return (target->format->flags & FORMAT_FOLDER) != 0;
}

/* False: there is none, and stekd would not make it. */
static bool
check_folder(struct check *check, const struct conf_target *target)
{
	char folder[PATH_MAX];
	struct stat st;

	if (is_folder(target))
		(void)snprintf(folder, sizeof(folder), "%s", target->path);
	else
		place_folder(target->path, folder);
	if (stat(folder, &st) < 0) {
		/* A folder of key files is stekd's to make, in one that is. */
		if (is_folder(target) && errno == ENOENT) {
			place_folder(target->path, folder);
			if (stat(folder, &st) == 0)
				return true;
		}
		check_say(check, CHECK_FAIL, target->name,
		    "make it, for root alone to write to", "the folder %s: %s",
		    folder, strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode))
		return true;
	check_say(check, CHECK_FAIL, target->name, "",
	    "expected a folder at %s, found something else", folder);
	return false;
}

/* As stekd judges it before it writes there. */
static void
check_safe(struct check *check, const struct conf_target *target)
{
	char why[CONF_WHY_LEN];
	bool safe;

	if (!is_folder(target))
		safe = safe_file(target->path, why);
	else if (access(target->path, F_OK) == 0)
		safe = safe_folder(target->path, why);
	else
		safe = safe_above(target->path, why);
	if (!safe)
		check_say(check, CHECK_FAIL, target->name,
		    "let root own it, and nobody else write to it",
		    "others can replace its keys, so stekd writes none there: "
		    "%s",
		    why);
}

static void
check_disk(struct check *check, const struct conf_target *target)
{
	bool in_memory;

	if (!place_in_memory(target->path, &in_memory))
		check_say(check, CHECK_FAIL, target->name, "", "%s: %s",
		    target->path, strerror(errno));
	else if (!in_memory && !check->conf->allow_disk)
		check_say(check, CHECK_FAIL, target->name,
		    "use a path in memory, such as one in /run/stek",
		    "%s is on a disk, where keys can be found after their "
		    "time; stekd does not start with it",
		    target->path);
}

static void
check_way(struct check *check, const struct conf_target *target)
{
	char folder[PATH_MAX], inside[PATH_MAX];

	if (check_folder(check, target))
		check_safe(check, target);
	(void)snprintf(inside, sizeof(inside), "%s%s", target->path,
	    is_folder(target) ? "/" FORMAT_LIST : "");
	if (!place_reachable(inside, target->uid, target->gid, folder))
		check_say(check, CHECK_WARN, target->name,
		    "let it be entered by that user or group",
		    "its owner, uid %u, cannot enter %s",
		    (unsigned int)target->uid, folder);
}

/* A file, as stekd leaves it, unless others touched it. */
static void
check_file(
    struct check *check, const struct conf_target *target, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	if ((st.st_mode & 07) != 0)
		check_say(check, CHECK_FAIL, target->name,
		    "chmod it, and rotate: the keys may be known",
		    "everybody can read %s (mode %04o)", path,
		    (unsigned int)st.st_mode & 07777);
	else if (st.st_uid != target->uid || st.st_gid != target->gid ||
	         (st.st_mode & 07777) != target->mode)
		check_say(check, CHECK_WARN, target->name,
		    "stekd puts that right when it starts",
		    "%s has owner %u:%u and mode %04o; expected %u:%u and "
		    "%04o",
		    path, (unsigned int)st.st_uid, (unsigned int)st.st_gid,
		    (unsigned int)st.st_mode & 07777, (unsigned int)target->uid,
		    (unsigned int)target->gid, (unsigned int)target->mode);
}

static void
check_all_files(struct check *check, const struct conf_target *target)
{
	char path[FORMAT_PATH_MAX + 256];
	const struct dirent *entry;
	DIR *dir;

	if (!is_folder(target)) {
		check_file(check, target, target->path);
		return;
	}
	dir = opendir(target->path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s", target->path, entry->d_name);
		check_file(check, target, path);
	}
	(void)closedir(dir);
}

/* Some servers read the file long after they gave up root. */
static void
check_reader(struct check *check, const struct conf_target *target)
{
	const struct advice *advice = advice_find(target->format->name);

	if (advice == NULL || advice->user == NULL || target->uid != 0 ||
	    ((target->mode & 040) != 0 && target->gid != 0))
		return;
	check_say(check, CHECK_WARN, target->name,
	    "name that user as its owner",
	    "root alone may read its file, but its server reads it as the "
	    "user that it runs as (often %s), and says nothing when it cannot",
	    advice->user);
}

/* The keys of the file against those that the farm has for this scope. */
static void
check_sealing(struct check *check, const struct conf_target *target,
    const struct format_in *in, struct stek_set *scoped)
{
	const struct stek_key *key = stek_set_sealing(scoped, check->now);
	char found[STEK_NAME_HEX], want[STEK_NAME_HEX];

	if (key == NULL || in->sealing >= in->count)
		return;
	stek_key_hex(in->keys[in->sealing].name, found);
	stek_key_hex(key->name, want);
	if (strcmp(found, want) == 0)
		check_say(check, CHECK_OK, target->name, "",
		    "%zu key%s at %s, none weak, %s seals", in->count,
		    in->count == 1 ? "" : "s", target->path, found);
	else
		check_say(check, CHECK_WARN, target->name,
		    "stekd puts that right; is it running?",
		    "at %s key %s seals, expected the farm's %s", target->path,
		    found, want);
}

static void
check_content(struct check *check, const struct conf_target *target,
    const struct stek_set *set)
{
	struct keyfile *file = keyfile_new();
	struct stek_set *scoped = stek_set_new();
	struct stat st;

	if (file == NULL || scoped == NULL) {
		check_say(check, CHECK_FAIL, target->name, "",
		    "no guarded memory to be had (see \"ulimit -l\")");
	} else if (stat(target->path, &st) < 0) {
		check_say(check, CHECK_NOTE, target->name, "",
		    "there are no keys at %s yet", target->path);
	} else if (keyfile_read(file, target->format, target->path,
	               check->now) != STEK_OK) {
		check_say(check, CHECK_FAIL, target->name,
		    "stekd puts that right when it starts", "%s", file->why);
	} else if (set != NULL &&
	           stek_scope_set(set, target->scope, scoped) == STEK_OK) {
		check_sealing(check, target, &file->in, scoped);
	}
	keyfile_free(file);
	stek_set_free(scoped);
}

void
check_places(struct check *check, const struct stek_set *set)
{
	const struct conf_target *target;
	size_t i;

	for (i = 0; i < check->conf->count; i++) {
		target = &check->conf->targets[i];
		check_way(check, target);
		check_disk(check, target);
		check_all_files(check, target);
		check_reader(check, target);
		check_content(check, target, set);
	}
}
