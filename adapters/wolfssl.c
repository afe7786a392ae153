/* SPDX-License-Identifier: ISC */
/*
 * From a ring to wolfSSL's session ticket callback.
 *
 * wolfSSL fixes a ticket's layout: name 16, iv 16, length 2, state, mac 32.
 * What XAES-256-GCM needs lies in there so: iv and the first 8 bytes of mac
 * are the nonce, the last 16 the tag; the 8 between are zero.
 *
 * Once wolfSSL asks for a ticket, anything but a ticket ends the connection.
 * So where there is none to give, it gets one of bytes that nobody opens.
 *
 * Never here: when a key may do what.
 * Invariant: no way out of the callback ends a connection.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stek/wolfssl.h>

#include "host.h"
#include "slot.h"
#include "xaes.h"

/*
 * wolfSSL does not compare a ticket's length with the length inside it, and
 * hands us a mac that may lie beyond the ticket.  With the one length that
 * its state has it never does; so that one must be known.
 */
#if LIBWOLFSSL_VERSION_HEX != 0x05005004 || !defined(WOLFSSL_TLS13) || \
    !defined(WOLFSSL_TICKET_HAVE_ID) || defined(WOLFSSL_EARLY_DATA)
#error "how long is this wolfSSL's ticket state?"
#endif
#define STATE_LEN 108

#define NONCE_REST (XAES_NONCE_LEN - WOLFSSL_TICKET_IV_SZ)
#define SPARE_LEN  (WOLFSSL_TICKET_MAC_SZ - XAES_TAG_LEN - NONCE_REST)
#define AD_LEN     (STEK_NAME_LEN + 4)

struct stek_wolfssl {
	const struct stek_ring *ring;
	struct slots *slots;
	bool hosts;
	char scope[STEK_SCOPE_MAX + 1];
};

/* A ticket's parts, where wolfSSL has them. */
struct parts {
	uint8_t *name;
	uint8_t *iv;
	uint8_t *mac;
	uint8_t *state;
};

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001wolfssl");
}

static const struct slot_library library = {expand, xaes_free, xaes_random};

/* The state is laid out as this version of wolfSSL has it. */
static void
associate(const uint8_t *name, uint8_t ad[AD_LEN])
{
	size_t i;

	memcpy(ad, name, STEK_NAME_LEN);
	for (i = 0; i < AD_LEN - STEK_NAME_LEN; i++)
		ad[STEK_NAME_LEN + i] =
		    (uint8_t)(LIBWOLFSSL_VERSION_HEX >> (24 - 8 * i));
}

static bool
seal_with(struct slot *slot, const char *scope, const struct parts *to)
{
	uint8_t nonce[XAES_NONCE_LEN], ad[AD_LEN];
	const struct xaes *xaes;

	xaes = slot_sealing(slot, scope, time(NULL), to->name);
	if (xaes == NULL || !slot_random(slot, nonce, sizeof(nonce)))
		return false;
	associate(to->name, ad);
	memcpy(to->iv, nonce, WOLFSSL_TICKET_IV_SZ);
	memcpy(to->mac, nonce + WOLFSSL_TICKET_IV_SZ, NONCE_REST);
	memset(to->mac + NONCE_REST, 0, SPARE_LEN);
	xaes_seal(xaes, nonce, ad, sizeof(ad), to->state, STATE_LEN, to->state,
	    to->mac + NONCE_REST + SPARE_LEN);
	return true;
}

static bool
open_with(struct slot *slot, const char *scope, const struct parts *from)
{
	static const uint8_t spare[SPARE_LEN];
	uint8_t nonce[XAES_NONCE_LEN], ad[AD_LEN];
	const struct xaes *xaes;
	bool renew; /* which wolfSSL has no way to do */

	if (memcmp(from->mac + NONCE_REST, spare, SPARE_LEN) != 0)
		return false;
	xaes = slot_opening(slot, scope, time(NULL), from->name, &renew);
	if (xaes == NULL)
		return false;
	associate(from->name, ad);
	memcpy(nonce, from->iv, WOLFSSL_TICKET_IV_SZ);
	memcpy(nonce + WOLFSSL_TICKET_IV_SZ, from->mac, NONCE_REST);
	return xaes_open(xaes, nonce, ad, sizeof(ad), from->state, STATE_LEN,
	    from->mac + NONCE_REST + SPARE_LEN, from->state);
}

/*
 * Before TLS 1.3 a ticket is opened while extensions are still being read:
 * that no host is known by then does not tell that none was asked for.
 */
static bool
set_scope(const struct stek_wolfssl *keys, WOLFSSL *ssl, bool seal, char *scope)
{
	void *host = NULL;
	size_t len;

	strcpy(scope, keys->scope);
	if (!keys->hosts)
		return true;
	len = wolfSSL_SNI_GetRequest(ssl, WOLFSSL_SNI_HOST_NAME, &host);
	if (host != NULL && len > 0)
		return host_scope(scope, host, len);
	strcpy(scope, HOST_NONE);
	return seal || wolfSSL_version(ssl) == TLS1_3_VERSION;
}

static bool
seal_or_open(const struct stek_wolfssl *keys, WOLFSSL *ssl, bool seal,
    const struct parts *parts)
{
	char scope[STEK_SCOPE_MAX + 1];
	struct slot *slot;
	bool done;

	if (!set_scope(keys, ssl, seal, scope))
		return false;
	slot = slot_take(keys->slots);
	if (slot == NULL)
		return false;
	done = seal ? seal_with(slot, scope, parts)
	            : open_with(slot, scope, parts);
	slot_give(slot);
	return done;
}

/* Opens nowhere: no key has such a name. */
static void
make_dead(const struct parts *to, size_t state_len)
{
	memset(to->name, 0xff, STEK_NAME_LEN);
	memset(to->iv, 0xff, WOLFSSL_TICKET_IV_SZ);
	memset(to->mac, 0xff, WOLFSSL_TICKET_MAC_SZ);
	memset(to->state, 0xff, state_len);
}

static bool
seals(const struct stek_wolfssl *keys)
{
	struct stek_key STEK_WIPED key;

	return stek_ring_sealing(keys->ring, time(NULL), &key);
}

static int
on_ticket(WOLFSSL *ssl, byte name[WOLFSSL_TICKET_NAME_SZ],
    byte iv[WOLFSSL_TICKET_IV_SZ], byte mac[WOLFSSL_TICKET_MAC_SZ], int seal,
    byte *state, int state_len, int *out_len, void *keys)
{
	const struct parts parts = {name, iv, mac, state};
	bool done;

	*out_len = state_len;
	done = state_len == STATE_LEN &&
	       seal_or_open(keys, ssl, seal != 0, &parts);
	if (seal && !done)
		make_dead(&parts, (size_t)state_len);
	/* Else its client would lose a good ticket for a dead one. */
	if (!seal && wolfSSL_version(ssl) == TLS1_3_VERSION && !seals(keys))
		(void)wolfSSL_no_ticket_TLSv13(ssl);
	return seal || done ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_REJECT;
}

static struct stek_wolfssl *
keys_new(const struct stek_ring *ring, bool hosts, const char *scope)
{
	struct stek_wolfssl *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return NULL;
	keys->ring = ring;
	keys->hosts = hosts;
	strcpy(keys->scope, scope);
	keys->slots = slots_new(&library, ring);
	if (keys->slots == NULL) {
		free(keys);
		return NULL;
	}
	return keys;
}

void
stek_wolfssl_share(WOLFSSL_CTX *ctx, struct stek_wolfssl *keys)
{
	/* These fail only without a ctx. */
	(void)wolfSSL_CTX_set_TicketEncCtx(ctx, keys);
	(void)wolfSSL_CTX_set_TicketEncCb(ctx, on_ticket);
	if (keys->hosts)
		(void)wolfSSL_CTX_set_session_cache_mode(
		    ctx, WOLFSSL_SESS_CACHE_OFF);
}

static enum stek_err
use(WOLFSSL_CTX *ctx, const struct stek_ring *ring, bool hosts,
    const char *scope, struct stek_wolfssl **out)
{
	struct stek_wolfssl *keys;

	if (wolfSSL_lib_version_hex() != LIBWOLFSSL_VERSION_HEX)
		return STEK_ERR_LIBRARY;
	if (strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	keys = keys_new(ring, hosts, scope);
	if (keys == NULL)
		return STEK_ERR_MEMORY;
	stek_wolfssl_share(ctx, keys);
	*out = keys;
	return STEK_OK;
}

enum stek_err
stek_wolfssl_use(
    WOLFSSL_CTX *ctx, const struct stek_ring *ring, struct stek_wolfssl **keys)
{
	return use(ctx, ring, false, "", keys);
}

enum stek_err
stek_wolfssl_use_scope(WOLFSSL_CTX *ctx, const struct stek_ring *ring,
    const char *scope, struct stek_wolfssl **keys)
{
	return use(ctx, ring, false, scope, keys);
}

enum stek_err
stek_wolfssl_use_hosts(
    WOLFSSL_CTX *ctx, const struct stek_ring *ring, struct stek_wolfssl **keys)
{
	return use(ctx, ring, true, "", keys);
}

void
stek_wolfssl_free(struct stek_wolfssl *keys)
{
	if (keys == NULL)
		return;
	slots_free(keys->slots);
	free(keys);
}
