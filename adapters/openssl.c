/* SPDX-License-Identifier: ISC */
/*
 * From a ring to the session ticket callback of OpenSSL and LibreSSL.
 *
 * libssl gives the callback empty contexts; filling them from key bytes is
 * what makes tickets slow.  So contexts are filled once a key and copied from
 * then on.  Only the older callback lets us, with its HMAC_CTX: OpenSSL 3 has
 * no way to copy into a given EVP_MAC_CTX.
 *
 * Never here: when a key may do what.
 * Static state: the indexes under which OpenSSL keeps our pointers.
 * Invariant: no way out of the callback ends a connection.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stek/openssl.h>

#include "host.h"
#include "slot.h"

#if defined(LIBRESSL_VERSION_NUMBER)
#define EX_NEW_RETURN int
#define EX_NEW_DONE   1
#define EX_DUP_FROM   CRYPTO_EX_DATA *from, void *from_d
#else
#define EX_NEW_RETURN void
#define EX_NEW_DONE
#if OPENSSL_VERSION_NUMBER < 0x30000000L
#define EX_DUP_FROM const CRYPTO_EX_DATA *from, void *from_d
#else
#define OPENSSL_3
#define EX_DUP_FROM const CRYPTO_EX_DATA *from, void **from_d
#endif
#endif

/* libssl's callbacks have more parameters than we need. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define IV_LEN 16 /* of AES-256-CBC */

/* Contexts to copy from. */
struct expanded {
	HMAC_CTX *mac;
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

/* What an SSL_CTX has of us. */
struct hook {
	struct slots *slots;
	bool hosts;
	char scope[STEK_SCOPE_MAX + 1]; /* without hosts */
};

/* The host that a connection's ticket was opened for. */
struct asked {
	uint8_t random[SSL3_RANDOM_SIZE]; /* tells a reused SSL's connections */
	char host[STEK_SCOPE_MAX + 1];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ctx_hook = -1; /* SSL_CTX: its hook */
static int ssl_hook = -1; /* SSL: the hook of the SSL_CTX it was made from */
static int ssl_asked = -1; /* SSL: struct asked */

static void
forget(void *p)
{
	struct expanded *e = p;

	HMAC_CTX_free(e->mac);
	EVP_CIPHER_CTX_free(e->seal);
	EVP_CIPHER_CTX_free(e->open);
	free(e);
}

static void *
expand(const struct stek_key *key)
{
	struct expanded *e = calloc(1, sizeof(*e));
	const EVP_CIPHER *aes = EVP_aes_256_cbc();

	if (e == NULL)
		return NULL;
	e->mac = HMAC_CTX_new();
	e->seal = EVP_CIPHER_CTX_new();
	e->open = EVP_CIPHER_CTX_new();
	if (e->mac == NULL || e->seal == NULL || e->open == NULL ||
	    HMAC_Init_ex(e->mac, key->mac, STEK_MAC_LEN, EVP_sha256(), NULL) <=
	        0 ||
	    EVP_EncryptInit_ex(e->seal, aes, NULL, key->aes, NULL) <= 0 ||
	    EVP_DecryptInit_ex(e->open, aes, NULL, key->aes, NULL) <= 0) {
		forget(e);
		return NULL;
	}
	return e;
}

static bool
draw(uint8_t *bytes, size_t len)
{
	return RAND_bytes(bytes, (int)len) > 0;
}

static const struct slot_library library = {expand, forget, draw};

/* 1: sealed; 0: no ticket. */
static int
seal_ticket(struct slot *slot, const char *scope, uint8_t *name, uint8_t *iv,
    EVP_CIPHER_CTX *cipher, HMAC_CTX *mac)
{
	const struct expanded *e;

	e = slot_sealing(slot, scope, time(NULL), name);
	if (e == NULL || !slot_random(slot, iv, IV_LEN) ||
	    HMAC_CTX_copy(mac, e->mac) <= 0 ||
	    EVP_CIPHER_CTX_copy(cipher, e->seal) <= 0 ||
	    EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, iv) <= 0)
		return 0;
	return 1;
}

/* 1: use; 2: use and renew; 0: a full handshake. */
static int
open_ticket(struct slot *slot, const char *scope, const uint8_t *name,
    const uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *mac)
{
	const struct expanded *e;
	bool renew;

	e = slot_opening(slot, scope, time(NULL), name, &renew);
	if (e == NULL || HMAC_CTX_copy(mac, e->mac) <= 0 ||
	    EVP_CIPHER_CTX_copy(cipher, e->open) <= 0 ||
	    EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, iv) <= 0)
		return 0;
	/* In 1.3 each renewal costs a message that nobody needs otherwise. */
	return renew ? 2 : 1;
}

#ifndef LIBRESSL_VERSION_NUMBER
static bool
remember_host(SSL *ssl, const char *host)
{
	struct asked *asked = SSL_get_ex_data(ssl, ssl_asked);

	if (asked == NULL) {
		asked = malloc(sizeof(*asked));
		if (asked == NULL || !SSL_set_ex_data(ssl, ssl_asked, asked)) {
			free(asked);
			return false;
		}
	}
	(void)SSL_get_client_random(ssl, asked->random, SSL3_RANDOM_SIZE);
	strcpy(asked->host, host);
	return true;
}

/*
 * From the ClientHello itself (RFC 6066, section 3): SSL_get_servername()
 * does not know it yet.  When the ticket is renewed it no longer tells what
 * this client asked for, and the ClientHello is gone: so remember it.
 */
static bool
host_to_open(SSL *ssl, char *host)
{
	const unsigned char *sni;
	size_t len;

	if (!SSL_client_hello_get0_ext(
	        ssl, TLSEXT_TYPE_server_name, &sni, &len))
		strcpy(host, HOST_NONE);
	else if (len < 5 || sni[2] != TLSEXT_NAMETYPE_host_name ||
	         !host_scope(host, sni + 5, len - 5))
		return false;
	return remember_host(ssl, host);
}

static bool
host_to_seal(SSL *ssl, char *host)
{
	const struct asked *asked = SSL_get_ex_data(ssl, ssl_asked);
	uint8_t random[SSL3_RANDOM_SIZE];
	const char *name;

	(void)SSL_get_client_random(ssl, random, sizeof(random));
	if (asked != NULL &&
	    memcmp(asked->random, random, sizeof(random)) == 0) {
		strcpy(host, asked->host);
		return true;
	}
	name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	if (name != NULL)
		return host_scope(host, (const uint8_t *)name, strlen(name));
	strcpy(host, HOST_NONE);
	/* A session out of libssl's own cache may have lost its host. */
	return !SSL_session_reused(ssl);
}
#endif

static bool
set_scope(const struct hook *hook, SSL *ssl, int enc, char *scope)
{
#ifndef LIBRESSL_VERSION_NUMBER
	if (hook->hosts)
		return enc ? host_to_seal(ssl, scope)
		           : host_to_open(ssl, scope);
#endif
	strcpy(scope, hook->scope);
	return true;
}

/* Returns what libssl asks for, but never < 0: that ends the connection. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, HMAC_CTX *mac, int enc)
{
	const struct hook *hook = SSL_get_ex_data(ssl, ssl_hook);
	char scope[STEK_SCOPE_MAX + 1];
	struct slot *slot;
	int ret = 0;

	if (hook == NULL) /* made before the SSL_CTX had its hook */
		hook = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_hook);
	if (hook == NULL || !set_scope(hook, ssl, enc, scope))
		return 0;
	slot = slot_take(hook->slots);
	if (slot != NULL) {
		ret = enc ? seal_ticket(slot, scope, name, iv, cipher, mac)
		          : open_ticket(slot, scope, name, iv, cipher, mac);
		slot_give(slot);
	}
	/* An error left behind would be taken for the connection's own. */
	if (ret == 0)
		ERR_clear_error();
	return ret;
}

static void
hook_free(struct hook *hook)
{
	slots_free(hook->slots);
	free(hook);
}

static void
ctx_freed(void *ctx, void *hook, CRYPTO_EX_DATA *data, int at, long l, void *p)
{
	if (hook != NULL)
		hook_free(hook);
}

/*
 * Once a servername callback has switched the SSL to another SSL_CTX, libssl
 * no longer tells which one its tickets belong to.
 */
static EX_NEW_RETURN
ssl_made(void *ssl, void *ptr, CRYPTO_EX_DATA *data, int at, long l, void *p)
{
	SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
	void *hook = NULL;

	if (ctx != NULL)
		hook = SSL_CTX_get_ex_data(ctx, ctx_hook);
	if (hook != NULL)
		(void)CRYPTO_set_ex_data(data, at, hook);
	return EX_NEW_DONE;
}

/* SSL_dup(): the copy keeps the hook of its own SSL_CTX. */
static int
ssl_copied(CRYPTO_EX_DATA *to, EX_DUP_FROM, int at, long l, void *p)
{
	*(void **)from_d = CRYPTO_get_ex_data(to, at);
	return 1;
}

static void
asked_freed(
    void *ssl, void *asked, CRYPTO_EX_DATA *data, int at, long l, void *p)
{
	free(asked);
}

static void
make_indexes(void)
{
	ctx_hook = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, ctx_freed);
	ssl_hook = SSL_get_ex_new_index(0, NULL, ssl_made, ssl_copied, NULL);
	ssl_asked =
	    SSL_get_ex_new_index(0, NULL, NULL, ssl_copied, asked_freed);
}

static struct hook *
hook_new(SSL_CTX *ctx, const struct stek_ring *ring)
{
	struct hook *hook = calloc(1, sizeof(*hook));

	if (hook == NULL)
		return NULL;
	hook->slots = slots_new(&library, ring);
	if (hook->slots == NULL || !SSL_CTX_set_ex_data(ctx, ctx_hook, hook)) {
		hook_free(hook);
		return NULL;
	}
	return hook;
}

/* Scope NULL: by host. */
static enum stek_err
use(SSL_CTX *ctx, const struct stek_ring *ring, const char *scope)
{
	struct hook *hook;

	if (scope != NULL && strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	if (pthread_once(&once, make_indexes) != 0 || ctx_hook < 0 ||
	    ssl_hook < 0 || ssl_asked < 0)
		return STEK_ERR_MEMORY;
	hook = SSL_CTX_get_ex_data(ctx, ctx_hook);
	if (hook == NULL)
		hook = hook_new(ctx, ring);
	if (hook == NULL)
		return STEK_ERR_MEMORY;
	slots_follow(hook->slots, ring);
	/* As it was: others may be reading it. */
	if (hook->hosts != (scope == NULL) ||
	    strcmp(hook->scope, scope == NULL ? "" : scope) != 0) {
		hook->hosts = scope == NULL;
		strcpy(hook->scope, scope == NULL ? "" : scope);
	}
#ifdef OPENSSL_3
	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, NULL);
#endif
	SSL_CTX_set_tlsext_ticket_key_cb(ctx, on_ticket);
	return STEK_OK;
}

enum stek_err
stek_openssl_use(SSL_CTX *ctx, const struct stek_ring *ring)
{
	return use(ctx, ring, "");
}

enum stek_err
stek_openssl_use_scope(
    SSL_CTX *ctx, const struct stek_ring *ring, const char *scope)
{
	return use(ctx, ring, scope);
}

enum stek_err
stek_openssl_use_hosts(SSL_CTX *ctx, const struct stek_ring *ring)
{
	return use(ctx, ring, NULL);
}
