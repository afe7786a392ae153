/* SPDX-License-Identifier: ISC */
/*
 * Scopes by host name where Mbed TLS does not help: handshakes that take
 * turns in one thread, and extensions in any order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"
#include "mbedtls_server.h"

#define WIRE_MAX  32768
#define HELLO_MAX 2048

#define RECORD_LEN   5 /* its header's */
#define RECORD_CCS   20
#define EXT_SNI      0
#define EXT_LEN_SIZE 2

/* A server's end of a connection, in memory. */
struct end {
	mbedtls_ssl_context ssl;
	struct stek_mbedtls_host host;
	uint8_t in[WIRE_MAX];
	uint8_t out[WIRE_MAX];
	size_t in_len;
	size_t in_at;
	size_t out_len;
	bool plain; /* it shakes hands without the adapter */
	int ret; /* of its handshake */
};

static int
on_send(void *p, const unsigned char *bytes, size_t len)
{
	struct end *end = p;

	if (len > WIRE_MAX - end->out_len)
		abort();
	memcpy(end->out + end->out_len, bytes, len);
	end->out_len += len;
	return (int)len;
}

static int
on_receive(void *p, unsigned char *bytes, size_t len)
{
	struct end *end = p;

	if (end->in_at == end->in_len)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (len > end->in_len - end->in_at)
		len = end->in_len - end->in_at;
	memcpy(bytes, end->in + end->in_at, len);
	end->in_at += len;
	return (int)len;
}

static struct end *
end_new(const struct mbedtls_server *server)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		abort();
	mbedtls_ssl_init(&end->ssl);
	assert_int_equal(mbedtls_ssl_setup(&end->ssl, &server->conf), 0);
	mbedtls_ssl_set_bio(&end->ssl, end, on_send, on_receive, NULL);
	return end;
}

static void
end_free(struct end *end)
{
	mbedtls_ssl_free(&end->ssl);
	free(end);
}

static void
end_hears(struct end *end, const uint8_t *bytes, size_t len)
{
	if (len > WIRE_MAX - end->in_len)
		abort();
	memcpy(end->in + end->in_len, bytes, len);
	end->in_len += len;
	end->ret = end->plain ? mbedtls_ssl_handshake(&end->ssl)
	                      : stek_mbedtls_handshake(&end->ssl, &end->host);
}

/* In 1.2 it goes on to encryption at once; else the client has the word. */
static bool
end_resumes(const struct end *end)
{
	size_t at = 0;

	assert_int_equal(end->ret, MBEDTLS_ERR_SSL_WANT_READ);
	assert_true(end->out_len > RECORD_LEN);
	for (; at < end->out_len;
	     at +=
	     RECORD_LEN + ((size_t)end->out[at + 3] << 8 | end->out[at + 4]))
		if (end->out[at] == RECORD_CCS)
			return true;
	return false;
}

static SSL *
client(const struct farm *farm, const SSL_SESSION *session, const char *host)
{
	SSL *ssl = SSL_new(farm->client);
	SSL_SESSION *mine;

	assert_non_null(ssl);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(ssl);
	if (host != NULL)
		assert_true(SSL_set_tlsext_host_name(ssl, host));
	if (session != NULL) {
		mine = SSL_SESSION_dup(session);
		assert_true(SSL_set_session(ssl, mine));
		SSL_SESSION_free(mine);
	}
	return ssl;
}

static size_t
hello_of(const struct farm *farm, const SSL_SESSION *session, const char *host,
    uint8_t hello[HELLO_MAX])
{
	SSL *ssl = client(farm, session, host);
	int len;

	(void)SSL_do_handshake(ssl);
	len = BIO_read(SSL_get_wbio(ssl), hello, HELLO_MAX);
	assert_true(len > RECORD_LEN);
	SSL_free(ssl);
	return (size_t)len;
}

static size_t
get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void
add16(uint8_t *p, size_t more)
{
	more += get16(p);
	p[0] = (uint8_t)(more >> 8);
	p[1] = (uint8_t)more;
}

/* Where the length of a ClientHello's extensions is. */
static uint8_t *
extensions(uint8_t *hello)
{
	uint8_t *p = hello + RECORD_LEN + 4 + 2 + 32;

	p += 1 + p[0];
	p += 2 + get16(p);
	return p + 1 + p[0];
}

static uint8_t *
find_sni(uint8_t *hello, size_t *len)
{
	uint8_t *p = extensions(hello) + EXT_LEN_SIZE;

	while (get16(p) != EXT_SNI)
		p += 4 + get16(p + 2);
	*len = 4 + get16(p + 2);
	return p;
}

/* Behind all others, the ticket too. */
static void
move_sni(uint8_t *hello, size_t hello_len)
{
	uint8_t copy[HELLO_MAX], *sni;
	size_t len;

	sni = find_sni(hello, &len);
	memcpy(copy, sni, len);
	memmove(sni, sni + len, (size_t)(hello + hello_len - sni) - len);
	memcpy(hello + hello_len - len, copy, len);
}

/* A second one, which names the host with that first letter. */
static size_t
add_sni(uint8_t *hello, size_t hello_len, char letter)
{
	size_t len;
	uint8_t *sni = find_sni(hello, &len);

	memcpy(hello + hello_len, sni, len);
	hello[hello_len + 9] = (uint8_t)letter;
	add16(hello + 3, len);
	add16(hello + RECORD_LEN + 2, len);
	add16(extensions(hello), len);
	return hello_len + len;
}

static struct mbedtls_server *
hosts_server(const struct farm *farm)
{
	return farm_server(farm, farm->ring, true);
}

/* --- the order of extensions -------------------------------------------- */

enum { MOVE, ADD };

/* A ticket given at one host, in a ClientHello whose name comes late. */
static bool
resumes_late(const struct farm *farm, const char *given_at, const char *host,
    int change, char added)
{
	struct mbedtls_server *server = hosts_server(farm);
	struct end *end = end_new(server);
	uint8_t hello[HELLO_MAX];
	struct visit v;
	size_t len;
	bool resumes;

	first_visit(farm, server, given_at, &v);
	len = hello_of(farm, v.session, host, hello);
	if (change == MOVE)
		move_sni(hello, len);
	else
		len = add_sni(hello, len, added);
	end_hears(end, hello, len);
	resumes = end_resumes(end);
	visit_free(&v);
	end_free(end);
	mbedtls_server_free(server);
	return resumes;
}

/* In 1.3 the ticket comes last. */
static void
only_in_tls12(const struct farm *farm)
{
	if (farm->version == CONTRACT_TLS12)
		return;
	print_message("this is about TLS 1.2\n");
	skip();
}

static void
publish_good(const struct farm *farm, struct stek_key *key)
{
	*key = farm_key_good();
	PUBLISH(farm->ring, key);
}

static void
a_host_that_comes_after_the_ticket_counts(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key;

	only_in_tls12(farm);
	publish_good(farm, &key);
	assert_true(resumes_late(farm, "a.example", "a.example", MOVE, 0));
	assert_false(resumes_late(farm, "a.example", "b.example", MOVE, 0));
	assert_false(resumes_late(farm, NULL, "a.example", MOVE, 0));
}

/* A server's own callback hears of the last one last. */
static void
of_two_hosts_the_last_counts(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key;

	only_in_tls12(farm);
	publish_good(farm, &key);
	assert_false(resumes_late(farm, "a.example", "a.example", ADD, 'b'));
	assert_true(resumes_late(farm, "b.example", "a.example", ADD, 'b'));
}

/* --- handshakes that take turns in one thread --------------------------- */

static void
hand_over(SSL *ssl, struct end *end)
{
	uint8_t bytes[WIRE_MAX];
	int len;

	(void)SSL_do_handshake(ssl);
	len = BIO_read(SSL_get_wbio(ssl), bytes, sizeof(bytes));
	end_hears(end, bytes, len > 0 ? (size_t)len : 0);
	assert_true(BIO_write(SSL_get_rbio(ssl), end->out, (int)end->out_len) ==
	            (int)end->out_len);
	end->out_len = 0;
}

#define TURNS 3

static const char *const turn_hosts[TURNS] = {"a.example", NULL, "b.example"};

/* All at once; sessions are what they come with, and what they get. */
static void
take_turns(const struct farm *farm, const struct mbedtls_server *server,
    SSL_SESSION **sessions, bool resumed)
{
	struct end *ends[TURNS];
	SSL *clients[TURNS];
	uint8_t byte;
	size_t i, turn;

	for (i = 0; i < TURNS; i++) {
		ends[i] = end_new(server);
		clients[i] = client(farm, sessions[i], turn_hosts[i]);
	}
	for (turn = 0; turn < 4; turn++)
		for (i = 0; i < TURNS; i++)
			hand_over(clients[i], ends[i]);
	for (i = 0; i < TURNS; i++) {
		assert_int_equal(ends[i]->ret, 0);
		assert_int_equal(SSL_do_handshake(clients[i]), 1);
		assert_int_equal(SSL_session_reused(clients[i]), resumed);
		(void)SSL_read(clients[i], &byte, 1); /* 1.3's tickets */
		SSL_SESSION_free(sessions[i]);
		sessions[i] = SSL_get1_session(clients[i]);
		SSL_set_shutdown(clients[i], SSL_SENT_SHUTDOWN);
		SSL_free(clients[i]);
		end_free(ends[i]);
	}
}

static void
handshakes_in_turns_keep_their_hosts(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = hosts_server(farm);
	SSL_SESSION *sessions[TURNS] = {0};
	struct stek_key key, scoped;
	const uint8_t *ticket;
	size_t i, len;

	publish_good(farm, &key);
	take_turns(farm, server, sessions, false);
	for (i = 0; i < TURNS; i++) {
		assert_int_equal(
		    stek_scope_key(&key,
		        turn_hosts[i] != NULL ? turn_hosts[i] : ".", &scoped),
		    STEK_OK);
		SSL_SESSION_get0_ticket(sessions[i], &ticket, &len);
		assert_true(len > STEK_NAME_LEN);
		assert_memory_equal(ticket, scoped.name, STEK_NAME_LEN);
	}
	take_turns(farm, server, sessions, true);
	for (i = 0; i < TURNS; i++)
		SSL_SESSION_free(sessions[i]);
	mbedtls_server_free(server);
}

static size_t
ticket_len_of(SSL *ssl)
{
	SSL_SESSION *session = SSL_get1_session(ssl);
	const uint8_t *ticket;
	size_t len = 0;

	assert_non_null(session);
	SSL_SESSION_get0_ticket(session, &ticket, &len);
	SSL_SESSION_free(session);
	return len;
}

/* A server that shakes hands with some in its own way. */
static void
a_handshake_of_ours_tells_no_other_its_host(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = hosts_server(farm);
	struct stek_key key;
	struct end *ends[2];
	SSL *clients[2];
	uint8_t byte;
	size_t i, turn;

	publish_good(farm, &key);
	for (i = 0; i < 2; i++) {
		ends[i] = end_new(server);
		clients[i] = client(farm, NULL, i == 0 ? "a.example" : NULL);
	}
	ends[1]->plain = true;
	for (turn = 0; turn < 4; turn++)
		for (i = 0; i < 2; i++)
			hand_over(clients[i], ends[i]);
	for (i = 0; i < 2; i++) {
		assert_int_equal(SSL_do_handshake(clients[i]), 1);
		(void)SSL_read(clients[i], &byte, 1);
	}
	assert_true(ticket_len_of(clients[0]) > STEK_NAME_LEN);
	assert_true(ticket_len_of(clients[1]) <= 1);
	for (i = 0; i < 2; i++) {
		SSL_free(clients[i]);
		end_free(ends[i]);
	}
	mbedtls_server_free(server);
}

/* Its host, and the memory it was in, are the next connection's to find. */
static void
a_handshake_that_is_given_up_leaves_no_host_behind(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server;
	uint8_t hello[HELLO_MAX];
	struct stek_key key;
	struct visit v;
	struct end *end;
	size_t len;

	only_in_tls12(farm);
	server = hosts_server(farm);
	end = end_new(server);
	publish_good(farm, &key);
	first_visit(farm, server, "a.example", &v);
	len = hello_of(farm, NULL, "a.example", hello);
	end_hears(end, hello, len);
	assert_false(end_resumes(end));
	assert_int_equal(mbedtls_ssl_session_reset(&end->ssl), 0);
	end->in_at = end->in_len = end->out_len = 0;
	len = hello_of(farm, v.session, NULL, hello);
	end_hears(end, hello, len);
	assert_false(end_resumes(end));
	visit_free(&v);
	end_free(end);
	mbedtls_server_free(server);
}

static const struct point points[] = {
    POINT(a_host_that_comes_after_the_ticket_counts),
    POINT(of_two_hosts_the_last_counts),
    POINT(handshakes_in_turns_keep_their_hosts),
    POINT(a_handshake_of_ours_tells_no_other_its_host),
    POINT(a_handshake_that_is_given_up_leaves_no_host_behind),
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

	return contract_points(&library, 1, points);
}
