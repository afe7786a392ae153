/* SPDX-License-Identifier: ISC */
/*
 * The ring's keys as NSS needs them: AES keys that were imported, and HMAC
 * states.  They are imported once a key and dropped when the ring changes;
 * a ticket that is at work holds on to its own.
 *
 * Never here: anything of a ticket but where its key's id and MAC stand.
 * Invariant: a key is used only if it is in the ring, by the clock, now.
 */
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stek.h>

#include "../adapters/pool.h"
#include "nss_preload.h"
#include "ring.h"

struct nss_key {
	atomic_uint holders;
	PK11SymKey *aes;
	uint8_t id[NSS_ID_LEN];
	crypto_auth_hmacsha256_state *mac; /* with the key; guarded */
};

static const char own_keys[] =
    "this server's tickets are sealed with its own keys";

static uint8_t name[NSS_NAME_LEN];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock: */
static uint64_t turn; /* of the ring, whose keys these are; 0: none are */
static struct stek_set *set;
static struct nss_key *keys[STEK_KEYS_MAX];
static struct pool *pool; /* or NULL */

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

/* Not secret: it only tells NSS which tickets to show us. */
static void
make_name(void)
{
	static const char info[] = "stek nss ticket v1";
	uint8_t digest[crypto_generichash_BYTES];
	crypto_generichash_state state;

	memset(name, 0, sizeof(name));
	(void)crypto_generichash_init(
	    &state, NULL, 0, crypto_generichash_BYTES);
	(void)crypto_generichash_update(
	    &state, (const uint8_t *)info, sizeof(info));
	(void)crypto_generichash_update(
	    &state, (const uint8_t *)ring_scope(), strlen(ring_scope()));
	(void)crypto_generichash_final(&state, digest, sizeof(digest));
	memcpy(name, digest, NSS_NAME_SET);
}

bool
nss_ring_begin(void)
{
	if (sodium_init() < 0 || !ring_begin(own_keys))
		return false;
	make_name();
	pool = pools_new(1);
	set = stek_set_new();
	return set != NULL &&
	       pthread_atfork(before_fork, after_fork, after_fork) == 0;
}

const uint8_t *
nss_ring_name(void)
{
	return name;
}

/* --- keys --------------------------------------------------------------- */

PK11SymKey *
nss_key_aes(const struct nss_key *key)
{
	return key->aes;
}

const uint8_t *
nss_key_id(const struct nss_key *key)
{
	return key->id;
}

void
nss_key_mac(const struct nss_key *key, const uint8_t *bytes, size_t len,
    uint8_t mac[NSS_MAC_LEN])
{
	crypto_auth_hmacsha256_state state = *key->mac;

	crypto_auth_hmacsha256_update(&state, bytes, len);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_memzero(&state, sizeof(state));
}

/* No ticket is as short as this: so its MAC, which is public, tells nothing. */
void
nss_key_iv(const struct nss_key *key, const uint8_t wire[NSS_IV_LEN],
    uint8_t iv[NSS_IV_LEN])
{
	uint8_t mac[NSS_MAC_LEN];

	nss_key_mac(key, wire, NSS_IV_LEN, mac);
	memcpy(iv, mac, NSS_IV_LEN);
	sodium_memzero(mac, sizeof(mac));
}

void
nss_key_give(struct nss_key *key)
{
	if (key == NULL || atomic_fetch_sub(&key->holders, 1) > 1)
		return;
	nss_drop_key(&key->aes);
	stek_file_free((uint8_t *)key->mac);
	free(key);
}

static struct nss_key *
hold(struct nss_key *key)
{
	if (key != NULL)
		(void)atomic_fetch_add(&key->holders, 1);
	return key;
}

static struct nss_key *
import(const struct stek_key *from, PK11SlotInfo *slot)
{
	struct nss_key *key = calloc(1, sizeof(*key));
	uint8_t aes[STEK_AES_LEN];
	SECItem item = {siBuffer, aes, sizeof(aes)};

	if (key == NULL)
		return NULL;
	atomic_init(&key->holders, 1);
	memcpy(key->id, from->name, NSS_ID_LEN);
	memcpy(aes, from->aes, sizeof(aes));
	key->aes = nss_real()->PK11_ImportSymKeyWithFlags(slot, CKM_AES_CBC,
	    PK11_OriginUnwrap, CKA_ENCRYPT, &item, CKF_ENCRYPT | CKF_DECRYPT,
	    PR_FALSE, NULL);
	sodium_memzero(aes, sizeof(aes));
	key->mac = (void *)stek_file_alloc(sizeof(*key->mac));
	if (key->aes == NULL || key->mac == NULL) {
		nss_key_give(key);
		return NULL;
	}
	(void)crypto_auth_hmacsha256_init(
	    key->mac, from->mac, sizeof(from->mac));
	return key;
}

/* --- the ring ----------------------------------------------------------- */

static void
drop_keys(void)
{
	size_t i;

	for (i = 0; i < STEK_KEYS_MAX; i++) {
		nss_key_give(keys[i]);
		keys[i] = NULL;
	}
	if (set != NULL)
		stek_set_clear(set);
	turn = 0;
}

static void
import_all(int64_t now)
{
	PK11SlotInfo *slot = nss_local_slot();
	static bool said;
	size_t i;

	if (slot == NULL)
		return;
	for (i = 0; i < set->count; i++) {
		if (stek_key_state(&set->keys[i], now) == STEK_DEAD)
			continue;
		keys[i] = import(&set->keys[i], slot);
		if (keys[i] == NULL)
			say_once(&said, "stek: NSS takes no key from outside "
			                "(in FIPS mode?), so its tickets are "
			                "sealed with its own keys");
	}
	nss_real()->PK11_FreeSlot(slot);
}

/* The ring's keys, as they are now. */
static void
refresh(int64_t now)
{
	const struct stek_ring *ring = ring_current();
	uint64_t is = stek_ring_turn(ring);

	if (is == turn)
		return;
	drop_keys();
	stek_ring_read(ring, set);
	if (stek_scope_set(set, ring_scope(), set) != STEK_OK)
		stek_set_clear(set);
	import_all(now);
	turn = is;
}

struct nss_key *
nss_ring_sealing(void)
{
	const struct stek_key *sealing;
	struct nss_key *key = NULL;
	int64_t now = time(NULL);

	(void)pthread_mutex_lock(&lock);
	refresh(now);
	sealing = stek_set_sealing(set, now);
	if (sealing != NULL)
		key = hold(keys[sealing - set->keys]);
	(void)pthread_mutex_unlock(&lock);
	return key;
}

static bool
proves(const struct nss_key *key, const uint8_t *ticket, size_t len)
{
	uint8_t mac[NSS_MAC_LEN];

	nss_key_mac(key, ticket, len, mac);
	return sodium_memcmp(mac, ticket + len, sizeof(mac)) == 0;
}

struct nss_key *
nss_ring_opening(const uint8_t *ticket, size_t len)
{
	struct nss_key *key = NULL;
	int64_t now = time(NULL);
	size_t i;

	if (len < NSS_HEAD_LEN || memcmp(ticket, name, sizeof(name)) != 0)
		return NULL;
	(void)pthread_mutex_lock(&lock);
	refresh(now);
	for (i = 0; key == NULL && i < set->count; i++)
		if (keys[i] != NULL &&
		    memcmp(keys[i]->id, ticket + NSS_NAME_LEN, NSS_ID_LEN) ==
		        0 &&
		    stek_key_state(&set->keys[i], now) != STEK_DEAD &&
		    proves(keys[i], ticket, len))
			key = hold(keys[i]);
	(void)pthread_mutex_unlock(&lock);
	return key;
}

static bool
draw(uint8_t *bytes, size_t len)
{
	randombytes_buf(bytes, len);
	return true;
}

bool
nss_ring_random(uint8_t *bytes, size_t len)
{
	bool drawn;

	(void)pthread_mutex_lock(&lock);
	drawn = pool_take(pool, draw, bytes, len);
	(void)pthread_mutex_unlock(&lock);
	return drawn;
}

void
nss_ring_forget(void)
{
	(void)pthread_mutex_lock(&lock);
	drop_keys();
	(void)pthread_mutex_unlock(&lock);
}

void nss_ring_give(
    enum stek_err (*give)(const struct stek_ring *, const char *))
{
	static bool said;
	enum stek_err err;

	err = give(ring_current(), ring_scope());
	if (err != STEK_OK)
		say_once(&said, "stek: NSS takes no keys: %s; %s",
		    stek_strerror(err), own_keys);
}
