/* SPDX-License-Identifier: ISC */
/*
 * Whole handshakes in memory.
 *
 * Never here: measuring.
 */
#include <err.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "handshake.h"

static SSL_CTX *
context(const SSL_METHOD *method, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version))
		errx(1, "cannot make an SSL_CTX");
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

SSL_CTX *
handshake_server(int version)
{
	SSL_CTX *ctx = context(TLS_server_method(), version);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = cert != NULL ? X509_get_subject_name(cert) : NULL;

	if (key == NULL || cert == NULL || !X509_set_version(cert, 2) ||
	    !ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) ||
	    X509_gmtime_adj(X509_getm_notBefore(cert), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(cert), 86400) == NULL ||
	    !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	        (const unsigned char *)"a.example", -1, -1, 0) ||
	    !X509_set_issuer_name(cert, name) || !X509_set_pubkey(cert, key) ||
	    !X509_sign(cert, key, EVP_sha256()) ||
	    !SSL_CTX_use_certificate(ctx, cert) ||
	    !SSL_CTX_use_PrivateKey(ctx, key))
		errx(1, "cannot make a certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

SSL_CTX *
handshake_client(int version)
{
	SSL_CTX *ctx = context(TLS_client_method(), version);

	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return ctx;
}

static void
connect_both(SSL *client, SSL *server)
{
	BIO *one, *two;

	if (!BIO_new_bio_pair(&one, 0, &two, 0))
		errx(1, "cannot make a pair of BIOs");
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, two, two);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
}

SSL_SESSION *
handshake(SSL_CTX *client_ctx, SSL_CTX *server_ctx, SSL_SESSION *session,
    bool *resumed)
{
	SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);
	int c = 0, s = 0, turns;
	char byte;

	if (client == NULL || server == NULL)
		errx(1, "cannot make an SSL");
	connect_both(client, server);
	if (session != NULL && !SSL_set_session(client, session))
		errx(1, "cannot use a session");
	for (turns = 0; turns < 8 && (c != 1 || s != 1); turns++) {
		c = SSL_do_handshake(client);
		s = SSL_do_handshake(server);
	}
	if (c != 1 || s != 1)
		errx(1, "a handshake failed");
	/* In 1.3 the tickets come with the data. */
	if (SSL_write(server, "!", 1) != 1 || SSL_read(client, &byte, 1) != 1)
		errx(1, "no data after the handshake");
	*resumed = SSL_session_reused(server);
	session = SSL_get1_session(client);
	/* Else libssl takes the session for a broken one. */
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client);
	SSL_free(server);
	return session;
}
