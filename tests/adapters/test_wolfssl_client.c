/* SPDX-License-Identifier: ISC */
/*
 * wolfSSL's adapter with wolfSSL's own client, which sends a host's name
 * behind the ticket, and which takes for granted in TLS 1.2 that a ticket
 * resumes: what it sees refused ends its connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <stek/wolfssl.h>

#include "../bench/handshake_wolfssl.h"

struct world {
	struct stek_ring *ring;
	WOLFSSL_CTX *server;
	struct stek_wolfssl *keys;
};

enum outcome {
	ENDED,
	FULL,
	RESUMED,
};

static void
publish(struct stek_ring *ring)
{
	struct stek_set *set = stek_set_new();
	struct stek_key key;

	assert_non_null(set);
	assert_int_equal(stek_key_mint(&key), STEK_OK);
	key.seal_from = time(NULL) - 60;
	key.seal_until = key.seal_from + 3600;
	key.open_until = key.seal_from + 7200;
	assert_int_equal(stek_set_add(set, &key), STEK_OK);
	assert_int_equal(stek_ring_publish(ring, set), STEK_OK);
	stek_set_free(set);
}

static int
setup(void **state)
{
	static struct world world;

	assert_int_equal(stek_ring_new(&world.ring), STEK_OK);
	publish(world.ring);
	world.server = wolfssl_server_ctx();
	world.keys = NULL;
	*state = &world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	wolfSSL_CTX_free(world->server);
	stek_wolfssl_free(world->keys);
	stek_ring_close(world->ring);
	return 0;
}

/* Given at one host, presented at another; revoked in between, or not. */
static enum outcome
carry(struct world *world, int version, const char *from, const char *to,
    bool revoke)
{
	WOLFSSL_CTX *client = wolfssl_client_ctx(version);
	WOLFSSL_SESSION *one, *two;
	bool resumed;

	one = wolfssl_handshake(client, world->server, NULL, from, &resumed);
	assert_non_null(one);
	assert_false(resumed);
	if (revoke)
		publish(world->ring);
	two = wolfssl_handshake(client, world->server, one, to, &resumed);
	wolfSSL_SESSION_free(one);
	wolfSSL_SESSION_free(two);
	wolfSSL_CTX_free(client);
	return two == NULL ? ENDED : resumed ? RESUMED : FULL;
}

static void
use(struct world *world, bool hosts)
{
	enum stek_err err;

	err = hosts
	          ? stek_wolfssl_use_hosts(
	                world->server, world->ring, &world->keys)
	          : stek_wolfssl_use(world->server, world->ring, &world->keys);
	assert_int_equal(err, STEK_OK);
}

static void
a_ticket_resumes(void **state)
{
	use(*state, false);
	assert_int_equal(
	    carry(*state, TLS1_2_VERSION, NULL, NULL, false), RESUMED);
	assert_int_equal(
	    carry(*state, TLS1_3_VERSION, NULL, NULL, false), RESUMED);
}

static void
a_revoked_ticket_does_not_resume(void **state)
{
	use(*state, false);
	assert_int_equal(carry(*state, TLS1_3_VERSION, NULL, NULL, true), FULL);
	assert_int_equal(
	    carry(*state, TLS1_2_VERSION, NULL, NULL, true), ENDED);
}

static void
without_tickets_in_1_2_no_connection_ends(void **state)
{
	struct world *world = *state;

	use(world, true);
	assert_int_equal(
	    wolfSSL_CTX_NoTicketTLSv12(world->server), WOLFSSL_SUCCESS);
	assert_int_equal(
	    carry(world, TLS1_2_VERSION, "a.example", "a.example", false),
	    FULL);
	assert_int_equal(
	    carry(world, TLS1_3_VERSION, "a.example", "a.example", false),
	    RESUMED);
}

/* What is behind the ticket is not known when it is opened. */
static void
in_1_2_a_host_behind_the_ticket_is_not_taken_for_none(void **state)
{
	use(*state, true);
	assert_int_equal(
	    carry(*state, TLS1_2_VERSION, NULL, "b.example", false), ENDED);
	assert_int_equal(
	    carry(*state, TLS1_2_VERSION, "a.example", "b.example", false),
	    ENDED);
}

static void
in_1_3_a_ticket_resumes_at_its_host_alone(void **state)
{
	use(*state, true);
	assert_int_equal(
	    carry(*state, TLS1_3_VERSION, "a.example", "a.example", false),
	    RESUMED);
	assert_int_equal(
	    carry(*state, TLS1_3_VERSION, "a.example", "b.example", false),
	    FULL);
	assert_int_equal(
	    carry(*state, TLS1_3_VERSION, NULL, "b.example", false), FULL);
}

static void
scopes_by_host_switch_the_session_cache_off(void **state)
{
	struct world *world = *state;

	wolfSSL_CTX_free(world->server);
	world->server = wolfSSL_CTX_new(wolfTLS_server_method());
	assert_non_null(world->server);
	use(world, false);
	assert_int_not_equal(wolfSSL_CTX_get_session_cache_mode(world->server),
	    WOLFSSL_SESS_CACHE_OFF);
	stek_wolfssl_free(world->keys);
	use(world, true);
	assert_int_equal(wolfSSL_CTX_get_session_cache_mode(world->server),
	    WOLFSSL_SESS_CACHE_OFF);
}

/* So it is known that the two about hosts can fail. */
static void
without_scopes_a_ticket_resumes_at_any_host(void **state)
{
	use(*state, false);
	assert_int_equal(
	    carry(*state, TLS1_2_VERSION, "a.example", "b.example", false),
	    RESUMED);
	assert_int_equal(
	    carry(*state, TLS1_3_VERSION, "a.example", "b.example", false),
	    RESUMED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_ticket_resumes),
	    TEST(a_revoked_ticket_does_not_resume),
	    TEST(without_tickets_in_1_2_no_connection_ends),
	    TEST(in_1_2_a_host_behind_the_ticket_is_not_taken_for_none),
	    TEST(in_1_3_a_ticket_resumes_at_its_host_alone),
	    TEST(scopes_by_host_switch_the_session_cache_off),
	    TEST(without_scopes_a_ticket_resumes_at_any_host),
	};

	return cmocka_run_group_tests_name("wolfSSL", tests, NULL, NULL);
}
