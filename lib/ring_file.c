/* SPDX-License-Identifier: ISC */
/*
 * Rings in files: who may write one, and what readers take for one.
 *
 * Never here: keys.
 * Invariant: a file is mapped as a ring only if it is one, whole; of one path
 * there is one writer.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ring_map.h"

static bool
is_ring(const struct ring_map *map)
{
	return ring_get(&map->magic) == RING_MAGIC &&
	       ring_get(&map->size) == sizeof(*map);
}

/* Give back what failed, and leave errno to say why. */
static void
give_up(struct ring_map *map, int fd)
{
	int saved = errno;

	if (map != NULL)
		(void)munmap(map, sizeof(*map));
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
}

/* Map an open file; FORMAT if it is no ring. */
static enum stek_err
map_file(int fd, int prot, struct ring_map **out)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return STEK_ERR_SYSTEM;
	if (!S_ISREG(st.st_mode) ||
	    st.st_size != (off_t)sizeof(struct ring_map))
		return STEK_ERR_FORMAT;
	map = mmap(NULL, sizeof(struct ring_map), prot, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return STEK_ERR_SYSTEM;
	if (!is_ring(map)) {
		give_up(map, -1);
		return STEK_ERR_FORMAT;
	}
	*out = map;
	return STEK_OK;
}

/* Give an empty file a whole ring's room now: a full disk shows here. */
static enum stek_err
format_file(int fd)
{
	const uint64_t header[] = {RING_MAGIC, sizeof(struct ring_map)};
	int err;

	err = posix_fallocate(fd, 0, sizeof(struct ring_map));
	if (err != 0)
		errno = err;
	if (err != 0 || pwrite(fd, header, sizeof(header), 0) < 0)
		return STEK_ERR_SYSTEM;
	return STEK_OK;
}

static bool
is_at(int fd, const char *path)
{
	struct stat opened, found;

	return fstat(fd, &opened) == 0 && lstat(path, &found) == 0 &&
	       opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

/* A file that a writer may have: the one there is, or a new and empty one. */
static int
open_file(const char *path, bool *is_new)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd;

	*is_new = false;
	fd = open(path, flags);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	*is_new = true;
	return open(path, flags | O_CREAT | O_EXCL, 0600);
}

/*
 * Whoever holds the lock of the file that is at the path is its writer, and
 * alone may replace it.
 */
static enum stek_err
lock_file(const char *path, int *out, bool *is_new)
{
	int fd, tries;

	for (tries = 0; tries < 1000; tries++) {
		fd = open_file(path, is_new);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return STEK_ERR_SYSTEM;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			give_up(NULL, fd);
			return errno == EWOULDBLOCK ? STEK_ERR_BUSY
			                            : STEK_ERR_SYSTEM;
		}
		*out = fd;
		if (is_at(fd, path))
			return STEK_OK;
		(void)close(fd);
	}
	return STEK_ERR_BUSY;
}

static enum stek_err
become_writer(int fd, bool is_new, mode_t mode, struct stek_ring **out)
{
	struct ring_map *map;
	enum stek_err err;

	err = is_new ? format_file(fd) : STEK_OK;
	if (err == STEK_OK)
		err = map_file(fd, PROT_READ | PROT_WRITE, &map);
	if (err != STEK_OK)
		return err;
	if (fchmod(fd, mode) < 0) {
		give_up(map, -1);
		return STEK_ERR_SYSTEM;
	}
	return ring_wrap(map, fd, out);
}

static bool
is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

enum stek_err
stek_ring_create(const char *path, mode_t mode, struct stek_ring **out)
{
	enum stek_err err;
	bool is_new, again;
	int fd;

	do {
		err = lock_file(path, &fd, &is_new);
		if (err != STEK_OK)
			return err;
		err = become_writer(fd, is_new, mode, out);
		if (err == STEK_OK)
			return STEK_OK;
		again = err == STEK_ERR_FORMAT && !is_new && is_regular(fd);
		if ((again || is_new) && unlink(path) < 0)
			err = STEK_ERR_SYSTEM;
		give_up(NULL, fd);
	} while (again && err == STEK_ERR_FORMAT);
	return err;
}

/* The file at the path and its map.  Both are the caller's to give back. */
static enum stek_err
map_path(const char *path, int *fd, struct ring_map **out)
{
	struct stat st;

	*out = NULL;
	/* A fifo must not keep us waiting. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		return STEK_ERR_SYSTEM;
	if ((st.st_mode & 027) != 0)
		return STEK_ERR_UNSAFE;
	return map_file(*fd, PROT_READ, out);
}

enum stek_err
stek_ring_open(const char *path, struct stek_ring **out)
{
	struct ring_map *map;
	enum stek_err err;
	int fd;

	err = map_path(path, &fd, &map);
	if (err == STEK_OK)
		err = ring_wrap(map, -1, out);
	give_up(NULL, fd);
	return err;
}

/* Put it where the ring's map is: there is no instant without any. */
static enum stek_err
move(struct stek_ring *ring, struct ring_map *map)
{
	const size_t len = sizeof(*map);
	uint64_t moves = ring_get(&ring->moves);
	enum stek_err err = STEK_OK;

	ring_put(&ring->moves, moves + 1);
	if (mremap(map, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, ring->map) ==
	    MAP_FAILED)
		err = STEK_ERR_SYSTEM;
	ring_put(&ring->moves, moves + 2);
	return err;
}

enum stek_err
stek_ring_follow(struct stek_ring *ring, const char *path)
{
	struct ring_map *map;
	enum stek_err err;
	int fd = -1;

	err = path == NULL ? ring_map_anonymous(PROT_READ, &map)
	                   : map_path(path, &fd, &map);
	if (err == STEK_OK) {
		ring_map_hide(map);
		err = move(ring, map);
		if (err == STEK_OK)
			map = NULL;
	}
	give_up(map, fd);
	return err;
}
