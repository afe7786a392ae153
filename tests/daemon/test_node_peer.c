/* SPDX-License-Identifier: ISC */
/* What counts as a word of another node, and of which. */
#include <stdlib.h>

#include <daemon/clock.h>
#include <daemon/log.h>
#include <daemon/loop.h>
#include <daemon/node.h>

#include "../unit/given.h"

static const uint8_t farm_key[STEK_FARM_KEY_LEN] = {1};
static const uint8_t next_key[STEK_FARM_KEY_LEN] = {2};

/* Host a, with the set of that version. */
struct given {
	struct conf conf;
	struct loop loop;
	struct node node;
	struct farm farm;
	char name[2];
};

void
node_forget(struct node *node, const char *name)
{
	(void)node;
	(void)name;
}

void
log_line(int level, const char *msg, ...)
{
	(void)level;
	(void)msg;
}

static struct given *
given_node(uint64_t version)
{
	struct given *given = calloc(1, sizeof(*given));

	assert_non_null(given);
	(void)strcpy(given->name, "a");
	given->conf.farm = given->conf.node = given->name;
	given->conf.policy =
	    (struct stek_policy) {.rotate = 60, .tickets = 60, .lead = 10};
	given->loop.conf = &given->conf;
	given->loop.rotate.farm_keys.now = (uint8_t *)(uintptr_t)farm_key;
	given->node.rotate = &given->loop.rotate;
	given->node.loop = &given->loop;
	given->node.farm = &given->farm;
	given->farm.set.version = version;
	given->node.told.confirmed = version;
	given->node.told.print = 7;
	return given;
}

static void
drop(struct given *given)
{
	node_peers_free(&given->node);
	free(given);
}

/* The store says of host b what that has said under that farm key. */
static const struct node_peer *
tell(struct given *given, const struct entry *entry, const uint8_t *key,
    bool live)
{
	uint8_t bytes[ENTRY_MAX];
	size_t len = entry_seal(entry, "a", "b", key, bytes);
	struct store_node node = {
	    .name = "b", .live = live, .entry = bytes, .len = len};

	assert_int_not_equal(len, 0);
	assert_true(node_peers_take(&given->node, &node, 1));
	return node_peer_find(&given->node, "b");
}

static void
a_set_is_confirmed_by_its_version_and_its_print(void **state)
{
	struct given *given = given_node(5);
	struct entry entry = {.has = 5, .confirmed = 5, .print = 7};

	(void)state;
	assert_true(node_peer_confirmed(
	    &given->node, tell(given, &entry, farm_key, true), 5));
	assert_true(node_peers_confirmed(&given->node));
	entry.print = 8;
	assert_false(node_peer_confirmed(
	    &given->node, tell(given, &entry, farm_key, true), 5));
	assert_false(node_peers_confirmed(&given->node));
	drop(given);
}

static void
a_version_that_is_not_known_here_confirms_none_before_it(void **state)
{
	struct given *given = given_node(5);
	struct entry entry = {.has = 9, .confirmed = 9, .print = 7};
	const struct node_peer *peer = tell(given, &entry, farm_key, true);

	(void)state;
	assert_false(node_peer_confirmed(&given->node, peer, 5));
	assert_false(node_peers_confirmed(&given->node));
	drop(given);
}

static void
a_revocation_is_confirmed_by_any_version_since_it(void **state)
{
	struct given *given = given_node(8);
	struct entry entry = {.has = 8, .confirmed = 6};
	const struct node_peer *peer = tell(given, &entry, farm_key, true);

	(void)state;
	assert_true(node_peer_confirmed(&given->node, peer, 6));
	assert_false(node_peer_confirmed(&given->node, peer, 7));
	drop(given);
}

static void
who_has_the_farm_key_that_is_gone_over_to_is_waited_for(void **state)
{
	struct given *given = given_node(5);
	struct entry entry = {.has = 5, .confirmed = 4};
	const struct node_peer *peer;

	(void)state;
	farm_keys_print(next_key, entry.next);
	(void)tell(given, &entry, farm_key, true);
	given->loop.rotate.farm_keys.now = (uint8_t *)(uintptr_t)next_key;
	peer = tell(given, &entry, farm_key, true);
	assert_true(peer->follows && !peer->readable);
	assert_false(node_peers_confirmed(&given->node));
	entry.confirmed = 5;
	entry.print = 7;
	entry.next[0] = '\0';
	peer = tell(given, &entry, next_key, true);
	assert_true(peer->readable && !peer->follows);
	assert_true(node_peers_confirmed(&given->node));
	drop(given);
}

static void
who_has_not_that_farm_key_is_a_stranger_and_not_waited_for(void **state)
{
	struct given *given = given_node(5);
	struct entry entry = {.has = 5, .confirmed = 4};

	(void)state;
	(void)tell(given, &entry, farm_key, true);
	given->loop.rotate.farm_keys.now = (uint8_t *)(uintptr_t)next_key;
	assert_false(tell(given, &entry, farm_key, true)->follows);
	assert_true(node_peers_confirmed(&given->node));
	drop(given);
}

static void
a_gone_host_is_harmless_only_if_its_clock_was_right(void **state)
{
	struct given *given = given_node(5);
	struct entry entry = {.has = 5, .at = clock_now() - 86400};
	const struct node_peer *peer = tell(given, &entry, farm_key, false);

	(void)state;
	assert_false(node_peer_is_harmless(&given->node, peer, 0));
	entry.offset_known = true;
	peer = tell(given, &entry, farm_key, false);
	assert_true(node_peer_is_harmless(&given->node, peer, 0));
	assert_false(node_peer_is_harmless(&given->node, peer, 86400));
	entry.offset = -86400;
	peer = tell(given, &entry, farm_key, false);
	assert_false(node_peer_is_harmless(&given->node, peer, 0));
	drop(given);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_set_is_confirmed_by_its_version_and_its_print),
	    cmocka_unit_test(
	        a_version_that_is_not_known_here_confirms_none_before_it),
	    cmocka_unit_test(a_revocation_is_confirmed_by_any_version_since_it),
	    cmocka_unit_test(
	        who_has_the_farm_key_that_is_gone_over_to_is_waited_for),
	    cmocka_unit_test(
	        who_has_not_that_farm_key_is_a_stranger_and_not_waited_for),
	    cmocka_unit_test(
	        a_gone_host_is_harmless_only_if_its_clock_was_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
