/* SPDX-License-Identifier: ISC */
/*
 * A storm of publishes, whose every set and key a reader can tell to be
 * right or wrong: key n seals from STORM_START + n on, and all else of it
 * follows from n; the set of version v holds keys v, v + 1 and so on, 1 to 16
 * of them.
 *
 * Never here: threads or processes (test_ring_threads.c,
 * test_ring_processes.c).
 */
#ifndef STORM_H
#define STORM_H

#include <stdatomic.h>
#include <stdlib.h>

#include "given.h"

#define STORM_START NOON

/* What all readers and the writer of a storm share. */
struct storm {
	_Atomic uint64_t published; /* version of which publish() returned */
	_Atomic uint64_t reads;
	_Atomic bool over;
};

/* Publish the next version. */
void storm_publish(struct storm *, struct stek_ring *, struct stek_set *);

/*
 * One of each kind of read, of keys that `dice` picks.  NULL if all is well,
 * otherwise what is wrong.
 */
const char *storm_read(
    struct storm *, const struct stek_ring *, struct stek_set *, uint64_t dice);

/* Is that a set as it was published? NULL or what is wrong. */
const char *storm_check(const struct stek_set *);

#endif
