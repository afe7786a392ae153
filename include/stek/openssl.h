/* SPDX-License-Identifier: ISC */
/*
 * stek/openssl.h: a ring's keys for the session tickets of an SSL_CTX.
 * OpenSSL 1.1.1 and later; link with libstek-openssl (pkg-config:
 * stek-openssl).
 *
 *	struct stek_ring *ring;
 *	if (stek_ring_open("/run/stek/web.ring", &ring) != STEK_OK ||
 *	    stek_openssl_use(ctx, ring) != STEK_OK)
 *		errx(1, "no ticket keys");
 *
 * From then on every ticket of ctx is sealed with the ring's sealing key and
 * opened with whichever key it names, in TLS 1.2 and 1.3, in every thread
 * and forked worker, whatever is published to the ring later on.  A ticket
 * of an older key resumes and is replaced by a new one; a ticket that no key
 * opens gets a full handshake; while no key may seal, connections work and
 * get no ticket.  Tickets have OpenSSL's own layout: key name, IV,
 * AES-256-CBC ciphertext, HMAC-SHA256.
 *
 * LibreSSL: the same source serves its API, as far as its headers tell; it
 * has not been run there.  LibreSSL has no tickets in TLS 1.3, and keeps a
 * session within its host by itself: stek_openssl_use_hosts() is
 * stek_openssl_use() there.
 */
#ifndef STEK_OPENSSL_H
#define STEK_OPENSSL_H

#include <openssl/ssl.h>

#include <stek.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Take the tickets of ctx from the ring.  Replaces a ticket key callback
 * that was set before.
 *
 * Which ctx: the one that SSL_new() gets.  OpenSSL uses no other for
 * tickets, even if a servername or client hello callback then switches to
 * another.
 * Ownership: the ring stays the caller's, and must stay open until ctx and
 * every SSL made from it are freed.  What the adapter keeps for ctx is freed
 * with ctx.
 * Threads: ctx may then serve any number of threads and be forked with.
 * The first call, and one that changes the scope, must not run while ctx
 * serves a handshake; one that only gives it another ring may, and the ring
 * before must then stay open until those handshakes are over.
 * Time: reads the system's clock at each ticket.
 * Memory: keeps, beside the ring, expanded copies of the keys in OpenSSL's
 * contexts.  They are wiped at the first ticket after each publish, and with
 * ctx.
 * Not changed, and for the caller to consider: SSL_CTX_set_timeout() (a
 * ticket older than 2 hours, OpenSSL's default, is refused whatever its
 * key), SSL_OP_NO_TICKET, SSL_CTX_set_session_id_context().  With early data
 * and anti-replay OpenSSL makes no such tickets.
 *
 * MEMORY: ctx is as it was.
 */
STEK_CHECKED enum stek_err stek_openssl_use(SSL_CTX *ctx,
    const struct stek_ring *ring);

/* The same with the ring's keys for a scope; FORMAT: it is too long. */
STEK_CHECKED enum stek_err stek_openssl_use_scope(SSL_CTX *ctx,
    const struct stek_ring *ring, const char *scope);

/*
 * The same, with a scope (see stek_scope_key()) for each host name that
 * clients ask for (SNI, in lower case), and one for those that ask for none:
 * a ticket given out under one name gets a full handshake under any other.
 * For servers whose virtual hosts differ in whom they let in; without it
 * OpenSSL resumes a ticket of one virtual host at all others.
 */
STEK_CHECKED enum stek_err stek_openssl_use_hosts(SSL_CTX *ctx,
    const struct stek_ring *ring);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
