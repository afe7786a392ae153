/* SPDX-License-Identifier: ISC */
/* See place.h. */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "owed.h"
#include "place.h"
#include "publish.h"
#include "safe.h"

#define NAME_MAX_LEN 64

struct place_how {
	bool allow_disk;
	bool revoking; /* also within the format's spacing */
	bool renew; /* what does not differ gets a new time, as some servers
	               look at that */
	int owed; /* from owed_lock() */
};

static void fail(struct place_result *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
fail(struct place_result *result, const char *fmt, ...)
{
	va_list ap;

	result->ok = false;
	va_start(ap, fmt);
	(void)vsnprintf(result->why, sizeof(result->why), fmt, ap);
	va_end(ap);
}

static bool
is_folder_format(const struct conf_target *target)
{
	return (target->format->flags & FORMAT_FOLDER) != 0;
}

/* The folder in which files will be written or replaced. */
static void
folder_of(const struct conf_target *target, char *folder, size_t size)
{
	const char *slash = strrchr(target->path, '/');
	size_t len = strlen(target->path);

	if (!is_folder_format(target))
		len =
		    slash == target->path ? 1 : (size_t)(slash - target->path);
	(void)snprintf(folder, size, "%.*s", (int)len, target->path);
}

static bool
say_errno(const char *folder, char why[CONF_WHY_LEN])
{
	(void)snprintf(
	    why, CONF_WHY_LEN, "%.500s: %s", folder, strerror(errno));
	return false;
}

/* A folder of a folder format is ours to make; others must be there. */
static bool
make_folder(const struct conf_target *target, const char *folder,
    char why[CONF_WHY_LEN])
{
	return !is_folder_format(target) || mkdir(folder, 0700) == 0 ||
	       errno == EEXIST || say_errno(folder, why);
}

/*
 * Who owns the files, or whose group may read them, may go through their
 * folder, but never write to it: also if the configuration names others since
 * it was made.  What more is allowed there is somebody else's will, and stays.
 */
static bool
open_folder(const struct conf_target *target, const char *folder,
    char why[CONF_WHY_LEN])
{
	mode_t mode = 0700;
	struct stat st;
	bool group;

	if (!is_folder_format(target))
		return true;
	if (stat(folder, &st) < 0)
		return say_errno(folder, why);
	if (target->uid != geteuid())
		mode |= 011;
	group = (target->mode & 040) != 0 && (st.st_mode & 05) != 05;
	if (group)
		mode |= 050;
	if (group && st.st_gid != target->gid &&
	    chown(folder, (uid_t)-1, target->gid) < 0)
		return say_errno(folder, why);
	if ((st.st_mode & mode) != mode &&
	    chmod(folder, (st.st_mode | mode) & 07777) < 0)
		return say_errno(folder, why);
	return true;
}

/*
 * May keys be written there: is the folder safe and, unless disk is allowed,
 * in memory?  Makes the folder of a folder format.  False: why.
 */
static bool
check(const struct conf_target *target, bool allow_disk, bool *in_memory,
    char why[CONF_WHY_LEN])
{
	char folder[FORMAT_PATH_MAX];

	folder_of(target, folder, sizeof(folder));
	if (!safe_above(folder, why) || !make_folder(target, folder, why) ||
	    !safe_folder(folder, why))
		return false;
	if (stek_file_in_memory(folder, in_memory) != STEK_OK)
		return say_errno(folder, why);
	if (!*in_memory && !allow_disk) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.500s: this folder is on a disk, which may keep old "
		    "keys; "
		    "use one in memory, such as /run/stek, or write allow = "
		    "{\"disk\"} in the configuration",
		    folder);
		return false;
	}
	return open_folder(target, folder, why);
}

bool
place_on_disk(const struct conf_target *target)
{
	char folder[FORMAT_PATH_MAX];
	bool in_memory;

	folder_of(target, folder, sizeof(folder));
	/* A folder that stekd has yet to make will lie in its parent. */
	if (is_folder_format(target) && access(folder, F_OK) < 0)
		*strrchr(folder, '/') = '\0';
	return stek_file_in_memory(
	           folder[0] == '\0' ? "/" : folder, &in_memory) == STEK_OK &&
	       !in_memory;
}

/* Of what lies in a folder, only what a format names so is ours. */
static bool
is_file_name(const struct conf_target *target, const char *name)
{
	if (!is_folder_format(target))
		return name[0] == '\0';
	return strcmp(name, FORMAT_LIST) == 0 || format_is_key_file(name);
}

static void
full_path(
    const struct conf_target *target, const char *name, char *path, size_t size)
{
	(void)snprintf(path, size, "%s%s%s", target->path,
	    name[0] == '\0' ? "" : "/", name);
}

/*
 * Are these bytes there, with this owner and mode?  OK, FORMAT: no, or why it
 * cannot be told.  *age: of what is there.
 */
static enum stek_err
compare(const struct conf_target *target, const char *path,
    const struct format_file *file, int64_t *age)
{
	enum stek_err err;
	uint8_t *found;
	struct stat st;
	size_t len;

	*age = INT64_MAX;
	if (lstat(path, &st) < 0)
		return STEK_ERR_SYSTEM;
	if (!S_ISREG(st.st_mode))
		return STEK_ERR_FORMAT;
	*age = clock_now() - st.st_mtime;
	if (st.st_uid != target->uid || st.st_gid != target->gid ||
	    (st.st_mode & 07777) != target->mode)
		return STEK_ERR_FORMAT;
	err = stek_file_read(path, FORMAT_BYTES_MAX, &found, &len);
	if (err != STEK_OK)
		return err;
	if (len != file->len || sodium_memcmp(found, file->bytes, len) != 0)
		err = STEK_ERR_FORMAT;
	stek_file_free(found);
	return err;
}

static const char *
reason(enum stek_err err)
{
	return err == STEK_ERR_SYSTEM ? strerror(errno) : stek_strerror(err);
}

/* Before the first byte. */
static bool
owe(const struct place_how *how, const struct conf_target *target,
    bool revoking, struct place_result *result)
{
	if (target->reload[0] == '\0' || owed_note(how->owed, revoking))
		return true;
	fail(result,
	    "cannot note that the server has to be reloaded: %s; nothing was "
	    "written",
	    strerror(errno));
	return false;
}

static bool
renew_file(const char *path, struct place_result *result)
{
	result->changed = true;
	if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	fail(result, "%s: %s", path, strerror(errno));
	return false;
}

/* Errno says why; but what failed may have been its folder's sync alone. */
static void
fail_to_write(const struct conf_target *target, const char *path,
    const struct format_file *file, struct place_result *result)
{
	int saved = errno;
	int64_t age;

	if (compare(target, path, file, &age) == STEK_OK)
		fail(result,
		    "%s: its folder cannot be synced: %s; the new file is "
		    "there, but may be gone after a crash of this host, and "
		    "its server was not reloaded",
		    path, strerror(saved));
	else
		fail(result, "%s: %s; the file is as it was", path,
		    strerror(saved));
}

/* False: it was not written; result says why. */
static bool
place_file(const struct conf_target *target, const struct place_how *how,
    const struct format_file *file, struct place_result *result)
{
	char path[FORMAT_PATH_MAX + NAME_MAX_LEN + 2];
	int64_t age, spacing = target->format->spacing;
	enum stek_err err;

	full_path(target, file->name, path, sizeof(path));
	err = compare(target, path, file, &age);
	if (err == STEK_OK)
		return !how->renew || renew_file(path, result);
	if (err == STEK_ERR_MEMORY) {
		fail(result, "%s: %s; nothing was written", path, reason(err));
		return false;
	}
	if (!how->revoking && age >= 0 && age < spacing) {
		fail(result,
		    "%s: its server would miss a second write within "
		    "%" PRId64 " s",
		    path, spacing);
		result->wait = (unsigned int)(spacing - age);
		return false;
	}
	if (!owe(how, target, how->revoking, result))
		return false;
	result->changed = true;
	if (stek_file_write(path, file->bytes, file->len, target->mode,
	        target->uid, target->gid) != STEK_OK) {
		fail_to_write(target, path, file, result);
		return false;
	}
	err = compare(target, path, file, &age);
	if (err == STEK_ERR_FORMAT)
		fail(result, "%s: what was written is not what is read back",
		    path);
	else if (err != STEK_OK)
		fail(result,
		    "%s: what was written cannot be read back: %s; the server "
		    "was not reloaded",
		    path, reason(err));
	return err == STEK_OK;
}

static bool
is_wanted(const struct format_out *out, const char *name)
{
	size_t i;

	for (i = 0; i < out->count; i++)
		if (strcmp(out->files[i].name, name) == 0)
			return true;
	return false;
}

/*
 * What stays may be a key that was revoked.  That is told, but keeps no server
 * from the files that are right.
 */
static void
remove_file(const char *path, struct place_result *result)
{
	if (unlink(path) == 0 || errno == ENOENT || result->why[0] != '\0')
		return;
	(void)snprintf(result->why, sizeof(result->why),
	    "%s: %s; it holds keys that are no longer in use, remove it", path,
	    strerror(errno));
}

/* What a killed writer left of a single file. */
static void
tidy_file(const struct conf_target *target, struct place_result *result)
{
	char path[FORMAT_PATH_MAX + NAME_MAX_LEN];
	const char *base = strrchr(target->path, '/') + 1;

	(void)snprintf(path, sizeof(path), "%.*s.%s.stek-new",
	    (int)(base - target->path), target->path, base);
	remove_file(path, result);
}

/* Key files that the list no longer names, and what a killed writer left. */
static void
tidy(const struct conf_target *target, const struct format_out *out,
    struct place_result *result)
{
	char path[FORMAT_PATH_MAX + 256 + 2];
	const struct dirent *entry;
	DIR *dir = opendir(target->path);
	size_t len;

	if (dir == NULL) {
		(void)snprintf(result->why, sizeof(result->why),
		    "%s: %s; keys that are no longer in use may lie there",
		    target->path, strerror(errno));
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		len = strlen(entry->d_name);
		if (is_wanted(out, entry->d_name) || len < 9 ||
		    (!is_file_name(target, entry->d_name) &&
		        strcmp(entry->d_name + len - 9, ".stek-new") != 0))
			continue;
		full_path(target, entry->d_name, path, sizeof(path));
		remove_file(path, result);
	}
	(void)closedir(dir);
}

static void
place_files(const struct conf_target *target, const struct place_how *how,
    const struct format_out *out, struct place_result *result)
{
	bool in_memory;
	size_t i;

	memset(result, 0, sizeof(*result));
	result->ok = true;
	if (!check(target, how->allow_disk, &in_memory, result->why)) {
		result->ok = false;
		return;
	}
	/* Also when the file stays as it is: its server may remember. */
	if (how->revoking && !owe(how, target, true, result))
		return;
	for (i = 0; i < out->count && result->ok; i++)
		(void)place_file(target, how, &out->files[i], result);
	if (result->ok && is_folder_format(target))
		tidy(target, out, result);
	if (result->ok && !is_folder_format(target))
		tidy_file(target, result);
	if (target->reload[0] != '\0')
		result->owed = owed_is(how->owed, &result->revoking);
}

static void
place_ring(const struct conf_target *target, bool allow_disk,
    const struct stek_set *set, struct place_result *result)
{
	enum stek_err err;

	memset(result, 0, sizeof(*result));
	if (!check(target, allow_disk, &result->keep, result->why))
		return;
	err = publish_set(target, set);
	result->ok = result->changed = err == STEK_OK;
	if (err != STEK_OK)
		fail(result, "%s: %s; its readers keep what they had",
		    target->path, reason(err));
}

/* What was made must read back as what was wanted, before it is placed. */
static bool
is_readable(const struct format *format, const struct format_out *out,
    int64_t now, struct format_why *why)
{
	struct format_in in;
	enum stek_err err;
	size_t i;

	if (format->read == NULL)
		return true;
	for (i = 0; i < out->count; i++) {
		if (strcmp(out->files[i].name, FORMAT_LIST) == 0)
			continue;
		err = format_read(format, out->files[i].bytes,
		    out->files[i].len, now, &in, why);
		format_in_wipe(&in);
		if (err != STEK_OK)
			return false;
	}
	return true;
}

static void
place_set(const struct conf_target *target, const struct place_how *how,
    const struct stek_set *set, struct place_result *result)
{
	const struct format *format = target->format;
	int64_t now = clock_now();
	struct format_out out;
	struct format_why why;
	enum stek_err err;

	err = format_write(format, set, now, target->path, &out);
	if (err != STEK_OK)
		fail(result, "cannot write the keys as %s: %s", format->name,
		    stek_strerror(err));
	else if (!is_readable(format, &out, now, &why))
		fail(result, "the keys as %s would not be accepted: %s",
		    format->name, why.text);
	else
		place_files(target, how, &out, result);
	format_out_free(&out);
}

void
place_request(const struct conf *conf, const struct monitor_request *request,
    const struct stek_set *set, int owed, struct place_result *result)
{
	const struct conf_target *target = &conf->targets[request->index];
	const struct place_how how = {.allow_disk = conf->allow_disk,
	    .revoking = request->revoking != 0,
	    .renew = request->renew != 0,
	    .owed = owed};

	memset(result, 0, sizeof(*result));
	if ((target->format->flags & FORMAT_RING) != 0)
		place_ring(target, conf->allow_disk, set, result);
	else
		place_set(target, &how, set, result);
}
