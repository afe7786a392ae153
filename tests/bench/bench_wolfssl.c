/* SPDX-License-Identifier: ISC */
/*
 * wolfSSL's tickets with stek's adapter, against wolfSSL's own ticket keys,
 * while new keys are published once a second.
 *
 * wolfSSL's own callback cannot be called from outside.  So sealing and
 * opening do here what it does, call by call (5.5.4's DefTicketEncCb()): an
 * IV from its generator, ChaCha20-Poly1305, the key's name, IV and length as
 * associated data.  That this is right is checked: it opens a ticket that
 * wolfSSL made.  The adapter's callback is the real one, out of the shared
 * library: see wolfSSL_CTX_set_TicketEncCb() below.
 *
 * Whole resumed handshakes, client and server, need no such care.
 */
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stek/wolfssl.h>

#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/random.h>

#include "bench.h"
#include "handshake_wolfssl.h"

#define NAME_LEN  WOLFSSL_TICKET_NAME_SZ
#define IV_LEN    WOLFSSL_TICKET_IV_SZ
#define AD_LEN    (NAME_LEN + IV_LEN + 2)
#define STATE_AT  AD_LEN
#define STATE_LEN 108
#define MAC_AT    (STATE_AT + STATE_LEN)
#define OUR_LEN   (MAC_AT + WOLFSSL_TICKET_MAC_SZ)
/* Short rounds and many: most then run without being interrupted. */
#define ROUNDS    501
#define BATCH     500 /* tickets a round */
#define SHAKES    16000 /* at most, of each thread and side */
#define THREADS   2

/* As wolfSSL_CTX_set_tlsext_ticket_keys() has them. */
struct own_keys {
	uint8_t name[NAME_LEN];
	uint8_t key[2][WOLFSSL_TICKET_KEY_SZ];
	uint8_t expiry[2][4];
};

struct bench {
	int version;
	size_t shakes; /* resumed handshakes of each thread and side */
	WOLFSSL_CTX *ours;
	WOLFSSL_CTX *theirs;
	WOLFSSL_CTX *client;
	struct stek_wolfssl *keys;
	struct own_keys own;
	WC_RNG rng;
	WOLFSSL *ssl; /* for the callback to look at */
	uint8_t state[STATE_LEN]; /* a real session, as it stands in a ticket */
	uint8_t ticket[2][OUR_LEN];
};

static SessionTicketEncCb adapter;

#define must(ok)                                              \
	do {                                                  \
		if (!(ok))                                    \
			errx(1, "line %d: failed", __LINE__); \
	} while (0)

/* In the way of the adapter's call: there is no function to ask for it. */
__attribute__((visibility("default"))) int
wolfSSL_CTX_set_TicketEncCb(WOLFSSL_CTX *ctx, SessionTicketEncCb cb)
{
	int (*real)(WOLFSSL_CTX *, SessionTicketEncCb);

	*(void **)&real = dlsym(RTLD_NEXT, "wolfSSL_CTX_set_TicketEncCb");
	if (real == NULL)
		errx(1, "%s", dlerror());
	adapter = cb;
	return real(ctx, cb);
}

/* --- keys --------------------------------------------------------------- */

/* The ring: a key that opens what clients have, the last and the next one. */
struct farm {
	struct stek_ring *ring;
	struct stek_key old, last;
	pthread_t rotator;
	atomic_bool over;
};

static void
mint(struct stek_key *key, int64_t from)
{
	must(stek_key_mint(key) == STEK_OK);
	key->seal_from = from;
	key->seal_until = from + 86400;
	key->open_until = key->seal_until + 86400;
}

static void
publish_old(const struct farm *farm)
{
	struct stek_set *set = stek_set_new();

	must(set != NULL && stek_set_add(set, &farm->old) == STEK_OK);
	must(stek_ring_publish(farm->ring, set) == STEK_OK);
	stek_set_free(set);
}

static void
publish_next(struct farm *farm)
{
	struct stek_set *set = stek_set_new();
	struct stek_key next;

	mint(&next, time(NULL));
	must(set != NULL && stek_set_add(set, &farm->old) == STEK_OK &&
	     stek_set_add(set, &farm->last) == STEK_OK &&
	     stek_set_add(set, &next) == STEK_OK);
	must(stek_ring_publish(farm->ring, set) == STEK_OK);
	stek_set_free(set);
	farm->last = next;
}

static void *
rotate(void *arg)
{
	struct farm *farm = arg;

	while (!atomic_load(&farm->over)) {
		publish_next(farm);
		(void)sleep(1);
	}
	return NULL;
}

static void
begin_rotation(struct farm *farm)
{
	atomic_store(&farm->over, false);
	must(pthread_create(&farm->rotator, NULL, rotate, farm) == 0);
}

static void
end_rotation(struct farm *farm)
{
	atomic_store(&farm->over, true);
	must(pthread_join(farm->rotator, NULL) == 0);
}

/* --- tickets ------------------------------------------------------------ */

static void
set_length(uint8_t *ticket)
{
	ticket[STATE_AT - 2] = STATE_LEN >> 8;
	ticket[STATE_AT - 1] = STATE_LEN & 0xff;
}

static void
seal_theirs(struct bench *b, uint8_t *to)
{
	uint8_t ad[AD_LEN];

	memcpy(to, b->own.name, NAME_LEN);
	must(wc_RNG_GenerateBlock(&b->rng, to + NAME_LEN, IV_LEN) == 0);
	must(time(NULL) > 0);
	set_length(to);
	memcpy(ad, to, AD_LEN);
	memcpy(to + STATE_AT, b->state, STATE_LEN);
	must(wc_ChaCha20Poly1305_Encrypt(b->own.key[0], to + NAME_LEN, ad,
	         AD_LEN, to + STATE_AT, STATE_LEN, to + STATE_AT,
	         to + MAC_AT) == 0);
}

static void
open_theirs(const struct bench *b, const uint8_t *from, uint8_t *state)
{
	uint8_t ad[AD_LEN];

	must(memcmp(from, b->own.name, NAME_LEN) == 0 && time(NULL) > 0);
	memcpy(ad, from, AD_LEN);
	memcpy(state, from + STATE_AT, STATE_LEN);
	must(wc_ChaCha20Poly1305_Decrypt(b->own.key[0], from + NAME_LEN, ad,
	         AD_LEN, state, STATE_LEN, from + MAC_AT, state) == 0);
}

static void
seal_ours(struct bench *b, uint8_t *to)
{
	int len;

	set_length(to);
	memcpy(to + STATE_AT, b->state, STATE_LEN);
	must(adapter(b->ssl, to, to + NAME_LEN, to + MAC_AT, 1, to + STATE_AT,
	         STATE_LEN, &len, b->keys) == WOLFSSL_TICKET_RET_OK);
}

static void
open_ours(const struct bench *b, uint8_t *from, uint8_t *state)
{
	int len;

	memcpy(state, from + STATE_AT, STATE_LEN);
	must(adapter(b->ssl, from, from + NAME_LEN, from + MAC_AT, 0, state,
	         STATE_LEN, &len, b->keys) == WOLFSSL_TICKET_RET_OK);
}

static double
seal_batch(int theirs, void *arg)
{
	uint64_t began = bench_now();
	struct bench *b = arg;
	size_t i;

	for (i = 0; i < BATCH; i++)
		if (theirs)
			seal_theirs(b, b->ticket[1]);
		else
			seal_ours(b, b->ticket[0]);
	return (double)(bench_now() - began) / BATCH;
}

static double
open_batch(int theirs, void *arg)
{
	uint8_t state[STATE_LEN];
	struct bench *b = arg;
	uint64_t began;
	size_t i;

	seal_ours(b, b->ticket[0]); /* its key may have been replaced */
	began = bench_now();
	for (i = 0; i < BATCH; i++)
		if (theirs)
			open_theirs(b, b->ticket[1], state);
		else
			open_ours(b, b->ticket[0], state);
	return (double)(bench_now() - began) / BATCH;
}

/* --- handshakes --------------------------------------------------------- */

static WOLFSSL_SESSION *
first(const struct bench *b, WOLFSSL_CTX *server)
{
	WOLFSSL_SESSION *session;
	bool resumed;

	session = wolfssl_handshake(b->client, server, NULL, NULL, &resumed);
	must(session != NULL);
	return session;
}

/* What is taken for wolfSSL's way must open what wolfSSL sealed. */
static void
take_state(struct bench *b)
{
	WOLFSSL_SESSION *session = first(b, b->theirs);
	WOLFSSL *ssl = wolfSSL_new(b->client);
	uint8_t ticket[OUR_LEN];
	word32 len = sizeof(ticket);

	must(ssl != NULL && wolfSSL_set_session(ssl, session) == 1 &&
	     wolfSSL_get_SessionTicket(ssl, ticket, &len) == 1 &&
	     len == sizeof(ticket));
	open_theirs(b, ticket, b->state);
	must((b->state[0] << 8 | b->state[1]) == b->version);
	wolfSSL_free(ssl);
	wolfSSL_SESSION_free(session);
}

static void
start(struct bench *b, int version, const struct farm *farm)
{
	b->version = version;
	/* One of 1.3 takes ten times as long. */
	b->shakes = version == TLS1_2_VERSION ? SHAKES : SHAKES / 4;
	b->ours = wolfssl_server_ctx();
	b->theirs = wolfssl_server_ctx();
	b->client = wolfssl_client_ctx(version);
	must(wc_InitRng(&b->rng) == 0);
	must(wc_RNG_GenerateBlock(
	         &b->rng, (uint8_t *)&b->own, sizeof(b->own)) == 0);
	b->own.name[NAME_LEN - 1] &= 0xfe; /* tells which of two keys */
	memset(b->own.expiry, 0xff, sizeof(b->own.expiry));
	must(wolfSSL_CTX_set_tlsext_ticket_keys(
	         b->theirs, (uint8_t *)&b->own, sizeof(b->own)) == 1);
	must(stek_wolfssl_use(b->ours, farm->ring, &b->keys) == STEK_OK);
	b->ssl = wolfSSL_new(b->ours);
	must(b->ssl != NULL && adapter != NULL);
	take_state(b);
	seal_theirs(b, b->ticket[1]);
}

static void
stop(struct bench *b)
{
	wolfSSL_free(b->ssl);
	wolfSSL_CTX_free(b->ours);
	wolfSSL_CTX_free(b->theirs);
	wolfSSL_CTX_free(b->client);
	stek_wolfssl_free(b->keys);
	must(wc_FreeRng(&b->rng) == 0);
}

/* A thread, and how long each of its handshakes took, ours and theirs. */
struct shaker {
	pthread_t thread;
	const struct bench *bench;
	WOLFSSL_SESSION *sessions[2];
	double ns[2][SHAKES];
};

static double
shake_once(const struct shaker *shaker, size_t theirs)
{
	const struct bench *b = shaker->bench;
	uint64_t began = bench_now();
	WOLFSSL_SESSION *session;
	bool resumed;

	session = wolfssl_handshake(b->client, theirs ? b->theirs : b->ours,
	    shaker->sessions[theirs], NULL, &resumed);
	must(session != NULL && resumed);
	wolfSSL_SESSION_free(session);
	return (double)(bench_now() - began);
}

static void *
shake(void *arg)
{
	struct shaker *shaker = arg;
	size_t i, turn, side;

	for (i = 0; i < shaker->bench->shakes; i++)
		for (turn = 0; turn < 2; turn++) {
			side = (i + turn) % 2;
			shaker->ns[side][i] = shake_once(shaker, side);
		}
	return NULL;
}

/* --- the table ---------------------------------------------------------- */

static struct bench_pair pair;

static char
minor(const struct bench *b)
{
	return b->version == TLS1_2_VERSION ? '2' : '3';
}

static void
report_ticket(struct bench *b, struct farm *farm, const char *what,
    double (*batch)(int, void *))
{
	double ours, theirs, ratio;

	begin_rotation(farm);
	bench_run(&pair, ROUNDS, batch, b);
	end_rotation(farm);
	bench_medians(&pair, &ours, &theirs, &ratio);
	printf("TLS 1.%c  %-4s a ticket, ns      %9.0f %9.0f   %5.2f times as "
	       "fast, goal 1.0: %s\n",
	    minor(b), what, theirs, ours, 1 / ratio,
	    bench_verdict(1 / ratio >= 1.0));
}

/* side 2: how many times as many, each handshake against its neighbour. */
static double
median_of_all(const struct shaker *shakers, size_t threads, int side)
{
	static double all[THREADS * SHAKES];
	size_t i, n, count = 0;

	for (i = 0; i < threads; i++)
		for (n = 0; n < shakers->bench->shakes; n++)
			all[count++] = side < 2 ? shakers[i].ns[side][n]
			                        : shakers[i].ns[1][n] /
			                              shakers[i].ns[0][n];
	return bench_quantile(all, count, 0.5);
}

static void
shake_all(
    struct bench *b, struct farm *farm, struct shaker *shakers, size_t threads)
{
	size_t i;

	publish_old(farm); /* sessions of the key that stays */
	for (i = 0; i < threads; i++) {
		shakers[i].bench = b;
		shakers[i].sessions[0] = first(b, b->ours);
		shakers[i].sessions[1] = first(b, b->theirs);
	}
	begin_rotation(farm);
	for (i = 0; i < threads; i++)
		must(pthread_create(
		         &shakers[i].thread, NULL, shake, &shakers[i]) == 0);
	for (i = 0; i < threads; i++) {
		must(pthread_join(shakers[i].thread, NULL) == 0);
		wolfSSL_SESSION_free(shakers[i].sessions[0]);
		wolfSSL_SESSION_free(shakers[i].sessions[1]);
	}
	end_rotation(farm);
}

static void
report_handshakes(struct bench *b, struct farm *farm, size_t threads)
{
	static struct shaker shakers[THREADS];
	double ours, theirs, ratio;

	shake_all(b, farm, shakers, threads);
	ours = median_of_all(shakers, threads, 0);
	theirs = median_of_all(shakers, threads, 1);
	ratio = median_of_all(shakers, threads, 2);
	printf("TLS 1.%c  resumed a second, %zu thr. %9.0f %9.0f   %5.3f times "
	       "as many, goal 1.0: %s\n",
	    minor(b), threads, 1e9 / theirs * (double)threads,
	    1e9 / ours * (double)threads, ratio, bench_verdict(ratio >= 1.0));
}

int
main(void)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static struct farm farm;
	static struct bench b;
	size_t i;

	must(stek_ring_new(&farm.ring) == STEK_OK);
	mint(&farm.old, time(NULL) - 60);
	mint(&farm.last, time(NULL) - 30);
	publish_old(&farm);
	printf("wolfSSL %s; medians of %d rounds in turn; new keys once a "
	       "second\n",
	    wolfSSL_lib_version(), ROUNDS);
	printf("                               wolfSSL's own     stek\n");
	for (i = 0; i < 2; i++) {
		start(&b, versions[i], &farm);
		report_ticket(&b, &farm, "seal", seal_batch);
		report_ticket(&b, &farm, "open", open_batch);
		report_handshakes(&b, &farm, 1);
		report_handshakes(&b, &farm, THREADS);
		stop(&b);
	}
	stek_ring_close(farm.ring);
	return 0;
}
