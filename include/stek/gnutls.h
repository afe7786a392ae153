/* SPDX-License-Identifier: ISC */
/*
 * stek/gnutls.h: a ring's keys for the session tickets of GnuTLS.
 * GnuTLS 3.6.3 and later; link with libstek-gnutls (pkg-config:
 * stek-gnutls).
 *
 *	struct stek_ring *ring;
 *	struct stek_gnutls *tickets;
 *	if (stek_ring_open("/run/stek/web.ring", &ring) != STEK_OK ||
 *	    stek_gnutls_new(ring, &tickets) != STEK_OK)
 *		errx(1, "no ticket keys");
 *
 * and for each session, in place of gnutls_session_ticket_enable_server():
 *
 *	if (stek_gnutls_use(session, tickets) != STEK_OK)
 *		warnx("no ticket keys for this connection");
 *
 * From then on the session's tickets are sealed with the ring's sealing key
 * and opened with whichever key they name, in TLS 1.2 and 1.3 and DTLS 1.2,
 * whatever is published to the ring later on.  A ticket that no key opens
 * gets a full handshake; while no key may seal, connections work and get no
 * ticket.  GnuTLS seals and opens the tickets itself; a key's name on the
 * wire is GnuTLS's making and not the key's own.
 *
 * What GnuTLS cannot do: an older key's ticket resumes, but is not replaced.
 * The client keeps it for as long as the key opens, or, if it uses a ticket
 * only once, as TLS 1.3 recommends, has none the next time; its next full
 * handshake brings one of the new key.  (The sealing key's tickets are
 * replaced in 1.3 and not in 1.2, as always with GnuTLS.)
 */
#ifndef STEK_GNUTLS_H
#define STEK_GNUTLS_H

#include <gnutls/gnutls.h>

#include <stek.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct stek_gnutls;

/*
 * Tickets from the ring, for any number of sessions.
 *
 * Ownership: the ring stays the caller's, and must stay open until the
 * handle is freed; the handle must be freed after every session that uses
 * it.
 * Threads: any number may use it, and it may be forked with.
 * Memory: keeps, beside the ring, each key in the form that GnuTLS wants it
 * in.  These are wiped at the first ticket after each publish, and with the
 * handle.  GnuTLS has a copy in each session, which it wipes with that.
 *
 * MEMORY.
 */
STEK_CHECKED enum stek_err stek_gnutls_new(const struct stek_ring *ring,
    struct stek_gnutls **handle);

/*
 * The same, with a scope (see stek_scope_key()) for each host name that
 * clients ask for (SNI, in lower case), and one for those that ask for none:
 * a ticket given out under one name gets a full handshake under any other.
 * For servers whose virtual hosts differ in whom they let in; without it
 * GnuTLS resumes a ticket of one virtual host at all others in TLS 1.3.
 */
STEK_CHECKED enum stek_err stek_gnutls_new_hosts(const struct stek_ring *ring,
    struct stek_gnutls **handle);

/* The same, with that one scope. FORMAT: longer than STEK_SCOPE_MAX. */
STEK_CHECKED enum stek_err stek_gnutls_new_scope(const struct stek_ring *ring,
    const char *scope, struct stek_gnutls **handle);

/* NULL is allowed. */
void stek_gnutls_free(struct stek_gnutls *handle);

/*
 * For so many seconds after its full handshake may a session be resumed:
 * from 1 to 604800, and 6 hours by default, as with
 * gnutls_db_set_cache_expiration().  Call that no more: the names of keys
 * depend on it, and must be the same on all servers of a farm.
 * Not while the handle is in use by a thread.  TIMES: out of range.
 */
STEK_CHECKED enum stek_err stek_gnutls_expire(struct stek_gnutls *handle,
    int seconds);

/*
 * Once for a server's session, before its handshake, in place of
 * gnutls_session_ticket_enable_server().  Sets the session's handshake hook
 * function, and its cache expiration.  The session's pointers stay free for
 * the application.
 * Time: reads the system's clock at each ClientHello.
 *
 * MEMORY, LIBRARY: the session has no tickets.
 */
STEK_CHECKED enum stek_err stek_gnutls_use(gnutls_session_t session,
    struct stek_gnutls *handle);

/*
 * The hook function.  A session has only one: if the application has one of
 * its own, set it after stek_gnutls_use(), with GNUTLS_HOOK_BOTH, for
 * GNUTLS_HANDSHAKE_CLIENT_HELLO or GNUTLS_HANDSHAKE_ANY, and call this one
 * from there with what that was called with.  It always returns 0.  A
 * session for which it is not called has no tickets.
 */
int stek_gnutls_hook(gnutls_session_t session, unsigned int htype,
    unsigned int when, unsigned int incoming, const gnutls_datum_t *msg);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
