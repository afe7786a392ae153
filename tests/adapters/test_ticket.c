/* SPDX-License-Identifier: ISC */
/*
 * Whole tickets, and the algorithm that seals them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../adapters/ticket.h"

#define NOW   1000000
#define PLAIN 100

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001test");
}

static void *
expand_other(const struct stek_key *key)
{
	return xaes_new(key, "\001other");
}

static const struct slot_library library = {expand, xaes_free, xaes_random};
static const struct slot_library other = {expand_other, xaes_free, xaes_random};

struct world {
	struct stek_ring *ring;
	struct slots *slots;
	struct stek_key key;
	uint8_t plain[PLAIN];
	uint8_t ticket[PLAIN + TICKET_OVERHEAD];
};

static struct stek_key
key_from(int64_t seal_from)
{
	struct stek_key key;

	assert_int_equal(stek_key_mint(&key), STEK_OK);
	key.seal_from = seal_from;
	key.seal_until = NOW + 1000;
	key.open_until = NOW + 2000;
	return key;
}

static void
publish(
    struct world *world, const struct stek_key *one, const struct stek_key *two)
{
	struct stek_set *set = stek_set_new();

	assert_non_null(set);
	assert_int_equal(stek_set_add(set, one), STEK_OK);
	if (two != NULL)
		assert_int_equal(stek_set_add(set, two), STEK_OK);
	assert_int_equal(stek_ring_publish(world->ring, set), STEK_OK);
	stek_set_free(set);
}

/* A ring with one key, and a ticket sealed with it. */
static int
setup(void **state)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	memset(world.plain, 'p', PLAIN);
	assert_int_equal(stek_ring_new(&world.ring), STEK_OK);
	world.slots = slots_new(&library, world.ring);
	world.key = key_from(NOW - 100);
	publish(&world, &world.key, NULL);
	assert_true(ticket_seal(
	    world.slots, "", NOW, world.plain, PLAIN, world.ticket));
	*state = &world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	slots_free(world->slots);
	stek_ring_close(world->ring);
	return 0;
}

static enum stek_open
open_at(
    struct world *world, struct slots *slots, const char *scope, int64_t now)
{
	uint8_t out[sizeof(world->ticket)];
	size_t len;
	enum stek_open verdict = ticket_open(
	    slots, scope, now, world->ticket, sizeof(world->ticket), out, &len);

	if (verdict == STEK_OPEN_NO) {
		assert_int_equal(len, 0);
		return verdict;
	}
	assert_int_equal(len, PLAIN);
	assert_memory_equal(out, world->plain, PLAIN);
	return verdict;
}

/* --- the algorithm ------------------------------------------------------ */

/* c2sp.org/XAES-256-GCM, test vectors. */
static void
vector_with(bool nettle, uint8_t key_byte, const char *ad, const char *expected)
{
	static const char nonce[] = "ABCDEFGHIJKLMNOPQRSTUVWX";
	static const char plain[] = "XAES-256-GCM";
	uint8_t key[STEK_AES_LEN], out[12], back[12], tag[XAES_TAG_LEN];
	struct xaes *xaes;

	memset(key, key_byte, sizeof(key));
	xaes = xaes_new_raw(key);
	assert_non_null(xaes);
	if (nettle)
		xaes_use_nettle(xaes);
	xaes_seal(xaes, (const uint8_t *)nonce, (const uint8_t *)ad, strlen(ad),
	    (const uint8_t *)plain, sizeof(out), out, tag);
	assert_memory_equal(out, expected, sizeof(out));
	assert_memory_equal(tag, expected + sizeof(out), sizeof(tag));
	assert_true(xaes_open(xaes, (const uint8_t *)nonce, (const uint8_t *)ad,
	    strlen(ad), out, sizeof(out), tag, back));
	assert_memory_equal(back, plain, sizeof(back));
	tag[XAES_TAG_LEN - 1] ^= 1;
	assert_false(xaes_open(xaes, (const uint8_t *)nonce,
	    (const uint8_t *)ad, strlen(ad), out, sizeof(out), tag, back));
	xaes_free(xaes);
}

/* By whichever library the processor calls for, and by nettle. */
static void
vector(uint8_t key_byte, const char *ad, const char *expected)
{
	vector_with(false, key_byte, ad, expected);
	vector_with(true, key_byte, ad, expected);
}

static void
a_vector_whose_subkey_has_no_carry(void **state)
{
	(void)state;
	vector(1, "",
	    "\xce\x54\x6e\xf6\x3c\x9c\xc6\x07\x65\x92\x36\x09"
	    "\xb3\x3a\x9a\x19\x74\xe9\x6e\x52\xda\xf2\xfc\xf7"
	    "\x07\x5e\x22\x71");
}

static void
a_vector_whose_subkey_has_one(void **state)
{
	(void)state;
	vector(3, "c2sp.org/XAES-256-GCM",
	    "\x98\x6e\xc1\x83\x25\x93\xdf\x54\x43\xa1\x79\x43"
	    "\x7f\xd0\x83\xbf\x3f\xdb\x41\xab\xd7\x40\xa2\x1f"
	    "\x71\xeb\x76\x9d");
}

static void
what_does_not_open_leaves_only_zeroes(void **state)
{
	static const uint8_t zero[PLAIN];
	struct world *world = *state;
	uint8_t key[STEK_AES_LEN] = {1}, nonce[XAES_NONCE_LEN] = {2};
	uint8_t sealed[PLAIN], out[PLAIN], tag[XAES_TAG_LEN];
	struct xaes *xaes = xaes_new_raw(key);

	assert_non_null(xaes);
	xaes_seal(xaes, nonce, NULL, 0, world->plain, PLAIN, sealed, tag);
	tag[0] ^= 1;
	assert_false(xaes_open(xaes, nonce, NULL, 0, sealed, PLAIN, tag, out));
	assert_memory_equal(out, zero, PLAIN);
	xaes_free(xaes);
}

/* --- tickets ------------------------------------------------------------ */

static void
a_ticket_opens(void **state)
{
	struct world *world = *state;

	assert_int_equal(open_at(world, world->slots, "", NOW), STEK_OPEN_USE);
	assert_memory_equal(world->ticket, world->key.name, STEK_NAME_LEN);
}

static void
a_ticket_of_an_older_key_is_to_be_renewed(void **state)
{
	struct world *world = *state;
	struct stek_key newer = key_from(NOW - 50);

	publish(world, &world->key, &newer);
	assert_int_equal(
	    open_at(world, world->slots, "", NOW), STEK_OPEN_RENEW);
}

static void
a_ticket_of_another_scope_does_not_open(void **state)
{
	struct world *world = *state;

	assert_int_equal(open_at(world, world->slots, "a", NOW), STEK_OPEN_NO);
}

/* Its name is known there, too. */
static void
a_ticket_of_another_library_does_not_open(void **state)
{
	struct world *world = *state;
	struct slots *slots = slots_new(&other, world->ring);

	assert_non_null(slots);
	assert_int_equal(open_at(world, slots, "", NOW), STEK_OPEN_NO);
	slots_free(slots);
}

static void
an_expired_ticket_does_not_open(void **state)
{
	struct world *world = *state;

	assert_int_equal(
	    open_at(world, world->slots, "", NOW + 2000), STEK_OPEN_NO);
}

static void
a_ticket_with_any_bit_flipped_does_not_open(void **state)
{
	struct world *world = *state;
	size_t i;

	for (i = 0; i < 8 * sizeof(world->ticket); i++) {
		world->ticket[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(
		    open_at(world, world->slots, "", NOW), STEK_OPEN_NO);
		world->ticket[i / 8] ^= (uint8_t)(1 << i % 8);
	}
}

static void
a_ticket_cut_anywhere_does_not_open(void **state)
{
	struct world *world = *state;
	uint8_t out[sizeof(world->ticket)], *copy;
	size_t len, out_len;

	for (len = 0; len < sizeof(world->ticket); len++) {
		copy = malloc(len > 0 ? len : 1); /* for its end to be seen */
		assert_non_null(copy);
		memcpy(copy, world->ticket, len);
		assert_int_equal(ticket_open(world->slots, "", NOW, copy, len,
		                     out, &out_len),
		    STEK_OPEN_NO);
		assert_int_equal(out_len, 0);
		free(copy);
	}
}

static void
no_two_tickets_have_one_nonce(void **state)
{
	struct world *world = *state;
	uint8_t again[sizeof(world->ticket)];

	assert_true(
	    ticket_seal(world->slots, "", NOW, world->plain, PLAIN, again));
	assert_memory_not_equal(again + STEK_NAME_LEN,
	    world->ticket + STEK_NAME_LEN, XAES_NONCE_LEN);
}

static void
without_a_sealing_key_there_is_no_ticket(void **state)
{
	struct world *world = *state;

	assert_false(ticket_seal(
	    world->slots, "", NOW + 1000, world->plain, PLAIN, world->ticket));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_vector_whose_subkey_has_no_carry),
	    TEST(a_vector_whose_subkey_has_one),
	    TEST(what_does_not_open_leaves_only_zeroes),
	    TEST(a_ticket_opens),
	    TEST(a_ticket_of_an_older_key_is_to_be_renewed),
	    TEST(a_ticket_of_another_scope_does_not_open),
	    TEST(a_ticket_of_another_library_does_not_open),
	    TEST(an_expired_ticket_does_not_open),
	    TEST(a_ticket_with_any_bit_flipped_does_not_open),
	    TEST(a_ticket_cut_anywhere_does_not_open),
	    TEST(no_two_tickets_have_one_nonce),
	    TEST(without_a_sealing_key_there_is_no_ticket),
	};

	return cmocka_run_group_tests_name("ticket", tests, NULL, NULL);
}
