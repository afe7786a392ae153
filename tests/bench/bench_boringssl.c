/* SPDX-License-Identifier: ISC */
/*
 * BoringSSL's tickets with stek's adapter, against BoringSSL's own ticket
 * keys, while the ring's keys rotate once a second and BoringSSL's stay.
 *
 * Sealing and opening one ticket cannot be called from outside libssl.  So
 * done here is what libssl does with its own keys, call by call, without the
 * session's encoding and its lock: AES-128-CBC and HMAC-SHA256, keyed for
 * each ticket.  That this is right is checked: libssl resumes such a ticket.
 * The adapter's functions are the real ones, out of the shared library: see
 * SSL_CTX_set_ticket_aead_method() below.
 *
 * Whole resumed handshakes need no such care.
 */
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/cipher.h>
#include <openssl/crypto.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <stek/boringssl.h>

#include "bench.h"
#include "handshake.h"

#define NAME_LEN 16
#define IV_LEN   16
#define MAC_LEN  32
#define OVERHEAD (16 + 24 + 16) /* name, nonce, tag */
/* Short rounds and many: most then run without being interrupted. */
#define ROUNDS   501
#define BATCH    500 /* tickets a round */
#define SHAKES   10000 /* resumed handshakes of each thread and side */
#define RENEWED  100 /* handshakes between full ones, which do not count */
#define THREADS  2

/* In the order of SSL_CTX_set_tlsext_ticket_keys(). */
struct own_keys {
	uint8_t name[NAME_LEN];
	uint8_t mac[16];
	uint8_t aes[16];
};

struct bench {
	int version;
	SSL_CTX *ours;
	SSL_CTX *theirs;
	SSL_CTX *client;
	struct own_keys own;
	SSL *ssl; /* for the adapter to look at */
	uint8_t state[2048]; /* a real session, as it stands in a ticket */
	size_t state_len;
	uint8_t ticket[2][2048 + 128];
	size_t ticket_len[2];
};

static const SSL_TICKET_AEAD_METHOD *adapter;

#define must(ok)                                              \
	do {                                                  \
		if (!(ok))                                    \
			errx(1, "line %d: failed", __LINE__); \
	} while (0)

/* In the way of the adapter's call, to learn what it gives to libssl. */
__attribute__((visibility("default"))) void
SSL_CTX_set_ticket_aead_method(
    SSL_CTX *ctx, const SSL_TICKET_AEAD_METHOD *method)
{
	void (*real)(SSL_CTX *, const SSL_TICKET_AEAD_METHOD *);

	*(void **)&real = dlsym(RTLD_NEXT, "SSL_CTX_set_ticket_aead_method");
	must(real != NULL);
	adapter = method;
	real(ctx, method);
}

static size_t
seal_theirs(const struct bench *b, uint8_t *to)
{
	EVP_CIPHER_CTX aes;
	HMAC_CTX mac;
	uint8_t *p = to + NAME_LEN;
	unsigned int mac_len;
	int len, last;

	EVP_CIPHER_CTX_init(&aes);
	HMAC_CTX_init(&mac);
	memcpy(to, b->own.name, NAME_LEN);
	must(RAND_bytes(p, IV_LEN) &&
	     EVP_EncryptInit_ex(&aes, EVP_aes_128_cbc(), NULL, b->own.aes, p) &&
	     HMAC_Init_ex(
	         &mac, b->own.mac, sizeof(b->own.mac), EVP_sha256(), NULL));
	p += IV_LEN;
	must(EVP_EncryptUpdate(&aes, p, &len, b->state, (int)b->state_len) &&
	     EVP_EncryptFinal_ex(&aes, p + len, &last));
	p += len + last;
	must(HMAC_Update(&mac, to, (size_t)(p - to)) &&
	     HMAC_Final(&mac, p, &mac_len));
	EVP_CIPHER_CTX_cleanup(&aes);
	HMAC_CTX_cleanup(&mac);
	return (size_t)(p - to) + mac_len;
}

static void
open_theirs(const struct bench *b, const uint8_t *from, size_t from_len)
{
	size_t len = from_len - MAC_LEN;
	uint8_t made[EVP_MAX_MD_SIZE], *plain = OPENSSL_malloc(from_len);
	EVP_CIPHER_CTX aes;
	HMAC_CTX mac;
	int got, last;

	EVP_CIPHER_CTX_init(&aes);
	HMAC_CTX_init(&mac);
	must(plain != NULL && memcmp(from, b->own.name, NAME_LEN) == 0);
	must(HMAC_Init_ex(
	         &mac, b->own.mac, sizeof(b->own.mac), EVP_sha256(), NULL) &&
	     EVP_DecryptInit_ex(
	         &aes, EVP_aes_128_cbc(), NULL, b->own.aes, from + NAME_LEN));
	must(HMAC_Update(&mac, from, len) && HMAC_Final(&mac, made, NULL) &&
	     CRYPTO_memcmp(made, from + len, MAC_LEN) == 0);
	from += NAME_LEN + IV_LEN;
	must(EVP_DecryptUpdate(
	         &aes, plain, &got, from, (int)(len - NAME_LEN - IV_LEN)) &&
	     EVP_DecryptFinal_ex(&aes, plain + got, &last));
	EVP_CIPHER_CTX_cleanup(&aes);
	HMAC_CTX_cleanup(&mac);
	OPENSSL_free(plain);
}

static size_t
seal_ours(const struct bench *b, uint8_t *to)
{
	size_t len, max = b->state_len + adapter->max_overhead(b->ssl);

	must(adapter->seal(b->ssl, to, &len, max, b->state, b->state_len) == 1);
	must(len == b->state_len + OVERHEAD);
	return len;
}

static size_t
open_ours(
    const struct bench *b, const uint8_t *from, size_t from_len, uint8_t *keep)
{
	uint8_t *plain = OPENSSL_malloc(from_len);
	size_t len;

	must(plain != NULL && adapter->open(b->ssl, plain, &len, from_len, from,
	                          from_len) == ssl_ticket_aead_success);
	if (keep != NULL)
		memcpy(keep, plain, len);
	OPENSSL_free(plain);
	return len;
}

static double
seal_batch(int theirs, void *arg)
{
	uint64_t began = bench_now();
	struct bench *b = arg;
	size_t i;

	for (i = 0; i < BATCH; i++)
		b->ticket_len[theirs] = theirs ? seal_theirs(b, b->ticket[1])
		                               : seal_ours(b, b->ticket[0]);
	return (double)(bench_now() - began) / BATCH;
}

static double
open_batch(int theirs, void *arg)
{
	uint64_t began = bench_now();
	const struct bench *b = arg;
	size_t i;

	for (i = 0; i < BATCH; i++)
		if (theirs)
			open_theirs(b, b->ticket[1], b->ticket_len[1]);
		else
			(void)open_ours(
			    b, b->ticket[0], b->ticket_len[0], NULL);
	return (double)(bench_now() - began) / BATCH;
}

/* Does libssl, with its own keys, take a ticket that was sealed here? */
static void
check_theirs(struct bench *b, SSL_SESSION *session)
{
	bool resumed;

	b->ticket_len[1] = seal_theirs(b, b->ticket[1]);
	must(SSL_SESSION_set_ticket(session, b->ticket[1], b->ticket_len[1]));
	SSL_SESSION_free(handshake(b->client, b->theirs, session, &resumed));
	if (!resumed)
		errx(1, "BoringSSL does not know the tickets that are meant "
		        "to be like its own");
}

static void
start(struct bench *b, int version, const struct stek_ring *ring)
{
	SSL_SESSION *session;
	const uint8_t *ticket;
	bool resumed;
	size_t len;

	b->version = version;
	b->ours = handshake_server(version);
	b->theirs = handshake_server(version);
	b->client = handshake_client(version);
	must(stek_boringssl_use(b->ours, ring) == STEK_OK && adapter != NULL);
	must(
	    RAND_bytes((uint8_t *)&b->own, sizeof(b->own)) &&
	    SSL_CTX_set_tlsext_ticket_keys(b->theirs, &b->own, sizeof(b->own)));
	b->ssl = SSL_new(b->ours);
	session = handshake(b->client, b->ours, NULL, &resumed);
	SSL_SESSION_get0_ticket(session, &ticket, &len);
	must(len <= sizeof(b->state));
	b->state_len = open_ours(b, ticket, len, b->state);
	check_theirs(b, session);
	SSL_SESSION_free(session);
}

static void
stop(struct bench *b)
{
	SSL_free(b->ssl);
	SSL_CTX_free(b->ours);
	SSL_CTX_free(b->theirs);
	SSL_CTX_free(b->client);
}

/* A thread, and how long each of its handshakes took, ours and theirs. */
struct shaker {
	pthread_t thread;
	const struct bench *bench;
	SSL_SESSION *sessions[2];
	double ns[2][SHAKES];
};

static double
shake_once(const struct shaker *shaker, size_t theirs)
{
	const struct bench *b = shaker->bench;
	uint64_t began = bench_now();
	bool resumed;

	SSL_SESSION_free(handshake(b->client, theirs ? b->theirs : b->ours,
	    shaker->sessions[theirs], &resumed));
	must(resumed);
	return (double)(bench_now() - began);
}

/* Before their key is rotated out of the ring. */
static void
renew_sessions(struct shaker *shaker)
{
	const struct bench *b = shaker->bench;
	bool resumed;
	size_t i;

	for (i = 0; i < 2; i++) {
		SSL_SESSION_free(shaker->sessions[i]);
		shaker->sessions[i] = handshake(
		    b->client, i == 0 ? b->ours : b->theirs, NULL, &resumed);
	}
}

static void *
shake(void *arg)
{
	struct shaker *shaker = arg;
	size_t i, turn, side;

	for (i = 0; i < SHAKES; i++) {
		if (i % RENEWED == 0)
			renew_sessions(shaker);
		for (turn = 0; turn < 2; turn++) {
			side = (i + turn) % 2;
			shaker->ns[side][i] = shake_once(shaker, side);
		}
	}
	return NULL;
}

static struct bench_pair pair;

static char
minor(const struct bench *b)
{
	return b->version == TLS1_2_VERSION ? '2' : '3';
}

static double
report_ticket(struct bench *b, const char *what, double (*batch)(int, void *))
{
	double ours, theirs, ratio;

	bench_run(&pair, ROUNDS, batch, b);
	bench_medians(&pair, &ours, &theirs, &ratio);
	printf("TLS 1.%c  %-4s %3zu bytes, ns     %9.0f %9.0f   %5.2f times as "
	       "fast, goal 1.0: %s\n",
	    minor(b), what, b->state_len, theirs, ours, 1 / ratio,
	    bench_verdict(ratio <= 1));
	return ours;
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
report_handshakes(struct bench *b, size_t threads)
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
	    minor(b), threads, 1e9 / theirs * (double)threads,
	    1e9 / ours * (double)threads, theirs / ours,
	    bench_verdict(theirs >= ours));
}

static struct stek_key
make_key(int64_t seal_from)
{
	struct stek_key key;

	must(stek_key_mint(&key) == STEK_OK);
	key.seal_from = seal_from;
	key.seal_until = seal_from + 86400;
	key.open_until = seal_from + 2 * 86400;
	return key;
}

/* The ring, and the one that rotates its keys. */
struct rotation {
	pthread_t thread;
	struct stek_ring *ring;
	struct stek_set *set;
	atomic_bool over;
};

/* The last few keys are kept, and the first, of the tickets to be opened. */
static void
rotate(struct rotation *r)
{
	struct stek_key STEK_WIPED key = make_key(time(NULL));

	if (r->set->count == STEK_KEYS_MAX / 2)
		must(stek_set_remove(r->set, r->set->keys[1].name));
	must(stek_set_add(r->set, &key) == STEK_OK &&
	     stek_ring_publish(r->ring, r->set) == STEK_OK);
}

static void *
rotate_each_second(void *arg)
{
	struct rotation *r = arg;

	while (!atomic_load(&r->over)) {
		rotate(r);
		(void)sleep(1);
	}
	return NULL;
}

static void
run(int version)
{
	struct bench b = {0};
	struct stek_key STEK_WIPED first = make_key(time(NULL) - 60);
	struct rotation r = {.set = stek_set_new()};
	double ns;

	must(r.set != NULL && stek_ring_new(&r.ring) == STEK_OK &&
	     stek_set_add(r.set, &first) == STEK_OK &&
	     stek_ring_publish(r.ring, r.set) == STEK_OK);
	start(&b, version, r.ring);
	must(pthread_create(&r.thread, NULL, rotate_each_second, &r) == 0);
	(void)report_ticket(&b, "seal", seal_batch);
	ns = report_ticket(&b, "open", open_batch);
	printf("%52s   goal under 300 ns: %s\n", "", bench_verdict(ns < 300));
	report_handshakes(&b, 1);
	report_handshakes(&b, THREADS);
	atomic_store(&r.over, true);
	must(pthread_join(r.thread, NULL) == 0);
	stop(&b);
	stek_ring_close(r.ring);
	stek_set_free(r.set);
}

int
main(void)
{
	printf("%s; keys rotate once a second; medians of %d rounds in turn\n",
	    OpenSSL_version(OPENSSL_VERSION), ROUNDS);
	printf("                             BoringSSL's own      stek\n");
	run(TLS1_2_VERSION);
	run(TLS1_3_VERSION);
	return 0;
}
