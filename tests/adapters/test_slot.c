/* SPDX-License-Identifier: ISC */
/*
 * What adapters keep between tickets, under a TLS library that only counts.
 */
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../adapters/slot.h"

#define NOW    1000000
#define SLOTS  64
#define KEPT   32
#define IV_LEN 16

static size_t expanded, forgotten, draws;
static bool refuses;
static uint8_t drawn;

static void *
count_expand(const struct stek_key *key)
{
	struct stek_key *copy;

	if (refuses)
		return NULL;
	expanded++;
	copy = malloc(sizeof(*copy));
	if (copy != NULL)
		*copy = *key;
	return copy;
}

static void
count_forget(void *key)
{
	forgotten++;
	free(key);
}

/* Never the same bytes twice in a row of sixteen. */
static bool
count_draw(uint8_t *bytes, size_t len)
{
	size_t i;

	if (refuses)
		return false;
	draws++;
	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i % 16 == 0 ? ++drawn : i / 16);
	return true;
}

static const struct slot_library counting = {
    count_expand, count_forget, count_draw};

struct world {
	struct stek_ring *ring;
	struct stek_set *set;
	struct slots *slots;
	struct stek_key old; /* opens */
	struct stek_key new; /* seals */
	struct stek_key dead;
};

static void
mint(struct stek_key *key, int64_t from, int64_t until, int64_t open_until)
{
	assert_int_equal(stek_key_mint(key), STEK_OK);
	key->seal_from = NOW + from;
	key->seal_until = NOW + until;
	key->open_until = NOW + open_until;
}

static void
publish(struct world *world)
{
	assert_int_equal(stek_ring_publish(world->ring, world->set), STEK_OK);
}

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (world == NULL || stek_ring_new(&world->ring) != STEK_OK)
		return -1;
	world->set = stek_set_new();
	mint(&world->dead, -900, -800, -700);
	mint(&world->old, -600, -300, 600);
	mint(&world->new, -300, 300, 900);
	assert_int_equal(stek_set_add(world->set, &world->dead), STEK_OK);
	assert_int_equal(stek_set_add(world->set, &world->old), STEK_OK);
	assert_int_equal(stek_set_add(world->set, &world->new), STEK_OK);
	publish(world);
	expanded = forgotten = draws = 0;
	refuses = false;
	world->slots = slots_new(&counting, world->ring);
	*state = world;
	return world->slots != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	slots_free(world->slots);
	stek_set_free(world->set);
	stek_ring_close(world->ring);
	free(world);
	return 0;
}

static const struct stek_key *
sealing(struct slot *slot, const char *scope)
{
	uint8_t name[STEK_NAME_LEN];

	return slot_sealing(slot, scope, NOW, name);
}

static void
the_sealing_key_comes_with_its_name(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	const struct stek_key *key;
	uint8_t name[STEK_NAME_LEN];

	key = slot_sealing(slot, "", NOW, name);
	assert_non_null(key);
	assert_memory_equal(name, world->new.name, STEK_NAME_LEN);
	assert_memory_equal(key->aes, world->new.aes, STEK_AES_LEN);
	slot_give(slot);
}

static void
the_sealing_key_of_a_scope_is_derived(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	uint8_t name[STEK_NAME_LEN];
	const struct stek_key *key;
	struct stek_key scoped;

	assert_int_equal(stek_scope_key(&world->new, "a", &scoped), STEK_OK);
	key = slot_sealing(slot, "a", NOW, name);
	assert_non_null(key);
	assert_memory_equal(name, scoped.name, STEK_NAME_LEN);
	assert_memory_equal(key->aes, scoped.aes, STEK_AES_LEN);
	slot_give(slot);
}

static void
no_key_seals_past_its_time(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	uint8_t name[STEK_NAME_LEN];

	assert_non_null(slot_sealing(slot, "", NOW, name));
	assert_null(slot_sealing(slot, "", NOW + 300, name));
	slot_give(slot);
}

static void
a_key_opens_in_the_scope_of_its_name_only(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	struct stek_key a;
	bool renew;

	assert_int_equal(stek_scope_key(&world->new, "a", &a), STEK_OK);
	assert_non_null(slot_opening(slot, "a", NOW, a.name, &renew));
	assert_null(slot_opening(slot, "b", NOW, a.name, &renew));
	assert_null(slot_opening(slot, "", NOW, a.name, &renew));
	assert_null(slot_opening(slot, "a", NOW, world->new.name, &renew));
	slot_give(slot);
}

static void
only_an_older_key_than_the_sealing_one_asks_for_renewal(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	bool renew;

	assert_non_null(slot_opening(slot, "", NOW, world->old.name, &renew));
	assert_true(renew);
	assert_non_null(slot_opening(slot, "", NOW, world->new.name, &renew));
	assert_false(renew);
	slot_give(slot);
}

static void
a_kept_key_opens_nothing_past_its_time(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	bool renew;

	assert_non_null(slot_opening(slot, "", NOW, world->old.name, &renew));
	assert_null(slot_opening(slot, "", NOW + 600, world->old.name, &renew));
	slot_give(slot);
}

static void
a_key_is_expanded_once(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	bool renew;

	assert_ptr_equal(sealing(slot, ""), sealing(slot, ""));
	assert_ptr_equal(sealing(slot, ""),
	    slot_opening(slot, "", NOW, world->new.name, &renew));
	assert_int_equal(expanded, 1);
	slot_give(slot);
}

static void
unknown_and_dead_keys_are_not_expanded(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	const uint8_t unknown[STEK_NAME_LEN] = {1, 2, 3};
	bool renew;

	assert_null(slot_opening(slot, "", NOW, unknown, &renew));
	assert_null(slot_opening(slot, "", NOW, world->dead.name, &renew));
	assert_int_equal(expanded, 0);
	slot_give(slot);
}

static void
a_key_that_cannot_be_expanded_is_tried_again(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);

	refuses = true;
	assert_null(sealing(slot, ""));
	refuses = false;
	assert_non_null(sealing(slot, ""));
	slot_give(slot);
}

static void
after_a_publish_no_slot_keeps_an_expanded_key(void **state)
{
	struct world *world = *state;
	struct slot *one = slot_take(world->slots);
	struct slot *two = slot_take(world->slots);

	assert_ptr_not_equal(one, two);
	assert_non_null(sealing(one, ""));
	assert_non_null(sealing(two, ""));
	slot_give(one);
	slot_give(two);
	publish(world);
	slot_give(slot_take(world->slots));
	assert_int_equal(forgotten, 2);
}

static void
a_slot_that_was_busy_then_forgets_when_it_is_next_taken(void **state)
{
	struct world *world = *state;
	struct slot *busy = slot_take(world->slots), *slots[SLOTS];
	size_t i;

	assert_non_null(sealing(busy, ""));
	publish(world);
	slot_give(slot_take(world->slots));
	assert_int_equal(forgotten, 0);
	slot_give(busy);
	for (i = 0; i < SLOTS; i++)
		slots[i] = slot_take(world->slots);
	assert_int_equal(forgotten, 1);
	for (i = 0; i < SLOTS; i++)
		slot_give(slots[i]);
}

static void
a_new_slot_leaves_the_keys_of_others_alone(void **state)
{
	struct world *world = *state;
	struct slot *one = slot_take(world->slots), *two;

	assert_non_null(sealing(one, ""));
	two = slot_take(world->slots);
	slot_give(one);
	slot_give(two);
	assert_int_equal(forgotten, 0);
}

static void
when_all_slots_are_taken_there_is_none_until_one_is_given(void **state)
{
	struct world *world = *state;
	struct slot *slots[SLOTS];
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		slots[i] = slot_take(world->slots);
		assert_non_null(slots[i]);
	}
	assert_null(slot_take(world->slots));
	slot_give(slots[17]);
	assert_ptr_equal(slot_take(world->slots), slots[17]);
	for (i = 0; i < SLOTS; i++)
		slot_give(slots[i]);
}

static void
the_oldest_makes_room_when_there_are_too_many(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	char scope[2] = "A";
	size_t i;

	for (i = 0; i < KEPT + 1; i++, scope[0]++)
		assert_non_null(sealing(slot, scope));
	assert_int_equal(expanded, KEPT + 1);
	assert_int_equal(forgotten, 1);
	assert_non_null(sealing(slot, "B"));
	assert_int_equal(expanded, KEPT + 1);
	assert_non_null(sealing(slot, "A"));
	assert_int_equal(expanded, KEPT + 2);
	slot_give(slot);
}

static void
freeing_forgets_every_key(void **state)
{
	struct world *world = *state;
	struct slot *one = slot_take(world->slots);
	struct slot *two = slot_take(world->slots);

	assert_non_null(sealing(one, ""));
	assert_non_null(sealing(two, ""));
	slot_give(one);
	slot_give(two);
	slots_free(world->slots);
	world->slots = NULL;
	assert_int_equal(forgotten, 2);
}

static void
another_ring_of_the_same_turn_has_other_keys(void **state)
{
	struct world *world = *state;
	struct stek_ring *ring;
	struct slot *slot;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	stek_set_clear(world->set);
	assert_int_equal(stek_ring_publish(ring, world->set), STEK_OK);
	assert_int_equal(stek_ring_turn(ring), stek_ring_turn(world->ring));
	slot = slot_take(world->slots);
	assert_non_null(sealing(slot, ""));
	slot_give(slot);
	slots_follow(world->slots, ring);
	assert_int_equal(forgotten, 1);
	slot = slot_take(world->slots);
	assert_null(sealing(slot, ""));
	slot_give(slot);
	slots_follow(world->slots, world->ring);
	stek_ring_close(ring);
}

/* It goes on with what it holds, and no one else gets that. */
static void
a_slot_that_was_busy_follows_when_it_is_next_taken(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	struct stek_ring *ring;

	assert_non_null(sealing(slot, ""));
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	slots_follow(world->slots, ring);
	assert_int_equal(forgotten, 0);
	assert_non_null(sealing(slot, ""));
	slot_give(slot);
	slot = slot_take(world->slots);
	assert_int_equal(forgotten, 1);
	assert_null(sealing(slot, ""));
	slot_give(slot);
	slots_follow(world->slots, world->ring);
	stek_ring_close(ring);
}

static void
no_two_ivs_are_the_same(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	uint8_t iv[200][IV_LEN];
	size_t i, j;

	for (i = 0; i < 200; i++) {
		assert_true(slot_random(slot, iv[i], IV_LEN));
		for (j = 0; j < i; j++)
			assert_memory_not_equal(iv[i], iv[j], IV_LEN);
	}
	assert_true(draws < 200);
	slot_give(slot);
}

static void
without_random_bytes_there_is_no_iv(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	uint8_t iv[IV_LEN];

	refuses = true;
	assert_false(slot_random(slot, iv, IV_LEN));
	refuses = false;
	assert_true(slot_random(slot, iv, IV_LEN));
	slot_give(slot);
}

/* 0: it had to draw its first IV anew. */
static int
draw_in_child(struct slot *slot)
{
	uint8_t iv[IV_LEN];

	draws = 0;
	return slot_random(slot, iv, IV_LEN) && draws == 1 ? 0 : 1;
}

static void
a_forked_process_draws_its_own_ivs(void **state)
{
	struct world *world = *state;
	struct slot *slot = slot_take(world->slots);
	uint8_t iv[IV_LEN];
	int status;
	pid_t pid;

	assert_true(slot_random(slot, iv, IV_LEN));
	pid = fork();
	if (pid == 0)
		_exit(draw_in_child(slot));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	draws = 0;
	assert_true(slot_random(slot, iv, IV_LEN));
	assert_int_equal(draws, 0); /* and its parent goes on as before */
	slot_give(slot);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_sealing_key_comes_with_its_name),
	    TEST(the_sealing_key_of_a_scope_is_derived),
	    TEST(no_key_seals_past_its_time),
	    TEST(a_key_opens_in_the_scope_of_its_name_only),
	    TEST(only_an_older_key_than_the_sealing_one_asks_for_renewal),
	    TEST(a_kept_key_opens_nothing_past_its_time),
	    TEST(a_key_is_expanded_once),
	    TEST(unknown_and_dead_keys_are_not_expanded),
	    TEST(a_key_that_cannot_be_expanded_is_tried_again),
	    TEST(after_a_publish_no_slot_keeps_an_expanded_key),
	    TEST(a_slot_that_was_busy_then_forgets_when_it_is_next_taken),
	    TEST(a_new_slot_leaves_the_keys_of_others_alone),
	    TEST(when_all_slots_are_taken_there_is_none_until_one_is_given),
	    TEST(the_oldest_makes_room_when_there_are_too_many),
	    TEST(freeing_forgets_every_key),
	    TEST(another_ring_of_the_same_turn_has_other_keys),
	    TEST(a_slot_that_was_busy_follows_when_it_is_next_taken),
	    TEST(no_two_ivs_are_the_same),
	    TEST(without_random_bytes_there_is_no_iv),
	    TEST(a_forked_process_draws_its_own_ivs),
	};

	return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
