/* SPDX-License-Identifier: ISC */
/*
 * The farm's keys for the session tickets of a server on GnuTLS that knows
 * nothing of them.
 *
 * Where a server turns tickets on for a session, with a key of its own, it
 * gets libstek-gnutls instead.  That needs the session's handshake hook, of
 * which there is one: so ours stands there, and calls a hook of the server's
 * own when its turn has come.  And it needs the session's expiration to be
 * what it is on all servers of the farm.
 *
 * Never here: keys; anything in a process that has no GnuTLS, or for sessions
 * without tickets.
 * Invariant: a session without our keys is as the server has it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include <stek.h>

#include "real.h"
#include "ring.h"
#include "say.h"

#define LIBGNUTLS "libgnutls.so.30"
#define ADAPTER   "libstek-gnutls.so.0"

#define EXPORT __attribute__((visibility("default")))

/* Never sent: a session keeps what we know of it as that of an extension. */
#define EXT_KNOWN 65375

#define KNOWN_MAX 64 /* more than any server has hooks */

#define HOOKED(X)                             \
	X(gnutls_db_set_cache_expiration)     \
	X(gnutls_handshake_set_hook_function) \
	X(gnutls_session_ticket_enable_server)

#define CALLED(X)              \
	X(gnutls_ext_get_data) \
	X(gnutls_ext_set_data) \
	X(gnutls_session_ext_register)

static struct {
#define POINTER(name) __typeof__(name) *name;
	HOOKED(POINTER)
	CALLED(POINTER)
#undef POINTER
} real;

struct stek_gnutls;

/* Of libstek-gnutls. */
static struct {
	enum stek_err (*make)(
	    const struct stek_ring *, const char *, struct stek_gnutls **);
	enum stek_err (*use)(gnutls_session_t, struct stek_gnutls *);
	gnutls_handshake_hook_func hook;
} adapter;

static pthread_once_t found = PTHREAD_ONCE_INIT;
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static bool is_whole;
static struct stek_gnutls *handle; /* NULL: the server's own keys */

/* libstek-gnutls calls GnuTLS by names that stand here, too. */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static const char own_keys[] =
    "this server's tickets are sealed with GnuTLS's own keys";

/* --- what is called ------------------------------------------------------- */

static void
find_all(void)
{
	void *gnutls = real_library(LIBGNUTLS);

	is_whole = true;
#define FIND(name) \
	is_whole &= real_find(gnutls, #name, &real.name, sizeof(real.name));
	HOOKED(FIND)
	CALLED(FIND)
#undef FIND
}

static bool
load_adapter(void)
{
	void *address, *library;

	memcpy(&address, &real.gnutls_session_ticket_enable_server,
	    sizeof(address));
	library = real_adapter(
	    ADAPTER, "gnutls_session_ticket_enable_server", address, own_keys);
	return library != NULL &&
	       real_find(library, "stek_gnutls_new_scope", &adapter.make,
	           sizeof(adapter.make)) &&
	       real_find(library, "stek_gnutls_use", &adapter.use,
	           sizeof(adapter.use)) &&
	       real_find(library, "stek_gnutls_hook", &adapter.hook,
	           sizeof(adapter.hook));
}

static void
begin(void)
{
	if (real_keeps_own() || !is_whole || !load_adapter() ||
	    !ring_begin("this server gives no tickets"))
		return;
	if (adapter.make(ring_current(), ring_scope(), &handle) != STEK_OK)
		handle = NULL;
}

/* First in each of our functions: then GnuTLS's are known. */
static void
prepare(void)
{
	(void)pthread_once(&found, find_all);
}

/* --- what is known of a session ------------------------------------------- */

/* Has it our keys, and what hook has the server set, if any? */
struct known {
	bool ours;
	unsigned int type;
	int when;
	gnutls_handshake_hook_func hook;
};

/*
 * There are few, and sessions point to them.  Two threads may well add the
 * same one twice.
 */
static struct {
	struct known known;
	atomic_bool is_set;
} all_known[KNOWN_MAX];
static atomic_size_t known_count;

static bool
is_same(const struct known *a, const struct known *b)
{
	return a->ours == b->ours && a->type == b->type && a->when == b->when &&
	       a->hook == b->hook;
}

/* NULL: there are too many. */
static struct known *
intern(const struct known *known)
{
	size_t i;

	for (i = 0; i < KNOWN_MAX; i++)
		if (atomic_load(&all_known[i].is_set) &&
		    is_same(&all_known[i].known, known))
			return &all_known[i].known;
	if (atomic_load(&known_count) >= KNOWN_MAX)
		return NULL;
	i = atomic_fetch_add(&known_count, 1);
	if (i >= KNOWN_MAX)
		return NULL;
	all_known[i].known = *known;
	atomic_store(&all_known[i].is_set, true);
	return &all_known[i].known;
}

static struct known
get_known(gnutls_session_t session)
{
	const struct known none = {0};
	gnutls_ext_priv_data_t data = NULL;

	if (!is_whole ||
	    real.gnutls_ext_get_data(session, EXT_KNOWN, &data) != 0 ||
	    data == NULL)
		return none;
	return *(const struct known *)data;
}

static bool
set_known(gnutls_session_t session, const struct known *known)
{
	gnutls_ext_priv_data_t data;
	struct known *kept = intern(known);

	if (kept == NULL)
		return false;
	if (real.gnutls_ext_get_data(session, EXT_KNOWN, &data) != 0 &&
	    real.gnutls_session_ext_register(session, "stek run", EXT_KNOWN,
	        GNUTLS_EXT_TLS, NULL, NULL, NULL, NULL, NULL, 0) < 0)
		return false;
	real.gnutls_ext_set_data(session, EXT_KNOWN, kept);
	return true;
}

/* --- the hook ------------------------------------------------------------- */

static bool
is_due(const struct known *known, unsigned int type, unsigned int post)
{
	return known->hook != NULL &&
	       (known->type == GNUTLS_HANDSHAKE_ANY || known->type == type) &&
	       (known->when == GNUTLS_HOOK_BOTH ||
	           known->when == (post ? GNUTLS_HOOK_POST : GNUTLS_HOOK_PRE));
}

static int
on_message(gnutls_session_t session, unsigned int type, unsigned int post,
    unsigned int incoming, const gnutls_datum_t *message)
{
	struct known known = get_known(session);

	inside = true;
	(void)adapter.hook(session, type, post, incoming, message);
	inside = false;
	return is_due(&known, type, post)
	           ? known.hook(session, type, post, incoming, message)
	           : 0;
}

/* --- what the server calls ------------------------------------------------ */

/* False: the session is as it was. */
static bool
give(gnutls_session_t session)
{
	struct known known = get_known(session);

	known.ours = true;
	if (!set_known(session, &known))
		return false;
	(void)ring_current();
	inside = true;
	if (adapter.use(session, handle) == STEK_OK)
		gnutls_handshake_set_hook_function(session,
		    GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
	inside = false;
	return true;
}

EXPORT int
gnutls_session_ticket_enable_server(
    gnutls_session_t session, const gnutls_datum_t *key)
{
	prepare();
	if (!inside)
		(void)pthread_once(&begun, begin);
	/* If it is ours it has no tickets, rather than some of its own. */
	if (!inside && handle != NULL && give(session))
		return 0;
	return real.gnutls_session_ticket_enable_server(session, key);
}

EXPORT void
gnutls_handshake_set_hook_function(gnutls_session_t session, unsigned int type,
    int when, gnutls_handshake_hook_func function)
{
	struct known known;

	prepare();
	if (!inside && is_whole) {
		known = get_known(session);
		known.type = type;
		known.when = when;
		known.hook = function;
		if (set_known(session, &known) && known.ours)
			return;
	}
	real.gnutls_handshake_set_hook_function(session, type, when, function);
}

EXPORT void
gnutls_db_set_cache_expiration(gnutls_session_t session, int seconds)
{
	prepare();
	if (inside || !get_known(session).ours)
		real.gnutls_db_set_cache_expiration(session, seconds);
}
