/* SPDX-License-Identifier: ISC */
/* See safe.h. */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "safe.h"

static bool
is_safe(const char *folder, bool above, char why[CONF_WHY_LEN])
{
	struct stat st;

	if (stat(folder, &st) < 0) {
		(void)snprintf(
		    why, CONF_WHY_LEN, "%.500s: %s", folder, strerror(errno));
		return false;
	}
	if ((st.st_uid == 0 || st.st_uid == geteuid()) &&
	    ((st.st_mode & 022) == 0 || (above && (st.st_mode & S_ISVTX) != 0)))
		return true;
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.500s: others could replace files in this folder; expected "
	    "owner root or uid %u and no write permission for group and "
	    "others, found uid %u and mode %04o",
	    folder, (unsigned int)geteuid(), (unsigned int)st.st_uid,
	    (unsigned int)(st.st_mode & 07777));
	return false;
}

bool
safe_above(const char *folder, char why[CONF_WHY_LEN])
{
	char path[FORMAT_PATH_MAX];
	char *slash;

	(void)snprintf(path, sizeof(path), "%s", folder);
	for (slash = path; (slash = strchr(slash + 1, '/')) != NULL;) {
		*slash = '\0';
		if (!is_safe(path, true, why))
			return false;
		*slash = '/';
	}
	return true;
}

bool
safe_folder(const char *folder, char why[CONF_WHY_LEN])
{
	return safe_above(folder, why) && is_safe(folder, false, why);
}
