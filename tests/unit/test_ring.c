/* SPDX-License-Identifier: ISC */
/*
 * What a ring says of the set published to it, one thread at a time.
 *
 * Never here: its file (test_ring_file.c), others that read or write at the
 * same time (test_ring_threads.c, test_ring_processes.c).
 */
#include "given.h"

struct scene {
	struct stek_ring *ring;
	struct stek_set *set;
};

static int
set_up(void **state)
{
	static struct scene scene;

	scene.set = given_set();
	if (stek_ring_new(&scene.ring) != STEK_OK)
		return -1;
	*state = &scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;

	stek_ring_close(scene->ring);
	stek_set_free(scene->set);
	return 0;
}

static void
publish(struct scene *scene)
{
	assert_int_equal(stek_ring_publish(scene->ring, scene->set), STEK_OK);
}

static void
assert_wiped(const struct stek_key *key)
{
	static const struct stek_key none;

	assert_memory_equal(key, &none, sizeof(none));
}

static void
assert_seals(struct scene *scene, int64_t now, const struct stek_key *want)
{
	struct stek_key key;

	memset(&key, 0xff, sizeof(key));
	if (want == NULL) {
		assert_false(stek_ring_sealing(scene->ring, now, &key));
		assert_wiped(&key);
		return;
	}
	assert_true(stek_ring_sealing(scene->ring, now, &key));
	assert_memory_equal(&key, want, sizeof(key));
}

static void
assert_opens(struct scene *scene, int64_t now, const struct stek_key *which,
    enum stek_open how)
{
	struct stek_key key;

	memset(&key, 0xff, sizeof(key));
	assert_int_equal(
	    stek_ring_opening(scene->ring, which->name, now, &key), how);
	if (how == STEK_OPEN_NO)
		assert_wiped(&key);
	else
		assert_memory_equal(&key, which, sizeof(key));
}

static void
a_new_ring_holds_nothing(void **state)
{
	struct scene *scene = *state;
	struct stek_key unknown = given_key(1, 1, 2, 3);

	assert_seals(scene, NOON, NULL);
	assert_opens(scene, NOON, &unknown, STEK_OPEN_NO);
	stek_ring_read(scene->ring, scene->set);
	assert_int_equal(scene->set->count, 0);
	assert_int_equal(scene->set->version, 0);
}

static void
a_key_seals_from_its_first_second_to_its_last(void **state)
{
	struct scene *scene = *state;
	const struct stek_key *key = &scene->set->keys[0];

	given_add(scene->set, 1, 100, 200, 300);
	publish(scene);
	assert_seals(scene, 99, NULL);
	assert_seals(scene, 100, key);
	assert_seals(scene, 199, key);
	assert_seals(scene, 200, NULL);
}

static void
a_key_opens_from_when_it_is_known_until_it_dies(void **state)
{
	struct scene *scene = *state;
	const struct stek_key *key = &scene->set->keys[0];

	given_add(scene->set, 1, 100, 200, 300);
	publish(scene);
	assert_opens(scene, 1, key, STEK_OPEN_USE);
	assert_opens(scene, 99, key, STEK_OPEN_USE);
	assert_opens(scene, 100, key, STEK_OPEN_USE);
	assert_opens(scene, 299, key, STEK_OPEN_USE);
	assert_opens(scene, 300, key, STEK_OPEN_NO);
	assert_opens(scene, INT64_MAX, key, STEK_OPEN_NO);
}

static void
tickets_of_older_keys_are_renewed_and_those_of_pending_ones_not(void **state)
{
	struct scene *scene = *state;
	const struct stek_key *keys = scene->set->keys;

	given_add(scene->set, 1, 100, 200, 400);
	given_add(scene->set, 2, 200, 300, 500);
	given_add(scene->set, 3, 300, 400, 600);
	publish(scene);
	assert_opens(scene, 250, &keys[0], STEK_OPEN_RENEW);
	assert_opens(scene, 250, &keys[1], STEK_OPEN_USE);
	assert_opens(scene, 250, &keys[2], STEK_OPEN_USE);
	assert_opens(scene, 300, &keys[1], STEK_OPEN_RENEW);
}

static void
tickets_of_a_key_that_stopped_before_an_older_one_are_renewed(void **state)
{
	struct scene *scene = *state;
	const struct stek_key *keys = scene->set->keys;

	given_add(scene->set, 1, 100, 900, 1000);
	given_add(scene->set, 2, 200, 300, 1000);
	publish(scene);
	assert_seals(scene, 300, &keys[0]);
	assert_opens(scene, 300, &keys[1], STEK_OPEN_RENEW);
	assert_opens(scene, 300, &keys[0], STEK_OPEN_USE);
}

static void
nothing_is_renewed_while_nothing_seals(void **state)
{
	struct scene *scene = *state;
	const struct stek_key *keys = scene->set->keys;

	given_add(scene->set, 1, 100, 200, 400);
	given_add(scene->set, 2, 500, 600, 700);
	publish(scene);
	assert_opens(scene, 300, &keys[0], STEK_OPEN_USE);
}

static void
every_byte_of_a_name_counts(void **state)
{
	struct scene *scene = *state;
	struct stek_key other;
	size_t i;

	given_add(scene->set, 1, 100, 200, 300);
	publish(scene);
	for (i = 0; i < STEK_NAME_LEN; i++) {
		other = scene->set->keys[0];
		other.name[i] ^= 1;
		assert_opens(scene, 150, &other, STEK_OPEN_NO);
	}
}

static void
what_is_read_is_what_was_published_dead_keys_too(void **state)
{
	struct scene *scene = *state;
	struct stek_set *read = given_set();
	uint64_t i;

	for (i = 0; i < STEK_KEYS_MAX; i++)
		given_add(scene->set, i, (int64_t)i + 1, 100, 200);
	scene->set->version = UINT64_C(0xfedcba9876543210);
	publish(scene);
	stek_ring_read(scene->ring, read);
	assert_memory_equal(read, scene->set, sizeof(*read));
	stek_set_free(read);
}

static void
a_smaller_set_leaves_nothing_of_a_larger_one(void **state)
{
	struct scene *scene = *state;
	struct stek_key gone;
	uint64_t i;

	for (i = 0; i < STEK_KEYS_MAX; i++)
		given_add(scene->set, i, 100 + (int64_t)i, 500, 600);
	publish(scene);
	gone = scene->set->keys[9];
	assert_true(stek_set_remove(scene->set, gone.name));
	publish(scene);
	assert_opens(scene, 200, &gone, STEK_OPEN_NO);
	stek_set_clear(scene->set);
	publish(scene);
	assert_seals(scene, 200, NULL);
	stek_ring_read(scene->ring, scene->set);
	assert_int_equal(scene->set->count, 0);
	assert_wiped(&scene->set->keys[0]);
}

static void
the_turn_changes_with_each_publish_and_else_never(void **state)
{
	struct scene *scene = *state;
	uint64_t turn = stek_ring_turn(scene->ring);
	struct stek_key key;
	int i;

	for (i = 0; i < 10; i++) {
		publish(scene);
		assert_int_not_equal(stek_ring_turn(scene->ring), turn);
		turn = stek_ring_turn(scene->ring);
		assert_false(stek_ring_sealing(scene->ring, NOON, &key));
		stek_ring_read(scene->ring, scene->set);
		assert_int_equal(stek_ring_turn(scene->ring), turn);
	}
}

static void
a_set_with_too_many_keys_is_refused_and_the_old_one_stays(void **state)
{
	struct scene *scene = *state;
	const uint64_t turn = stek_ring_turn(scene->ring);

	scene->set->count = STEK_KEYS_MAX + 1;
	assert_int_equal(
	    stek_ring_publish(scene->ring, scene->set), STEK_ERR_FULL);
	assert_int_equal(stek_ring_turn(scene->ring), turn);
}

static void
closing_no_ring_is_allowed(void **state)
{
	(void)state;
	stek_ring_close(NULL);
}

/* What a ring should say of a key follows from its place in the set. */
static enum stek_open
expected(const struct stek_set *set, const struct stek_key *key, int64_t now)
{
	switch (stek_set_state(set, key, now)) {
	case STEK_DEAD:
		return STEK_OPEN_NO;
	case STEK_OPENING:
		if (stek_set_sealing(set, now) != NULL)
			return STEK_OPEN_RENEW;
		break;
	case STEK_PENDING:
	case STEK_SEALING:
		break;
	}
	return STEK_OPEN_USE;
}

static void
some_set(struct stek_set *set, uint64_t seed)
{
	uint64_t dice[3 * STEK_KEYS_MAX], i;
	int64_t from, seals, opens;

	stek_set_clear(set);
	given_bytes((uint8_t *)dice, sizeof(dice), 's', seed);
	for (i = 0; i < seed % (STEK_KEYS_MAX + 1); i++) {
		from = 1 + (int64_t)(dice[3 * i] % 40);
		seals = (int64_t)(dice[3 * i + 1] % 30);
		opens = (int64_t)(dice[3 * i + 2] % 30);
		given_add(set, seed * 16 + i, from, from + seals,
		    from + seals + opens);
	}
}

static void
ring_and_set_agree_on_any_set_at_any_second(void **state)
{
	struct scene *scene = *state;
	const struct stek_key *key;
	uint64_t seed;
	int64_t now;

	for (seed = 0; seed < 400; seed++) {
		some_set(scene->set, seed);
		publish(scene);
		for (now = 0; now < 102; now++) {
			assert_seals(
			    scene, now, stek_set_sealing(scene->set, now));
			for (key = scene->set->keys;
			     key < scene->set->keys + scene->set->count; key++)
				assert_opens(scene, now, key,
				    expected(scene->set, key, now));
		}
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_new_ring_holds_nothing),
	    CASE(a_key_seals_from_its_first_second_to_its_last),
	    CASE(a_key_opens_from_when_it_is_known_until_it_dies),
	    CASE(
	        tickets_of_older_keys_are_renewed_and_those_of_pending_ones_not),
	    CASE(tickets_of_a_key_that_stopped_before_an_older_one_are_renewed),
	    CASE(nothing_is_renewed_while_nothing_seals),
	    CASE(every_byte_of_a_name_counts),
	    CASE(what_is_read_is_what_was_published_dead_keys_too),
	    CASE(a_smaller_set_leaves_nothing_of_a_larger_one),
	    CASE(the_turn_changes_with_each_publish_and_else_never),
	    CASE(a_set_with_too_many_keys_is_refused_and_the_old_one_stays),
	    CASE(closing_no_ring_is_allowed),
	    CASE(ring_and_set_agree_on_any_set_at_any_second),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
