/* SPDX-License-Identifier: ISC */
/*
 * What a client sends to a server on Mbed TLS: a ticket as it is ('r' and its
 * bytes), a ticket with something other than a session in it, sealed here so
 * that it gets past the tag ('s' and the plaintext), or a ClientHello, for a
 * server that goes by hosts ('h' and the records).
 *
 * Invariant: a ticket opens or gets a full handshake, and nothing of it stays
 * in its place.
 */
#include <sys/random.h>

#include <string.h>
#include <time.h>

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <stek/mbedtls.h>

#include "../../../adapters/ticket.h"

#include "fuzz.h"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

struct world {
	struct stek_ring *ring;
	struct slots *slots;
	mbedtls_ssl_config conf; /* one scope */
	mbedtls_ssl_config hosts;
	struct stek_mbedtls *tickets;
	struct stek_mbedtls *hosts_tickets;
};

/* A client, as the server hears it. */
struct client {
	const uint8_t *bytes;
	size_t len;
};

static int
on_random(void *unused, unsigned char *bytes, size_t len)
{
	(void)unused;
	return getrandom(bytes, len, 0) == (ssize_t)len ? 0 : -1;
}

static int
on_send(void *unused, const unsigned char *bytes, size_t len)
{
	(void)unused;
	(void)bytes;
	return (int)len;
}

static int
on_receive(void *p, unsigned char *bytes, size_t len)
{
	struct client *client = p;

	if (client->len == 0)
		return MBEDTLS_ERR_SSL_WANT_READ;
	len = len < client->len ? len : client->len;
	memcpy(bytes, client->bytes, len);
	client->bytes += len;
	client->len -= len;
	return (int)len;
}

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001mbedtls");
}

/* A key that tickets of the corpus are of. */
static void
publish(struct stek_ring *ring)
{
	struct stek_set *set = stek_set_new();
	struct stek_key key = {.name = "a name of 16 by"};
	size_t i;

	FUZZ_EXPECT(set != NULL);
	for (i = 0; i < STEK_AES_LEN; i++) {
		key.aes[i] = (uint8_t)(i * i * 29 + i + 13);
		key.mac[i] = (uint8_t)(i * i * i * 31 + 7 * i);
	}
	FUZZ_EXPECT(stek_key_check(&key) != STEK_ERR_WEAK);
	key.seal_from = 1;
	key.seal_until = key.open_until = INT64_C(200000000000);
	FUZZ_EXPECT(stek_set_add(set, &key) == STEK_OK);
	FUZZ_EXPECT(stek_ring_publish(ring, set) == STEK_OK);
	stek_set_free(set);
}

static void
configure(mbedtls_ssl_config *conf)
{
	mbedtls_ssl_config_init(conf);
	FUZZ_EXPECT(
	    mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_SERVER,
	        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) == 0);
	mbedtls_ssl_conf_rng(conf, on_random, NULL);
}

static void
start(struct world *world)
{
	static const struct slot_library as_ours = {
	    expand, xaes_free, xaes_random};

	FUZZ_EXPECT(stek_ring_new(&world->ring) == STEK_OK);
	publish(world->ring);
	world->slots = slots_new(&as_ours, world->ring);
	FUZZ_EXPECT(world->slots != NULL);
	configure(&world->conf);
	configure(&world->hosts);
	FUZZ_EXPECT(stek_mbedtls_use(
	                &world->conf, world->ring, &world->tickets) == STEK_OK);
	FUZZ_EXPECT(stek_mbedtls_use_hosts(&world->hosts, world->ring, NULL,
	                NULL, &world->hosts_tickets) == STEK_OK);
}

static void
stop(struct world *world)
{
	mbedtls_ssl_config_free(&world->conf);
	mbedtls_ssl_config_free(&world->hosts);
	stek_mbedtls_free(world->tickets);
	stek_mbedtls_free(world->hosts_tickets);
	slots_free(world->slots);
	stek_ring_close(world->ring);
}

/* True if it opens. */
static bool
parse(const struct world *world, uint8_t *ticket, size_t len)
{
	mbedtls_ssl_session session;
	int ret;

	mbedtls_ssl_session_init(&session);
	ret = world->conf.MBEDTLS_PRIVATE(f_ticket_parse)(
	    world->conf.MBEDTLS_PRIVATE(p_ticket), &session, ticket, len);
	FUZZ_EXPECT(ret == 0 || ret == MBEDTLS_ERR_SSL_INVALID_MAC);
	mbedtls_ssl_session_free(&session);
	return ret == 0;
}

static void
raw(const struct world *world, const uint8_t *bytes, size_t len)
{
	uint8_t *ticket = malloc(len > 0 ? len : 1);

	FUZZ_EXPECT(ticket != NULL);
	memcpy(ticket, bytes, len);
	(void)parse(world, ticket, len);
	free(ticket);
}

static void
sealed(const struct world *world, const uint8_t *plain, size_t len)
{
	uint8_t *ticket = malloc(len + TICKET_OVERHEAD);
	size_t i;

	FUZZ_EXPECT(ticket != NULL);
	FUZZ_EXPECT(
	    ticket_seal(world->slots, "", time(NULL), plain, len, ticket));
	(void)parse(world, ticket, len + TICKET_OVERHEAD);
	for (i = 0; i < len; i++)
		FUZZ_EXPECT(ticket[TICKET_HEAD_LEN + i] == 0);
	free(ticket);
}

static void
hello(const struct world *world, const uint8_t *bytes, size_t len)
{
	struct client client = {bytes, len};
	struct stek_mbedtls_host host = {0};
	mbedtls_ssl_context ssl;

	mbedtls_ssl_init(&ssl);
	FUZZ_EXPECT(mbedtls_ssl_setup(&ssl, &world->hosts) == 0);
	mbedtls_ssl_set_bio(&ssl, &client, on_send, on_receive, NULL);
	(void)!stek_mbedtls_handshake(&ssl, &host);
	mbedtls_ssl_free(&ssl);
	FUZZ_EXPECT(memchr(host.name, 0, sizeof(host.name)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct world world;

	if (len == 0)
		return 0;
	start(&world);
	if (bytes[0] == 's')
		sealed(&world, bytes + 1, len - 1);
	else if (bytes[0] == 'h')
		hello(&world, bytes + 1, len - 1);
	else
		raw(&world, bytes + 1, len - 1);
	stop(&world);
	return 0;
}
