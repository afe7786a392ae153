/* SPDX-License-Identifier: ISC */
/*
 * What BoringSSL hands to its adapter, on a server with a scope for each host:
 *
 *	r	a ticket as it is
 *	n	a ticket, after the name of a key that is known
 *	s	a state to be sealed and opened again, after 4 bytes: where and
 *		how the ticket is altered, and how much of it is cut off
 *	l	the length of a state of zeroes, in 3 bytes
 *
 * Invariant: what was sealed here opens, as it was; nothing else does.  No
 * callback asks for an end of the connection.
 */
#include <dlfcn.h>
#include <string.h>

#include <stek/boringssl.h>

#include "fuzz.h"

#define HOST     "a.example"
#define OVERHEAD (16 + 24 + 16) /* name, nonce, tag */
#define LONGEST  0xffff /* of a ticket */

static const SSL_TICKET_AEAD_METHOD *method;
static struct stek_ring *ring;
static SSL *ssl;
static uint8_t name[STEK_NAME_LEN]; /* of the host's key */

/* In the way of the adapter's call, to learn what it gives to libssl. */
__attribute__((visibility("default"))) void
SSL_CTX_set_ticket_aead_method(
    SSL_CTX *ctx, const SSL_TICKET_AEAD_METHOD *given)
{
	(void)ctx;
	method = given;
}

static void
make_ring(void)
{
	struct stek_set *set = stek_set_new();
	struct stek_key key, scoped;

	FUZZ_EXPECT(set != NULL && stek_ring_new(&ring) == STEK_OK);
	FUZZ_EXPECT(stek_key_mint(&key) == STEK_OK);
	key.seal_from = 1;
	key.seal_until = 200000000000;
	key.open_until = key.seal_until + 1;
	FUZZ_EXPECT(stek_set_add(set, &key) == STEK_OK);
	FUZZ_EXPECT(stek_ring_publish(ring, set) == STEK_OK);
	FUZZ_EXPECT(stek_scope_key(&key, HOST, &scoped) == STEK_OK);
	memcpy(name, scoped.name, STEK_NAME_LEN);
	stek_set_free(set);
}

static void
start(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	make_ring();
	FUZZ_EXPECT(ctx != NULL);
	FUZZ_EXPECT(stek_boringssl_use_hosts(ctx, ring) == STEK_OK);
	ssl = SSL_new(ctx);
	FUZZ_EXPECT(ssl != NULL && method != NULL);
	/* What SSL_get_servername() then says to a server, too. */
	FUZZ_EXPECT(SSL_set_tlsext_host_name(ssl, HOST));
	SSL_CTX_free(ctx);
}

/* In place or not; the memory ends where it is said to. */
static bool
opens(const uint8_t *ticket, size_t len, bool in_place, const uint8_t *state,
    size_t state_len)
{
	uint8_t *in = malloc(len + 1), *out = in_place ? in : malloc(len + 1);
	enum ssl_ticket_aead_result_t result;
	size_t out_len = SIZE_MAX;

	FUZZ_EXPECT(in != NULL && out != NULL);
	memcpy(in, ticket, len);
	result = method->open(ssl, out, &out_len, len, in, len);
	FUZZ_EXPECT(result == ssl_ticket_aead_success ||
	            result == ssl_ticket_aead_ignore_ticket);
	if (result == ssl_ticket_aead_success)
		FUZZ_EXPECT(
		    out_len == state_len && memcmp(out, state, state_len) == 0);
	if (out != in)
		free(out);
	free(in);
	return result == ssl_ticket_aead_success;
}

static void
open_named(const uint8_t *bytes, size_t len)
{
	uint8_t *ticket = malloc(len + STEK_NAME_LEN);

	FUZZ_EXPECT(ticket != NULL);
	memcpy(ticket, name, STEK_NAME_LEN);
	memcpy(ticket + STEK_NAME_LEN, bytes, len);
	FUZZ_EXPECT(!opens(ticket, len + STEK_NAME_LEN, false, NULL, 0));
	free(ticket);
}

/* Returns the ticket, which may be empty, to be freed. */
static uint8_t *
seal(const uint8_t *state, size_t len, bool in_place, size_t *ticket_len)
{
	size_t max = len + method->max_overhead(ssl);
	uint8_t *ticket = malloc(max);

	FUZZ_EXPECT(max == len + OVERHEAD && ticket != NULL);
	if (in_place) {
		memcpy(ticket, state, len);
		state = ticket;
	}
	FUZZ_EXPECT(
	    method->seal(ssl, ticket, ticket_len, max, state, len) == 1);
	FUZZ_EXPECT(*ticket_len <= max && *ticket_len <= LONGEST);
	return ticket;
}

static void
seal_and_alter(const uint8_t *bytes, size_t len)
{
	uint8_t where = bytes[0], how = bytes[2], cut = bytes[3];
	bool in_place = bytes[1] % 2 != 0;
	const uint8_t *state = bytes + 4;
	uint8_t *ticket;
	size_t got;

	len -= 4;
	ticket = seal(state, len, in_place, &got);
	FUZZ_EXPECT(got == len + OVERHEAD);
	FUZZ_EXPECT(memcmp(ticket, name, STEK_NAME_LEN) == 0);
	FUZZ_EXPECT(opens(ticket, got, in_place, state, len));
	ticket[where % got] ^= how;
	FUZZ_EXPECT(opens(ticket, got - cut % got, in_place, state, len) ==
	            (how == 0 && cut % got == 0));
	free(ticket);
}

/* Too long for a message: none. */
static void
seal_length(const uint8_t *bytes)
{
	size_t len = (size_t)(bytes[0] % 2) << 16 | bytes[1] << 8 | bytes[2];
	uint8_t *state = calloc(1, len + 1), *ticket;
	size_t got;

	FUZZ_EXPECT(state != NULL);
	ticket = seal(state, len, false, &got);
	if (len + OVERHEAD > LONGEST)
		FUZZ_EXPECT(got < OVERHEAD);
	else
		FUZZ_EXPECT(opens(ticket, got, false, state, len));
	free(ticket);
	free(state);
}

static void
run(const uint8_t *bytes, size_t len)
{
	if (bytes[0] == 'n')
		open_named(bytes + 1, len - 1);
	else if (bytes[0] == 's' && len >= 5)
		seal_and_alter(bytes + 1, len - 1);
	else if (bytes[0] == 'l' && len >= 4)
		seal_length(bytes + 1);
	else
		FUZZ_EXPECT(!opens(bytes + 1, len - 1, false, NULL, 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	if (ssl == NULL)
		start();
	if (len > 0 && len <= LONGEST - OVERHEAD)
		run(bytes, len);
	/* Drops the expanded keys, which tools would take for leaks. */
	FUZZ_EXPECT(
	    stek_boringssl_use_hosts(SSL_get_SSL_CTX(ssl), ring) == STEK_OK);
	return 0;
}
