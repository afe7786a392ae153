/* SPDX-License-Identifier: ISC */
/*
 * stek/nss.h: a ring's keys for the session tickets of NSS.  NSS with the
 * interface of nss/ in this repository; link with libstek-nss (pkg-config:
 * stek-nss).
 *
 *	struct stek_ring *ring;
 *	if (stek_ring_open("/run/stek/web.ring", &ring) != STEK_OK)
 *		errx(1, "no ring");
 *	...
 *	err = stek_nss_use(ring);		before each handshake
 *	if (err != STEK_OK)
 *		warnx("tickets with keys of our own: %s", stek_strerror(err));
 *
 * Every ticket is then sealed with the ring's sealing key and opened with
 * whichever key it names, in TLS 1.2 and 1.3.  A ticket of an older key
 * resumes and is replaced by a new one; a ticket that no key opens gets a
 * full handshake; while no key may seal, NSS's own do, and their tickets
 * resume in this process only.  Tickets have NSS's own layout: key name, IV,
 * AES-256-CBC ciphertext, HMAC-SHA256.
 *
 * An NSS without the interface cannot be given keys: STEK_ERR_LIBRARY, and
 * it goes on with its own.  `stek run` shares keys with such an NSS too.
 */
#ifndef STEK_NSS_H
#define STEK_NSS_H

#include <stek.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Give NSS the ring's keys, unless it has them already: that costs an atomic
 * load and a look at the clock.  NSS cannot be made to ask, so what is
 * published takes effect with the next call: call it before
 * SSL_ForceHandshake(), or before the read that may find a ClientHello.
 *
 * Which sockets: all of this process, as NSS has one set of ticket keys a
 * process.  With another ring its keys replace those of the one before.
 * NULL: NSS's own keys again.
 * Ownership: the ring stays the caller's, and is not used between calls.
 * Before closing it, call with another one or NULL: a ring that comes to lie
 * at the same address would be taken for it.
 * Threads: any, also while others shake hands.  After fork() the child's
 * first call gives the keys anew, once it has initialized NSS.
 * Memory: NSS keeps copies of the keys in its token.  They go with the first
 * call after each publish or expiry, and with NSS_Shutdown().
 *
 * LIBRARY: this NSS has no interface for ticket keys.  MEMORY.  FORMAT: the
 * scope is too long.  SYSTEM: NSS took none, PR_GetError() says why.  Then
 * NSS goes on with the keys it had, and no handshake fails.
 */
STEK_CHECKED enum stek_err stek_nss_use(const struct stek_ring *);

/* The same with the ring's keys for a scope: see stek_scope_key(). */
STEK_CHECKED enum stek_err stek_nss_use_scope(const struct stek_ring *,
    const char *scope);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
