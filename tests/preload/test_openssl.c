/* SPDX-License-Identifier: ISC */
/*
 * A server on OpenSSL that knows nothing of stek, with stek's preloaded
 * object.
 *
 *	preload-openssl 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives OpenSSL keys, but as a server of its own
 * accord would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../adapters/openssl_server.h"
#include "preloaded.h"

static void *
server_new(const struct contract_server *options)
{
	preloaded_ring(options->cert);
	return openssl_context(options);
}

/* --- keys of the server's own -------------------------------------------- */

static int
refuse_evp(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	(void)ssl;
	(void)name;
	(void)iv;
	(void)cipher;
	(void)mac;
	(void)seal;
	return -1;
}

static int
refuse(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    HMAC_CTX *mac, int seal)
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
what_the_server_sets_is_not_used(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	unsigned char own[80] = {1};
	struct visit v;

	PUBLISH(farm->ring, &key);
	assert_true(
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(farm->server, refuse_evp));
	assert_true(SSL_CTX_set_tlsext_ticket_key_cb(farm->server, refuse));
	assert_true(
	    SSL_CTX_set_tlsext_ticket_keys(farm->server, own, sizeof(own)));
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
}

static void
its_keys_can_be_asked_for_as_before(void **state)
{
	const struct farm *farm = *state;
	unsigned char own[80];

	assert_true(
	    SSL_CTX_get_tlsext_ticket_keys(farm->server, own, sizeof(own)));
}

static const struct point own_points[] = {
    POINT(what_the_server_sets_is_not_used),
    POINT(its_keys_can_be_asked_for_as_before),
    END_OF_POINTS,
};

int
main(int argc, char **argv)
{
	static const struct point *const lists[] = {
	    own_points, preloaded_points, storm_points, NULL};
	struct contract_library library = {
	    .name = "preloaded OpenSSL",
	    .cannot = CONTRACT_NO_HOSTS,
	    .server_new = server_new,
	    .server_free = openssl_server_free,
	    .serve = openssl_serve,
	};

	if (argc != 3)
		return 2;
	become_preloaded(argv, argv[2]);
	library.cannot |=
	    strcmp(argv[1], "1.2") == 0 ? CONTRACT_NO_TLS13 : CONTRACT_NO_TLS12;
	return contract_lists(&library, lists);
}
