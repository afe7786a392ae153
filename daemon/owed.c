/* SPDX-License-Identifier: ISC */
/*
 * See owed.h.  A file that is empty says that nothing is owed, any other that
 * a reload is.  Its two words have one length: to write one over the other
 * never leaves a third.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "owed.h"
#include "safe.h"

#define WORD_LEN   6
#define RELOAD     "reload"
#define REVOKE     "revoke"
#define DIGEST_LEN 16

/* Paths are longer than names of files can be, and targets change names. */
static void
owed_path(const struct conf *conf, const struct conf_target *target, char *path,
    size_t size)
{
	uint8_t digest[DIGEST_LEN];
	char hex[2 * DIGEST_LEN + 1], folder[CONF_OWED_LEN];

	conf_owed_path(conf, folder, sizeof(folder));
	(void)crypto_generichash(digest, sizeof(digest),
	    (const unsigned char *)target->path, strlen(target->path), NULL, 0);
	(void)sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
	(void)snprintf(path, size, "%s/%s", folder, hex);
}

static bool
make_folder(const struct conf *conf, char why[CONF_WHY_LEN])
{
	char folder[CONF_OWED_LEN];

	conf_owed_path(conf, folder, sizeof(folder));
	if (!safe_above(folder, why))
		return false;
	if (mkdir(folder, 0700) == 0 || errno == EEXIST)
		return safe_folder(folder, why);
	(void)snprintf(
	    why, CONF_WHY_LEN, "%.500s: %s", folder, strerror(errno));
	return false;
}

int
owed_lock(const struct conf *conf, const struct conf_target *target, bool *busy,
    char why[CONF_WHY_LEN])
{
	char path[CONF_OWED_LEN + 2 * DIGEST_LEN + 2];
	int fd;

	*busy = false;
	if (!make_folder(conf, why))
		return -1;
	owed_path(conf, target, path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	*busy = fd >= 0 && errno == EWOULDBLOCK;
	if (*busy)
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.500s: an earlier write has not come to its end; does "
		    "its disk hang?  Nothing was written",
		    target->path);
	else
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.500s: %s; nothing was written", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static size_t
read_word(int fd, char word[WORD_LEN])
{
	ssize_t n = pread(fd, word, WORD_LEN, 0);

	return n < 0 ? 0 : (size_t)n;
}

bool
owed_is(int fd, bool *revoking)
{
	char word[WORD_LEN];
	size_t len = read_word(fd, word);

	*revoking = len == WORD_LEN && memcmp(word, REVOKE, WORD_LEN) == 0;
	return len > 0;
}

bool
owed_note(int fd, bool revoking)
{
	bool is_revoking;
	ssize_t n;

	if (owed_is(fd, &is_revoking) && (is_revoking || !revoking))
		return true;
	errno = ENOSPC;
	n = pwrite(fd, revoking ? REVOKE : RELOAD, WORD_LEN, 0);
	return n == WORD_LEN;
}

void
owed_forget(const struct conf *conf, const struct conf_target *target)
{
	char path[CONF_OWED_LEN + 2 * DIGEST_LEN + 2];

	owed_path(conf, target, path, sizeof(path));
	if (truncate(path, 0) < 0)
		errno = 0;
}
