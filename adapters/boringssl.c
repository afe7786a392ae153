/* SPDX-License-Identifier: ISC */
/*
 * From a ring to the ticket AEAD method of BoringSSL and AWS-LC.
 *
 * Never here: when a key may do what, and what is in a ticket.
 * Static state: the index under which BoringSSL keeps our pointer.
 * Invariant: no way out of a callback ends a connection.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stek/boringssl.h>

#include "host.h"
#include "ticket.h"

/* BoringSSL's callbacks have more parameters than we need. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define TICKET_LEN 0xffff /* what a message has room for */
#define DUD_LEN    16 /* less than TICKET_OVERHEAD */

/* What an SSL_CTX has of us. */
struct hook {
	const struct stek_ring *ring;
	struct slots *slots;
	bool hosts;
	char scope[STEK_SCOPE_MAX + 1]; /* unless hosts */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ctx_hook = -1; /* SSL_CTX: its hook */

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001boringssl");
}

static const struct slot_library library = {expand, xaes_free, xaes_random};

/* That of the SSL_CTX which SSL_new() got is not to be had any more. */
static const struct hook *
hook_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_hook);
}

static bool
set_scope(const struct hook *hook, const SSL *ssl, char *scope)
{
	const char *host;

	if (!hook->hosts) {
		strcpy(scope, hook->scope);
		return true;
	}
	host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	if (host != NULL)
		return host_scope(scope, (const uint8_t *)host, strlen(host));
	strcpy(scope, HOST_NONE);
	return true;
}

static bool
is_tls13(const SSL *ssl)
{
	int version = SSL_version(ssl);

	return version > TLS1_2_VERSION && version != DTLS1_2_VERSION &&
	       version != DTLS1_VERSION;
}

/*
 * An empty ticket is none, but only up to TLS 1.2 (RFC 5077, section 3.3).
 * In 1.3 it is an error, and to fail would end the connection: a ticket too
 * short to be opened does the least harm.
 */
static size_t
seal_none(const SSL *ssl, uint8_t *out, size_t max_out_len)
{
	if (!is_tls13(ssl) || max_out_len < DUD_LEN)
		return 0;
	memset(out, 0, DUD_LEN);
	return DUD_LEN;
}

static bool
seal(SSL *ssl, uint8_t *out, const uint8_t *in, size_t len)
{
	const struct hook *hook = hook_of(ssl);
	char scope[STEK_SCOPE_MAX + 1];

	if (hook == NULL || !set_scope(hook, ssl, scope))
		return false;
	if (in == out) {
		memmove(out + TICKET_HEAD_LEN, in, len);
		in = out + TICKET_HEAD_LEN;
	}
	return ticket_seal(hook->slots, scope, time(NULL), in, len, out);
}

/* Returns what BoringSSL asks for, but never 0: that ends the connection. */
static int
on_seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out_len,
    const uint8_t *in, size_t in_len)
{
	if (in_len <= TICKET_LEN - TICKET_OVERHEAD &&
	    max_out_len >= in_len + TICKET_OVERHEAD &&
	    seal(ssl, out, in, in_len))
		*out_len = in_len + TICKET_OVERHEAD;
	else
		*out_len = seal_none(ssl, out, max_out_len);
	return 1;
}

static size_t
on_max_overhead(SSL *ssl)
{
	return TICKET_OVERHEAD;
}

/*
 * In TLS 1.3 who came with a ticket shall not have a dud instead of it.
 * While BoringSSL has a ticket opened, this option does no more than to
 * keep it from giving any.
 */
static void
give_none(SSL *ssl, const struct hook *hook, int64_t now)
{
	struct stek_key STEK_WIPED key;

	if (is_tls13(ssl) && !stek_ring_sealing(hook->ring, now, &key))
		(void)SSL_set_options(ssl, SSL_OP_NO_TICKET);
}

static enum ssl_ticket_aead_result_t
on_open(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out_len,
    const uint8_t *in, size_t in_len)
{
	const struct hook *hook = hook_of(ssl);
	char scope[STEK_SCOPE_MAX + 1];
	int64_t now = time(NULL);
	uint8_t *plain = in == out ? out + TICKET_HEAD_LEN : out;

	*out_len = 0;
	if (hook == NULL || !set_scope(hook, ssl, scope))
		return ssl_ticket_aead_ignore_ticket;
	give_none(ssl, hook, now);
	/* There is no word for renewal: TLS 1.3 does it, 1.2 never. */
	if (in_len > max_out_len || ticket_open(hook->slots, scope, now, in,
	                                in_len, plain, out_len) == STEK_OPEN_NO)
		return ssl_ticket_aead_ignore_ticket;
	if (plain != out)
		memmove(out, plain, *out_len);
	return ssl_ticket_aead_success;
}

static const SSL_TICKET_AEAD_METHOD method = {
    on_max_overhead,
    on_seal,
    on_open,
};

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

static void
make_index(void)
{
	ctx_hook = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, ctx_freed);
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

/* Scope NULL: the hosts. */
static enum stek_err
use(SSL_CTX *ctx, const struct stek_ring *ring, const char *scope)
{
	struct hook *hook;

	if (scope != NULL && strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	if (pthread_once(&once, make_index) != 0 || ctx_hook < 0)
		return STEK_ERR_MEMORY;
	hook = SSL_CTX_get_ex_data(ctx, ctx_hook);
	if (hook == NULL)
		hook = hook_new(ctx, ring);
	if (hook == NULL)
		return STEK_ERR_MEMORY;
	slots_follow(hook->slots, ring);
	hook->ring = ring;
	hook->hosts = scope == NULL;
	strcpy(hook->scope, scope != NULL ? scope : "");
	SSL_CTX_set_ticket_aead_method(ctx, &method);
	return STEK_OK;
}

enum stek_err
stek_boringssl_use(SSL_CTX *ctx, const struct stek_ring *ring)
{
	return use(ctx, ring, "");
}

enum stek_err
stek_boringssl_use_hosts(SSL_CTX *ctx, const struct stek_ring *ring)
{
	return use(ctx, ring, NULL);
}

enum stek_err
stek_boringssl_use_scope(
    SSL_CTX *ctx, const struct stek_ring *ring, const char *scope)
{
	return use(ctx, ring, scope);
}
