/* SPDX-License-Identifier: ISC */
/*
 * The farm's keys for the session tickets of a server on OpenSSL that knows
 * nothing of them.
 *
 * The server makes its SSL_CTX by a function that stands here in the place of
 * libssl's: it is given what libssl makes, and libstek-openssl has given that
 * the ring's keys.  Whatever the server then does about ticket keys itself is
 * not done, or, if stek run was told so, puts an end to ours.
 *
 * Our functions have the version that OpenSSL 3 gives its own, and are not the
 * default for that name: so a program is left alone that uses another library
 * with functions of these names, such as BoringSSL or an older OpenSSL.
 *
 * Never here: keys; anything in a process that has no libssl, or for contexts
 * that only clients are made from.
 * Invariant: each call ends in libssl's function, with what it returned.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <openssl/ssl.h>

#include <stek.h>

#include "real.h"
#include "ring.h"
#include "say.h"

#define LIBSSL  "libssl.so.3"
#define ADAPTER "libstek-openssl.so.0"

typedef int (*evp_callback)(SSL *, unsigned char *, unsigned char *,
    EVP_CIPHER_CTX *, EVP_MAC_CTX *, int);

/* As libssl names it: hooked_x stands in the place of x. */
#define HOOK(name)                                                   \
	__asm__(".symver hooked_" #name "," #name "@OPENSSL_3.0.0"); \
	__typeof__(name) hooked_##name __attribute__((visibility("default")))

#define HOOKED(X)                               \
	X(SSL_CTX_callback_ctrl)                \
	X(SSL_CTX_ctrl)                         \
	X(SSL_CTX_new)                          \
	X(SSL_CTX_new_ex)                       \
	X(SSL_CTX_set_tlsext_ticket_key_evp_cb) \
	X(SSL_new)

#define CALLED(X)                  \
	X(CRYPTO_get_ex_new_index) \
	X(DTLS_client_method)      \
	X(SSL_CTX_get_ex_data)     \
	X(SSL_CTX_get_ssl_method)  \
	X(SSL_CTX_set_ex_data)     \
	X(TLS_client_method)

static struct {
#define POINTER(name) __typeof__(name) *name;
	HOOKED(POINTER)
	CALLED(POINTER)
#undef POINTER
} real;

static pthread_once_t found = PTHREAD_ONCE_INIT;
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static bool is_whole, keeps_own;
static atomic_bool ready;
static int mark; /* of an SSL_CTX that has the ring's keys */
static enum stek_err (*use)(SSL_CTX *, const struct stek_ring *, const char *);

/* libstek-openssl calls libssl by names that stand here, too. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static const char own_keys[] =
    "this server's tickets are sealed with OpenSSL's own keys";

static void
find_all(void)
{
	void *libssl = real_library(LIBSSL);

	is_whole = true;
#define FIND(name) \
	is_whole &= real_find(libssl, #name, &real.name, sizeof(real.name));
	HOOKED(FIND)
	CALLED(FIND)
#undef FIND
}

static bool
load_adapter(void)
{
	void *address, *adapter;

	memcpy(&address, &real.SSL_CTX_new, sizeof(address));
	adapter = real_adapter(ADAPTER, "SSL_CTX_new", address, own_keys);
	return adapter != NULL &&
	       real_find(adapter, "stek_openssl_use_scope", &use, sizeof(use));
}

/* Not before there is a server: clients are to notice nothing. */
static void
begin(void)
{
	keeps_own = real_keeps_own();
	if (!is_whole || !load_adapter() ||
	    !ring_begin("this server gives no tickets"))
		return;
	mark = real.CRYPTO_get_ex_new_index(
	    CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, NULL);
	atomic_store(&ready, mark >= 0);
}

/* First in each of our functions: then libssl's are known. */
static void
prepare(void)
{
	(void)pthread_once(&found, find_all);
}

static bool
is_ours(const SSL_CTX *ctx)
{
	return atomic_load(&ready) && !inside && ctx != NULL &&
	       real.SSL_CTX_get_ex_data(ctx, mark) != NULL;
}

static void
give(SSL_CTX *ctx)
{
	static bool said;
	enum stek_err err;

	inside = true;
	err = use(ctx, ring_current(), ring_scope());
	inside = false;
	if (err != STEK_OK)
		say_once(
		    &said, "stek: %s, so %s", stek_strerror(err), own_keys);
	else if (!real.SSL_CTX_set_ex_data(ctx, mark, &mark))
		say_once(&said, "stek: no memory; what this server sets is "
		                "not held back");
}

static bool
is_for_servers(const SSL_CTX *ctx)
{
	const SSL_METHOD *method = real.SSL_CTX_get_ssl_method(ctx);

	return method != real.TLS_client_method() &&
	       method != real.DTLS_client_method();
}

static SSL_CTX *
made(SSL_CTX *ctx)
{
	if (ctx == NULL || inside || !is_whole || !is_for_servers(ctx))
		return ctx;
	(void)pthread_once(&begun, begin);
	if (atomic_load(&ready) && !is_ours(ctx))
		give(ctx);
	return ctx;
}

HOOK(SSL_CTX_new);
SSL_CTX *
hooked_SSL_CTX_new(const SSL_METHOD *method)
{
	prepare();
	return made(real.SSL_CTX_new(method));
}

HOOK(SSL_CTX_new_ex);
SSL_CTX *
hooked_SSL_CTX_new_ex(
    OSSL_LIB_CTX *libctx, const char *query, const SSL_METHOD *method)
{
	prepare();
	return made(real.SSL_CTX_new_ex(libctx, query, method));
}

/* Once a connection. */
HOOK(SSL_new);
SSL *
hooked_SSL_new(SSL_CTX *ctx)
{
	prepare();
	if (is_ours(ctx))
		(void)ring_current();
	return real.SSL_new(ctx);
}

/* --- what the server does about ticket keys ------------------------------ */

/*
 * True: it is not to be done.  Otherwise the server's own keys are on their
 * way, and ours are taken back.
 */
static bool
is_held_back(SSL_CTX *ctx)
{
	if (!is_ours(ctx))
		return false;
	if (!keeps_own)
		return true;
	(void)real.SSL_CTX_callback_ctrl(
	    ctx, SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB, NULL);
	(void)real.SSL_CTX_set_ex_data(ctx, mark, NULL);
	return false;
}

HOOK(SSL_CTX_set_tlsext_ticket_key_evp_cb);
int
hooked_SSL_CTX_set_tlsext_ticket_key_evp_cb(SSL_CTX *ctx, evp_callback callback)
{
	prepare();
	if (callback != NULL && is_held_back(ctx))
		return 1;
	return real.SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, callback);
}

HOOK(SSL_CTX_callback_ctrl);
long
hooked_SSL_CTX_callback_ctrl(SSL_CTX *ctx, int cmd, void (*callback)(void))
{
	prepare();
	if (cmd == SSL_CTRL_SET_TLSEXT_TICKET_KEY_CB && callback != NULL &&
	    is_held_back(ctx))
		return 1;
	return real.SSL_CTX_callback_ctrl(ctx, cmd, callback);
}

HOOK(SSL_CTX_ctrl);
long
hooked_SSL_CTX_ctrl(SSL_CTX *ctx, int cmd, long number, void *pointer)
{
	prepare();
	if (cmd == SSL_CTRL_SET_TLSEXT_TICKET_KEYS && pointer != NULL &&
	    is_held_back(ctx))
		return 1;
	return real.SSL_CTX_ctrl(ctx, cmd, number, pointer);
}
