/* SPDX-License-Identifier: ISC */
/*
 * What a client brings as its ticket to a server on OpenSSL with the adapter,
 * in whole handshakes in memory: a byte for the version and for what follows,
 * which is the ticket ('t'), or is to be laid over a good one ('x'), or
 * cuts that off ('c').
 *
 * Invariant: the handshake comes to its end, and is an abbreviated one only
 * if the ticket is the good one.
 */
#include <string.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stek/openssl.h>

#include "../../adapters/client.h"
#include "fuzz.h"

#define TURNS 20 /* more than a handshake has flights */

static struct {
	SSL_CTX *server;
	SSL_CTX *client[2]; /* TLS 1.2 and 1.3 */
	struct visit good[2];
	struct stek_ring *ring;
} world;

static void
certify(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	FUZZ_EXPECT(key != NULL && cert != NULL);
	FUZZ_EXPECT(X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL);
	FUZZ_EXPECT(X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL);
	FUZZ_EXPECT(X509_set_pubkey(cert, key));
	FUZZ_EXPECT(X509_sign(cert, key, EVP_sha256()));
	FUZZ_EXPECT(SSL_CTX_use_certificate(ctx, cert));
	FUZZ_EXPECT(SSL_CTX_use_PrivateKey(ctx, key));
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
publish(void)
{
	struct stek_set *set = stek_set_new();
	int64_t now = time(NULL);
	struct stek_key key;
	int i;

	FUZZ_EXPECT(set != NULL);
	for (i = 0; i < 2; i++) {
		FUZZ_EXPECT(stek_key_mint(&key) == STEK_OK);
		key.seal_from = now - 100 + i;
		key.seal_until = key.open_until = now + 1000000;
		FUZZ_EXPECT(stek_set_add(set, &key) == STEK_OK);
	}
	FUZZ_EXPECT(stek_ring_publish(world.ring, set) == STEK_OK);
	stek_set_free(set);
}

static void
on_message(int sent, int version, int type, const void *message, size_t len,
    SSL *ssl, void *arg)
{
	const uint8_t *bytes = message;
	struct visit *good = arg;
	bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
	size_t at = tls13 ? 4 + 9 : 4 + 4, ticket;

	(void)version;
	if (good == NULL || sent || type != SSL3_RT_HANDSHAKE || len < 16 ||
	    bytes[0] != SSL3_MT_NEWSESSION_TICKET)
		return;
	if (tls13)
		at += bytes[4 + 8];
	ticket = (size_t)bytes[at] << 8 | bytes[at + 1];
	FUZZ_EXPECT(ticket <= TICKET_MAX);
	good->ticket_len = ticket;
	memcpy(good->ticket, bytes + at + 2, ticket);
}

/* One turn of either side; true once both are done. */
static bool
turn(SSL *client, SSL *server)
{
	bool done = SSL_do_handshake(client) == 1;

	return SSL_do_handshake(server) == 1 && done;
}

/* Is it resumed?  It must connect. */
static bool
shake_hands(int which, SSL_SESSION *session, struct visit *good)
{
	SSL *client = SSL_new(world.client[which]);
	SSL *server = SSL_new(world.server);
	BIO *one, *other;
	bool resumed;
	char byte;
	int i;

	FUZZ_EXPECT(client != NULL && server != NULL);
	FUZZ_EXPECT(BIO_new_bio_pair(&one, 0, &other, 0));
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, other, other);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	SSL_set_msg_callback(client, on_message);
	SSL_set_msg_callback_arg(client, good);
	if (session != NULL)
		FUZZ_EXPECT(SSL_set_session(client, session));
	for (i = 0; i < TURNS && !turn(client, server); i++)
		continue;
	FUZZ_EXPECT(i < TURNS);
	(void)SSL_read(client, &byte, 1); /* TLS 1.3's tickets */
	resumed = SSL_session_reused(client);
	if (good != NULL)
		good->session = SSL_get1_session(client);
	(void)SSL_shutdown(client);
	(void)SSL_shutdown(server);
	SSL_free(client);
	SSL_free(server);
	return resumed;
}

/* What slots hold lies in pages where no leak checker looks. */
static void
end(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		visit_free(&world.good[i]);
		SSL_CTX_free(world.client[i]);
	}
	SSL_CTX_free(world.server);
	stek_ring_close(world.ring);
}

static void
begin(void)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	int i;

	world.server = SSL_CTX_new(TLS_server_method());
	FUZZ_EXPECT(world.server != NULL);
	(void)SSL_CTX_set_session_cache_mode(world.server, SSL_SESS_CACHE_OFF);
	certify(world.server);
	FUZZ_EXPECT(stek_ring_new(&world.ring) == STEK_OK);
	FUZZ_EXPECT(stek_openssl_use(world.server, world.ring) == STEK_OK);
	publish();
	FUZZ_EXPECT(atexit(end) == 0);
	for (i = 0; i < 2; i++) {
		world.client[i] = client_new(versions[i]);
		FUZZ_EXPECT(world.client[i] != NULL);
		SSL_CTX_set_info_callback(world.client[i], NULL);
		FUZZ_EXPECT(!shake_hands(i, NULL, &world.good[i]));
		FUZZ_EXPECT(world.good[i].ticket_len > 0);
		FUZZ_EXPECT(world.good[i].session != NULL);
	}
}

/* The ticket that the input makes; its length. */
static size_t
make_ticket(const struct visit *good, char how, const uint8_t *bytes,
    size_t len, uint8_t *ticket)
{
	size_t i, ticket_len = good->ticket_len;

	if (how == 't') {
		ticket_len = len < TICKET_MAX ? len : TICKET_MAX;
		memcpy(ticket, bytes, ticket_len);
		return ticket_len;
	}
	memcpy(ticket, good->ticket, ticket_len);
	if (how == 'c')
		return len < ticket_len ? len : ticket_len;
	for (i = 0; i < len && i < ticket_len; i++)
		ticket[i] ^= bytes[i];
	return ticket_len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static bool begun;
	uint8_t ticket[TICKET_MAX];
	const struct visit *good;
	SSL_SESSION *session;
	size_t ticket_len;
	bool same, resumed;
	int which;

	if (!begun)
		begin();
	begun = true;
	if (len < 2)
		return 0;
	which = bytes[0] & 1;
	good = &world.good[which];
	ticket_len =
	    make_ticket(good, (char)bytes[1], bytes + 2, len - 2, ticket);
	if (ticket_len == 0)
		return 0;
	same = ticket_len == good->ticket_len &&
	       memcmp(ticket, good->ticket, ticket_len) == 0;
	session = session_with_ticket(good->session, ticket, ticket_len);
	FUZZ_EXPECT(session != NULL);
	resumed = shake_hands(which, session, NULL);
	FUZZ_EXPECT(resumed == same);
	FUZZ_EXPECT(ERR_peek_error() == 0);
	SSL_SESSION_free(session);
	return 0;
}
