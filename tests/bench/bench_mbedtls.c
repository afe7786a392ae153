/* SPDX-License-Identifier: ISC */
/*
 * The Mbed TLS adapter against Mbed TLS's own ticket keys: the ticket alone,
 * by the callbacks that are set in a conf, and whole resumed handshakes.
 *
 * Meanwhile the ring is published to once a second, which empties what the
 * adapter keeps; Mbed TLS's own keys stay as they are.
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#else
#define MBEDTLS_PRIVATE(member) member
#endif

#include <openssl/x509.h>

#include <stek/mbedtls.h>

#include "bench.h"
#include "handshake.h"
#include "rotating.h"

#define ROUNDS     501
#define BATCH      500 /* tickets a round */
#define SHAKES     6000 /* resumed handshakes of each thread and side */
#define THREADS    2
#define WIRE_MAX   16384
#define TICKET_MAX 2048

struct server {
	mbedtls_ssl_config conf;
	mbedtls_x509_crt cert;
	mbedtls_pk_context key;
};

struct bench {
	int version;
	struct server side[2]; /* ours, theirs */
	struct stek_mbedtls *tickets;
	mbedtls_ssl_ticket_context own;
	SSL_CTX *client;
	mbedtls_ssl_session session; /* a real one, to be sealed */
	uint8_t ticket[2][TICKET_MAX];
	size_t ticket_len[2];
};

/* A server's end of a connection, in memory. */
struct end {
	mbedtls_ssl_context ssl;
	SSL *client;
	uint8_t out[WIRE_MAX];
	size_t out_len;
};

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;

#define must(ok)                                              \
	do {                                                  \
		if (!(ok))                                    \
			errx(1, "line %d: failed", __LINE__); \
	} while (0)

/* --- handshakes --------------------------------------------------------- */

static int
on_send(void *p, const unsigned char *bytes, size_t len)
{
	struct end *end = p;

	must(len <= WIRE_MAX - end->out_len);
	memcpy(end->out + end->out_len, bytes, len);
	end->out_len += len;
	return (int)len;
}

static int
on_receive(void *p, unsigned char *bytes, size_t len)
{
	const struct end *end = p;
	int got = BIO_read(SSL_get_wbio(end->client), bytes, (int)len);

	return got > 0 ? got : MBEDTLS_ERR_SSL_WANT_READ;
}

static void
flush(struct end *end)
{
	if (end->out_len > 0)
		must(BIO_write(SSL_get_rbio(end->client), end->out,
		         (int)end->out_len) == (int)end->out_len);
	end->out_len = 0;
}

static void
shake_hands(struct end *end)
{
	int client = 0, server = -1, turns;
	uint8_t byte = '!';

	for (turns = 0; turns < 8 && (client != 1 || server != 0); turns++) {
		client = SSL_do_handshake(end->client);
		if (server != 0)
			server = mbedtls_ssl_handshake(&end->ssl);
		flush(end);
	}
	/* In 1.3 the tickets come with the data. */
	must(client == 1 && server == 0 &&
	     mbedtls_ssl_write(&end->ssl, &byte, 1) == 1);
	flush(end);
	must(SSL_read(end->client, &byte, 1) == 1);
}

static SSL_SESSION *
handshake_with(SSL_CTX *client, const struct server *server,
    SSL_SESSION *session, bool *resumed)
{
	static _Thread_local struct end end;

	mbedtls_ssl_init(&end.ssl);
	must(mbedtls_ssl_setup(&end.ssl, &server->conf) == 0);
	mbedtls_ssl_set_bio(&end.ssl, &end, on_send, on_receive, NULL);
	end.client = SSL_new(client);
	must(end.client != NULL);
	SSL_set_bio(end.client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(end.client);
	must(session == NULL || SSL_set_session(end.client, session));
	shake_hands(&end);
	*resumed = SSL_session_reused(end.client);
	session = SSL_get1_session(end.client);
	SSL_set_shutdown(end.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(end.client);
	mbedtls_ssl_free(&end.ssl);
	return session;
}

/* --- servers ------------------------------------------------------------ */

static int
parse_key(mbedtls_pk_context *key, const uint8_t *der, size_t len)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	return mbedtls_pk_parse_key(
	    key, der, len, NULL, 0, mbedtls_ctr_drbg_random, &drbg);
#else
	return mbedtls_pk_parse_key(key, der, len, NULL, 0);
#endif
}

/* That certificate and key, in Mbed TLS's form. */
static void
take_certificate(struct server *server, SSL_CTX *from)
{
	uint8_t *der = NULL;
	int len = i2d_X509(SSL_CTX_get0_certificate(from), &der);

	must(len > 0 &&
	     mbedtls_x509_crt_parse_der(&server->cert, der, (size_t)len) == 0);
	OPENSSL_free(der);
	der = NULL;
	len = i2d_PrivateKey(SSL_CTX_get0_privatekey(from), &der);
	must(len > 0 && parse_key(&server->key, der, (size_t)len) == 0);
	OPENSSL_free(der);
}

static void
set_version(mbedtls_ssl_config *conf, int version)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
	mbedtls_ssl_conf_min_tls_version(
	    conf, (mbedtls_ssl_protocol_version)version);
	mbedtls_ssl_conf_max_tls_version(
	    conf, (mbedtls_ssl_protocol_version)version);
#else
	mbedtls_ssl_conf_min_version(conf, version >> 8, version & 0xff);
	mbedtls_ssl_conf_max_version(conf, version >> 8, version & 0xff);
#endif
}

static void
server_start(struct server *server, int version, SSL_CTX *certified)
{
	mbedtls_ssl_config_init(&server->conf);
	mbedtls_x509_crt_init(&server->cert);
	mbedtls_pk_init(&server->key);
	take_certificate(server, certified);
	must(
	    mbedtls_ssl_config_defaults(&server->conf, MBEDTLS_SSL_IS_SERVER,
	        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) == 0);
	must(mbedtls_ssl_conf_own_cert(
	         &server->conf, &server->cert, &server->key) == 0);
	mbedtls_ssl_conf_rng(&server->conf, mbedtls_ctr_drbg_random, &drbg);
	set_version(&server->conf, version);
}

static void
server_stop(struct server *server)
{
	mbedtls_ssl_config_free(&server->conf);
	mbedtls_x509_crt_free(&server->cert);
	mbedtls_pk_free(&server->key);
}

/* --- the ticket alone --------------------------------------------------- */

static void
seal(struct bench *b, int side)
{
	mbedtls_ssl_config *conf = &b->side[side].conf;
	uint32_t lifetime;

	must(conf->MBEDTLS_PRIVATE(f_ticket_write)(
	         conf->MBEDTLS_PRIVATE(p_ticket), &b->session, b->ticket[side],
	         b->ticket[side] + TICKET_MAX, &b->ticket_len[side],
	         &lifetime) == 0);
}

static void
open_ticket(const struct bench *b, int side, mbedtls_ssl_session *session)
{
	const mbedtls_ssl_config *conf = &b->side[side].conf;
	uint8_t copy[TICKET_MAX]; /* it is opened in place */

	memcpy(copy, b->ticket[side], b->ticket_len[side]);
	mbedtls_ssl_session_init(session);
	must(conf->MBEDTLS_PRIVATE(f_ticket_parse)(
	         conf->MBEDTLS_PRIVATE(p_ticket), session, copy,
	         b->ticket_len[side]) == 0);
}

static double
seal_batch(int side, void *arg)
{
	uint64_t began = bench_now();
	size_t i;

	for (i = 0; i < BATCH; i++)
		seal(arg, side);
	return (double)(bench_now() - began) / BATCH;
}

static double
open_batch(int side, void *arg)
{
	uint64_t began = bench_now();
	mbedtls_ssl_session session;
	size_t i;

	for (i = 0; i < BATCH; i++) {
		open_ticket(arg, side, &session);
		mbedtls_ssl_session_free(&session);
	}
	return (double)(bench_now() - began) / BATCH;
}

static void
take_session(struct bench *b)
{
	SSL_SESSION *session;
	const uint8_t *ticket;
	bool resumed;

	session = handshake_with(b->client, &b->side[0], NULL, &resumed);
	SSL_SESSION_get0_ticket(session, &ticket, &b->ticket_len[0]);
	must(b->ticket_len[0] <= TICKET_MAX);
	memcpy(b->ticket[0], ticket, b->ticket_len[0]);
	open_ticket(b, 0, &b->session);
	SSL_SESSION_free(session);
}

static void
start(struct bench *b, int version, const struct stek_ring *ring)
{
	SSL_CTX *certified = handshake_server(version);

	b->version = version;
	b->client = handshake_client(version);
	server_start(&b->side[0], version, certified);
	server_start(&b->side[1], version, certified);
	SSL_CTX_free(certified);
	must(stek_mbedtls_use(&b->side[0].conf, ring, &b->tickets) == STEK_OK);
	mbedtls_ssl_ticket_init(&b->own);
	must(mbedtls_ssl_ticket_setup(&b->own, mbedtls_ctr_drbg_random, &drbg,
	         MBEDTLS_CIPHER_AES_256_GCM, ROTATING_LIFETIME) == 0);
	mbedtls_ssl_conf_session_tickets_cb(&b->side[1].conf,
	    mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &b->own);
	take_session(b);
}

static void
stop(struct bench *b)
{
	server_stop(&b->side[0]);
	server_stop(&b->side[1]);
	stek_mbedtls_free(b->tickets);
	mbedtls_ssl_ticket_free(&b->own);
	mbedtls_ssl_session_free(&b->session);
	SSL_CTX_free(b->client);
}

/* --- figures ------------------------------------------------------------ */

/* A thread, and how long each of its handshakes took, ours and theirs. */
struct shaker {
	pthread_t thread;
	const struct bench *bench;
	SSL_SESSION *sessions[2];
	double ns[2][SHAKES];
};

static void *
shake(void *arg)
{
	struct shaker *shaker = arg;
	const struct bench *b = shaker->bench;
	size_t i, turn, side;
	uint64_t began;
	bool resumed;

	for (i = 0; i < SHAKES; i++)
		for (turn = 0; turn < 2; turn++) {
			side = (i + turn) % 2;
			began = bench_now();
			SSL_SESSION_free(handshake_with(b->client,
			    &b->side[side], shaker->sessions[side], &resumed));
			must(resumed);
			shaker->ns[side][i] = (double)(bench_now() - began);
		}
	return NULL;
}

static void
report_ticket(struct bench *b, const char *what, double (*batch)(int, void *))
{
	static struct bench_pair pair;
	double ours, theirs, ratio;

	bench_run(&pair, ROUNDS, batch, b);
	bench_medians(&pair, &ours, &theirs, &ratio);
	printf("TLS 1.%c  %-4s a ticket, ns      %9.0f %9.0f   %5.2f times as "
	       "fast, goal 1.0: %s\n",
	    b->version == TLS1_2_VERSION ? '2' : '3', what, theirs, ours,
	    1 / ratio, bench_verdict(1 / ratio >= 1));
}

static double
median_of_all(const struct shaker *shakers, size_t threads, int side)
{
	static double all[THREADS * SHAKES];
	size_t i;

	for (i = 0; i < threads; i++)
		memcpy(all + i * SHAKES, shakers[i].ns[side],
		    sizeof(shakers[i].ns[side]));
	return bench_quantile(all, threads * SHAKES, 0.5);
}

/* A ticket is a hundredth of a handshake: noise may be half of that. */
static void
report_handshakes(const struct bench *b, size_t threads)
{
	static struct shaker shakers[THREADS];
	double ours, theirs;
	bool resumed;
	size_t i, side;

	for (i = 0; i < threads; i++) {
		shakers[i].bench = b;
		for (side = 0; side < 2; side++)
			shakers[i].sessions[side] = handshake_with(
			    b->client, &b->side[side], NULL, &resumed);
		must(pthread_create(
		         &shakers[i].thread, NULL, shake, &shakers[i]) == 0);
	}
	for (i = 0; i < threads; i++) {
		must(pthread_join(shakers[i].thread, NULL) == 0);
		SSL_SESSION_free(shakers[i].sessions[0]);
		SSL_SESSION_free(shakers[i].sessions[1]);
	}
	ours = median_of_all(shakers, threads, 0);
	theirs = median_of_all(shakers, threads, 1);
	printf("TLS 1.%c  resumed a second, %zu thr. %9.0f %9.0f   %5.3f times "
	       "as many, goal 1.0: %s\n",
	    b->version == TLS1_2_VERSION ? '2' : '3', threads,
	    1e9 / theirs * (double)threads, 1e9 / ours * (double)threads,
	    theirs / ours, bench_verdict(theirs / ours >= 1.0));
}

static void
start_library(void)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	must(psa_crypto_init() == PSA_SUCCESS);
#endif
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	must(mbedtls_ctr_drbg_seed(
	         &drbg, mbedtls_entropy_func, &entropy, NULL, 0) == 0);
}

int
main(void)
{
	static const int versions[] = {
		TLS1_2_VERSION,
#if MBEDTLS_VERSION_NUMBER >= 0x03060000
		TLS1_3_VERSION,
#endif
	};
	static struct rotating rotating;
	static struct bench b;
	size_t i;

	start_library();
	rotating_start(&rotating);
	printf("%s; medians of %d rounds in turn, a publish a second\n",
	    MBEDTLS_VERSION_STRING_FULL, ROUNDS);
	printf("                              Mbed TLS's own      stek\n");
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		start(&b, versions[i], rotating.ring);
		report_ticket(&b, "seal", seal_batch);
		report_ticket(&b, "open", open_batch);
		report_handshakes(&b, 1);
		report_handshakes(&b, THREADS);
		stop(&b);
	}
	rotating_stop(&rotating);
	return 0;
}
