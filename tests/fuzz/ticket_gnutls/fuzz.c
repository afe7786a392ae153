/* SPDX-License-Identifier: ISC */
/*
 * What a client sends to a GnuTLS server with the adapter.  The first byte
 * tells which:
 *
 *	'h'	a ClientHello, for the hook alone
 *	'c'	a ClientHello, for GnuTLS and the hook
 *	'p'	the body of a pre_shared_key extension, for the hook
 *	'n', 's', 'o'	a ticket of TLS 1.2, in a ClientHello that is good;
 *		before it, nothing, or the name that the sealing key or the
 *		older one has on the wire
 *
 * Invariant: the hook returns 0, and no ticket keeps a good ClientHello from
 * its answer.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include <stek/gnutls.h>

#include "fuzz.h"

#define TICKET_MAX 1200

static struct stek_ring *ring;
static struct stek_gnutls *tickets;
static gnutls_anon_server_credentials_t anon;
static gnutls_priority_t priority;
static struct stek_key keys[2]; /* the older one, the sealing one */

/* Of handshakes that end here: what is still to be read. */
struct wire {
	const uint8_t *at;
	size_t len;
};

static ssize_t
pull(gnutls_transport_ptr_t p, void *to, size_t len)
{
	gnutls_session_t session = p;
	struct wire *wire = gnutls_session_get_ptr(session);

	if (wire->len == 0) {
		gnutls_transport_set_errno(session, EAGAIN);
		return -1;
	}
	if (len > wire->len)
		len = wire->len;
	memcpy(to, wire->at, len);
	wire->at += len;
	wire->len -= len;
	return (ssize_t)len;
}

static ssize_t
push(gnutls_transport_ptr_t session, const void *bytes, size_t len)
{
	(void)session;
	(void)bytes;
	return (ssize_t)len;
}

static int
always_ready(gnutls_transport_ptr_t session, unsigned int ms)
{
	(void)session;
	(void)ms;
	return 1;
}

/* The same keys in each run. */
static void
mint(struct stek_key *key, const char *seed, int64_t age)
{
	uint8_t out[64];

	FUZZ_EXPECT(gnutls_hash_fast(
	                GNUTLS_DIG_SHA3_512, seed, strlen(seed), out) == 0);
	memcpy(key->aes, out, 32);
	memcpy(key->mac, out + 32, 32);
	FUZZ_EXPECT(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, out, 64, out) == 0);
	memcpy(key->name, out, STEK_NAME_LEN);
	key->seal_from = time(NULL) - age;
	key->seal_until = key->seal_from + 864000;
	key->open_until = key->seal_until + 864000;
}

/* What slots hold, LeakSanitizer does not see. */
static void
stop(void)
{
	stek_gnutls_free(tickets);
	stek_ring_close(ring);
	gnutls_anon_free_server_credentials(anon);
	gnutls_priority_deinit(priority);
}

static void
start(void)
{
	struct stek_set *set = stek_set_new();

	mint(&keys[0], "older", 7200);
	mint(&keys[1], "sealing", 3600);
	FUZZ_EXPECT(set != NULL && stek_set_add(set, &keys[0]) == STEK_OK &&
	            stek_set_add(set, &keys[1]) == STEK_OK &&
	            stek_ring_new(&ring) == STEK_OK &&
	            stek_ring_publish(ring, set) == STEK_OK &&
	            stek_gnutls_new_hosts(ring, &tickets) == STEK_OK);
	stek_set_free(set);
	FUZZ_EXPECT(
	    gnutls_anon_allocate_server_credentials(&anon) == 0 &&
	    gnutls_priority_init(&priority,
	        "NORMAL:+ANON-ECDH:-VERS-ALL:+VERS-TLS1.2", NULL) == 0 &&
	    atexit(stop) == 0);
}

static gnutls_session_t
new_session(struct wire *wire)
{
	gnutls_session_t session;

	FUZZ_EXPECT(
	    gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK) == 0 &&
	    gnutls_priority_set(session, priority) == 0 &&
	    gnutls_credentials_set(session, GNUTLS_CRD_ANON, anon) == 0 &&
	    stek_gnutls_use(session, tickets) == STEK_OK);
	gnutls_session_set_ptr(session, wire);
	gnutls_transport_set_ptr(session, session);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_timeout_function(session, always_ready);
	return session;
}

/* Both times, and a second hello. */
static void
call_hook(uint8_t *hello, size_t len)
{
	gnutls_datum_t msg = {hello, (unsigned int)len};
	gnutls_session_t session = new_session(NULL);
	unsigned int i;

	for (i = 0; i < 4; i++)
		FUZZ_EXPECT(
		    stek_gnutls_hook(session, GNUTLS_HANDSHAKE_CLIENT_HELLO,
		        i % 2 == 0 ? GNUTLS_HOOK_PRE : GNUTLS_HOOK_POST, 1,
		        &msg) == 0);
	gnutls_deinit(session);
}

static int
shake_hands(const uint8_t *hello, size_t len)
{
	static uint8_t record[9 + 4096] = {22, 3, 1};
	struct wire wire = {record, len + 9};
	gnutls_session_t session = new_session(&wire);
	int ret;

	record[3] = (uint8_t)((len + 4) >> 8);
	record[4] = (uint8_t)(len + 4);
	record[5] = GNUTLS_HANDSHAKE_CLIENT_HELLO;
	record[7] = (uint8_t)(len >> 8);
	record[8] = (uint8_t)len;
	memcpy(record + 9, hello, len);
	ret = gnutls_handshake(session);
	gnutls_deinit(session);
	return ret;
}

static size_t
put(uint8_t *to, size_t at, const void *bytes, size_t len)
{
	memcpy(to + at, bytes, len);
	return at + len;
}

/* A ClientHello with one more extension of that kind and contents. */
static size_t
make_hello(uint8_t *to, uint8_t kind, const uint8_t *bytes, size_t len)
{
	static const uint8_t before[] = {
	    0, 2, 0xc0, 0x18, /* ECDH_anon_WITH_AES_128_CBC_SHA */
	    1, 0, /* no compression */
	};
	static const uint8_t extensions[] = {
	    0, 10, 0, 4, 0, 2, 0, 29, /* X25519 */
	    0, 11, 0, 2, 1, 0, /* points are not compressed */
	    0, 23, 0, 0, /* extended master secret */
	};
	size_t at = 34, total = sizeof(extensions) + 4 + len;

	memset(to, 7, at);
	to[0] = to[1] = 3;
	to[at++] = 0; /* no session id */
	at = put(to, at, before, sizeof(before));
	to[at++] = (uint8_t)(total >> 8);
	to[at++] = (uint8_t)total;
	at = put(to, at, extensions, sizeof(extensions));
	to[at++] = 0;
	to[at++] = kind;
	to[at++] = (uint8_t)(len >> 8);
	to[at++] = (uint8_t)len;
	return put(to, at, bytes, len);
}

/* Of the scope of clients that ask for no host. */
static void
wire_name(const struct stek_key *key, uint8_t name[STEK_NAME_LEN])
{
	uint64_t step = (uint64_t)time(NULL) / (3 * 6 * 3600);
	uint8_t in[72], out[64];
	struct stek_key own;
	size_t i;

	FUZZ_EXPECT(stek_scope_key(key, ".", &own) == STEK_OK &&
	            stek_scope_key(&own, "\001gnutls", &own) == STEK_OK);
	for (i = 0; i < 8; i++)
		in[i] = (uint8_t)(step >> (56 - 8 * i));
	memcpy(in + 8, own.aes, 32);
	memcpy(in + 40, own.mac, 32);
	FUZZ_EXPECT(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, in, 72, out) == 0);
	memcpy(name, out, STEK_NAME_LEN);
}

static void
offer_ticket(int whose, const uint8_t *bytes, size_t len)
{
	static uint8_t ticket[STEK_NAME_LEN + TICKET_MAX], hello[4096];
	size_t at = 0;

	if (whose != 'n') {
		wire_name(&keys[whose == 's'], ticket);
		at = STEK_NAME_LEN;
	}
	at = put(ticket, at, bytes, len);
	len = make_hello(hello, 35, ticket, at);
	FUZZ_EXPECT(shake_hands(hello, len) == GNUTLS_E_AGAIN);
}

static void
offer(int what, const uint8_t *bytes, size_t len)
{
	static uint8_t hello[4096];

	if (len > TICKET_MAX)
		len = TICKET_MAX;
	if (what == 'h') {
		memcpy(hello, bytes, len);
		call_hook(hello, len);
	} else if (what == 'c') {
		(void)shake_hands(bytes, len);
	} else if (what == 'p') {
		len = make_hello(hello, 41, bytes, len);
		call_hook(hello, len);
	} else {
		offer_ticket(what, bytes, len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (ring == NULL)
		start();
	if (len > 0 && strchr("hcpnso", bytes[0]) != NULL && bytes[0] != 0)
		offer(bytes[0], bytes + 1, len - 1);
	return 0;
}
