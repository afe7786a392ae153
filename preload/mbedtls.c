/* SPDX-License-Identifier: ISC */
/*
 * The farm's keys for the session tickets of a server on Mbed TLS that knows
 * nothing of them.
 *
 * Where a server gives a conf its callbacks for tickets, that conf gets those
 * of libstek-mbedtls instead.  All of them share what it keeps, for Mbed TLS
 * does not tell when one is gone.
 *
 * Never here: keys; anything in a process that has no Mbed TLS, or for confs
 * without tickets.
 * Invariant: a conf has the ring's keys, or what its server gave it.
 */
#include <pthread.h>
#include <string.h>

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <stek.h>

#include "real.h"
#include "ring.h"
#include "say.h"

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define LIBMBEDTLS "libmbedtls.so.14"
#else
#define LIBMBEDTLS "libmbedtls.so.21"
#endif
#define ADAPTER "libstek-mbedtls.so.0"

#define EXPORT __attribute__((visibility("default")))

#define HOOKED(X)                              \
	X(mbedtls_ssl_conf_session_tickets_cb) \
	X(mbedtls_ssl_setup)

static struct {
#define POINTER(name) __typeof__(name) *name;
	HOOKED(POINTER)
#undef POINTER
} real;

struct stek_mbedtls;

/* Of libstek-mbedtls. */
static struct {
	enum stek_err (*use)(mbedtls_ssl_config *, const struct stek_ring *,
	    const char *, struct stek_mbedtls **);
	void (*share)(mbedtls_ssl_config *, struct stek_mbedtls *);
} adapter;

static pthread_once_t found = PTHREAD_ONCE_INIT;
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static bool is_whole, ready;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stek_mbedtls *keys; /* under the lock */

/* libstek-mbedtls calls Mbed TLS by a name that stands here, too. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static const char own_keys[] =
    "this server's tickets are sealed with Mbed TLS's own keys";

static void
find_all(void)
{
	void *mbedtls = real_library(LIBMBEDTLS);

	is_whole = true;
#define FIND(name) \
	is_whole &= real_find(mbedtls, #name, &real.name, sizeof(real.name));
	HOOKED(FIND)
#undef FIND
}

/* First in each of our functions: then those of Mbed TLS are known. */
static void
prepare(void)
{
	(void)pthread_once(&found, find_all);
}

static bool
load_adapter(void)
{
	static const char name[] = "mbedtls_ssl_conf_session_tickets_cb";
	void *address, *library;

	memcpy(&address, &real.mbedtls_ssl_conf_session_tickets_cb,
	    sizeof(address));
	library = real_adapter(ADAPTER, name, address, own_keys);
	return library != NULL &&
	       real_find(library, "stek_mbedtls_use_scope", &adapter.use,
	           sizeof(adapter.use)) &&
	       real_find(library, "stek_mbedtls_share", &adapter.share,
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
	ready = !real_keeps_own() && is_whole && load_adapter() &&
	        ring_begin("this server gives no tickets") &&
	        pthread_atfork(before_fork, after_fork, after_fork) == 0;
}

static bool
give(mbedtls_ssl_config *conf)
{
	static bool said;
	enum stek_err err = STEK_OK;

	(void)pthread_mutex_lock(&lock);
	inside = true;
	if (keys != NULL)
		adapter.share(conf, keys);
	else
		err = adapter.use(conf, ring_current(), ring_scope(), &keys);
	inside = false;
	if (err != STEK_OK)
		keys = NULL;
	(void)pthread_mutex_unlock(&lock);
	if (err != STEK_OK)
		say_once(
		    &said, "stek: %s, so %s", stek_strerror(err), own_keys);
	return err == STEK_OK;
}

EXPORT void
mbedtls_ssl_conf_session_tickets_cb(mbedtls_ssl_config *conf,
    mbedtls_ssl_ticket_write_t *write, mbedtls_ssl_ticket_parse_t *parse,
    void *arg)
{
	prepare();
	if (!inside && write != NULL && parse != NULL) {
		(void)pthread_once(&begun, begin);
		if (ready && give(conf))
			return;
	}
	real.mbedtls_ssl_conf_session_tickets_cb(conf, write, parse, arg);
}

/* Once a connection. */
EXPORT int
mbedtls_ssl_setup(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *conf)
{
	prepare();
	if (ready)
		(void)ring_current();
	return real.mbedtls_ssl_setup(ssl, conf);
}
