/* SPDX-License-Identifier: ISC */
/*
 * A GnuTLS session's hook: another one in its place, a second ClientHello, and
 * datagrams.
 */
#include <sys/socket.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "expect.h"
#include "gnutls_server.h"

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

/* As farm_visit(), but served in another way than by gnutls_serve(). */
static void
visit_by(const struct farm *farm, void (*serve)(void *, int), void *server,
    const SSL_SESSION *session, struct visit *v)
{
	const struct contract_library library = {.serve = serve};
	struct farm mine = *farm;

	mine.library = &library;
	farm_visit(&mine, server, session, NULL, v);
}

static void
expect_nobodys_ticket(
    const struct farm *farm, const struct visit *v, const struct two *two)
{
	assert_false(is_ticket_of(farm, v, &two->old));
	assert_false(is_ticket_of(farm, v, &two->new));
}

/* Of the serving threads, which are joined before it is looked at. */
static int seen;

static int
hook_of_the_application(gnutls_session_t session, unsigned int htype,
    unsigned int when, unsigned int incoming, const gnutls_datum_t *msg)
{
	seen++;
	return stek_gnutls_hook(session, htype, when, incoming, msg);
}

static int
hook_that_forgets_us(gnutls_session_t session, unsigned int htype,
    unsigned int when, unsigned int incoming, const gnutls_datum_t *msg)
{
	(void)session;
	(void)htype;
	(void)when;
	(void)incoming;
	(void)msg;
	return 0;
}

static void
serve_with_hook(void *server, int fd)
{
	gnutls_session_t session = gnutls_server_session(server, fd);

	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY,
	    GNUTLS_HOOK_BOTH, hook_of_the_application);
	(void)gnutls_serve_session(session);
	gnutls_deinit(session);
}

static void
serve_without_hook(void *server, int fd)
{
	gnutls_session_t session = gnutls_server_session(server, fd);

	gnutls_handshake_set_hook_function(session,
	    GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_BOTH,
	    hook_that_forgets_us);
	(void)gnutls_serve_session(session);
	gnutls_deinit(session);
}

static void
an_application_calls_us_from_its_own_hook(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	struct visit v, w;

	PUBLISH(farm->ring, &two.old);
	visit_by(farm, serve_with_hook, farm->server, NULL, &v);
	expect_full(&v);
	expect_ticket_of(farm, &v, &two.old);
	PUBLISH(farm->ring, &two.old, &two.new);
	seen = 0;
	visit_by(farm, serve_with_hook, farm->server, v.session, &w);
	expect_resumed(&w);
	expect_no_ticket(farm, &w);
	assert_true(seen > 2); /* of other messages too */
	visit_free(&v);
	visit_free(&w);
}

static void
a_session_whose_hook_is_not_called_has_no_tickets(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v;

	PUBLISH(farm->ring, &key);
	visit_by(farm, serve_without_hook, farm->server, NULL, &v);
	expect_full(&v);
	expect_no_ticket(farm, &v);
	visit_free(&v);
}

static void
serve_twice_used(void *server, int fd)
{
	gnutls_session_t session = gnutls_server_session(server, fd);
	const struct gnutls_server *s = server;

	gnutls_session_set_ptr(session, &seen);
	gnutls_db_set_ptr(session, &seen);
	if (stek_gnutls_use(session, s->tickets) == STEK_ERR_LIBRARY)
		(void)gnutls_serve_session(session);
	seen = gnutls_session_get_ptr(session) == &seen &&
	       gnutls_db_get_ptr(session) == &seen;
	gnutls_deinit(session);
}

static void
a_second_use_is_refused_and_the_pointers_stay_the_applications(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v;

	PUBLISH(farm->ring, &key);
	visit_by(farm, serve_twice_used, farm->server, NULL, &v);
	expect_full(&v);
	expect_ticket_of(farm, &v, &key);
	assert_int_equal(seen, 1);
	visit_free(&v);
}

/* A key share that the server refuses, and a group that it takes. */
static void
visit_retried(
    const struct farm *farm, const SSL_SESSION *session, struct visit *v)
{
	struct farm mine = *farm;

	mine.client = client_new(farm->version);
	assert_true(SSL_CTX_set1_groups_list(mine.client, "P-521:X25519"));
	seen = 0;
	visit_by(&mine, serve_with_hook, farm->server, session, v);
	SSL_CTX_free(mine.client);
}

static void
refuse_p521(struct gnutls_server *server)
{
	gnutls_priority_deinit(server->priority);
	assert_int_equal(
	    gnutls_priority_init(&server->priority,
	        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-SECP521R1", NULL),
	    0);
}

static void
after_a_hello_retry_request_tickets_do_what_they_must(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	struct visit v, w;

	refuse_p521(farm->server);
	PUBLISH(farm->ring, &two.old);
	visit_retried(farm, NULL, &v);
	expect_full(&v);
	expect_ticket_of(farm, &v, &two.old);
	visit_retried(farm, v.session, &w);
	expect_resumed(&w);
	visit_free(&w);
	PUBLISH(farm->ring, &two.old, &two.new);
	visit_retried(farm, v.session, &w);
	expect_resumed(&w);
	expect_no_ticket(farm, &w);
	visit_free(&w);
	PUBLISH(farm->ring, &two.new);
	visit_retried(farm, v.session, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &two.new);
	visit_free(&v);
	visit_free(&w);
}

/* The ring as it is to be when the server wants to renegotiate. */
struct renegotiation {
	void *server;
	struct stek_ring *ring;
	const struct two *two;
	int result;
};

static void
serve_and_renegotiate(void *p, int fd)
{
	struct renegotiation *r = p;
	gnutls_session_t session = gnutls_server_session(r->server, fd);

	r->result = gnutls_handshake(session);
	PUBLISH(r->ring, &r->two->old, &r->two->new);
	if (r->result == 0)
		r->result = gnutls_rehandshake(session);
	if (r->result == 0)
		(void)gnutls_serve_session(session);
	gnutls_deinit(session);
}

static void
a_renegotiation_gives_no_ticket_of_an_older_key(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	struct renegotiation r = {farm->server, farm->ring, &two, 0};
	struct visit v, w;

	PUBLISH(farm->ring, &two.old);
	visit_by(farm, serve_and_renegotiate, &r, NULL, &v);
	assert_int_equal(r.result, 0);
	expect_full(&v);
	assert_int_equal(v.tickets, 2);
	expect_nobodys_ticket(farm, &v, &two);
	visit_free(&v);
	PUBLISH(farm->ring, &two.old);
	first_visit(farm, farm->server, NULL, &v);
	visit_by(farm, serve_and_renegotiate, &r, v.session, &w);
	expect_full(&w); /* resumed, and then not */
	assert_int_equal(w.tickets, 1);
	expect_nobodys_ticket(farm, &w, &two);
	visit_free(&v);
	visit_free(&w);
}

/* One side of a DTLS connection. */
struct datagram {
	gnutls_session_t session;
	int result;
};

static void *
shake_hands(void *arg)
{
	struct datagram *side = arg;

	do
		side->result = gnutls_handshake(side->session);
	while (side->result < 0 && !gnutls_error_is_fatal(side->result));
	return NULL;
}

static gnutls_session_t
datagram_session(const struct gnutls_server *server, unsigned int end, int fd)
{
	gnutls_session_t session;

	assert_int_equal(gnutls_init(&session, end | GNUTLS_DATAGRAM), 0);
	assert_int_equal(gnutls_set_default_priority(session), 0);
	assert_int_equal(gnutls_credentials_set(
	                     session, GNUTLS_CRD_CERTIFICATE, server->cert),
	    0);
	gnutls_transport_set_int(session, fd);
	if (end == GNUTLS_SERVER)
		assert_int_equal(
		    stek_gnutls_use(session, server->tickets), STEK_OK);
	return session;
}

/* Data is the session to come back with, before and after. */
static bool
visit_by_datagrams(const struct gnutls_server *server, gnutls_datum_t *data)
{
	struct datagram client, served;
	pthread_t thread;
	bool resumed;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	client.session = datagram_session(server, GNUTLS_CLIENT, fd[0]);
	served.session = datagram_session(server, GNUTLS_SERVER, fd[1]);
	if (data->size > 0)
		assert_int_equal(gnutls_session_set_data(
		                     client.session, data->data, data->size),
		    0);
	assert_int_equal(
	    pthread_create(&thread, NULL, shake_hands, &served), 0);
	(void)shake_hands(&client);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(client.result, 0);
	assert_int_equal(served.result, 0);
	resumed = gnutls_session_is_resumed(served.session) != 0;
	gnutls_free(data->data);
	assert_int_equal(gnutls_session_get_data2(client.session, data), 0);
	gnutls_deinit(client.session);
	gnutls_deinit(served.session);
	(void)close(fd[0]);
	(void)close(fd[1]);
	return resumed;
}

static void
tickets_resume_over_datagrams_until_their_key_goes(void **state)
{
	const struct farm *farm = *state;
	struct two two = two_keys();
	gnutls_datum_t data = {NULL, 0};

	PUBLISH(farm->ring, &two.old);
	assert_false(visit_by_datagrams(farm->server, &data));
	assert_true(visit_by_datagrams(farm->server, &data));
	PUBLISH(farm->ring, &two.old, &two.new);
	assert_true(visit_by_datagrams(farm->server, &data));
	PUBLISH(farm->ring, &two.new);
	assert_false(visit_by_datagrams(farm->server, &data));
	gnutls_free(data.data);
}

static const struct point hook_points[] = {
    POINT(an_application_calls_us_from_its_own_hook),
    POINT(a_session_whose_hook_is_not_called_has_no_tickets),
    POINT(a_second_use_is_refused_and_the_pointers_stay_the_applications),
    POINT_ONLY_IF(CONTRACT_NO_RENEWAL_13, /* there is none in 1.2 */
        after_a_hello_retry_request_tickets_do_what_they_must),
    POINT_ONLY_IF(CONTRACT_NO_RENEWAL_12, /* there is none in 1.3 */
        a_renegotiation_gives_no_ticket_of_an_older_key),
    POINT_ONLY_IF(CONTRACT_NO_RENEWAL_12, /* nor of this */
        tickets_resume_over_datagrams_until_their_key_goes),
    END_OF_POINTS,
};

int
main(void)
{
	return contract_points(&gnutls_library, 1, hook_points);
}
