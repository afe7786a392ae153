/* SPDX-License-Identifier: ISC */
/*
 * What is BoringSSL's own: what it gives while no key seals, old tickets in
 * TLS 1.2, contexts that are switched to, one fixed scope, tickets of other
 * libraries and very long ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../adapters/ticket.h"
#include "boringssl_server.h"
#include "expect.h"

#define DUD_LEN  16
#define LONGEST  15000 /* BoringSSL takes a ClientHello of 16 KB */
#define OVERHEAD (16 + 24 + 16) /* name, nonce, tag */

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001boringssl");
}

static void *
expand_wolfssl(const struct stek_key *key)
{
	return xaes_new(key, "\001wolfssl");
}

static const struct slot_library by_boringssl = {
    expand, xaes_free, xaes_random};
static const struct slot_library by_wolfssl = {
    expand_wolfssl, xaes_free, xaes_random};

/* Of the serving threads, which are joined before it is looked at. */
static size_t errors_left;

static void
serve_and_count(void *ctx, int fd)
{
	errors_left = boringssl_serve_and_count(ctx, fd);
}

/* OpenSSL's functions are not to be had here. */
static void
free_session(SSL_SESSION *session)
{
	struct visit v = {.session = session};

	visit_free(&v);
}

static void *
context(const struct farm *farm)
{
	const struct contract_server options = {
	    .version = farm->version, .cert = farm->cert, .key = farm->key};
	void *ctx = boringssl_context(&options);

	assert_non_null(ctx);
	return ctx;
}

static void *
scoped(const struct farm *farm, const char *scope)
{
	void *ctx = context(farm);

	assert_int_equal(boringssl_use_scope(ctx, farm->ring, scope), STEK_OK);
	return ctx;
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

static void
a_ticket_holds_the_session_and_what_xaes_adds(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_memory_equal(v.ticket, key.name, STEK_NAME_LEN);
	assert_in_range(v.ticket_len, OVERHEAD + 64, OVERHEAD + 512);
	visit_free(&v);
}

/* That is why the adapter never fails: BoringSSL ends the connection. */
static void
a_seal_that_fails_would_end_the_connection(void **state)
{
	const struct farm *farm = *state;
	void *ctx = context(farm);
	struct visit v;

	boringssl_set_failing(ctx);
	farm_visit(farm, ctx, NULL, NULL, &v);
	assert_false(v.connected);
	visit_free(&v);
	boringssl_server_free(ctx);
}

static void
a_method_that_was_set_before_is_replaced(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *ctx = context(farm);
	struct visit v;

	boringssl_set_failing(ctx);
	assert_int_equal(boringssl_use_scope(ctx, farm->ring, ""), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, ctx, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
	boringssl_server_free(ctx);
}

static void
without_any_key_a_dud_of_zeroes_is_given_in_1_3_only(void **state)
{
	static const uint8_t zero[DUD_LEN];
	const struct farm *farm = *state;
	struct visit v;

	farm_visit(farm, farm->server, NULL, NULL, &v);
	expect_full(&v);
	assert_int_equal(
	    v.ticket_len, farm->version == CONTRACT_TLS13 ? DUD_LEN : 0);
	assert_memory_equal(v.ticket, zero, v.ticket_len);
	visit_free(&v);
}

/* Neither a dud nor an empty ticket replaces the one it has. */
static void
without_a_sealing_key_who_resumes_keeps_its_ticket(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), past = key;
	struct visit v, w;

	past.seal_until = past.seal_from + 1;
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &past);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	assert_int_equal(w.tickets, 0);
	visit_free(&w);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
without_any_key_who_brings_a_ticket_is_given_none(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), dead = farm_key(-9, -8, -7);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &dead);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	assert_int_equal(w.tickets, 0);
	visit_free(&v);
	visit_free(&w);
}

/* In 1.2 BoringSSL has no word for it. */
static void
an_old_ticket_is_renewed_in_1_3_only(void **state)
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
	if (farm->version == CONTRACT_TLS13)
		expect_ticket_of(farm, &w, &new);
	else
		assert_int_equal(w.tickets, 0);
	visit_free(&w);
	PUBLISH(farm->ring, &new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &new);
	visit_free(&v);
	visit_free(&w);
}

static void
a_scope_has_tickets_of_its_own(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), key_a;
	void *a = scoped(farm, "a"), *a2 = scoped(farm, "a");
	void *b = scoped(farm, "b");
	struct visit v, w;

	assert_int_equal(stek_scope_key(&key, "a", &key_a), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, a, "a.example", &v);
	expect_ticket_of(farm, &v, &key_a);
	return_visit(farm, a2, "other.example", &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	return_visit(farm, b, "a.example", &v, &w);
	expect_full(&w);
	visit_free(&w);
	return_visit(farm, farm->server, "a.example", &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
	boringssl_server_free(a);
	boringssl_server_free(a2);
	boringssl_server_free(b);
}

static void
a_scope_that_is_too_long_changes_nothing(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	char scope[STEK_SCOPE_MAX + 2];
	struct visit v;

	memset(scope, 's', sizeof(scope));
	scope[STEK_SCOPE_MAX + 1] = '\0';
	assert_int_equal(boringssl_use_scope(farm->server, farm->ring, scope),
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
	struct stek_key dead = farm_key(-9, -8, -7);
	struct stek_ring *ring;
	struct visit v, w;

	memcpy(other.name, key.name, STEK_NAME_LEN);
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	PUBLISH(ring, &other);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(boringssl_use_scope(farm->server, ring, ""), STEK_OK);
	PUBLISH(farm->ring, &dead);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &other);
	visit_free(&w);
	PUBLISH(farm->ring, &key);
	assert_int_equal(
	    boringssl_use_scope(farm->server, farm->ring, ""), STEK_OK);
	stek_ring_close(ring);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
a_context_switched_to_has_its_own_scope(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), key_b;
	void *b = scoped(farm, "b");
	struct visit v, w;

	assert_int_equal(stek_scope_key(&key, "b", &key_b), STEK_OK);
	PUBLISH(farm->ring, &key);
	boringssl_switch(farm->server, b);
	first_visit(farm, farm->server, "b.example", &v);
	expect_ticket_of(farm, &v, &key_b);
	return_visit(farm, farm->server, "b.example", &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	return_visit(farm, b, "b.example", &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
	boringssl_server_free(b);
}

static void
a_context_switched_to_that_has_no_ring_works_without_tickets(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *bare = context(farm);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, "b.example", &v);
	boringssl_switch(farm->server, bare);
	return_visit(farm, farm->server, "b.example", &v, &w);
	expect_full(&w);
	expect_no_ticket(farm, &w);
	visit_free(&v);
	visit_free(&w);
	boringssl_server_free(bare);
}

/* Present what is in v's ticket, sealed as that library would. */
static void
present_sealed_by(const struct farm *farm, const struct slot_library *by,
    const struct visit *v, struct visit *w)
{
	struct slots *from = slots_new(&by_boringssl, farm->ring);
	struct slots *to = slots_new(by, farm->ring);
	uint8_t plain[TICKET_MAX], ticket[TICKET_MAX];
	SSL_SESSION *session;
	size_t len;

	assert_true(from != NULL && to != NULL);
	assert_int_equal(ticket_open(from, "", time(NULL), v->ticket,
	                     v->ticket_len, plain, &len),
	    STEK_OPEN_USE);
	assert_true(ticket_seal(to, "", time(NULL), plain, len, ticket));
	session =
	    session_with_ticket(v->session, ticket, len + TICKET_OVERHEAD);
	assert_non_null(session);
	farm_visit(farm, farm->server, session, NULL, w);
	slots_free(from);
	slots_free(to);
	free_session(session);
}

static void
a_ticket_of_another_library_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	present_sealed_by(farm, &by_boringssl, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	present_sealed_by(farm, &by_wolfssl, &v, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &key);
	visit_free(&v);
	visit_free(&w);
}

static void
a_very_long_ticket_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	static uint8_t ticket[LONGEST];
	SSL_SESSION *session;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	memcpy(ticket, v.ticket, v.ticket_len);
	session = session_with_ticket(v.session, ticket, LONGEST);
	assert_non_null(session);
	farm_visit(farm, farm->server, session, NULL, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &key);
	visit_free(&v);
	visit_free(&w);
	free_session(session);
}

/* A server that looks for errors would take them for its connection's. */
static void
a_refused_ticket_leaves_no_error_behind(void **state)
{
	const struct farm *farm = *state;
	const struct contract_library library = {.serve = serve_and_count};
	struct stek_key key = farm_key_good(), new = farm_key_good();
	struct farm mine = *farm;
	struct visit v, w;

	mine.library = &library;
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &new);
	farm_visit(&mine, farm->server, v.session, NULL, &w);
	expect_full(&w);
	assert_int_equal(errors_left, 0);
	visit_free(&v);
	visit_free(&w);
}

static const struct point own_points[] = {
    POINT(without_scopes_a_ticket_of_a_host_resumes_at_another),
    POINT(a_ticket_holds_the_session_and_what_xaes_adds),
    POINT(a_seal_that_fails_would_end_the_connection),
    POINT(a_method_that_was_set_before_is_replaced),
    POINT(without_any_key_a_dud_of_zeroes_is_given_in_1_3_only),
    POINT(without_a_sealing_key_who_resumes_keeps_its_ticket),
    POINT(without_any_key_who_brings_a_ticket_is_given_none),
    POINT(an_old_ticket_is_renewed_in_1_3_only),
    POINT(a_scope_has_tickets_of_its_own),
    POINT(a_scope_that_is_too_long_changes_nothing),
    POINT(a_second_ring_replaces_the_first),
    POINT(a_context_switched_to_has_its_own_scope),
    POINT(a_context_switched_to_that_has_no_ring_works_without_tickets),
    POINT(a_ticket_of_another_library_gets_a_full_handshake),
    POINT(a_very_long_ticket_gets_a_full_handshake),
    POINT(a_refused_ticket_leaves_no_error_behind),
    END_OF_POINTS,
};

int
main(void)
{
	const struct contract_library library = {
	    .name = "BoringSSL",
	    .cannot = CONTRACT_DUD_13,
	    .server_new = boringssl_server_new,
	    .server_free = boringssl_server_free,
	    .serve = boringssl_serve,
	};

	return contract_points(&library, 1, own_points);
}
