/* SPDX-License-Identifier: ISC */
/* See newkey.h. */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stek.h>

#include "newkey.h"
#include "say.h"

static bool
fail(const char *path)
{
	say_error("%s: %s", path, strerror(errno));
	return false;
}

/* Where it is written before it gets its name. */
static bool
first_name(const char *path, char temp[PATH_MAX])
{
	if (snprintf(temp, PATH_MAX, "%s.init", path) < PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	return fail(path);
}

/* Under its name only if nobody else has made one meanwhile. */
static bool
place(const char *path, const uint8_t *bytes)
{
	char temp[PATH_MAX];
	int failed;

	if (!first_name(path, temp))
		return false;
	/* For root alone: stekd reads it before it becomes another user. */
	if (stek_file_write(temp, bytes, STEK_FARM_KEY_LEN, 0600, (uid_t)-1,
	        (gid_t)-1) != STEK_OK)
		return fail(path);
	failed = link(temp, path) < 0 ? errno : 0;
	(void)unlink(temp);
	errno = failed;
	return failed == 0 ? true : fail(path);
}

bool
newkey_make(const char *path)
{
	uint8_t *bytes = stek_file_alloc(STEK_FARM_KEY_LEN);
	bool made;

	if (bytes == NULL) {
		say_error("no guarded memory to be had (see \"ulimit -l\")");
		return false;
	}
	do
		randombytes_buf(bytes, STEK_FARM_KEY_LEN);
	while (stek_key_weak(bytes, STEK_FARM_KEY_LEN));
	made = place(path, bytes);
	stek_file_free(bytes);
	return made;
}

bool
newkey_tidy(const char *path)
{
	struct stat first, st;
	char temp[PATH_MAX];

	if (!first_name(path, temp))
		return false;
	if (lstat(temp, &first) == 0 && lstat(path, &st) == 0 &&
	    first.st_dev == st.st_dev && first.st_ino == st.st_ino &&
	    unlink(temp) < 0)
		return fail(temp);
	return true;
}
