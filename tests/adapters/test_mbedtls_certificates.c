/* SPDX-License-Identifier: ISC */
/*
 * Clients with certificates, which Mbed TLS 2.28 puts into tickets whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "expect.h"
#include "mbedtls_server.h"

/* The farm's own, and a comment of that length. */
static X509 *
certificate(const struct farm *farm, EVP_PKEY *key, size_t comment)
{
	char *text = calloc(1, comment + 1);
	FILE *f = fopen(farm->cert, "r");
	X509_EXTENSION *ext;
	X509 *cert;

	assert_true(text != NULL && f != NULL);
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	(void)fclose(f);
	assert_non_null(cert);
	memset(text, 'c', comment);
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, text);
	assert_true(ext != NULL && X509_add_ext(cert, ext, -1) &&
	            X509_sign(cert, key, EVP_sha256()));
	X509_EXTENSION_free(ext);
	free(text);
	return cert;
}

static SSL_CTX *
client_with(const struct farm *farm, size_t comment)
{
	SSL_CTX *ctx = client_new(farm->version);
	X509 *cert;

	assert_non_null(ctx);
	assert_true(
	    SSL_CTX_use_PrivateKey_file(ctx, farm->key, SSL_FILETYPE_PEM));
	cert = certificate(farm, SSL_CTX_get0_privatekey(ctx), comment);
	assert_true(SSL_CTX_use_certificate(ctx, cert));
	X509_free(cert);
	return ctx;
}

static void
come_and_return(
    const struct farm *farm, size_t comment, struct visit *v, struct visit *w)
{
	struct farm mine = *farm;

	mine.client = client_with(farm, comment);
	farm_visit(&mine, farm->server, NULL, NULL, v);
	expect_full(v);
	farm_visit(&mine, farm->server, v->session, NULL, w);
	SSL_CTX_free(mine.client);
}

static void
a_certificate_goes_into_the_ticket_if_there_is_room(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *server = farm->server;
	struct stek_key key = farm_key_good();
	struct visit v, w;
	size_t comment;

	PUBLISH(farm->ring, &key);
	mbedtls_ssl_conf_authmode(&server->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
	/* A ClientHello of more than 16 KiB would end the connection. */
	for (comment = 6000; comment <= 15800; comment += 700) {
		come_and_return(farm, comment, &v, &w);
		if (v.session != NULL)
			expect_resumed(&w);
		else
			expect_full(&w);
		if (comment < 7000 || farm->version != CONTRACT_TLS12)
			assert_non_null(v.session);
		else if (comment > MBEDTLS_SSL_IN_CONTENT_LEN / 2)
			assert_null(v.session);
		visit_free(&v);
		visit_free(&w);
	}
}

/* So it is known why such servers need scopes of their own. */
static void
without_scopes_a_ticket_resumes_where_a_certificate_is_required(void **state)
{
	const struct farm *farm = *state;
	struct mbedtls_server *strict = farm_server(farm, farm->ring, false);
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	mbedtls_ssl_conf_authmode(&strict->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&strict->conf, &strict->cert, NULL);
	farm_visit(farm, strict, NULL, NULL, &w);
	assert_false(w.connected);
	visit_free(&w);
	first_visit(farm, farm->server, NULL, &v);
	return_visit(farm, strict, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
	mbedtls_server_free(strict);
}

static const struct point points[] = {
    POINT(a_certificate_goes_into_the_ticket_if_there_is_room),
    POINT(without_scopes_a_ticket_resumes_where_a_certificate_is_required),
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
