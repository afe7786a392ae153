/* SPDX-License-Identifier: ISC */
/*
 * A ring that is published to once a second, by a thread: with the same key
 * to seal with each time, and another that is still to.
 */
#ifndef TESTS_ROTATING_H
#define TESTS_ROTATING_H

#include <pthread.h>
#include <stdatomic.h>

#include <stek.h>

#define ROTATING_LIFETIME	86400	/* s */

struct rotating {
	struct stek_ring *ring;
	struct stek_key key; /* seals all the time */
	pthread_t thread;
	atomic_bool over;
};

/* Ends the program if it cannot. */
void rotating_start(struct rotating *);
void rotating_stop(struct rotating *);

#endif
