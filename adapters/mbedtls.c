/* SPDX-License-Identifier: ISC */
/*
 * From a ring to the session ticket callbacks of Mbed TLS.
 *
 * They are not told which connection a ticket is of.  Where the scope is the
 * host that the client asks for, stek_mbedtls_handshake() tells them, for as
 * long as it runs: nothing that one connection leaves behind can be taken for
 * another's.
 *
 * Never here: when a key may do what; the layout of a ticket.
 * Static state: a thread's connection whose handshake it is at.
 * Invariant: a ticket is opened or sealed for a host only if that is known to
 * be the host, or that there is none; no way out of a callback ends a
 * connection.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include <stek/mbedtls.h>

#include "host.h"
#include "ticket.h"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member /* before 3.0 */
#endif

/*
 * Mbed TLS takes a ClientHello in one record only: one that a ticket fills
 * would shut its client out.
 */
#define TICKET_MOST (MBEDTLS_SSL_IN_CONTENT_LEN / 2)

/* RFC 8446, section 4.6.1: 7 days, and Mbed TLS ends who is told more. */
#define LIFETIME_MOST 604800

#define SNI 0 /* RFC 6066, section 3: the extension, and the kind of name */

typedef int sni_callback(
    void *, mbedtls_ssl_context *, const unsigned char *, size_t);

struct stek_mbedtls {
	const struct stek_ring *ring;
	struct slots *slots;
	bool hosts;
	char scope[STEK_SCOPE_MAX + 1]; /* without hosts */
	sni_callback *sni; /* the server's own */
	void *sni_arg;
};

/* struct stek_mbedtls_host's known */
enum {
	ASKED_NONE,
	ASKED,
	ASKED_NONSENSE, /* no scope */
};

/* A connection whose handshake is going on. */
struct current {
	const mbedtls_ssl_context *ssl; /* NULL: none that we know of */
	struct stek_mbedtls_host *host;
};

static _Thread_local struct current current;

static void *
expand(const struct stek_key *key)
{
	return xaes_new(key, "\001mbedtls");
}

static const struct slot_library library = {expand, xaes_free, xaes_random};

static size_t
get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void
remember(struct stek_mbedtls_host *host, const uint8_t *name, size_t len)
{
	host->known =
	    host_scope(host->name, name, len) ? ASKED : ASKED_NONSENSE;
}

/* Of a list of names, the one that Mbed TLS gives to an SNI callback. */
static void
remember_list(struct stek_mbedtls_host *host, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;

	for (p += 2; end - p > 3; p += 3 + len) {
		len = get16(p + 1);
		if (len > (size_t)(end - p - 3))
			break;
		if (p[0] == SNI) {
			remember(host, p + 3, len);
			return;
		}
	}
	host->known = ASKED_NONSENSE;
}

static bool
is_dtls(const mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(conf)->MBEDTLS_PRIVATE(transport) ==
	       MBEDTLS_SSL_TRANSPORT_DATAGRAM;
}

/*
 * Before 1.3 the extensions are handled as they come, and a host may come
 * after the ticket.  The ClientHello's length has been checked by then.
 * False: the ticket does not lie where it should.
 */
static bool
look_ahead(const mbedtls_ssl_context *ssl, const uint8_t *ticket, size_t len,
    struct stek_mbedtls_host *host)
{
	const uint8_t *hello = ssl->MBEDTLS_PRIVATE(in_msg);
	const uint8_t *p = ticket + len, *end;

	end = hello + (is_dtls(ssl) ? 12 : 4) + get16(hello + 2);
	if (hello[1] != 0 || ticket < hello || p > end)
		return false;
	for (; end - p >= 4; p += 4 + len) {
		len = get16(p + 2);
		if (len > (size_t)(end - p - 4))
			return false;
		if (get16(p) == SNI)
			remember_list(host, p + 4, len);
	}
	return p == end;
}

static bool
is_tls13(const mbedtls_ssl_context *ssl)
{
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && MBEDTLS_VERSION_NUMBER >= 0x03020000
	return mbedtls_ssl_get_version_number(ssl) ==
	       MBEDTLS_SSL_VERSION_TLS1_3;
#else
	(void)ssl;
	return false;
#endif
}

/* NULL: not known. */
static const char *
scope_now(const struct stek_mbedtls *tickets)
{
	if (!tickets->hosts)
		return tickets->scope;
	if (current.ssl == NULL || current.host->known == ASKED_NONSENSE)
		return NULL;
	return current.host->known == ASKED ? current.host->name : HOST_NONE;
}

static const char *
scope_to_open(
    const struct stek_mbedtls *tickets, const uint8_t *ticket, size_t len)
{
	if (tickets->hosts && current.ssl != NULL && !is_tls13(current.ssl) &&
	    !look_ahead(current.ssl, ticket, len, current.host))
		return NULL;
	return scope_now(tickets);
}

/* Whatever is wrong with a ticket, a full handshake is what it gets. */
static int
on_parse(
    void *p, mbedtls_ssl_session *session, unsigned char *ticket, size_t len)
{
	const struct stek_mbedtls *tickets = p;
	const char *scope = scope_to_open(tickets, ticket, len);
	uint8_t *plain;
	size_t plain_len;
	int ret;

	if (scope == NULL || len < TICKET_OVERHEAD)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	plain = ticket + TICKET_HEAD_LEN;
	if (ticket_open(tickets->slots, scope, time(NULL), ticket, len, plain,
	        &plain_len) == STEK_OPEN_NO)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	ret = mbedtls_ssl_session_load(session, plain, plain_len);
	explicit_bzero(plain, plain_len);
	return ret == 0 ? 0 : MBEDTLS_ERR_SSL_INVALID_MAC;
}

static uint32_t
lifetime_of(const struct stek_key *key, int64_t now)
{
	int64_t left = key->open_until - now;

	return left < LIFETIME_MOST ? (uint32_t)left : LIFETIME_MOST;
}

/* False: nothing of the session is left in `to`. */
static bool
seal(const struct stek_mbedtls *tickets, const mbedtls_ssl_session *session,
    uint8_t *to, size_t room, size_t *len, uint32_t *lifetime)
{
	const char *scope = scope_now(tickets);
	const int64_t now = time(NULL);
	uint8_t *plain = to + TICKET_HEAD_LEN;
	struct stek_key STEK_WIPED key;
	size_t plain_len;

	if (scope == NULL || room < TICKET_OVERHEAD ||
	    !stek_ring_sealing(tickets->ring, now, &key))
		return false;
	room -= TICKET_OVERHEAD;
	if (mbedtls_ssl_session_save(session, plain, room, &plain_len) != 0 ||
	    !ticket_seal(tickets->slots, scope, now, plain, plain_len, to)) {
		explicit_bzero(plain, room);
		return false;
	}
	*len = plain_len + TICKET_OVERHEAD;
	*lifetime = lifetime_of(&key, now);
	return true;
}

/*
 * TLS 1.3 has no way to say that there is no ticket: a failure here would end
 * the connection.  A lifetime of 0 makes the client discard what it is given.
 */
static bool
needs_any(const mbedtls_ssl_session *session)
{
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && MBEDTLS_VERSION_NUMBER >= 0x03020000
	return session->MBEDTLS_PRIVATE(tls_version) ==
	       MBEDTLS_SSL_VERSION_TLS1_3;
#else
	(void)session;
	return false;
#endif
}

static int
on_write(void *tickets, const mbedtls_ssl_session *session,
    unsigned char *start, const unsigned char *end, size_t *len,
    uint32_t *lifetime)
{
	size_t room = end > start ? (size_t)(end - start) : 0;

	/* Both are sent even if there is no ticket. */
	*len = 0;
	*lifetime = 0;
	if (seal(tickets, session, start,
	        room < TICKET_MOST ? room : TICKET_MOST, len, lifetime))
		return 0;
	if (!needs_any(session) || room == 0)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	start[0] = 0;
	*len = 1;
	return 0;
}

static int
on_sni(void *p, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
	const struct stek_mbedtls *tickets = p;

	if (current.ssl == ssl)
		remember(current.host, name, len);
	return tickets->sni != NULL
	           ? tickets->sni(tickets->sni_arg, ssl, name, len)
	           : 0;
}

/* A callback that was set after ours keeps the host from us. */
static bool
tells_hosts(const mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(conf)->MBEDTLS_PRIVATE(f_sni) == on_sni;
}

int
stek_mbedtls_handshake(mbedtls_ssl_context *ssl, struct stek_mbedtls_host *host)
{
	const struct current outer = current;
	int ret;

	if (ssl->MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_HELLO_REQUEST)
		memset(host, 0, sizeof(*host));
	current.ssl = tells_hosts(ssl) ? ssl : NULL;
	current.host = host;
	ret = mbedtls_ssl_handshake(ssl);
	current = outer;
	return ret;
}

void
stek_mbedtls_free(struct stek_mbedtls *tickets)
{
	if (tickets != NULL)
		slots_free(tickets->slots);
	free(tickets);
}

void
stek_mbedtls_share(mbedtls_ssl_config *conf, struct stek_mbedtls *tickets)
{
	mbedtls_ssl_conf_session_tickets_cb(conf, on_write, on_parse, tickets);
	if (tickets->hosts)
		mbedtls_ssl_conf_sni(conf, on_sni, tickets);
}

static enum stek_err
use(mbedtls_ssl_config *conf, const struct stek_ring *ring, const char *scope,
    struct stek_mbedtls **out)
{
	struct stek_mbedtls *tickets;

	if (strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	tickets = calloc(1, sizeof(*tickets));
	if (tickets == NULL)
		return STEK_ERR_MEMORY;
	tickets->ring = ring;
	tickets->slots = slots_new(&library, ring);
	if (tickets->slots == NULL) {
		stek_mbedtls_free(tickets);
		return STEK_ERR_MEMORY;
	}
	strcpy(tickets->scope, scope);
	stek_mbedtls_share(conf, tickets);
	*out = tickets;
	return STEK_OK;
}

enum stek_err
stek_mbedtls_use(mbedtls_ssl_config *conf, const struct stek_ring *ring,
    struct stek_mbedtls **out)
{
	return use(conf, ring, "", out);
}

enum stek_err
stek_mbedtls_use_scope(mbedtls_ssl_config *conf, const struct stek_ring *ring,
    const char *scope, struct stek_mbedtls **out)
{
	return use(conf, ring, scope, out);
}

enum stek_err
stek_mbedtls_use_hosts(mbedtls_ssl_config *conf, const struct stek_ring *ring,
    sni_callback *sni, void *sni_arg, struct stek_mbedtls **out)
{
	enum stek_err err = use(conf, ring, "", out);

	if (err != STEK_OK)
		return err;
	(*out)->hosts = true;
	(*out)->sni = sni;
	(*out)->sni_arg = sni_arg;
	stek_mbedtls_share(conf, *out);
	return STEK_OK;
}
