/* SPDX-License-Identifier: ISC */
/*
 * stek/boringssl.h: a ring's keys for the session tickets of an SSL_CTX of
 * BoringSSL; link with libstek-boringssl (pkg-config: stek-boringssl).
 *
 *	struct stek_ring *ring;
 *	if (stek_ring_open("/run/stek/web.ring", &ring) != STEK_OK ||
 *	    stek_boringssl_use(ctx, ring) != STEK_OK)
 *		errx(1, "no ticket keys");
 *
 * From then on every ticket of ctx is sealed with the ring's sealing key and
 * opened with whichever key it names, in TLS 1.2 and 1.3, in every thread
 * and forked worker, whatever is published to the ring later on.  A ticket
 * that no key opens gets a full handshake; while no key may seal, connections
 * work.  A ticket is the key's name, a nonce, and XAES-256-GCM.
 *
 * What BoringSSL does not let an adapter do:
 *	TLS 1.2: a ticket of an older key resumes, but is not replaced.  It
 *	    ends with its own lifetime or its key's, and is replaced then.
 *	TLS 1.3: each resumption gives new tickets, which BoringSSL does with
 *	    its own keys too.
 *	TLS 1.3, while no key may seal: who comes without a ticket is given
 *	    one of 16 zeroes, which nobody opens.  In TLS 1.2, or to who comes
 *	    with a ticket, none is given.
 *
 * AWS-LC: the same source serves its API, as far as its own source tells; it
 * has not been run there.
 */
#ifndef STEK_BORINGSSL_H
#define STEK_BORINGSSL_H

#include <openssl/ssl.h>

#include <stek.h>

#if !defined(OPENSSL_IS_BORINGSSL) && !defined(OPENSSL_IS_AWSLC)
#error "<openssl/ssl.h> is not BoringSSL's; see <stek/openssl.h>"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Take the tickets of ctx from the ring.  Replaces a ticket AEAD method that
 * was set before, and goes before any other ticket keys or callback.
 *
 * Which ctx: each that a servername or select certificate callback may
 * switch to, too.  BoringSSL asks for keys by way of the one that SSL_new()
 * got; the ring and scope are those of the one that was switched to.  If that
 * has none, its connections work without tickets.
 * Ownership: the ring stays the caller's, and must stay open until ctx and
 * every SSL made from it are freed.  What the adapter keeps for ctx is freed
 * with ctx.
 * Threads: ctx may then serve any number of threads and be forked with.
 * The call itself, and a repeated one that gives ctx another ring, must not
 * run while ctx serves a handshake.
 * Time: reads the system's clock at each ticket.
 * Memory: keeps, beside the ring, expanded copies of the keys.  They are
 * wiped at the first ticket after each publish, and with ctx.
 * Not changed, and for the caller to consider: SSL_CTX_set_timeout() and
 * SSL_CTX_set_session_psk_dhe_timeout() (a ticket older than 2 hours in 1.2,
 * or 2 days in 1.3, BoringSSL's defaults, is refused whatever its key),
 * SSL_OP_NO_TICKET, SSL_CTX_set_session_id_context().
 * An SSL that opened a ticket in TLS 1.3 while no key could seal keeps
 * SSL_OP_NO_TICKET, should SSL_clear() have it used again.
 *
 * MEMORY: ctx is as it was.
 */
STEK_CHECKED enum stek_err stek_boringssl_use(SSL_CTX *ctx,
    const struct stek_ring *ring);

/*
 * The same, with a scope (see stek_scope_key()) for each host name that
 * clients ask for (SNI, in lower case), and one for those that ask for none:
 * a ticket given out under one name gets a full handshake under any other.
 * For servers whose virtual hosts differ in whom they let in; without it
 * BoringSSL resumes a ticket of one virtual host at all others, unless
 * SSL_CTX_set_session_id_context() tells them apart.
 */
STEK_CHECKED enum stek_err stek_boringssl_use_hosts(SSL_CTX *ctx,
    const struct stek_ring *ring);

/*
 * The same, with one scope for all of ctx, which is copied.  FORMAT: longer
 * than STEK_SCOPE_MAX; ctx is as it was.
 */
STEK_CHECKED enum stek_err stek_boringssl_use_scope(SSL_CTX *ctx,
    const struct stek_ring *ring, const char *scope);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
