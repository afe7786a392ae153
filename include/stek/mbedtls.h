/* SPDX-License-Identifier: ISC */
/*
 * stek/mbedtls.h: a ring's keys for the session tickets of an
 * mbedtls_ssl_config.  Mbed TLS 2.28 and 3.x; link with libstek-mbedtls
 * (pkg-config: stek-mbedtls).
 *
 *	struct stek_ring *ring;
 *	struct stek_mbedtls *tickets;
 *	if (stek_ring_open("/run/stek/web.ring", &ring) != STEK_OK ||
 *	    stek_mbedtls_use(&conf, ring, &tickets) != STEK_OK)
 *		errx(1, "no ticket keys");
 *
 * From then on every ticket of conf is sealed with the ring's sealing key and
 * opened with whichever key it names, in every thread and forked worker,
 * whatever is published to the ring later on.  A ticket that no key opens
 * gets a full handshake; while no key may seal, connections work and get no
 * ticket.  Tickets are: key name, 24-byte nonce, XAES-256-GCM ciphertext,
 * tag.
 *
 * What Mbed TLS does not do:
 *	- TLS 1.2: a ticket that resumes is not replaced.  It ends with its
 *	  key.
 *	- TLS 1.3: each handshake gets a new ticket.  While no key may seal,
 *	  that is a ticket of one byte with the lifetime 0, which tells the
 *	  client to discard it: without any the connection would be ended.
 *	- A ticket opens only in builds of the same version and configuration:
 *	  others get a full handshake.
 *	- It resumes on the client's certificate in the ticket, whatever conf
 *	  asks for: servers that ask for different ones need different scopes.
 */
#ifndef STEK_MBEDTLS_H
#define STEK_MBEDTLS_H

#include <mbedtls/ssl.h>

#include <stek.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* What the callbacks of one conf need. */
struct stek_mbedtls;

/*
 * Take the tickets of conf from the ring.  Replaces the ticket callbacks that
 * were set before.
 *
 * Ownership: the ring stays the caller's.  *out becomes the caller's, to be
 * freed after conf and every mbedtls_ssl_context that uses it.  The ring must
 * stay open until then.  A conf can be given another ring by a second call
 * while it serves no handshake; what the first call gave is freed after it.
 * Threads: conf may then serve any number of threads and be forked with.
 * Time: reads the system's clock at each ticket.  The lifetime that clients
 * are told is what remains of the key's, 7 days at most.
 * Memory: keeps, beside the ring, expanded copies of the keys.  They are
 * wiped at the first ticket after each publish, and with *out.
 * Size: a ticket has at most half of MBEDTLS_SSL_IN_CONTENT_LEN, 8 KiB by
 * default, since it must come back in one record.  A session that is larger,
 * by its client certificate, gets none.
 *
 * MEMORY: conf is as it was.
 */
STEK_CHECKED enum stek_err stek_mbedtls_use(mbedtls_ssl_config *conf,
    const struct stek_ring *ring, struct stek_mbedtls **out);

/*
 * The same with the ring's keys for a scope: see stek_scope_key().  FORMAT:
 * the scope is too long.
 */
STEK_CHECKED enum stek_err stek_mbedtls_use_scope(mbedtls_ssl_config *conf,
    const struct stek_ring *ring, const char *scope,
    struct stek_mbedtls **out);

/*
 * The same, with a scope for each host name that clients ask for (SNI, in
 * lower case), and one for those that ask for none: a ticket given out under
 * one name gets a full handshake under any other.  For servers whose virtual
 * hosts differ in whom they let in; without it Mbed TLS resumes a ticket of
 * one virtual host at all others.
 *
 * Needs two things of the server, and gives and opens no ticket without them,
 * since Mbed TLS does not tell its ticket callbacks whose ticket it is:
 *	- each handshake goes through stek_mbedtls_handshake();
 *	- the server's own SNI callback is passed here, NULL if there is none,
 *	  and mbedtls_ssl_conf_sni() is not called on conf afterwards.
 */
STEK_CHECKED enum stek_err stek_mbedtls_use_hosts(mbedtls_ssl_config *conf,
    const struct stek_ring *ring,
    int (*sni)(void *, mbedtls_ssl_context *, const unsigned char *, size_t),
    void *sni_arg, struct stek_mbedtls **out);

/*
 * Another conf with the same keys, ring, scope and SNI callback: for servers
 * that make many.  As the calls above otherwise, and cannot fail.
 */
void stek_mbedtls_share(mbedtls_ssl_config *conf, struct stek_mbedtls *);

/* The host that one connection's client has asked for. */
struct stek_mbedtls_host {
	unsigned char known;	/* for the adapter alone */
	char name[STEK_SCOPE_MAX + 1];
};

/*
 * In place of mbedtls_ssl_handshake(), and returns what that does.  The host
 * belongs to ssl: all zero when its first handshake begins, then the same one
 * in each call.  Handshakes may take turns in one thread, and go on in
 * another.  Not for mbedtls_ssl_renegotiate(): that gets no ticket.
 */
STEK_CHECKED int stek_mbedtls_handshake(mbedtls_ssl_context *ssl,
    struct stek_mbedtls_host *host);

/* Wipes; NULL is allowed.  Does not touch the conf. */
void stek_mbedtls_free(struct stek_mbedtls *);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
