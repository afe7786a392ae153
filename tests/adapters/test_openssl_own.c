/* SPDX-License-Identifier: ISC */
/*
 * What is OpenSSL's own: its tickets' layout, and the ways in which SSL_CTX
 * and SSL are made, copied, used again and freed.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stek/openssl.h>

#include "expect.h"
#include "openssl_server.h"

#define MAC_LEN 32
#define IV_LEN  16

/* Of the serving threads, which are joined before it is looked at. */
static unsigned long errors_left;

static void
serve_and_look(void *ctx, int fd)
{
	openssl_serve(ctx, fd);
	errors_left = ERR_peek_error();
}

static void
serve_ssl(void *ssl, int fd)
{
	openssl_serve_ssl(ssl, fd);
}

/* As farm_visit(), but on an SSL that the test keeps. */
static void
visit_ssl(const struct farm *farm, SSL *ssl, const SSL_SESSION *session,
    const char *host, struct visit *v)
{
	const struct contract_library library = {.serve = serve_ssl};
	struct farm mine = *farm;

	mine.library = &library;
	farm_visit(&mine, ssl, session, host, v);
}

static SSL_CTX *
context(const struct farm *farm)
{
	const struct contract_server options = {
	    .version = farm->version, .cert = farm->cert, .key = farm->key};
	SSL_CTX *ctx = openssl_context(&options);

	assert_non_null(ctx);
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

/* RFC 5077, section 4: name, IV, ciphertext, MAC over all before it. */
static void
a_ticket_has_the_layout_of_rfc_5077(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	uint8_t mac[MAC_LEN], plain[TICKET_MAX];
	const uint8_t *ciphertext, *p = plain;
	SSL_SESSION *session;
	struct visit v;
	int len, last;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	assert_non_null(HMAC(EVP_sha256(), key.mac, STEK_MAC_LEN, v.ticket,
	    v.ticket_len - MAC_LEN, mac, NULL));
	assert_memory_equal(mac, v.ticket + v.ticket_len - MAC_LEN, MAC_LEN);
	ciphertext = v.ticket + STEK_NAME_LEN + IV_LEN;
	assert_true(EVP_DecryptInit_ex(
	    aes, EVP_aes_256_cbc(), NULL, key.aes, v.ticket + STEK_NAME_LEN));
	assert_true(EVP_DecryptUpdate(aes, plain, &len, ciphertext,
	    (int)v.ticket_len - STEK_NAME_LEN - IV_LEN - MAC_LEN));
	assert_true(EVP_DecryptFinal_ex(aes, plain + len, &last));
	session = d2i_SSL_SESSION(NULL, &p, len + last);
	assert_non_null(session);
	SSL_SESSION_free(session);
	EVP_CIPHER_CTX_free(aes);
	visit_free(&v);
}

static int
fatal(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seal)
{
	(void)ssl;
	(void)name;
	(void)iv;
	(void)cipher;
	(void)mac;
	(void)seal;
	return -1;
}

static void
a_callback_that_was_set_before_is_replaced(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	SSL_CTX *ctx = context(farm);
	struct visit v;

	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, fatal);
	farm_visit(farm, ctx, NULL, NULL, &v);
	assert_false(v.connected); /* it is called, and so could fail below */
	visit_free(&v);
	assert_int_equal(stek_openssl_use(ctx, farm->ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, ctx, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
	SSL_CTX_free(ctx);
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
	assert_int_equal(stek_ring_turn(ring), stek_ring_turn(farm->ring));
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(stek_openssl_use(farm->server, ring), STEK_OK);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	assert_int_equal(stek_openssl_use(farm->server, farm->ring), STEK_OK);
	stek_ring_close(ring);
	visit_free(&w);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
a_scope_has_tickets_of_its_own(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), scoped;
	SSL_CTX *ctx = context(farm);
	char long_scope[STEK_SCOPE_MAX + 2];
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	assert_int_equal(stek_scope_key(&key, "mail", &scoped), STEK_OK);
	assert_int_equal(
	    stek_openssl_use_scope(ctx, farm->ring, "mail"), STEK_OK);
	first_visit(farm, ctx, NULL, &v);
	expect_ticket_of(farm, &v, &scoped);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&w);
	memset(long_scope, 'x', sizeof(long_scope) - 1);
	long_scope[sizeof(long_scope) - 1] = '\0';
	assert_int_equal(stek_openssl_use_scope(ctx, farm->ring, long_scope),
	    STEK_ERR_FORMAT);
	return_visit(farm, ctx, NULL, &v, &w);
	expect_resumed(&w); /* nothing has changed */
	visit_free(&v);
	visit_free(&w);
	SSL_CTX_free(ctx);
}

/* What a server does that shakes hands while its ring changes. */
static void *
keep_visiting(void *arg)
{
	const struct farm *farm = arg;
	size_t i, broken = 0;
	struct visit v;

	for (i = 0; i < farm_times(200, 10); i++) {
		farm_visit(farm, farm->server, NULL, NULL, &v);
		if (!v.connected || v.alert != -1 || v.tickets == 0)
			broken++;
		visit_free(&v);
	}
	return (void *)broken;
}

static void
another_ring_may_be_given_under_handshakes(void **state)
{
	struct farm *farm = *state;
	struct stek_key key = farm_key_good(), other = farm_key_good();
	struct stek_ring *ring;
	pthread_t visitor;
	void *broken;
	size_t i;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	PUBLISH(ring, &other);
	assert_int_equal(
	    pthread_create(&visitor, NULL, keep_visiting, farm), 0);
	for (i = 0; i < farm_times(20000, 100); i++)
		assert_int_equal(stek_openssl_use(farm->server,
		                     i % 2 == 0 ? ring : farm->ring),
		    STEK_OK);
	assert_int_equal(pthread_join(visitor, &broken), 0);
	assert_null(broken);
	stek_ring_close(ring);
}

static void
an_ssl_made_before_the_keys_came_uses_them(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	SSL_CTX *ctx = context(farm);
	SSL *ssl = SSL_new(ctx);
	struct visit v;

	assert_int_equal(stek_openssl_use(ctx, farm->ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	visit_ssl(farm, ssl, NULL, NULL, &v);
	expect_full(&v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void
an_ssl_outlives_the_callers_hold_on_its_ssl_ctx(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	SSL_CTX *ctx = context(farm);
	struct visit v;
	SSL *ssl;

	assert_int_equal(stek_openssl_use(ctx, farm->ring), STEK_OK);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	PUBLISH(farm->ring, &key);
	visit_ssl(farm, ssl, NULL, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
	SSL_free(ssl);
}

/* SSL_dup() makes it from the SSL_CTX that the SSL has been switched to. */
static void
a_copied_ssl_has_the_keys_of_its_own_ssl_ctx(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), other = farm_key_good();
	SSL_CTX *one = context(farm), *two = context(farm);
	struct stek_ring *ring;
	struct visit v;
	SSL *ssl, *copy;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	assert_int_equal(stek_openssl_use(one, farm->ring), STEK_OK);
	assert_int_equal(stek_openssl_use(two, ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	PUBLISH(ring, &other);
	ssl = SSL_new(one);
	assert_ptr_equal(SSL_set_SSL_CTX(ssl, two), two);
	copy = SSL_dup(ssl);
	assert_non_null(copy);
	SSL_free(ssl);
	SSL_CTX_free(one);
	SSL_CTX_free(two);
	visit_ssl(farm, copy, NULL, NULL, &v);
	expect_ticket_of(farm, &v, &other);
	visit_free(&v);
	SSL_free(copy);
	stek_ring_close(ring);
}

/* The connection before brought a ticket, the next one does not. */
static void
an_ssl_used_again_forgets_the_host_before(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), scoped;
	SSL_CTX *ctx = context(farm);
	struct visit v, w;
	SSL *ssl;

	assert_int_equal(stek_scope_key(&key, "b.example", &scoped), STEK_OK);
	assert_int_equal(stek_openssl_use_hosts(ctx, farm->ring), STEK_OK);
	PUBLISH(farm->ring, &key);
	ssl = SSL_new(ctx);
	first_visit(farm, ctx, "a.example", &v);
	visit_ssl(farm, ssl, v.session, "a.example", &w);
	expect_resumed(&w);
	visit_free(&w);
	assert_true(SSL_clear(ssl));
	visit_ssl(farm, ssl, NULL, "b.example", &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &scoped);
	visit_free(&v);
	visit_free(&w);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

/* A server that looks for errors would take them for its connection's. */
static void
a_refused_ticket_leaves_no_error_behind(void **state)
{
	const struct farm *farm = *state;
	const struct contract_library library = {.serve = serve_and_look};
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
    POINT(a_ticket_has_the_layout_of_rfc_5077),
    POINT(a_callback_that_was_set_before_is_replaced),
    POINT(a_second_ring_replaces_the_first),
    POINT(a_scope_has_tickets_of_its_own),
    POINT(another_ring_may_be_given_under_handshakes),
    POINT(an_ssl_made_before_the_keys_came_uses_them),
    POINT(an_ssl_outlives_the_callers_hold_on_its_ssl_ctx),
    POINT(a_copied_ssl_has_the_keys_of_its_own_ssl_ctx),
    POINT(an_ssl_used_again_forgets_the_host_before),
    POINT(a_refused_ticket_leaves_no_error_behind),
    END_OF_POINTS,
};

int
main(void)
{
	const struct contract_library library = {
	    .name = "OpenSSL",
	    .server_new = openssl_server_new,
	    .server_free = openssl_server_free,
	    .serve = openssl_serve,
	};

	return contract_points(&library, 1, own_points);
}
