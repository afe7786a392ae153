/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL's tickets with stek's adapter, against OpenSSL's own ticket keys.
 *
 * Sealing and opening one ticket cannot be called from outside libssl.  So
 * both sides do here what libssl 3.0 does around them, call by call (its
 * construct_stateless_ticket() and tls_decrypt_ticket(), without the session's
 * encoding, which is the same for both): with its own keys it fetches cipher
 * and MAC and keys them for each ticket; with a callback it makes two empty
 * contexts and calls it.  The adapter's callback is the real one, out of the
 * shared library: see SSL_CTX_callback_ctrl() below.  That what is done here
 * for OpenSSL's own keys is right is checked: libssl resumes such a ticket.
 *
 * Whole resumed handshakes need no such care.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stek/openssl.h>

#include "bench.h"
#include "../adapters/client.h"
#include "handshake.h"
#include "rotating.h"

#define NAME_LEN 16
#define IV_LEN   16
#define MAC_LEN  32
/* Short rounds and many: most then run without being interrupted. */
#define ROUNDS   501
#define BATCH    500 /* tickets a round */
#define SHAKES   6000 /* resumed handshakes of each thread and side */
#define THREADS  2

typedef int callback(
    SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, HMAC_CTX *, int);

/* OpenSSL's own keys, in the order of SSL_CTX_set_tlsext_ticket_keys(). */
struct own_keys {
	uint8_t name[NAME_LEN];
	uint8_t mac[32];
	uint8_t aes[32];
};

struct bench {
	int version;
	SSL_CTX *ours;
	SSL_CTX *theirs;
	SSL_CTX *client;
	struct stek_key key;
	struct own_keys own;
	SSL *ssl; /* for the callback to look at */
	uint8_t state[2048]; /* a real session, as it stands in a ticket */
	size_t state_len;
	uint8_t ticket[2][2048];
	size_t ticket_len;
};

static callback *adapter;

/*
 * In the way of the adapter's call, to learn what it gives to libssl: there
 * is no function to ask for the callback.
 */
__attribute__((visibility("default"))) long
SSL_CTX_callback_ctrl(SSL_CTX *ctx, int what, void (*function)(void))
{
	long (*real)(SSL_CTX *, int, void (*)(void));

	*(void **)&real = dlsym(RTLD_NEXT, "SSL_CTX_callback_ctrl");
	if (real == NULL)
		errx(1, "%s", dlerror());
	if (what == SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB)
		*(void **)&adapter = *(void **)&function;
	return real(ctx, what, function);
}

#define must(ok)                                              \
	do {                                                  \
		if (!(ok))                                    \
			errx(1, "line %d: failed", __LINE__); \
	} while (0)

static size_t
encrypt(EVP_CIPHER_CTX *aes, const struct bench *b, uint8_t *to)
{
	int len, last;

	must(EVP_EncryptUpdate(aes, to, &len, b->state, (int)b->state_len));
	must(EVP_EncryptFinal(aes, to + len, &last));
	return (size_t)(len + last);
}

static void
decrypt(EVP_CIPHER_CTX *aes, const uint8_t *from, size_t len)
{
	uint8_t *plain = OPENSSL_malloc(len);
	int got, last;

	must(plain != NULL &&
	     EVP_DecryptUpdate(aes, plain, &got, from, (int)len) &&
	     EVP_DecryptFinal(aes, plain + got, &last));
	OPENSSL_free(plain);
}

static void
key_mac(EVP_MAC_CTX *mac, const struct own_keys *own)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};

	must(EVP_MAC_init(mac, own->mac, sizeof(own->mac), params));
}

static EVP_MAC_CTX *
new_mac(void)
{
	EVP_MAC *fetched = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(fetched);

	must(mac != NULL);
	EVP_MAC_free(fetched);
	return mac;
}

static size_t
seal_theirs(const struct bench *b, uint8_t *to)
{
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	EVP_MAC_CTX *mac = new_mac();
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	uint8_t iv[EVP_MAX_IV_LENGTH];
	size_t len;

	must(cipher != NULL && RAND_bytes_ex(NULL, iv, IV_LEN, 0) > 0 &&
	     EVP_EncryptInit_ex(aes, cipher, NULL, b->own.aes, iv));
	key_mac(mac, &b->own);
	EVP_CIPHER_free(cipher);
	memcpy(to, b->own.name, NAME_LEN);
	memcpy(to + NAME_LEN, iv, IV_LEN);
	len = NAME_LEN + IV_LEN;
	len += encrypt(aes, b, to + len);
	must(EVP_MAC_update(mac, to, len) &&
	     EVP_MAC_final(mac, to + len, &(size_t) {0}, MAC_LEN));
	EVP_CIPHER_CTX_free(aes);
	EVP_MAC_CTX_free(mac);
	return len + MAC_LEN;
}

static size_t
seal_ours(const struct bench *b, uint8_t *to)
{
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	HMAC_CTX *mac = HMAC_CTX_new();
	uint8_t iv[EVP_MAX_IV_LENGTH];
	size_t len;

	must(adapter(b->ssl, to, iv, aes, mac, 1) == 1);
	memcpy(to + NAME_LEN, iv, IV_LEN);
	len = NAME_LEN + IV_LEN;
	len += encrypt(aes, b, to + len);
	must(HMAC_Update(mac, to, len) && HMAC_Final(mac, to + len, NULL));
	EVP_CIPHER_CTX_free(aes);
	HMAC_CTX_free(mac);
	return len + MAC_LEN;
}

static void
open_theirs(const struct bench *b, const uint8_t *from)
{
	EVP_MAC_CTX *mac = new_mac();
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	size_t len = b->ticket_len - MAC_LEN;
	EVP_CIPHER *cipher;
	uint8_t made[EVP_MAX_MD_SIZE];

	must(memcmp(from, b->own.name, NAME_LEN) == 0);
	cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	key_mac(mac, &b->own);
	must(
	    EVP_DecryptInit_ex(aes, cipher, NULL, b->own.aes, from + NAME_LEN));
	EVP_CIPHER_free(cipher);
	must(EVP_MAC_update(mac, from, len) &&
	     EVP_MAC_final(mac, made, &(size_t) {0}, sizeof(made)) &&
	     CRYPTO_memcmp(made, from + len, MAC_LEN) == 0);
	decrypt(aes, from + NAME_LEN + IV_LEN, len - NAME_LEN - IV_LEN);
	EVP_CIPHER_CTX_free(aes);
	EVP_MAC_CTX_free(mac);
}

static void
open_ours(const struct bench *b, uint8_t *from)
{
	HMAC_CTX *mac = HMAC_CTX_new();
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	size_t len = b->ticket_len - MAC_LEN;
	uint8_t made[EVP_MAX_MD_SIZE];

	must(adapter(b->ssl, from, from + NAME_LEN, aes, mac, 0) == 1);
	must(HMAC_Update(mac, from, len) && HMAC_Final(mac, made, NULL) &&
	     CRYPTO_memcmp(made, from + len, MAC_LEN) == 0);
	decrypt(aes, from + NAME_LEN + IV_LEN, len - NAME_LEN - IV_LEN);
	EVP_CIPHER_CTX_free(aes);
	HMAC_CTX_free(mac);
}

static double
seal_batch(int theirs, void *arg)
{
	uint64_t began = bench_now();
	struct bench *b = arg;
	size_t i;

	for (i = 0; i < BATCH; i++)
		b->ticket_len = theirs ? seal_theirs(b, b->ticket[1])
		                       : seal_ours(b, b->ticket[0]);
	return (double)(bench_now() - began) / BATCH;
}

static double
open_batch(int theirs, void *arg)
{
	uint64_t began = bench_now();
	struct bench *b = arg;
	size_t i;

	for (i = 0; i < BATCH; i++)
		if (theirs)
			open_theirs(b, b->ticket[1]);
		else
			open_ours(b, b->ticket[0]);
	return (double)(bench_now() - began) / BATCH;
}

/* The session that a ticket of our key holds. */
static void
take_state(struct bench *b, const uint8_t *ticket, size_t len)
{
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	int got, last;

	must(EVP_DecryptInit_ex(
	    aes, EVP_aes_256_cbc(), NULL, b->key.aes, ticket + NAME_LEN));
	must(EVP_DecryptUpdate(aes, b->state, &got, ticket + NAME_LEN + IV_LEN,
	    (int)(len - NAME_LEN - IV_LEN - MAC_LEN)));
	must(EVP_DecryptFinal(aes, b->state + got, &last));
	b->state_len = (size_t)(got + last);
	EVP_CIPHER_CTX_free(aes);
}

/* Does libssl, with its own keys, take a ticket that was sealed here? */
static void
check_theirs(struct bench *b, const SSL_SESSION *session)
{
	size_t len = seal_theirs(b, b->ticket[1]);
	SSL_SESSION *other = session_with_ticket(session, b->ticket[1], len);
	bool resumed;

	must(other != NULL);
	SSL_SESSION_free(handshake(b->client, b->theirs, other, &resumed));
	SSL_SESSION_free(other);
	if (!resumed)
		errx(1, "OpenSSL does not know the tickets that are meant to "
		        "be like its own");
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
	must(stek_openssl_use(b->ours, ring) == STEK_OK && adapter != NULL);
	must(RAND_bytes((uint8_t *)&b->own, sizeof(b->own)) > 0);
	must(
	    SSL_CTX_set_tlsext_ticket_keys(b->theirs, &b->own, sizeof(b->own)));
	b->ssl = SSL_new(b->ours);
	session = handshake(b->client, b->ours, NULL, &resumed);
	SSL_SESSION_get0_ticket(session, &ticket, &len);
	take_state(b, ticket, len);
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

static void *
shake(void *arg)
{
	struct shaker *shaker = arg;
	size_t i, turn, side;

	for (i = 0; i < SHAKES; i++)
		for (turn = 0; turn < 2; turn++) {
			side = (i + turn) % 2;
			shaker->ns[side][i] = shake_once(shaker, side);
		}
	return NULL;
}

static struct bench_pair pair;

static void
report_ticket(struct bench *b, const char *what, double (*batch)(int, void *),
    double goal)
{
	double ours, theirs, ratio;

	bench_run(&pair, ROUNDS, batch, b);
	bench_medians(&pair, &ours, &theirs, &ratio);
	printf("TLS 1.%c  %-4s a ticket, ns      %9.0f %9.0f   %5.2f times as "
	       "fast, goal %.1f: %s\n",
	    b->version == TLS1_2_VERSION ? '2' : '3', what, theirs, ours,
	    1 / ratio, goal, bench_verdict(1 / ratio >= goal));
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

/* Handshake by handshake in turn: their difference is a hundredth in 1.2. */
static void
report_handshakes(struct bench *b, size_t threads)
{
	static struct shaker shakers[THREADS];
	double ours, theirs;
	bool resumed;
	size_t i;

	for (i = 0; i < threads; i++) {
		shakers[i].bench = b;
		shakers[i].sessions[0] =
		    handshake(b->client, b->ours, NULL, &resumed);
		shakers[i].sessions[1] =
		    handshake(b->client, b->theirs, NULL, &resumed);
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

int
main(void)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static struct rotating rotating;
	struct bench b = {0};
	size_t i;

	rotating_start(&rotating);
	b.key = rotating.key;
	printf("%s; medians of %d rounds in turn; a publish a second\n",
	    OpenSSL_version(OPENSSL_VERSION), ROUNDS);
	printf("                               OpenSSL's own      stek\n");
	for (i = 0; i < 2; i++) {
		start(&b, versions[i], rotating.ring);
		report_ticket(&b, "seal", seal_batch, 1.5);
		report_ticket(&b, "open", open_batch, 2.0);
		report_handshakes(&b, 1);
		report_handshakes(&b, THREADS);
		stop(&b);
	}
	rotating_stop(&rotating);
	return 0;
}
