/* SPDX-License-Identifier: ISC */
/*
 * From a ring to NSS's set of session ticket keys.
 *
 * NSS has no callback: it is given keys and keeps them.  So each call looks
 * whether the ring, the process or the time has moved on since the last, and
 * hands over all keys if so.
 *
 * Never here: NSS's internals; a thread of our own.
 * Static state: what this process has given, as NSS has one set a process.
 * Invariant: an error leaves NSS with the keys it had, and is tried again
 * with the next call.
 */
#include <sys/random.h>

#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nss.h>
#include <pk11pub.h>
#include <prerror.h>
#include <sslerr.h>

#include <stek/nss.h>

#include "../nss/lib/ssl/sslticketkeys.h"

/* What NSS has, and how long that is what it should have. */
struct given {
	const struct stek_ring *ring;
	uint64_t turn;
	int64_t since;
	int64_t until;
	pid_t pid;
	char scope[STEK_SCOPE_MAX + 1];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct given given;

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

/* A fork that meets a call would leave the child with a lock held. */
static void
prepare(void)
{
	(void)pthread_atfork(before_fork, after_fork, after_fork);
}

static bool
is_given(const struct stek_ring *ring, const char *scope, int64_t now)
{
	return given.pid == getpid() && given.ring == ring &&
	       (ring == NULL ||
	           (given.turn == stek_ring_turn(ring) && now >= given.since &&
	               now < given.until && strcmp(given.scope, scope) == 0));
}

/*
 * A forked process would draw the same random bytes as its siblings, and
 * seal with the same IVs, until something tells NSS's generator otherwise.
 */
static bool
stir(void)
{
	uint8_t fresh[32];
	bool done;

	if (given.pid == getpid())
		return true;
	done = getrandom(fresh, sizeof(fresh), 0) == sizeof(fresh) &&
	       PK11_RandomUpdate(fresh, sizeof(fresh)) == SECSuccess;
	explicit_bzero(fresh, sizeof(fresh));
	return done;
}

static PRTime
as_prtime(int64_t seconds)
{
	return (PRTime)seconds * PR_USEC_PER_SEC;
}

static void
convert(const struct stek_key *key, int64_t now, SSLSessionTicketKeyBytes *out)
{
	memcpy(out->name, key->name, STEK_NAME_LEN);
	memcpy(out->encKey, key->aes, STEK_AES_LEN);
	memcpy(out->macKey, key->mac, STEK_MAC_LEN);
	out->notAfter = as_prtime(key->open_until);
	/* NSS has no third time: equal ones make a key that only opens. */
	out->notBefore =
	    key->seal_until <= now ? out->notAfter : as_prtime(key->seal_from);
}

static enum stek_err
hand_over(const SSLSessionTicketKeyBytes *keys, unsigned int count)
{
	/* NSS's macro turns an object pointer into a function. */
	if (__extension__ SSL_SetSessionTicketKeyBytes(keys, count) ==
	    SECSuccess)
		return STEK_OK;
	return PR_GetError() == SSL_ERROR_UNSUPPORTED_EXPERIMENTAL_API
	           ? STEK_ERR_LIBRARY
	           : STEK_ERR_SYSTEM;
}

/* bytes: room for all keys of the set. */
static enum stek_err
give_set(const struct stek_set *set, int64_t now, uint8_t *bytes)
{
	SSLSessionTicketKeyBytes *keys = (void *)bytes;
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < set->count; i++)
		if (stek_key_state(&set->keys[i], now) != STEK_DEAD)
			convert(&set->keys[i], now, &keys[count++]);
	return hand_over(keys, count);
}

static enum stek_err
give(const struct stek_ring *ring, const char *scope, int64_t now)
{
	struct given next = {.ring = ring, .pid = getpid(), .since = now};
	struct stek_set *set = stek_set_new();
	uint8_t *bytes =
	    stek_file_alloc(STEK_KEYS_MAX * sizeof(SSLSessionTicketKeyBytes));
	enum stek_err err = STEK_ERR_MEMORY;

	if (set == NULL || bytes == NULL)
		goto out;
	if (ring != NULL) {
		next.turn = stek_ring_turn(ring);
		stek_ring_read(ring, set);
	}
	err = stek_scope_set(set, scope, set);
	if (err != STEK_OK)
		goto out;
	err = stir() ? give_set(set, now, bytes) : STEK_ERR_SYSTEM;
	if (err != STEK_OK)
		goto out;
	next.until = stek_set_wake(set, now);
	strcpy(next.scope, scope);
	given = next;
out:
	stek_file_free(bytes);
	stek_set_free(set);
	return err;
}

/* An NSS that is started again has no keys. */
static SECStatus
on_shutdown(void *unused, void *unused_too)
{
	(void)unused;
	(void)unused_too;
	(void)pthread_mutex_lock(&lock);
	memset(&given, 0, sizeof(given));
	(void)pthread_mutex_unlock(&lock);
	return SECSuccess;
}

enum stek_err
stek_nss_use_scope(const struct stek_ring *ring, const char *scope)
{
	const int64_t now = time(NULL);
	enum stek_err err = STEK_OK;
	bool known;

	if (pthread_once(&once, prepare) != 0 || pthread_mutex_lock(&lock) != 0)
		return STEK_ERR_MEMORY;
	known = is_given(ring, scope, now);
	if (!known)
		err = give(ring, scope, now);
	(void)pthread_mutex_unlock(&lock);
	/* NSS takes its lock before ours when it shuts down. */
	if (!known && err == STEK_OK)
		(void)NSS_RegisterShutdown(on_shutdown, NULL);
	return err;
}

enum stek_err
stek_nss_use(const struct stek_ring *ring)
{
	return stek_nss_use_scope(ring, "");
}
