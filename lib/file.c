/* SPDX-License-Identifier: ISC */
/*
 * Files that hold secrets: replaced whole, read into guarded memory, and
 * judged by who else can get at them.
 *
 * Never here: what is in a file.
 * Invariants: no byte is written to a file before its owner and mode are
 * right; a reader of the path sees the old file or the new one, whole.
 */
#include <sys/stat.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stek.h>

uint8_t *
stek_file_alloc(size_t len)
{
	uint8_t *bytes;

	if (sodium_init() < 0)
		return NULL;
	bytes = sodium_malloc(len > 0 ? len : 1);
	if (bytes != NULL)
		memset(bytes, 0, len);
	return bytes;
}

void
stek_file_free(uint8_t *bytes)
{
	sodium_free(bytes);
}

/* One name a path, so that what a killed writer left is found again. */
static enum stek_err
temp_name(const char *path, char temp[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	const char *base = slash == NULL ? path : slash + 1;
	int len;

	len = snprintf(
	    temp, PATH_MAX, "%.*s.%s.stek-new", (int)(base - path), path, base);
	if (len < 0 || len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return STEK_ERR_SYSTEM;
	}
	return STEK_OK;
}

static enum stek_err
write_all(int fd, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return STEK_ERR_SYSTEM;
		bytes += n;
		len -= (size_t)n;
	}
	return STEK_OK;
}

static enum stek_err
fill_temp(
    int fd, const uint8_t *bytes, size_t len, mode_t mode, uid_t uid, gid_t gid)
{
	enum stek_err err;

	/* The owner first: a change of owner may drop mode bits. */
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && fchown(fd, uid, gid) < 0)
		return STEK_ERR_SYSTEM;
	if (fchmod(fd, mode) < 0)
		return STEK_ERR_SYSTEM;
	err = write_all(fd, bytes, len);
	if (err == STEK_OK && fsync(fd) < 0)
		err = STEK_ERR_SYSTEM;
	return err;
}

/* To be synced, so that a rename in it lasts through a power cut. */
static int
open_folder(const char *path)
{
	char copy[PATH_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	return open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Give back what is done with, and leave errno as it is. */
static void
close_quietly(int fd)
{
	int saved = errno;

	(void)close(fd);
	errno = saved;
}

/* A new file of that name, whole; or none. */
static enum stek_err
make_temp(const char *temp, const uint8_t *bytes, size_t len, mode_t mode,
    uid_t uid, gid_t gid)
{
	enum stek_err err;
	int fd;

	if (unlink(temp) < 0 && errno != ENOENT)
		return STEK_ERR_SYSTEM;
	fd = open(
	    temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return STEK_ERR_SYSTEM;
	err = fill_temp(fd, bytes, len, mode, uid, gid);
	if (err != STEK_OK)
		close_quietly(fd);
	else if (close(fd) < 0)
		err = STEK_ERR_SYSTEM;
	return err;
}

enum stek_err
stek_file_write(const char *path, const uint8_t *bytes, size_t len, mode_t mode,
    uid_t uid, gid_t gid)
{
	char temp[PATH_MAX];
	enum stek_err err;
	int folder, saved;

	err = temp_name(path, temp);
	if (err != STEK_OK)
		return err;
	/* Now: what fails after the rename would fail too late. */
	folder = open_folder(path);
	if (folder < 0)
		return STEK_ERR_SYSTEM;
	err = make_temp(temp, bytes, len, mode, uid, gid);
	if (err == STEK_OK && rename(temp, path) < 0)
		err = STEK_ERR_SYSTEM;
	if (err != STEK_OK) {
		saved = errno;
		(void)unlink(temp);
		errno = saved;
	} else if (fsync(folder) < 0) {
		err = STEK_ERR_SYSTEM;
	}
	close_quietly(folder);
	return err;
}

static enum stek_err
read_all(int fd, uint8_t *bytes, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < size) {
		n = read(fd, bytes + *len, size - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return STEK_ERR_SYSTEM;
		if (n == 0)
			return STEK_OK;
		*len += (size_t)n;
	}
	return STEK_ERR_FORMAT;
}

enum stek_err
stek_file_read(const char *path, size_t max, uint8_t **bytes, size_t *len)
{
	uint8_t *buf = NULL;
	enum stek_err err;
	struct stat st;
	int fd, saved;

	/* A fifo must not keep us waiting. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return STEK_ERR_SYSTEM;
	err = STEK_ERR_SYSTEM;
	if (fstat(fd, &st) < 0)
		goto out;
	err = STEK_ERR_FORMAT;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 ||
	    (uintmax_t)st.st_size > max)
		goto out;
	err = STEK_ERR_MEMORY;
	buf = stek_file_alloc((size_t)st.st_size + 1);
	if (buf == NULL)
		goto out;
	err = read_all(fd, buf, (size_t)st.st_size + 1, len);
	if (err != STEK_OK)
		goto out;
	*bytes = buf;
	buf = NULL;
out:
	saved = errno;
	stek_file_free(buf);
	(void)close(fd);
	errno = saved;
	return err;
}

enum stek_err
stek_file_private(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return STEK_ERR_SYSTEM;
	if ((st.st_mode & 027) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid()))
		return STEK_ERR_UNSAFE;
	return STEK_OK;
}

enum stek_err
stek_file_in_memory(const char *path, bool *yes)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return STEK_ERR_SYSTEM;
	*yes = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
	return STEK_OK;
}
