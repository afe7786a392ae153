/* SPDX-License-Identifier: ISC */
/*
 * Threads that read a ring while another publishes to it as fast as it can.
 *
 * Never here: processes (test_ring_processes.c).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storm.h"

#define READERS  3
#define VERSIONS 20000

struct reader {
	pthread_t thread;
	struct storm *storm;
	struct stek_ring *ring;
	const char *wrong;
	uint64_t dice;
};

static void *
read_on(void *arg)
{
	struct reader *reader = arg;
	struct stek_set *set = stek_set_new();

	if (set == NULL)
		reader->wrong = "no memory";
	while (reader->wrong == NULL && !atomic_load(&reader->storm->over)) {
		reader->dice = reader->dice * 6364136223846793005u + 1;
		reader->wrong = storm_read(
		    reader->storm, reader->ring, set, reader->dice >> 33);
	}
	stek_set_free(set);
	return NULL;
}

/* Let a writer publish beside readers, each with a ring of its own. */
static void
weather(struct stek_ring *writer, struct stek_ring **rings)
{
	struct reader readers[READERS];
	struct storm storm = {0};
	struct stek_set *set = given_set();
	size_t i;

	for (i = 0; i < READERS; i++) {
		readers[i] = (struct reader) {
		    .storm = &storm, .ring = rings[i], .dice = i};
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
		                     read_on, &readers[i]),
		    0);
	}
	for (i = 0; (i < VERSIONS || atomic_load(&storm.reads) < VERSIONS) &&
	            !atomic_load(&storm.over);
	     i++)
		storm_publish(&storm, writer, set);
	atomic_store(&storm.over, true);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
	for (i = 0; i < READERS; i++)
		if (readers[i].wrong != NULL)
			fail_msg("a reader saw %s", readers[i].wrong);
	stek_set_free(set);
}

static void
threads_of_one_ring_see_whole_sets_only(void **state)
{
	struct stek_ring *ring, *rings[READERS];
	size_t i;

	(void)state;
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	for (i = 0; i < READERS; i++)
		rings[i] = ring;
	weather(ring, rings);
	stek_ring_close(ring);
}

static void
threads_that_each_map_a_file_see_whole_sets_only(void **state)
{
	char folder[] = "/dev/shm/stek-threads.XXXXXX";
	struct stek_ring *ring, *rings[READERS];
	char path[64];
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/ring", folder);
	assert_int_equal(stek_ring_create(path, 0600, &ring), STEK_OK);
	for (i = 0; i < READERS; i++)
		assert_int_equal(stek_ring_open(path, &rings[i]), STEK_OK);
	weather(ring, rings);
	for (i = 0; i < READERS; i++)
		stek_ring_close(rings[i]);
	stek_ring_close(ring);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(threads_of_one_ring_see_whole_sets_only),
	    cmocka_unit_test(threads_that_each_map_a_file_see_whole_sets_only),
	};

	return cmocka_run_group_tests_name("ring_threads", tests, NULL, NULL);
}
