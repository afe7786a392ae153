/* SPDX-License-Identifier: ISC */
/*
 * What is GnuTLS's own: its tickets' layout and names, and what it does
 * instead of renewing a ticket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "expect.h"
#include "gnutls_server.h"

#define MAC_LEN 20

/* The keys of one rotation: what sealed, and what seals now. */
struct two {
	struct stek_key old;
	struct stek_key new;
};

static struct two
two_keys(void)
{
	struct two two = {
	    farm_key(-120, 3600, 7200), farm_key(-60, 3600, 7200)};

	return two;
}

/* Come back with this ticket in the place of v's. */
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
expect_nobodys_ticket(
    const struct farm *farm, const struct visit *v, const struct two *two)
{
	assert_false(is_ticket_of(farm, v, &two->old));
	assert_false(is_ticket_of(farm, v, &two->new));
}

/* Name, IV, length, ciphertext, HMAC-SHA1; its key follows name and AES key. */
static void
a_ticket_has_gnutls_layout_and_the_keys_of_its_master(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), own;
	uint64_t step = (uint64_t)time(NULL) / (3 * 6 * 3600);
	uint8_t in[72], keys[64], mac[MAC_LEN];
	struct visit v;
	size_t i;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(stek_scope_key(&key, "\001gnutls", &own), STEK_OK);
	for (i = 0; i < 8; i++)
		in[i] = (uint8_t)(step >> (56 - 8 * i));
	memcpy(in + 8, own.aes, 32);
	memcpy(in + 40, own.mac, 32);
	assert_true(EVP_Digest(in, 72, keys, NULL, EVP_sha3_512(), NULL));
	assert_memory_equal(v.ticket, keys, STEK_NAME_LEN);
	assert_int_equal(
	    v.ticket[32] << 8 | v.ticket[33], v.ticket_len - 34 - MAC_LEN);
	assert_non_null(HMAC(EVP_sha1(), keys + 48, 16, v.ticket,
	    v.ticket_len - MAC_LEN, mac, NULL));
	assert_memory_equal(mac, v.ticket + v.ticket_len - MAC_LEN, MAC_LEN);
	visit_free(&v);
}

static void
an_old_ticket_resumes_as_it_is_until_its_key_goes(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	struct visit v, w;
	int i;

	PUBLISH(farm->ring, &two.old);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &two.old, &two.new);
	for (i = 0; i < 2; i++) {
		return_visit(farm, farm->server, NULL, &v, &w);
		expect_resumed(&w);
		expect_no_ticket(farm, &w);
		visit_free(&w);
	}
	PUBLISH(farm->ring, &two.new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &two.new);
	visit_free(&v);
	visit_free(&w);
}

static void
a_current_ticket_is_replaced_in_13_and_not_in_12(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w, again;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	if (farm->version == CONTRACT_TLS12)
		expect_no_ticket(farm, &w);
	else
		expect_ticket_of(farm, &w, &key);
	return_visit(farm, farm->server, NULL, &w, &again);
	expect_resumed(&again);
	visit_free(&v);
	visit_free(&w);
	visit_free(&again);
}

static void
a_pending_key_opens_and_gives_no_ticket(void **state)
{
	const struct farm *farm = *state;
	struct stek_key current = farm_key_good();
	struct stek_key next = farm_key(600, 3600, 7200), ahead = next;
	struct visit v, w;

	ahead.seal_from = current.seal_from + 1;
	PUBLISH(farm->ring, &ahead);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &current, &next);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	expect_no_ticket(farm, &w);
	visit_free(&v);
	visit_free(&w);
}

/* GnuTLS has then used the old key's master, and takes no other. */
static void
an_old_ticket_that_gnutls_refuses_costs_a_ticket(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	uint8_t ticket[TICKET_MAX];
	struct visit v, w, again;

	PUBLISH(farm->ring, &two.old);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &two.old, &two.new);
	memcpy(ticket, v.ticket, v.ticket_len);
	ticket[v.ticket_len - 1] ^= 1;
	present(farm, &v, ticket, v.ticket_len, &w);
	expect_full(&w);
	assert_true(w.tickets > 0);
	expect_nobodys_ticket(farm, &w, &two);
	assert_true(SSL_SESSION_get_ticket_lifetime_hint(w.session) <= 1);
	present(farm, &w, w.ticket, w.ticket_len, &again);
	expect_full(&again);
	expect_ticket_of(farm, &again, &two.new);
	visit_free(&v);
	visit_free(&w);
	visit_free(&again);
}

/* By GnuTLS's own rule in 1.2, whatever the scopes. */
static void
an_old_ticket_of_another_host_costs_a_ticket_in_12(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	struct visit v, w;

	PUBLISH(farm->ring, &two.old);
	first_visit(farm, farm->server, "a.example", &v);
	PUBLISH(farm->ring, &two.old, &two.new);
	return_visit(farm, farm->server, "b.example", &v, &w);
	if (farm->version == CONTRACT_TLS12) {
		expect_full(&w);
		expect_nobodys_ticket(farm, &w, &two);
	} else {
		expect_resumed(&w);
		expect_no_ticket(farm, &w);
	}
	visit_free(&v);
	visit_free(&w);
}

static void
a_host_in_capitals_is_another_host_in_12(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), scoped;
	void *server = farm_server(farm, farm->ring, true);
	struct visit v, w;

	assert_int_equal(stek_scope_key(&key, "a.example", &scoped), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, server, "a.example", &v);
	return_visit(farm, server, "A.EXAMPLE", &v, &w);
	if (farm->version == CONTRACT_TLS12)
		expect_full(&w);
	else
		expect_resumed(&w);
	expect_ticket_of(farm, &w, &scoped);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(server);
}

static void
a_ticket_with_bytes_after_its_end_costs_a_ticket(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	uint8_t ticket[TICKET_MAX] = {0};
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	memcpy(ticket, v.ticket, v.ticket_len);
	present(farm, &v, ticket, v.ticket_len + 1, &w);
	expect_full(&w);
	expect_no_ticket(farm, &w);
	visit_free(&v);
	visit_free(&w);
}

static void
with_no_key_at_all_a_ticket_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct stek_set *none = stek_set_new();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(stek_ring_publish(farm->ring, none), STEK_OK);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	expect_no_ticket(farm, &w);
	visit_free(&v);
	visit_free(&w);
	stek_set_free(none);
}

static struct gnutls_server *
with_expiration(const struct farm *farm, int seconds)
{
	struct gnutls_server *server = farm_server(farm, farm->ring, false);

	assert_int_equal(stek_gnutls_expire(server->tickets, seconds), STEK_OK);
	return server;
}

static void
servers_of_one_expiration_know_each_others_old_tickets(void **state)
{
	const struct farm *farm = *state;
	struct gnutls_server *one = with_expiration(farm, 3600);
	struct gnutls_server *two = with_expiration(farm, 3600);
	struct two keys = two_keys();
	struct visit v, w;

	PUBLISH(farm->ring, &keys.old);
	first_visit(farm, one, NULL, &v);
	assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(v.session), 3600);
	PUBLISH(farm->ring, &keys.old, &keys.new);
	return_visit(farm, two, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &keys.new);
	visit_free(&v);
	visit_free(&w);
	gnutls_server_free(one);
	gnutls_server_free(two);
}

/* Just before a step ends, and again when the next one has begun. */
static bool
visit_across_steps(const struct farm *farm, void *server, const struct two *two,
    time_t step, struct visit *w)
{
	struct visit v;
	time_t began;

	while (time(NULL) % step != step - 1)
		(void)usleep(10000);
	began = time(NULL);
	PUBLISH(farm->ring, &two->old);
	first_visit(farm, server, NULL, &v);
	PUBLISH(farm->ring, &two->old, &two->new);
	while (time(NULL) == began)
		(void)usleep(10000);
	return_visit(farm, server, NULL, &v, w);
	visit_free(&v);
	return time(NULL) == began + 1; /* else the machine was too slow */
}

static void
a_ticket_of_the_step_before_opens(void **state)
{
	const struct farm *farm = *state;
	struct gnutls_server *server = with_expiration(farm, 2);
	struct two two = two_keys();
	struct visit w;

	while (!visit_across_steps(farm, server, &two, 3 * 2, &w))
		visit_free(&w);
	expect_resumed(&w);
	visit_free(&w);
	gnutls_server_free(server);
}

static void
an_expiration_out_of_range_is_refused(void **state)
{
	const struct farm *farm = *state;
	struct gnutls_server *server = farm->server;

	assert_int_equal(
	    stek_gnutls_expire(server->tickets, 0), STEK_ERR_TIMES);
	assert_int_equal(
	    stek_gnutls_expire(server->tickets, 604801), STEK_ERR_TIMES);
	assert_int_equal(stek_gnutls_expire(server->tickets, 604800), STEK_OK);
}

static void
a_ticket_of_one_scope_does_not_resume_in_another(void **state)
{
	const struct farm *farm = *state;
	struct gnutls_server *server = farm_server(farm, farm->ring, false);
	struct stek_key key = farm_key_good(), scoped;
	char longest[STEK_SCOPE_MAX + 2];
	struct visit v, w;

	stek_gnutls_free(server->tickets);
	memset(longest, 'a', sizeof(longest));
	longest[STEK_SCOPE_MAX + 1] = '\0';
	assert_int_equal(
	    stek_gnutls_new_scope(farm->ring, longest, &server->tickets),
	    STEK_ERR_FORMAT);
	assert_int_equal(
	    stek_gnutls_new_scope(farm->ring, "blog", &server->tickets),
	    STEK_OK);
	assert_int_equal(stek_scope_key(&key, "blog", &scoped), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, server, NULL, &v);
	expect_ticket_of(farm, &v, &scoped);
	return_visit(farm, server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
	gnutls_server_free(server);
}

static const struct point own_points[] = {
    POINT(a_ticket_has_gnutls_layout_and_the_keys_of_its_master),
    POINT(an_old_ticket_resumes_as_it_is_until_its_key_goes),
    POINT(a_current_ticket_is_replaced_in_13_and_not_in_12),
    POINT(a_pending_key_opens_and_gives_no_ticket),
    POINT(an_old_ticket_that_gnutls_refuses_costs_a_ticket),
    POINT(an_old_ticket_of_another_host_costs_a_ticket_in_12),
    POINT(a_host_in_capitals_is_another_host_in_12),
    POINT(a_ticket_with_bytes_after_its_end_costs_a_ticket),
    POINT(with_no_key_at_all_a_ticket_gets_a_full_handshake),
    POINT(servers_of_one_expiration_know_each_others_old_tickets),
    POINT(a_ticket_of_the_step_before_opens),
    POINT(an_expiration_out_of_range_is_refused),
    POINT(a_ticket_of_one_scope_does_not_resume_in_another),
    END_OF_POINTS,
};

int
main(void)
{
	return contract_points(&gnutls_library, 1, own_points);
}
