/* SPDX-License-Identifier: ISC */
/*
 * A reader whose ring's file is replaced, removed or late: what it then has.
 *
 * Never here: what a ring says (test_ring.c).
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "given.h"

#define NOW     150
#define READERS 2

/* Two files, each a ring with a key of its own; and a reader. */
struct scene {
	char path[2][64];
	char folder[32];
	struct stek_ring *writer[2];
	struct stek_key key[2];
	struct stek_ring *reader;
};

static void
write_ring(struct scene *scene, int i)
{
	struct stek_set *set = given_set();

	given_add(set, (uint8_t)(i + 1), 100, 200, 300);
	scene->key[i] = set->keys[0];
	(void)snprintf(scene->path[i], sizeof(scene->path[i]), "%.31s/ring%d",
	    scene->folder, i);
	assert_int_equal(
	    stek_ring_create(scene->path[i], 0600, &scene->writer[i]), STEK_OK);
	assert_int_equal(stek_ring_publish(scene->writer[i], set), STEK_OK);
	stek_set_free(set);
}

static int
set_up(void **state)
{
	static struct scene scene;

	strcpy(scene.folder, "/dev/shm/stek-ring.XXXXXX");
	if (mkdtemp(scene.folder) == NULL)
		return -1;
	write_ring(&scene, 0);
	write_ring(&scene, 1);
	assert_int_equal(stek_ring_open(scene.path[0], &scene.reader), STEK_OK);
	*state = &scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;
	int i;

	stek_ring_close(scene->reader);
	for (i = 0; i < 2; i++) {
		stek_ring_close(scene->writer[i]);
		(void)unlink(scene->path[i]);
	}
	return rmdir(scene->folder);
}

static bool
seals_with(const struct stek_ring *ring, const struct stek_key *key)
{
	struct stek_key STEK_WIPED found;

	return stek_ring_sealing(ring, NOW, &found) &&
	       memcmp(&found, key, sizeof(found)) == 0;
}

static bool
has_no_keys(const struct stek_ring *ring)
{
	struct stek_set *set = given_set();
	struct stek_key key;
	bool none;

	stek_ring_read(ring, set);
	none = set->count == 0 && !stek_ring_sealing(ring, NOW, &key);
	stek_set_free(set);
	return none;
}

static void
a_reader_goes_on_with_another_file(void **state)
{
	struct scene *scene = *state;

	assert_true(seals_with(scene->reader, &scene->key[0]));
	assert_int_equal(
	    stek_ring_follow(scene->reader, scene->path[1]), STEK_OK);
	assert_true(seals_with(scene->reader, &scene->key[1]));
}

/* Both were published to once: only the move tells them apart. */
static void
its_turn_changes_though_both_files_have_the_same(void **state)
{
	struct scene *scene = *state;
	uint64_t turn = stek_ring_turn(scene->reader);

	assert_int_equal(
	    stek_ring_turn(scene->writer[0]), stek_ring_turn(scene->writer[1]));
	assert_int_equal(
	    stek_ring_follow(scene->reader, scene->path[1]), STEK_OK);
	assert_int_not_equal(stek_ring_turn(scene->reader), turn);
}

static void
it_sees_what_is_published_there_later(void **state)
{
	struct scene *scene = *state;
	struct stek_set *set = given_set();

	assert_int_equal(
	    stek_ring_follow(scene->reader, scene->path[1]), STEK_OK);
	given_add(set, 3, 100, 200, 300);
	assert_int_equal(stek_ring_publish(scene->writer[1], set), STEK_OK);
	assert_true(seals_with(scene->reader, &set->keys[0]));
	stek_set_free(set);
}

static void
following_nothing_it_has_no_keys(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(stek_ring_follow(scene->reader, NULL), STEK_OK);
	assert_true(has_no_keys(scene->reader));
	assert_int_equal(
	    stek_ring_follow(scene->reader, scene->path[0]), STEK_OK);
	assert_true(seals_with(scene->reader, &scene->key[0]));
}

/* What comes late is followed from a ring that never had a file. */
static void
a_ring_without_a_file_can_follow_one(void **state)
{
	struct scene *scene = *state;
	struct stek_ring *ring;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	assert_true(has_no_keys(ring));
	assert_int_equal(stek_ring_follow(ring, scene->path[0]), STEK_OK);
	assert_true(seals_with(ring, &scene->key[0]));
	stek_ring_close(ring);
}

static void
expect_refused(struct scene *scene, enum stek_err err)
{
	uint64_t turn = stek_ring_turn(scene->reader);

	assert_int_equal(stek_ring_follow(scene->reader, scene->path[1]), err);
	assert_int_equal(stek_ring_turn(scene->reader), turn);
	assert_true(seals_with(scene->reader, &scene->key[0]));
}

static void
what_cannot_be_followed_changes_nothing(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(chmod(scene->path[1], 0644), 0);
	expect_refused(scene, STEK_ERR_UNSAFE);
	assert_int_equal(chmod(scene->path[1], 0600), 0);
	assert_int_equal(truncate(scene->path[1], 100), 0);
	expect_refused(scene, STEK_ERR_FORMAT);
	assert_int_equal(unlink(scene->path[1]), 0);
	errno = 0;
	expect_refused(scene, STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
}

/* --- under other threads ------------------------------------------------- */

struct reading {
	pthread_t thread;
	struct scene *scene;
	atomic_bool *over;
	size_t seen[3]; /* each file's key, and none */
	size_t wrong;
};

static void *
read_on(void *arg)
{
	struct reading *reading = arg;
	const struct scene *scene = reading->scene;
	struct stek_key key;

	while (!atomic_load(reading->over)) {
		if (!stek_ring_sealing(scene->reader, NOW, &key))
			reading->seen[2]++;
		else if (memcmp(&key, &scene->key[0], sizeof(key)) == 0)
			reading->seen[0]++;
		else if (memcmp(&key, &scene->key[1], sizeof(key)) == 0)
			reading->seen[1]++;
		else
			reading->wrong++;
	}
	return NULL;
}

static void
readers_see_either_files_key_whole_or_none(void **state)
{
	struct scene *scene = *state;
	struct reading reading[READERS] = {0};
	atomic_bool over = false;
	size_t i;

	for (i = 0; i < READERS; i++) {
		reading[i].scene = scene;
		reading[i].over = &over;
		assert_int_equal(pthread_create(&reading[i].thread, NULL,
		                     read_on, &reading[i]),
		    0);
	}
	for (i = 0; i < 20000; i++)
		assert_int_equal(stek_ring_follow(scene->reader,
		                     i % 10 == 9 ? NULL : scene->path[i % 2]),
		    STEK_OK);
	atomic_store(&over, true);
	for (i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(reading[i].thread, NULL), 0);
		assert_int_equal(reading[i].wrong, 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_reader_goes_on_with_another_file),
	    TEST(its_turn_changes_though_both_files_have_the_same),
	    TEST(it_sees_what_is_published_there_later),
	    TEST(following_nothing_it_has_no_keys),
	    TEST(a_ring_without_a_file_can_follow_one),
	    TEST(what_cannot_be_followed_changes_nothing),
	    TEST(readers_see_either_files_key_whole_or_none),
	};

	return cmocka_run_group_tests_name("ring_follow", tests, NULL, NULL);
}
