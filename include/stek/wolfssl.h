/* SPDX-License-Identifier: ISC */
/*
 * stek/wolfssl.h: a ring's keys for the session tickets of a WOLFSSL_CTX.
 * wolfSSL 5.5.4, as Debian 12 has it; link with libstek-wolfssl (pkg-config:
 * stek-wolfssl).
 *
 *	struct stek_ring *ring;
 *	struct stek_wolfssl *keys;
 *	if (stek_ring_open("/run/stek/web.ring", &ring) != STEK_OK ||
 *	    stek_wolfssl_use(ctx, ring, &keys) != STEK_OK)
 *		errx(1, "no ticket keys");
 *
 * From then on every ticket of ctx is sealed with the ring's sealing key and
 * opened with whichever key it names, in TLS 1.2 and 1.3, in every thread
 * and forked worker, whatever is published to the ring later on.  A ticket
 * that no key opens gets a full handshake.  Tickets are sealed with
 * XAES-256-GCM, in the layout that wolfSSL gives them; the key's name comes
 * first.
 *
 * What wolfSSL 5.5.4 does not let an adapter do, or does of its own:
 *	No key seals.  Connections work, but where a ticket has been promised
 *		one is sent, of constant bytes that nobody opens.  In TLS 1.3
 *		a client that brings a ticket keeps that.
 *	TLS 1.2  A ticket of an older key resumes, but is not replaced.  A
 *		ticket that is refused is not replaced either: the client gets
 *		one with the next connection to which it brings none.  Clients
 *		on wolfSSL 5.5.4 fail if their ticket is refused, whatever the
 *		server: see wolfSSL_CTX_NoTicketTLSv12().
 *	TLS 1.3  Each connection gets a new ticket.  A ticket resumes only if
 *		the clock of the server that gave it is at most a second ahead,
 *		or eleven behind.
 *	Foreign tickets end the connection before the adapter is asked if they
 *		are longer than 206 bytes in a ClientHello's session_ticket,
 *		or than 1536 in its pre_shared_key.
 *	Bytes behind a ticket's end are not looked at.
 * DTLS: not tested.
 */
#ifndef STEK_WOLFSSL_H
#define STEK_WOLFSSL_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stek.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* What the adapter keeps for one WOLFSSL_CTX. */
struct stek_wolfssl;

/*
 * Take the tickets of ctx from the ring.  Replaces a ticket callback that was
 * set before.
 *
 * Which ctx: the one that wolfSSL_new() gets, and each one that a servername
 * callback then switches to, as wolfSSL takes tickets of the ctx in force.
 * Ownership: *keys is to be freed by stek_wolfssl_free(), since wolfSSL has
 * no way to do so with ctx.  The ring stays the caller's.  Both must last
 * until ctx and every WOLFSSL made from it are freed.  Calling again gives
 * ctx other keys; the ones before remain to be freed.
 * Threads: ctx may then serve any number of threads and be forked with.  The
 * call itself must not run while ctx serves a handshake.
 * Time: reads the system's clock at each ticket.
 * Memory: keeps, beside the ring, expanded copies of the keys.  They are
 * wiped at the first ticket after each publish, and by stek_wolfssl_free().
 * Not changed, and for the caller to consider: wolfSSL_CTX_set_timeout() (an
 * older ticket is refused whatever its key; 500 s by default),
 * wolfSSL_CTX_set_TicketHint() (what clients are told; 300 s by default), and
 * wolfSSL's session cache, which resumes without tickets and keys.
 * A WOLFSSL that is used again by wolfSSL_clear() gives no more tickets in
 * TLS 1.3 once it was brought one while no key sealed.
 *
 * MEMORY: ctx is as it was.  LIBRARY: another version of wolfSSL than this
 * was built for; ctx is as it was.
 */
STEK_CHECKED enum stek_err stek_wolfssl_use(WOLFSSL_CTX *ctx,
    const struct stek_ring *ring, struct stek_wolfssl **keys);

/* The same with the ring's keys for a scope.  FORMAT: it is too long. */
STEK_CHECKED enum stek_err stek_wolfssl_use_scope(WOLFSSL_CTX *ctx,
    const struct stek_ring *ring, const char *scope,
    struct stek_wolfssl **keys);

/*
 * The same with a scope for each host name that clients ask for (SNI, in
 * lower case), and one for those that ask for none: a ticket given out under
 * one name gets a full handshake under any other.  Also switches the session
 * cache of ctx off, which knows no hosts.
 *
 * Before TLS 1.3 wolfSSL opens a ticket when it may not have read the name
 * yet.  So there a ticket resumes only if the name stands before it in the
 * ClientHello, and never without a name.  (Clients on wolfSSL send it behind.)
 * A name that wolfSSL was told to ignore, by wolfSSL_CTX_UseSNI(), counts as
 * none.
 */
STEK_CHECKED enum stek_err stek_wolfssl_use_hosts(WOLFSSL_CTX *ctx,
    const struct stek_ring *ring, struct stek_wolfssl **keys);

/*
 * Another ctx with the same keys, ring and scope: for servers that make many.
 * As stek_wolfssl_use() otherwise, and cannot fail.
 */
void stek_wolfssl_share(WOLFSSL_CTX *ctx, struct stek_wolfssl *keys);

/* Wipes; NULL is allowed.  After ctx and every WOLFSSL made from it. */
void stek_wolfssl_free(struct stek_wolfssl *keys);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
