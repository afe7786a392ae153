/* SPDX-License-Identifier: ISC */
/*
 * See rotating.h.
 *
 * Never here: what is measured.
 */
#include <err.h>
#include <time.h>

#include "rotating.h"

static void
must(bool done)
{
	if (!done)
		errx(1, "the ring cannot be kept");
}

static void
make_key(struct stek_key *key, int64_t from)
{
	must(stek_key_mint(key) == STEK_OK);
	key->seal_from = from;
	key->seal_until = from + ROTATING_LIFETIME;
	key->open_until = from + 2 * ROTATING_LIFETIME;
}

static void
publish(struct rotating *r)
{
	struct stek_set *set = stek_set_new();
	struct stek_key STEK_WIPED next;

	make_key(&next, r->key.seal_from + ROTATING_LIFETIME);
	must(set != NULL && stek_set_add(set, &r->key) == STEK_OK &&
	     stek_set_add(set, &next) == STEK_OK &&
	     stek_ring_publish(r->ring, set) == STEK_OK);
	stek_set_free(set);
}

static void *
keep_publishing(void *arg)
{
	const struct timespec tenth = {0, 100000000};
	struct rotating *r = arg;
	size_t i;

	for (i = 1; !atomic_load(&r->over); i++) {
		(void)nanosleep(&tenth, NULL);
		if (i % 10 == 0)
			publish(r);
	}
	return NULL;
}

void
rotating_start(struct rotating *r)
{
	must(stek_ring_new(&r->ring) == STEK_OK);
	make_key(&r->key, time(NULL) - 60);
	publish(r);
	atomic_store(&r->over, false);
	must(pthread_create(&r->thread, NULL, keep_publishing, r) == 0);
}

void
rotating_stop(struct rotating *r)
{
	atomic_store(&r->over, true);
	must(pthread_join(r->thread, NULL) == 0);
	stek_ring_close(r->ring);
}
