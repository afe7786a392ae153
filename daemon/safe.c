/* SPDX-License-Identifier: ISC */
/* See safe.h. */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "safe.h"

#define LINKS_MAX 40 /* as many as the kernel follows */

enum end { ABOVE, FILE_THERE, FOLDER };

struct way {
	char done[PATH_MAX]; /* judged, and free of links; "": the root */
	char left[PATH_MAX];
	unsigned int links;
};

static bool
is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static bool
refuse(const char *path, int error, char why[CONF_WHY_LEN])
{
	(void)snprintf(why, CONF_WHY_LEN, "%.500s: %s", path, strerror(error));
	return false;
}

static bool
is_safe(const char *done, bool above, char why[CONF_WHY_LEN])
{
	const char *folder = done[0] == '\0' ? "/" : done;
	struct stat st;

	if (lstat(folder, &st) < 0)
		return refuse(folder, errno, why);
	if (!S_ISDIR(st.st_mode))
		return refuse(folder, ENOTDIR, why);
	if (is_ours(&st) &&
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

/* Move the next name from left to the end of done; false: there is none. */
static bool
step(struct way *way)
{
	char *name = way->left + strspn(way->left, "/");
	size_t len = strcspn(name, "/"), at = strlen(way->done);

	if (len == 0 || at + len + 2 > sizeof(way->done))
		return false;
	(void)snprintf(
	    way->done + at, sizeof(way->done) - at, "/%.*s", (int)len, name);
	name += len;
	memmove(way->left, name, strlen(name) + 1);
	return true;
}

static void
step_back(struct way *way)
{
	char *slash = strrchr(way->done, '/');

	if (slash != NULL)
		*slash = '\0';
}

static bool
is_dots(struct way *way)
{
	const char *name = strrchr(way->done, '/') + 1;
	bool back = strcmp(name, "..") == 0;

	if (!back && strcmp(name, ".") != 0)
		return false;
	step_back(way);
	if (back)
		step_back(way);
	return true;
}

/* Done is a link: go where it leads. */
static bool
follow(struct way *way, const struct stat *st, char why[CONF_WHY_LEN])
{
	char to[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlink(way->done, to, sizeof(to) - 1);

	if (len < 0)
		return refuse(way->done, errno, why);
	to[len] = '\0';
	if (!is_ours(st)) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.500s: others could replace this link; expected owner "
		    "root or uid %u, found uid %u",
		    way->done, (unsigned int)geteuid(),
		    (unsigned int)st->st_uid);
		return false;
	}
	memcpy(rest, way->left, sizeof(rest));
	if (++way->links > LINKS_MAX)
		return refuse(way->done, ELOOP, why);
	if ((size_t)snprintf(way->left, sizeof(way->left), "%s/%s", to, rest) >=
	    sizeof(way->left))
		return refuse(way->done, ENAMETOOLONG, why);
	step_back(way);
	if (to[0] == '/')
		way->done[0] = '\0';
	return true;
}

static bool
is_last(const struct way *way)
{
	return way->left[strspn(way->left, "/")] == '\0';
}

static bool
walk(struct way *way, enum end end, char why[CONF_WHY_LEN])
{
	char folder[PATH_MAX];
	struct stat st;

	for (;;) {
		memcpy(folder, way->done, sizeof(folder));
		if (!step(way))
			break;
		if (!is_safe(folder, true, why))
			return false;
		if (is_dots(way))
			continue;
		if (end == ABOVE && is_last(way))
			return true;
		if (lstat(way->done, &st) < 0) {
			if (end == FILE_THERE && is_last(way))
				return is_safe(folder, false, why);
			return refuse(way->done, errno, why);
		}
		if (S_ISLNK(st.st_mode)) {
			if (!follow(way, &st, why))
				return false;
		} else if (end == FILE_THERE && is_last(way)) {
			return is_safe(folder, false, why);
		}
	}
	if (!is_last(way))
		return refuse(way->done, ENAMETOOLONG, why);
	return is_safe(way->done, end == ABOVE, why);
}

static bool
judge(const char *path, enum end end, char why[CONF_WHY_LEN])
{
	struct way way = {.links = 0};
	char here[PATH_MAX] = "", reason[CONF_WHY_LEN];

	if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return refuse(path, errno, why);
	if ((size_t)snprintf(way.left, sizeof(way.left), "%s/%s", here, path) >=
	    sizeof(way.left))
		return refuse(path, ENAMETOOLONG, why);
	if (walk(&way, end, reason))
		return true;
	/* With links, what the reason names is not what the operator wrote. */
	if (way.links == 0)
		(void)snprintf(why, CONF_WHY_LEN, "%s", reason);
	else
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.300s leads elsewhere: %.700s", path, reason);
	return false;
}

bool
safe_above(const char *path, char why[CONF_WHY_LEN])
{
	return judge(path, ABOVE, why);
}

bool
safe_folder(const char *folder, char why[CONF_WHY_LEN])
{
	return judge(folder, FOLDER, why);
}

bool
safe_file(const char *path, char why[CONF_WHY_LEN])
{
	return judge(path, FILE_THERE, why);
}
