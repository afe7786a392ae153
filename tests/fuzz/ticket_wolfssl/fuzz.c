/* SPDX-License-Identifier: ISC */
/*
 * What wolfSSL hands to the adapter: a ticket as it came ('t' and iv, mac and
 * state, under a name that is known), one of any length ('l' and the state),
 * or a good one altered ('a', where, and what to change there).
 *
 * Invariant: only what was sealed is opened, and to what it was.
 */
#include <string.h>

#include <stek/wolfssl.h>

#include "fuzz.h"

#define STATE_LEN 108

struct ticket {
	uint8_t name[WOLFSSL_TICKET_NAME_SZ];
	uint8_t iv[WOLFSSL_TICKET_IV_SZ];
	uint8_t mac[WOLFSSL_TICKET_MAC_SZ];
	uint8_t state[STATE_LEN];
};

static SessionTicketEncCb callback;
static struct stek_ring *ring;
static struct stek_wolfssl *keys;
static WOLFSSL_CTX *ctx;
static WOLFSSL *ssl;

/* In the place of wolfSSL's, to learn what it would be given. */
int
wolfSSL_CTX_set_TicketEncCb(WOLFSSL_CTX *unused, SessionTicketEncCb cb)
{
	(void)unused;
	callback = cb;
	return WOLFSSL_SUCCESS;
}

static void
make_ring(void)
{
	struct stek_set *set = stek_set_new();
	struct stek_key key;

	FUZZ_EXPECT(set != NULL && stek_ring_new(&ring) == STEK_OK);
	FUZZ_EXPECT(stek_key_mint(&key) == STEK_OK);
	key.seal_from = 1;
	key.seal_until = key.open_until = INT64_C(253402300799);
	FUZZ_EXPECT(stek_set_add(set, &key) == STEK_OK);
	FUZZ_EXPECT(stek_ring_publish(ring, set) == STEK_OK);
	stek_set_free(set);
}

static void
stop(void)
{
	wolfSSL_free(ssl);
	wolfSSL_CTX_free(ctx);
	stek_wolfssl_free(keys);
	stek_ring_close(ring);
}

static void
start(void)
{
	make_ring();
	FUZZ_EXPECT(wolfSSL_Init() == WOLFSSL_SUCCESS);
	ctx = wolfSSL_CTX_new(wolfTLS_server_method());
	FUZZ_EXPECT(ctx != NULL);
	FUZZ_EXPECT(stek_wolfssl_use(ctx, ring, &keys) == STEK_OK);
	ssl = wolfSSL_new(ctx);
	FUZZ_EXPECT(ssl != NULL && callback != NULL && atexit(stop) == 0);
}

static int
call(struct ticket *t, int seal)
{
	int len = -1, ret;

	ret = callback(
	    ssl, t->name, t->iv, t->mac, seal, t->state, STATE_LEN, &len, keys);
	FUZZ_EXPECT(len == STATE_LEN);
	return ret;
}

static void
open_as_it_came(const uint8_t *bytes, size_t len)
{
	struct ticket t = {0};
	const size_t room = sizeof(t) - sizeof(t.name);
	uint8_t *behind_name = (uint8_t *)&t + sizeof(t.name);

	FUZZ_EXPECT(call(&t, 1) == WOLFSSL_TICKET_RET_OK);
	memset(behind_name, 0, room);
	memcpy(behind_name, bytes, len < room ? len : room);
	FUZZ_EXPECT(call(&t, 0) == WOLFSSL_TICKET_RET_REJECT);
}

/* The MAC is not there at all. */
static void
open_any_length(const uint8_t *bytes, size_t len)
{
	uint8_t *state = malloc(len > 0 ? len : 1);
	struct ticket t = {0};
	int out_len = -1;

	FUZZ_EXPECT(state != NULL);
	if (len == STATE_LEN)
		goto out;
	memcpy(state, bytes, len);
	FUZZ_EXPECT(callback(ssl, t.name, t.iv, state + len, 0, state, (int)len,
	                &out_len, keys) == WOLFSSL_TICKET_RET_REJECT);
	FUZZ_EXPECT(callback(ssl, t.name, t.iv, t.mac, 1, state, (int)len,
	                &out_len, keys) == WOLFSSL_TICKET_RET_OK);
	FUZZ_EXPECT(out_len == (int)len);
out:
	free(state);
}

static void
open_altered(const uint8_t *bytes, size_t len)
{
	struct ticket plain = {0}, t;
	uint8_t *at = (uint8_t *)&t;
	bool altered = false;
	size_t i;

	memset(plain.state, (int)len, STATE_LEN);
	t = plain;
	FUZZ_EXPECT(call(&t, 1) == WOLFSSL_TICKET_RET_OK);
	FUZZ_EXPECT(memcmp(t.state, plain.state, STATE_LEN) != 0);
	for (i = 1; i < len && bytes[0] + i - 1 < sizeof(t); i++) {
		at[bytes[0] + i - 1] ^= bytes[i];
		altered = altered || bytes[i] != 0;
	}
	if (altered) {
		FUZZ_EXPECT(call(&t, 0) == WOLFSSL_TICKET_RET_REJECT);
		return;
	}
	FUZZ_EXPECT(call(&t, 0) == WOLFSSL_TICKET_RET_OK);
	FUZZ_EXPECT(memcmp(t.state, plain.state, STATE_LEN) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (callback == NULL)
		start();
	if (len == 0)
		return 0;
	if (bytes[0] == 't')
		open_as_it_came(bytes + 1, len - 1);
	if (bytes[0] == 'l')
		open_any_length(bytes + 1, len - 1);
	if (bytes[0] == 'a')
		open_altered(bytes + 1, len - 1);
	return 0;
}
