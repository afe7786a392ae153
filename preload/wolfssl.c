/* SPDX-License-Identifier: ISC */
/*
 * The farm's keys for the session tickets of a server on wolfSSL that knows
 * nothing of them.
 *
 * Each WOLFSSL_CTX has the ring's keys from the moment it is made.  All of
 * them share what libstek-wolfssl keeps, for wolfSSL does not tell when one
 * is gone.  What the server then does about ticket keys itself is not done,
 * unless stek run was told so.
 *
 * Never here: keys; anything in a process that has no wolfSSL.
 * Invariant: each call that is not held back ends in wolfSSL's function.
 */
#include <pthread.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stek.h>

#include "real.h"
#include "ring.h"
#include "say.h"

#define LIBWOLFSSL "libwolfssl.so.35"
#define ADAPTER    "libstek-wolfssl.so.0"

#define EXPORT __attribute__((visibility("default")))

#define HOOKED(X)                               \
	X(wolfSSL_CTX_new)                      \
	X(wolfSSL_CTX_set_TicketEncCb)          \
	X(wolfSSL_CTX_set_TicketEncCtx)         \
	X(wolfSSL_CTX_set_tlsext_ticket_key_cb) \
	X(wolfSSL_new)

static struct {
#define POINTER(name) __typeof__(name) *name;
	HOOKED(POINTER)
#undef POINTER
} real;

struct stek_wolfssl;

/* Of libstek-wolfssl. */
static struct {
	enum stek_err (*use)(WOLFSSL_CTX *, const struct stek_ring *,
	    const char *, struct stek_wolfssl **);
	void (*share)(WOLFSSL_CTX *, struct stek_wolfssl *);
} adapter;

static pthread_once_t found = PTHREAD_ONCE_INIT;
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static bool is_whole, ready, keeps_own;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stek_wolfssl *keys; /* under the lock */

/* libstek-wolfssl calls wolfSSL by names that stand here, too. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static const char own_keys[] =
    "this server's tickets are sealed with wolfSSL's own keys";

static void
find_all(void)
{
	void *wolfssl = real_library(LIBWOLFSSL);

	is_whole = true;
#define FIND(name) \
	is_whole &= real_find(wolfssl, #name, &real.name, sizeof(real.name));
	HOOKED(FIND)
#undef FIND
}

/* First in each of our functions: then wolfSSL's are known. */
static void
prepare(void)
{
	(void)pthread_once(&found, find_all);
}

static bool
load_adapter(void)
{
	void *address, *library;

	memcpy(&address, &real.wolfSSL_CTX_set_TicketEncCb, sizeof(address));
	library = real_adapter(
	    ADAPTER, "wolfSSL_CTX_set_TicketEncCb", address, own_keys);
	return library != NULL &&
	       real_find(library, "stek_wolfssl_use_scope", &adapter.use,
	           sizeof(adapter.use)) &&
	       real_find(library, "stek_wolfssl_share", &adapter.share,
	           sizeof(adapter.share));
}

static void
before_fork(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void
after_fork(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void
begin(void)
{
	keeps_own = real_keeps_own();
	ready = is_whole && load_adapter() &&
	        ring_begin("this server's tickets open nowhere") &&
	        pthread_atfork(before_fork, after_fork, after_fork) == 0;
}

static void
give(WOLFSSL_CTX *ctx)
{
	static bool said;
	enum stek_err err = STEK_OK;

	(void)pthread_mutex_lock(&lock);
	inside = true;
	if (keys != NULL)
		adapter.share(ctx, keys);
	else
		err = adapter.use(ctx, ring_current(), ring_scope(), &keys);
	inside = false;
	if (err != STEK_OK)
		keys = NULL;
	(void)pthread_mutex_unlock(&lock);
	if (err != STEK_OK)
		say_once(
		    &said, "stek: %s, so %s", stek_strerror(err), own_keys);
}

EXPORT WOLFSSL_CTX *
wolfSSL_CTX_new(WOLFSSL_METHOD *method)
{
	WOLFSSL_CTX *ctx;

	prepare();
	ctx = real.wolfSSL_CTX_new(method);
	if (ctx == NULL || inside)
		return ctx;
	(void)pthread_once(&begun, begin);
	if (ready)
		give(ctx);
	return ctx;
}

/* Once a connection. */
EXPORT WOLFSSL *
wolfSSL_new(WOLFSSL_CTX *ctx)
{
	prepare();
	if (ready && !inside)
		(void)ring_current();
	return real.wolfSSL_new(ctx);
}

/* --- what the server does about ticket keys ------------------------------- */

static bool
is_held_back(void)
{
	return ready && !inside && !keeps_own;
}

EXPORT int
wolfSSL_CTX_set_TicketEncCb(WOLFSSL_CTX *ctx, SessionTicketEncCb callback)
{
	prepare();
	return is_held_back() ? WOLFSSL_SUCCESS
	                      : real.wolfSSL_CTX_set_TicketEncCb(ctx, callback);
}

EXPORT int
wolfSSL_CTX_set_TicketEncCtx(WOLFSSL_CTX *ctx, void *arg)
{
	prepare();
	return is_held_back() ? WOLFSSL_SUCCESS
	                      : real.wolfSSL_CTX_set_TicketEncCtx(ctx, arg);
}

EXPORT int
wolfSSL_CTX_set_tlsext_ticket_key_cb(WOLFSSL_CTX *ctx,
    int (*callback)(WOLFSSL *, unsigned char *, unsigned char *,
        WOLFSSL_EVP_CIPHER_CTX *, WOLFSSL_HMAC_CTX *, int))
{
	prepare();
	return is_held_back()
	           ? WOLFSSL_SUCCESS
	           : real.wolfSSL_CTX_set_tlsext_ticket_key_cb(ctx, callback);
}
