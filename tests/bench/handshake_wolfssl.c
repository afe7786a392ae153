/* SPDX-License-Identifier: ISC */
/*
 * Whole handshakes in memory, on wolfSSL.
 *
 * Never here: measuring.
 */
#include <err.h>
#include <stdint.h>
#include <string.h>

#include "handshake_wolfssl.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#define PIPE_LEN 16384
#define DER_LEN  1024

/* One direction; a handshake never fills it. */
struct pipe {
	uint8_t bytes[PIPE_LEN];
	size_t from, to;
};

struct end {
	WOLFSSL *ssl;
	struct pipe *in, *out;
};

#define must(ok)                                              \
	do {                                                  \
		if (!(ok))                                    \
			errx(1, "line %d: failed", __LINE__); \
	} while (0)

static int
receive(WOLFSSL *ssl, char *to, int len, void *arg)
{
	struct pipe *in = ((struct end *)arg)->in;
	size_t n = in->to - in->from;

	(void)ssl;
	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	if (n > (size_t)len)
		n = (size_t)len;
	memcpy(to, in->bytes + in->from, n);
	in->from += n;
	if (in->from == in->to)
		in->from = in->to = 0;
	return (int)n;
}

static int
transmit(WOLFSSL *ssl, char *from, int len, void *arg)
{
	struct pipe *out = ((struct end *)arg)->out;

	(void)ssl;
	must((size_t)len <= PIPE_LEN - out->to);
	memcpy(out->bytes + out->to, from, (size_t)len);
	out->to += (size_t)len;
	return len;
}

static WOLFSSL_CTX *
context(WOLFSSL_METHOD *method)
{
	WOLFSSL_CTX *ctx;

	must(wolfSSL_Init() == WOLFSSL_SUCCESS);
	ctx = wolfSSL_CTX_new(method);
	must(ctx != NULL);
	must(wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF) ==
	     WOLFSSL_SUCCESS);
	wolfSSL_SetIORecv(ctx, receive);
	wolfSSL_SetIOSend(ctx, transmit);
	return ctx;
}

static void
give_certificate(WOLFSSL_CTX *ctx)
{
	uint8_t cert[DER_LEN], der[DER_LEN];
	int cert_len, der_len;
	ecc_key key;
	WC_RNG rng;
	Cert made;

	must(wc_InitRng(&rng) == 0 && wc_ecc_init(&key) == 0 &&
	     wc_ecc_make_key(&rng, 32, &key) == 0 && wc_InitCert(&made) == 0);
	strcpy(made.subject.commonName, "localhost");
	made.sigType = CTC_SHA256wECDSA;
	must(wc_MakeCert_ex(&made, cert, sizeof(cert), ECC_TYPE, &key, &rng) >
	     0);
	cert_len = wc_SignCert_ex(made.bodySz, made.sigType, cert, sizeof(cert),
	    ECC_TYPE, &key, &rng);
	der_len = wc_EccKeyToDer(&key, der, sizeof(der));
	must(cert_len > 0 && der_len > 0);
	must(wolfSSL_CTX_use_certificate_buffer(
	         ctx, cert, cert_len, WOLFSSL_FILETYPE_ASN1) == 1);
	must(wolfSSL_CTX_use_PrivateKey_buffer(
	         ctx, der, der_len, WOLFSSL_FILETYPE_ASN1) == 1);
	must(wc_ecc_free(&key) == 0 && wc_FreeRng(&rng) == 0);
}

WOLFSSL_CTX *
wolfssl_server_ctx(void)
{
	WOLFSSL_CTX *ctx = context(wolfTLS_server_method());

	give_certificate(ctx);
	return ctx;
}

WOLFSSL_CTX *
wolfssl_client_ctx(int version)
{
	WOLFSSL_CTX *ctx =
	    context(version == TLS1_2_VERSION ? wolfTLSv1_2_client_method()
	                                      : wolfTLSv1_3_client_method());

	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
	return ctx;
}

static void
begin(struct end *end, WOLFSSL_CTX *ctx, struct pipe *in, struct pipe *out)
{
	end->ssl = wolfSSL_new(ctx);
	must(end->ssl != NULL);
	end->in = in;
	end->out = out;
	wolfSSL_SetIOReadCtx(end->ssl, end);
	wolfSSL_SetIOWriteCtx(end->ssl, end);
}

static void
ask_for(WOLFSSL *ssl, WOLFSSL_SESSION *session, const char *host)
{
	if (host != NULL)
		must(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, host,
		         (word16)strlen(host)) == WOLFSSL_SUCCESS);
	must(wolfSSL_UseSessionTicket(ssl) == WOLFSSL_SUCCESS);
	/* One without a ticket cannot be set. */
	if (session != NULL)
		(void)wolfSSL_set_session(ssl, session);
}

/* In 1.3 the ticket comes with the data. */
static bool
shake(WOLFSSL *client, WOLFSSL *server)
{
	int c = 0, s = 0, turns;
	char byte = '!';

	for (turns = 0; turns < 8 && (c != 1 || s != 1); turns++) {
		if (c != 1)
			c = wolfSSL_connect(client);
		if (s != 1)
			s = wolfSSL_accept(server);
	}
	return c == 1 && s == 1 && wolfSSL_write(server, &byte, 1) == 1 &&
	       wolfSSL_read(client, &byte, 1) == 1;
}

WOLFSSL_SESSION *
wolfssl_handshake(WOLFSSL_CTX *client_ctx, WOLFSSL_CTX *server_ctx,
    WOLFSSL_SESSION *session, const char *host, bool *resumed)
{
	struct pipe up, down;
	struct end client, server;
	WOLFSSL_SESSION *got = NULL;

	up.from = up.to = down.from = down.to = 0;
	begin(&client, client_ctx, &down, &up);
	begin(&server, server_ctx, &up, &down);
	ask_for(client.ssl, session, host);
	if (shake(client.ssl, server.ssl)) {
		got = wolfSSL_get1_session(client.ssl);
		must(got != NULL);
	}
	*resumed = got != NULL && wolfSSL_session_reused(server.ssl);
	wolfSSL_free(client.ssl);
	wolfSSL_free(server.ssl);
	return got;
}
