/* SPDX-License-Identifier: ISC */
/* See publish.h. */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "publish.h"

/* No ring is longer; its owner may have made a file of any length of it. */
#define RING_BYTES_MAX 65536

enum stek_err
publish_set(const struct conf_target *target, const struct stek_set *set)
{
	struct stek_ring *ring;
	enum stek_err err;

	err = stek_ring_create(target->path, target->mode, &ring);
	if (err != STEK_OK)
		return err;
	if (lchown(target->path, target->uid, target->gid) < 0)
		err = STEK_ERR_SYSTEM;
	else
		err = stek_ring_publish(ring, set);
	stek_ring_close(ring);
	return err;
}

/* It may have been removed or cut short; then a worker makes it anew. */
bool
publish_is_kept(
    const struct conf_target *target, const struct publish_kept *kept)
{
	struct stat st;

	return kept->map != NULL && lstat(target->path, &st) == 0 &&
	       st.st_dev == kept->dev && st.st_ino == kept->ino &&
	       st.st_size == kept->size;
}

void
publish_drop(struct publish_kept *kept)
{
	if (kept->map == NULL)
		return;
	(void)munmap(kept->map, (size_t)kept->size);
	(void)close(kept->fd);
	memset(kept, 0, sizeof(*kept));
}

static void
map(const struct conf_target *target, struct publish_kept *kept)
{
	struct stat st;
	void *bytes = MAP_FAILED;
	int fd =
	    open(target->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size > 0 && st.st_size <= RING_BYTES_MAX)
		bytes = mmap(
		    NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	/* To lock what is no more there is an error, and no signal. */
	(void)madvise(bytes, (size_t)st.st_size, MADV_DONTDUMP);
	(void)mlock(bytes, (size_t)st.st_size);
	kept->map = bytes;
	kept->fd = fd;
	kept->dev = st.st_dev;
	kept->ino = st.st_ino;
	kept->size = st.st_size;
}

void
publish_keep(const struct conf_target *target, struct publish_kept *kept)
{
	if (!publish_is_kept(target, kept)) {
		publish_drop(kept);
		map(target, kept);
	}
	if (kept->map != NULL)
		(void)flock(kept->fd, LOCK_EX | LOCK_NB);
}

void
publish_yield(const struct publish_kept *kept)
{
	if (kept->map != NULL)
		(void)flock(kept->fd, LOCK_UN);
}
