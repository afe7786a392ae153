/* SPDX-License-Identifier: ISC */
/*
 * Publishing to a target's ring, which workers do, and keeping it for them,
 * which the monitor does: mapped, and so locked in memory, and under the lock
 * of its one writer.
 *
 * Never here: files that servers read.
 * Invariant: the monitor never touches the memory of a ring: who owns the file
 * can cut it short at any moment, and that ends a process that does.
 */
#ifndef STEK_PUBLISH_H
#define STEK_PUBLISH_H

#include "conf.h"

/* A ring that is kept, or zeroes. */
struct publish_kept {
	void *map; /* NULL: it is not */
	int fd;
	dev_t dev;
	ino_t ino;
	off_t size;
};

/* In a worker.  As stek_ring_create() and stek_ring_publish(). */
STEK_CHECKED enum stek_err publish_set(
    const struct conf_target *, const struct stek_set *);

/*
 * Keep what lies at the target's path.  If that fails, it is kept by no one
 * until the next time.
 */
void publish_keep(const struct conf_target *, struct publish_kept *);

/* Is it kept, and is that what lies at the target's path? */
bool publish_is_kept(const struct conf_target *, const struct publish_kept *);

/* Leave the lock to a worker that is about to publish, until _keep(). */
void publish_yield(const struct publish_kept *);

void publish_drop(struct publish_kept *);

#endif
