/* SPDX-License-Identifier: ISC */
/*
 * What is Mbed TLS's own: what a server that goes by hosts must do, the ways
 * in which a conf is given keys, and lifetimes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../adapters/ticket.h"

#include "expect.h"
#include "mbedtls_server.h"
#include "openssl_server.h"

#define DAY 86400

static void
publish_good(const struct farm *farm, struct stek_key *key)
{
	*key = farm_key_good();
	PUBLISH(farm->ring, key);
}

static struct mbedtls_server *
hosts_server(const struct farm *farm)
{
	return farm_server(farm, farm->ring, true);
}

static struct mbedtls_server *
bare_server(const struct farm *farm)
{
	const struct contract_server options = {
	    .version = farm->version, .cert = farm->cert, .key = farm->key};
	struct mbedtls_server *server = mbedtls_server_bare(&options);

	assert_non_null(server);
	return server;
}

/* None, or 1.3's, which opens nothing. */
static void
expect_void(const struct visit *v)
{
	expect_full(v);
	assert_true(v->ticket_len <= 1);
}

/* --- what a server must do ---------------------------------------------- */

/* Neither gives nor opens; v has a ticket of that host. */
static void
expect_no_resumption(const struct farm *farm, struct mbedtls_server *server,
    const struct visit *v)
{
	struct visit w;

	return_visit(farm, server, "a.example", v, &w);
	expect_void(&w);
	visit_free(&w);
}

static void
without_our_handshake_there_are_no_tickets(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = hosts_server(farm);
	struct stek_key key;
	struct visit v;

	publish_good(farm, &key);
	first_visit(farm, server, "a.example", &v);
	server->hosts = false;
	expect_no_resumption(farm, server, &v);
	visit_free(&v);
	mbedtls_server_free(server);
}

static int
on_sni(void *count, mbedtls_ssl_context *ssl, const unsigned char *name,
    size_t len)
{
	(void)ssl;
	++*(int *)count;
	return len > 0 && name[0] == 'x' ? -1 : 0;
}

static void
after_another_sni_callback_there_are_no_tickets(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = hosts_server(farm);
	struct stek_key key;
	int count = 0;
	struct visit v;

	publish_good(farm, &key);
	first_visit(farm, server, "a.example", &v);
	mbedtls_ssl_conf_sni(&server->conf, on_sni, &count);
	expect_no_resumption(farm, server, &v);
	assert_int_equal(count, 1);
	visit_free(&v);
	mbedtls_server_free(server);
}

static void
the_servers_sni_callback_is_heard(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = bare_server(farm);
	struct stek_key key;
	int count = 0;
	struct visit v;

	publish_good(farm, &key);
	server->hosts = true;
	assert_int_equal(stek_mbedtls_use_hosts(&server->conf, farm->ring,
	                     on_sni, &count, &server->tickets),
	    STEK_OK);
	first_visit(farm, server, "a.example", &v);
	visit_free(&v);
	assert_int_equal(count, 1);
	farm_visit(farm, server, NULL, "x.example", &v);
	assert_false(v.connected);
	assert_int_equal(v.alert, SSL_AD_UNRECOGNIZED_NAME);
	visit_free(&v);
	mbedtls_server_free(server);
}

/* "." would be the scope of those who ask for none. */
static void
a_host_that_is_none_gets_no_ticket(void **state)
{
	static const char *const hosts[] = {".", ".a", "a b", "\001mbedtls"};
	const struct farm *farm = *state;
	struct mbedtls_server *server = hosts_server(farm);
	struct stek_key key;
	struct visit v;
	size_t i;

	publish_good(farm, &key);
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		farm_visit(farm, server, NULL, hosts[i], &v);
		expect_void(&v);
		visit_free(&v);
	}
	mbedtls_server_free(server);
}

/* --- ways to give keys -------------------------------------------------- */

/* So it is known that the contract's points about hosts can fail. */
static void
without_scopes_a_ticket_of_a_host_resumes_at_another(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key;
	struct visit v, w;

	publish_good(farm, &key);
	first_visit(farm, farm->server, "a.example", &v);
	return_visit(farm, farm->server, "b.example", &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static struct mbedtls_server *
scope_server(const struct farm *farm, const char *scope)
{
	struct mbedtls_server *server = bare_server(farm);

	assert_int_equal(stek_mbedtls_use_scope(&server->conf, farm->ring,
	                     scope, &server->tickets),
	    STEK_OK);
	return server;
}

static void
a_ticket_stays_in_its_scope(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *mail = scope_server(farm, "mail");
	struct mbedtls_server *same = scope_server(farm, "mail");
	struct mbedtls_server *web = scope_server(farm, "web");
	struct stek_key key, scoped;
	struct visit v, w;

	publish_good(farm, &key);
	assert_int_equal(stek_scope_key(&key, "mail", &scoped), STEK_OK);
	first_visit(farm, mail, NULL, &v);
	expect_ticket_of(farm, &v, &scoped);
	return_visit(farm, same, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	return_visit(farm, web, NULL, &v, &w);
	expect_full(&w);
	visit_free(&w);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&w);
	visit_free(&v);
	mbedtls_server_free(mail);
	mbedtls_server_free(same);
	mbedtls_server_free(web);
}

static void
a_scope_that_is_too_long_changes_nothing(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = farm->server;
	struct stek_mbedtls *none = NULL;
	char scope[STEK_SCOPE_MAX + 2] = {0};
	struct stek_key key;
	struct visit v;

	memset(scope, 's', sizeof(scope) - 1);
	publish_good(farm, &key);
	assert_int_equal(
	    stek_mbedtls_use_scope(&server->conf, farm->ring, scope, &none),
	    STEK_ERR_FORMAT);
	assert_null(none);
	first_visit(farm, server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
}

static void
a_second_ring_replaces_the_first(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = farm->server;
	struct stek_key key, other = farm_key_good();
	struct stek_mbedtls *first = server->tickets;
	struct stek_ring *ring;
	struct visit v;

	publish_good(farm, &key);
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	PUBLISH(ring, &other);
	assert_int_equal(
	    stek_mbedtls_use(&server->conf, ring, &server->tickets), STEK_OK);
	stek_mbedtls_free(first);
	first_visit(farm, server, NULL, &v);
	expect_ticket_of(farm, &v, &other);
	visit_free(&v);
	first = server->tickets;
	assert_int_equal(
	    stek_mbedtls_use(&server->conf, farm->ring, &server->tickets),
	    STEK_OK);
	stek_mbedtls_free(first);
	stek_ring_close(ring);
}

/* Its key name is known here, but not its key. */
static void
a_ticket_of_openssl_gets_a_full_handshake(void **state)
{
	const struct contract_library openssl = {.serve = openssl_serve};
	const struct farm *farm = *state;
	const struct contract_server options = {
	    .ring = farm->ring,
	    .version = farm->version,
	    .cert = farm->cert,
	    .key = farm->key,
	};
	SSL_CTX *ctx = openssl_server_new(&options);
	struct farm theirs = *farm;
	SSL_SESSION *session;
	struct stek_key key;
	struct visit v, w;

	theirs.library = &openssl;
	publish_good(farm, &key);
	assert_non_null(ctx);
	farm_visit(&theirs, ctx, NULL, NULL, &w);
	expect_ticket_of(farm, &w, &key);
	first_visit(farm, farm->server, NULL, &v);
	session = session_with_ticket(v.session, w.ticket, w.ticket_len);
	visit_free(&w);
	farm_visit(farm, farm->server, session, NULL, &w);
	expect_full(&w);
	SSL_SESSION_free(session);
	visit_free(&v);
	visit_free(&w);
	SSL_CTX_free(ctx);
}

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001mbedtls");
}

/* The same ticket with something else in it. */
static void
reseal(const struct farm *farm, struct visit *v, size_t at)
{
	static const struct slot_library as_ours = {
	    expand, xaes_free, xaes_random};
	struct slots *slots = slots_new(&as_ours, farm->ring);
	uint8_t plain[TICKET_MAX];
	size_t len;

	assert_non_null(slots);
	assert_int_equal(ticket_open(slots, "", time(NULL), v->ticket,
	                     v->ticket_len, plain, &len),
	    STEK_OPEN_USE);
	plain[at] ^= 1;
	assert_true(ticket_seal(slots, "", time(NULL), plain, len, v->ticket));
	slots_free(slots);
}

/* A session begins with the version and configuration that saved it. */
static void
a_ticket_of_another_build_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	SSL_SESSION *session;
	struct stek_key key;
	struct visit v, w;
	size_t at;

	publish_good(farm, &key);
	first_visit(farm, farm->server, NULL, &v);
	for (at = 0; at < 5; at++) {
		reseal(farm, &v, at);
		session =
		    session_with_ticket(v.session, v.ticket, v.ticket_len);
		farm_visit(farm, farm->server, session, NULL, &w);
		expect_full(&w);
		SSL_SESSION_free(session);
		visit_free(&w);
		reseal(farm, &v, at);
	}
	session = session_with_ticket(v.session, v.ticket, v.ticket_len);
	farm_visit(farm, farm->server, session, NULL, &w);
	expect_resumed(&w);
	SSL_SESSION_free(session);
	visit_free(&v);
	visit_free(&w);
}

/* --- lifetimes ---------------------------------------------------------- */

static unsigned long
lifetime_told(const struct farm *farm)
{
	unsigned long told;
	struct visit v;

	first_visit(farm, farm->server, NULL, &v);
	told = SSL_SESSION_get_ticket_lifetime_hint(v.session);
	visit_free(&v);
	return told;
}

static void
a_ticket_lives_as_long_as_its_key(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key(-60, 3600, 7200);
	unsigned long told;

	PUBLISH(farm->ring, &key);
	told = lifetime_told(farm);
	assert_in_range(told, 7200 - 60, 7200);
}

/* RFC 8446, section 4.6.1. */
static void
a_ticket_lives_seven_days_at_most(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key(-60, 3600, 14 * DAY);

	PUBLISH(farm->ring, &key);
	assert_int_equal(lifetime_told(farm), 7 * DAY);
}

static void
in_tls13_a_ticket_that_opens_nothing_is_to_be_discarded(void **state)
{
	const struct farm *farm = *state;
	struct visit v, w;

	farm_visit(farm, farm->server, NULL, NULL, &v);
	expect_full(&v);
	if (farm->version == CONTRACT_TLS12) {
		assert_int_equal(v.tickets, 0);
		return;
	}
	assert_int_equal(v.ticket_len, 1);
	assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(v.session), 0);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
}

static const struct point own_points[] = {
    POINT(without_our_handshake_there_are_no_tickets),
    POINT(after_another_sni_callback_there_are_no_tickets),
    POINT(the_servers_sni_callback_is_heard),
    POINT(a_host_that_is_none_gets_no_ticket),
    POINT(without_scopes_a_ticket_of_a_host_resumes_at_another),
    POINT(a_ticket_stays_in_its_scope),
    POINT(a_scope_that_is_too_long_changes_nothing),
    POINT(a_second_ring_replaces_the_first),
    POINT(a_ticket_of_openssl_gets_a_full_handshake),
    POINT(a_ticket_of_another_build_gets_a_full_handshake),
    POINT(a_ticket_lives_as_long_as_its_key),
    POINT(a_ticket_lives_seven_days_at_most),
    POINT(in_tls13_a_ticket_that_opens_nothing_is_to_be_discarded),
    END_OF_POINTS,
};

int
main(void)
{
	const struct contract_library library = {
	    .name = "Mbed TLS",
	    .cannot = MBEDTLS_CANNOT,
	    .server_new = mbedtls_server_new,
	    .server_free = mbedtls_server_free,
	    .serve = mbedtls_serve,
	};

	return contract_points(&library, 1, own_points);
}
