/* SPDX-License-Identifier: ISC */
/*
 * GnuTLS's tickets with stek's adapter, against GnuTLS with a master of its
 * own, as gnutls_session_ticket_enable_server() takes it.
 *
 * GnuTLS does all of a ticket's cryptography on both sides, so sealing and
 * opening cost the same; what the adapter adds is measured by itself: what a
 * session is given before its handshake, and the hook, at a ClientHello with a
 * ticket.  A key is published every second; the client then comes with a
 * ticket of the new one, as most clients of a server do.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include <stek/gnutls.h>

#include "bench.h"
#include "handshake.h"

#define ROUNDS  301
#define BATCH   200 /* sessions a round */
#define SHAKES  6000 /* resumed handshakes of each thread and side */
#define THREADS 2
#define KEPT    4 /* keys in the ring */

struct bench {
	int version;
	struct stek_ring *ring;
	struct stek_gnutls *tickets;
	gnutls_datum_t master;
	gnutls_certificate_credentials_t cert;
	gnutls_priority_t priority;
	SSL_CTX *client;
	uint8_t hello[2048]; /* a ClientHello with a ticket */
	gnutls_datum_t hello_msg;
};

static atomic_bool over;

#define must(ok)                                              \
	do {                                                  \
		if (!(ok))                                    \
			errx(1, "line %d: failed", __LINE__); \
	} while (0)

/* --- a GnuTLS server at the other end of a BIO */

static ssize_t
push(gnutls_transport_ptr_t bio, const void *bytes, size_t len)
{
	return BIO_write(bio, bytes, (int)len);
}

static ssize_t
pull(gnutls_transport_ptr_t p, void *bytes, size_t len)
{
	gnutls_session_t session = p;
	int got = BIO_read(gnutls_session_get_ptr(session), bytes, (int)len);

	if (got <= 0)
		gnutls_transport_set_errno(session, EAGAIN);
	return got;
}

static int
always_ready(gnutls_transport_ptr_t session, unsigned int ms)
{
	(void)session;
	(void)ms;
	return 1;
}

static void
enable(const struct bench *b, gnutls_session_t session, bool theirs)
{
	if (theirs)
		must(gnutls_session_ticket_enable_server(session, &b->master) ==
		     0);
	else
		must(stek_gnutls_use(session, b->tickets) == STEK_OK);
}

static gnutls_session_t
new_session(const struct bench *b)
{
	gnutls_session_t session;

	must(gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK) == 0 &&
	     gnutls_priority_set(session, b->priority) == 0 &&
	     gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, b->cert) ==
	         0);
	return session;
}

static gnutls_session_t
serve(const struct bench *b, bool theirs, BIO *bio)
{
	gnutls_session_t session = new_session(b);

	enable(b, session, theirs);
	gnutls_session_set_ptr(session, bio);
	gnutls_transport_set_ptr2(session, session, bio);
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_pull_timeout_function(session, always_ready);
	return session;
}

/* As handshake() of handshake.h, with such a server. */
static SSL_SESSION *
shake_hands(
    const struct bench *b, bool theirs, SSL_SESSION *session, bool *resumed)
{
	SSL *client = SSL_new(b->client);
	gnutls_session_t server;
	int c = 0, s = -1, turns;
	BIO *one, *two;
	char byte;

	must(client != NULL && BIO_new_bio_pair(&one, 0, &two, 0));
	SSL_set_bio(client, one, one);
	server = serve(b, theirs, two);
	must(session == NULL || SSL_set_session(client, session));
	for (turns = 0; turns < 8 && (c != 1 || s != 0); turns++) {
		c = SSL_connect(client);
		if (s != 0) /* else it would begin another one */
			s = gnutls_handshake(server);
	}
	must(c == 1 && s == 0);
	must(gnutls_record_send(server, "!", 1) == 1 &&
	     SSL_read(client, &byte, 1) == 1);
	*resumed = gnutls_session_is_resumed(server) != 0;
	session = SSL_get1_session(client);
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client);
	gnutls_deinit(server);
	BIO_free(two);
	return session;
}

/* --- keys */

static struct stek_key
new_key(void)
{
	struct stek_key key;

	must(stek_key_mint(&key) == STEK_OK);
	key.seal_from = time(NULL);
	key.seal_until = key.seal_from + 3600;
	key.open_until = key.seal_until + 3600;
	return key;
}

static void
rotate(struct stek_ring *ring, struct stek_set *set)
{
	struct stek_key key = new_key();

	if (set->count == KEPT)
		must(stek_set_remove(set, set->keys[0].name));
	must(stek_set_add(set, &key) == STEK_OK &&
	     stek_ring_publish(ring, set) == STEK_OK);
}

static void *
rotate_each_second(void *ring)
{
	struct stek_set *set = stek_set_new();

	must(set != NULL);
	stek_ring_read(ring, set);
	while (!atomic_load(&over)) {
		(void)sleep(1);
		rotate(ring, set);
	}
	stek_set_free(set);
	return NULL;
}

/* --- what a session costs */

static void
look(const struct bench *b, gnutls_session_t session, unsigned int when)
{
	must(stek_gnutls_hook(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, when, 1,
	         &b->hello_msg) == 0);
}

static double
session_batch(int theirs, void *arg)
{
	static gnutls_session_t sessions[BATCH];
	struct bench *b = arg;
	uint64_t began, took;
	size_t i;

	for (i = 0; i < BATCH; i++)
		sessions[i] = new_session(b);
	began = bench_now();
	for (i = 0; i < BATCH; i++) {
		enable(b, sessions[i], theirs);
		if (theirs)
			continue;
		look(b, sessions[i], GNUTLS_HOOK_PRE);
		look(b, sessions[i], GNUTLS_HOOK_POST);
	}
	took = bench_now() - began;
	for (i = 0; i < BATCH; i++)
		gnutls_deinit(sessions[i]);
	return (double)took / BATCH;
}

static void
take_hello(int sent, int version, int type, const void *bytes, size_t len,
    SSL *ssl, void *arg)
{
	struct bench *b = arg;

	(void)version;
	(void)ssl;
	if (!sent || type != SSL3_RT_HANDSHAKE ||
	    *(const uint8_t *)bytes != SSL3_MT_CLIENT_HELLO)
		return;
	must(len - 4 <= sizeof(b->hello));
	memcpy(b->hello, (const uint8_t *)bytes + 4, len - 4);
	b->hello_msg.data = b->hello;
	b->hello_msg.size = (unsigned int)len - 4;
}

static struct bench_pair pair;

static void
report_session(struct bench *b)
{
	double ours, theirs, ratio;
	SSL_SESSION *session;
	bool resumed;

	session = shake_hands(b, false, NULL, &resumed);
	SSL_CTX_set_msg_callback(b->client, take_hello);
	SSL_CTX_set_msg_callback_arg(b->client, b);
	SSL_SESSION_free(shake_hands(b, false, session, &resumed));
	SSL_CTX_set_msg_callback(b->client, NULL);
	SSL_SESSION_free(session);
	must(resumed);
	bench_run(&pair, ROUNDS, session_batch, b);
	bench_medians(&pair, &ours, &theirs, &ratio);
	printf("TLS 1.%c  to give a master, ns    %9.0f %9.0f\n",
	    b->version == TLS1_2_VERSION ? '2' : '3', theirs, ours);
}

/* --- whole handshakes */

/* A thread, and how long each of its handshakes took, ours and theirs. */
struct shaker {
	pthread_t thread;
	const struct bench *bench;
	SSL_SESSION *sessions[2];
	uint64_t turn; /* of the ring, when ours was new */
	double ns[2][SHAKES];
};

static void
renew(struct shaker *shaker, size_t side)
{
	bool resumed;

	shaker->turn = stek_ring_turn(shaker->bench->ring);
	SSL_SESSION_free(shaker->sessions[side]);
	shaker->sessions[side] =
	    shake_hands(shaker->bench, side, NULL, &resumed);
}

/* False: a key was published meanwhile. */
static bool
shake_once(struct shaker *shaker, size_t side, double *ns)
{
	const struct bench *b = shaker->bench;
	uint64_t began = bench_now();
	bool resumed;

	SSL_SESSION_free(
	    shake_hands(b, side, shaker->sessions[side], &resumed));
	*ns = (double)(bench_now() - began);
	if (side == 0 && stek_ring_turn(b->ring) != shaker->turn)
		return false;
	must(resumed);
	return true;
}

static void *
shake(void *arg)
{
	struct shaker *shaker = arg;
	size_t i, turn, side;

	renew(shaker, 1);
	renew(shaker, 0);
	for (i = 0; i < SHAKES; i++)
		for (turn = 0; turn < 2; turn++) {
			side = (i + turn) % 2;
			while (!shake_once(shaker, side, &shaker->ns[side][i]))
				renew(shaker, 0);
		}
	return NULL;
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

static void
report_handshakes(const struct bench *b, size_t threads)
{
	static struct shaker shakers[THREADS];
	double ours, theirs;
	size_t i;

	memset(shakers, 0, sizeof(shakers));
	for (i = 0; i < threads; i++) {
		shakers[i].bench = b;
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
	    theirs / ours, bench_verdict(theirs >= ours));
}

static void
start(struct bench *b, int version)
{
	b->version = version;
	b->client = handshake_client(version);
	must(gnutls_priority_init(&b->priority,
	         version == TLS1_2_VERSION ? "NORMAL:-VERS-ALL:+VERS-TLS1.2"
	                                   : "NORMAL:-VERS-ALL:+VERS-TLS1.3",
	         NULL) == 0);
}

static void
stop(struct bench *b)
{
	SSL_CTX_free(b->client);
	gnutls_priority_deinit(b->priority);
}

static void
report_version(struct bench *b, int version)
{
	pthread_t rotator;

	start(b, version);
	report_session(b);
	atomic_store(&over, false);
	must(pthread_create(&rotator, NULL, rotate_each_second, b->ring) == 0);
	report_handshakes(b, 1);
	report_handshakes(b, THREADS);
	atomic_store(&over, true);
	must(pthread_join(rotator, NULL) == 0);
	stop(b);
}

/* Of handshake_server()'s certificate and key. */
static void
certify(struct bench *b)
{
	SSL_CTX *ctx = handshake_server(TLS1_3_VERSION);
	gnutls_datum_t cert = {NULL, 0}, key = {NULL, 0};
	int len;

	len = i2d_X509(SSL_CTX_get0_certificate(ctx), &cert.data);
	must(len > 0);
	cert.size = (unsigned int)len;
	len = i2d_PrivateKey(SSL_CTX_get0_privatekey(ctx), &key.data);
	must(len > 0);
	key.size = (unsigned int)len;
	must(gnutls_certificate_allocate_credentials(&b->cert) == 0 &&
	     gnutls_certificate_set_x509_key_mem(
	         b->cert, &cert, &key, GNUTLS_X509_FMT_DER) == 0);
	OPENSSL_free(cert.data);
	OPENSSL_free(key.data);
	SSL_CTX_free(ctx);
}

int
main(void)
{
	struct stek_set *set = stek_set_new();
	struct bench b = {0};

	must(set != NULL && stek_ring_new(&b.ring) == STEK_OK &&
	     stek_gnutls_new(b.ring, &b.tickets) == STEK_OK &&
	     gnutls_session_ticket_key_generate(&b.master) == 0);
	rotate(b.ring, set);
	certify(&b);
	printf("GnuTLS %s; medians, in turn; a key published each second\n",
	    gnutls_check_version(NULL));
	printf("                                GnuTLS's own      stek\n");
	report_version(&b, TLS1_2_VERSION);
	report_version(&b, TLS1_3_VERSION);
	stek_set_free(set);
	gnutls_free(b.master.data);
	gnutls_certificate_free_credentials(b.cert);
	stek_gnutls_free(b.tickets);
	stek_ring_close(b.ring);
	return 0;
}
