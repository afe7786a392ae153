/* SPDX-License-Identifier: ISC */
/*
 * What is wolfSSL's own: its tickets' layout and lengths, and what it does
 * where it does not do as the contract has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../adapters/xaes.h"
#include "expect.h"
#include "wolfssl_server.h"

#define NAME_LEN  16
#define STATE_AT  34 /* name 16, iv 16, length 2 */
#define STATE_LEN 108
#define MAC_AT    (STATE_AT + STATE_LEN)
#define OUR_LEN   (MAC_AT + 32)
#define MAX_LEN   (OUR_LEN + 32) /* of what wolfSSL hands on */

/* A ticket and what seals it: nonce, and name and version as data. */
struct sealed {
	uint8_t nonce[XAES_NONCE_LEN];
	uint8_t ad[NAME_LEN + 4];
	uint8_t state[STATE_LEN];
};

static void
take_apart(const uint8_t *ticket, struct sealed *sealed)
{
	memcpy(sealed->nonce, ticket + NAME_LEN, 16);
	memcpy(sealed->nonce + 16, ticket + MAC_AT, 8);
	memcpy(sealed->ad, ticket, NAME_LEN);
	memcpy(sealed->ad + NAME_LEN, "\x05\x00\x50\x04", 4);
}

/* With the key of that library; false: not sealed so. */
static bool
open_by_hand(const uint8_t *ticket, const struct stek_key *key,
    const char *library, struct sealed *sealed)
{
	struct xaes *xaes = xaes_new(key, library);
	bool opened;

	assert_non_null(xaes);
	take_apart(ticket, sealed);
	opened = xaes_open(xaes, sealed->nonce, sealed->ad, sizeof(sealed->ad),
	    ticket + STATE_AT, STATE_LEN, ticket + MAC_AT + 16, sealed->state);
	xaes_free(xaes);
	return opened;
}

static void
seal_by_hand(uint8_t *ticket, const struct stek_key *key, const char *library,
    const struct sealed *sealed)
{
	struct xaes *xaes = xaes_new(key, library);

	assert_non_null(xaes);
	xaes_seal(xaes, sealed->nonce, sealed->ad, sizeof(sealed->ad),
	    sealed->state, STATE_LEN, ticket + STATE_AT, ticket + MAC_AT + 16);
	xaes_free(xaes);
}

static void
present(const struct farm *farm, const struct visit *v, const uint8_t *ticket,
    size_t len, struct visit *w)
{
	SSL_SESSION *session = session_with_ticket(v->session, ticket, len);

	assert_non_null(session);
	farm_visit(farm, farm->server, session, NULL, w);
	SSL_SESSION_free(session);
}

static void
a_ticket_has_the_layout_that_wolfssl_gives_it(void **state)
{
	static const uint8_t zero[8];
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct sealed sealed;
	struct visit v;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	assert_int_equal(v.ticket_len, OUR_LEN);
	assert_memory_equal(v.ticket + STATE_AT - 2, "\0\x6c", 2);
	assert_memory_equal(v.ticket + MAC_AT + 8, zero, sizeof(zero));
	assert_true(open_by_hand(v.ticket, &key, "\001wolfssl", &sealed));
	assert_int_equal(sealed.state[0] << 8 | sealed.state[1], farm->version);
	visit_free(&v);
}

/* It is known that the hand's work is right: else the next would say little. */
static void
a_ticket_sealed_by_hand_resumes(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct sealed sealed;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_true(open_by_hand(v.ticket, &key, "\001wolfssl", &sealed));
	seal_by_hand(v.ticket, &key, "\001wolfssl", &sealed);
	present(farm, &v, v.ticket, v.ticket_len, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
a_ticket_sealed_for_another_library_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct sealed sealed;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_true(open_by_hand(v.ticket, &key, "\001wolfssl", &sealed));
	seal_by_hand(v.ticket, &key, "\001mbedtls", &sealed);
	present(farm, &v, v.ticket, v.ticket_len, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
}

/* It may lay out its state differently. */
static void
a_ticket_of_another_version_of_wolfssl_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct sealed sealed;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_true(open_by_hand(v.ticket, &key, "\001wolfssl", &sealed));
	sealed.ad[sizeof(sealed.ad) - 1]++;
	seal_by_hand(v.ticket, &key, "\001wolfssl", &sealed);
	present(farm, &v, v.ticket, v.ticket_len, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
}

/* wolfSSL looks for the MAC where the length says, beyond the end too. */
static void
a_ticket_that_lies_about_its_length_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;
	size_t len;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	for (len = 0; len <= 160; len += farm_times(1, 7)) {
		if (len == STATE_LEN)
			continue;
		v.ticket[STATE_AT - 1] = (uint8_t)len;
		present(farm, &v, v.ticket, v.ticket_len, &w);
		expect_full(&w);
		visit_free(&w);
	}
	visit_free(&v);
}

static void
bytes_behind_a_ticket_are_not_looked_at(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	uint8_t ticket[MAX_LEN] = {0};
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	memcpy(ticket, v.ticket, v.ticket_len);
	present(farm, &v, ticket, sizeof(ticket), &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

/* In 1.2 without the adapter's having been asked; so as of other libraries. */
static void
a_ticket_longer_than_wolfssls_own_does_not_resume(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	uint8_t ticket[MAX_LEN + 1] = {0};
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	memcpy(ticket, v.ticket, v.ticket_len);
	present(farm, &v, ticket, sizeof(ticket), &w);
	if (farm->version == CONTRACT_TLS12)
		assert_false(w.connected);
	else
		expect_full(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
an_old_ticket_is_replaced_only_in_1_3(void **state)
{
	const struct farm *farm = *state;
	struct stek_key old = farm_key(-120, 3600, 7200);
	struct stek_key new = farm_key(-60, 3600, 7200);
	struct visit v, w;

	PUBLISH(farm->ring, &old);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &old, &new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	if (farm->version == CONTRACT_TLS12)
		expect_no_ticket(farm, &w);
	else
		expect_ticket_of(farm, &w, &new);
	assert_int_equal(w.tickets, farm->version == CONTRACT_TLS12 ? 0 : 1);
	visit_free(&v);
	visit_free(&w);
}

/* A dead ticket, and none instead of a good one. */
static void
while_no_key_seals_a_dead_ticket_replaces_no_good_one(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), past = key;
	uint8_t dead[OUR_LEN];
	struct visit v, w;

	past.seal_until = past.seal_from + 1;
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &past);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	assert_int_equal(w.tickets, 0);
	visit_free(&w);
	farm_visit(farm, farm->server, NULL, NULL, &w);
	expect_full(&w);
	assert_int_equal(w.tickets, 1);
	memset(dead, 0xff, sizeof(dead));
	memcpy(dead + STATE_AT - 2, "\0\x6c", 2);
	assert_int_equal(w.ticket_len, sizeof(dead));
	assert_memory_equal(w.ticket, dead, sizeof(dead));
	visit_free(&v);
	visit_free(&w);
}

static void *
bare(const struct farm *farm)
{
	const struct contract_server options = {
	    .cert = farm->cert, .key = farm->key};
	void *server = wolfssl_server_bare(&options);

	assert_non_null(server);
	return server;
}

static void
a_callback_that_was_set_before_is_replaced(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *server = bare(farm);
	struct visit v;

	wolfssl_server_break(server);
	farm_visit(farm, server, NULL, NULL, &v);
	assert_false(v.connected); /* it is called, and so could fail below */
	visit_free(&v);
	assert_int_equal(wolfssl_server_scope(server, farm->ring, ""), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
	wolfssl_server_free(server);
}

static void
a_ticket_of_a_scope_resumes_in_that_scope_alone(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), scoped;
	void *server = bare(farm), *sibling = bare(farm);
	struct visit v, w;

	assert_int_equal(stek_scope_key(&key, "mail", &scoped), STEK_OK);
	assert_int_equal(
	    wolfssl_server_scope(server, farm->ring, "mail"), STEK_OK);
	assert_int_equal(
	    wolfssl_server_scope(sibling, farm->ring, "mail"), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, server, "a.example", &v);
	expect_ticket_of(farm, &v, &scoped);
	return_visit(farm, sibling, "b.example", &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	return_visit(farm, farm->server, "a.example", &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
	wolfssl_server_free(server);
	wolfssl_server_free(sibling);
}

static void
a_scope_that_is_too_long_changes_nothing(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	char scope[STEK_SCOPE_MAX + 2];
	struct visit v;

	memset(scope, 'a', sizeof(scope) - 1);
	scope[sizeof(scope) - 1] = '\0';
	assert_int_equal(wolfssl_server_scope(farm->server, farm->ring, scope),
	    STEK_ERR_FORMAT);
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
}

/* The rings' turns are equal: that does not make them the same. */
static void
a_second_ring_replaces_the_first(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), other = farm_key_good();
	struct stek_ring *ring;
	struct visit v, w;

	memcpy(other.name, key.name, STEK_NAME_LEN);
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	PUBLISH(ring, &other);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(wolfssl_server_scope(farm->server, ring, ""), STEK_OK);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&w);
	assert_int_equal(
	    wolfssl_server_scope(farm->server, farm->ring, ""), STEK_OK);
	stek_ring_close(ring);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

/* So it is known that the contract's points about hosts can fail. */
static void
without_scopes_a_ticket_of_a_host_resumes_at_another(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, "a.example", &v);
	return_visit(farm, farm->server, "b.example", &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static const struct point own_points[] = {
    POINT(a_ticket_has_the_layout_that_wolfssl_gives_it),
    POINT(a_ticket_sealed_by_hand_resumes),
    POINT(a_ticket_sealed_for_another_library_gets_a_full_handshake),
    POINT(a_ticket_of_another_version_of_wolfssl_gets_a_full_handshake),
    POINT(a_ticket_that_lies_about_its_length_gets_a_full_handshake),
    POINT(bytes_behind_a_ticket_are_not_looked_at),
    POINT(a_ticket_longer_than_wolfssls_own_does_not_resume),
    POINT(an_old_ticket_is_replaced_only_in_1_3),
    POINT(while_no_key_seals_a_dead_ticket_replaces_no_good_one),
    POINT(a_callback_that_was_set_before_is_replaced),
    POINT(a_ticket_of_a_scope_resumes_in_that_scope_alone),
    POINT(a_scope_that_is_too_long_changes_nothing),
    POINT(a_second_ring_replaces_the_first),
    POINT(without_scopes_a_ticket_of_a_host_resumes_at_another),
    END_OF_POINTS,
};

int
main(void)
{
	const struct contract_library library = {
	    .name = "wolfSSL",
	    .cannot = WOLFSSL_CANNOT,
	    .server_new = wolfssl_server_new,
	    .server_free = wolfssl_server_free,
	    .serve = wolfssl_serve,
	};

	return contract_points(&library, 1, own_points);
}
