/* SPDX-License-Identifier: ISC */
/*
 * gRPC by libcurl on an event loop: a link is a connection to one endpoint,
 * and the calls over it.  Its owner gives each call a number, and is told of
 * what comes by that.
 *
 * Never here: what a message means, which endpoint, trying again.
 * Invariants: nothing blocks, and nothing is told from within one of these
 * functions; a link that is freed tells nothing any more, and its connection
 * is closed, so that a dead one cannot be used again.
 */
#ifndef STEK_STORE_ETCD_CALL_H
#define STEK_STORE_ETCD_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

struct event_base;
struct link;

enum {
	CALL_LATE = -2, /* its time is over */
	CALL_BROKEN = -1, /* no connection, or an answer that is no gRPC */
	CALL_OK = 0, /* and above: gRPC's status */
	CALL_NOT_FOUND = 5,
	CALL_DENIED = 7,
	CALL_NO_RESOURCE = 8,
	CALL_UNAVAILABLE = 14,
	CALL_UNAUTHENTICATED = 16,
};

struct call_end {
	int status;
	const char *why; /* printable: gRPC's message, or what was found */
	bool uncertified; /* the other end refuses this one's certificate */
	bool mute; /* it broke after the handshake, before any answer */
	const uint8_t *bytes; /* the answer's message, if it is OK */
	size_t len;
	int64_t began; /* clock_ran(), before it was sent */
	int64_t date; /* of link_date(): Unix seconds; or else -1 */
};

/* Of what is told, bytes and strings are the caller's for the call. */
struct link_told {
	/* Of a stream: a message of its answer. */
	void (*message)(void *arg, int number, const uint8_t *, size_t len);
	/* The call, or the stream, has ended, and its number is free. */
	void (*end)(void *arg, int number, const struct call_end *);
};

/* "" is none; all must outlive the link. */
struct link_conf {
	const char *endpoint; /* without a '/' at its end */
	const char *ca, *cert, *key; /* PEM files */
	bool tls12; /* no later TLS, so that a refusal comes in its handshake */
	uint64_t *bytes_in, *bytes_out; /* of messages: added to */
};

struct call_conf {
	const char *path; /* "/PACKAGE.SERVICE/METHOD" */
	const char *token; /* of etcd's authentication; NULL: none */
	unsigned int ms; /* its deadline; 0: it is a stream, without one */
	size_t limit; /* of a message's length */
	/*
	 * The request does not end before the answer: etcd's grpc-proxy takes
	 * its end for that of the whole call, and does not answer any more.
	 */
	bool held;
};

/* NULL: no memory. */
struct link *link_new(struct event_base *, const struct link_conf *,
    const struct link_told *, void *arg);
void link_free(struct link *); /* may be NULL */

/*
 * Takes the frame of the one request, also if it fails, which is for want of
 * memory.  A stream is left open.
 */
bool link_call(struct link *, int number, const struct call_conf *,
    uint8_t *frame, size_t len);

/*
 * GET /version, for its date.  Only on a link of its own where it is http://:
 * etcd then takes HTTP/1.1 there, which does not go with calls.
 */
bool link_date(struct link *, int number, unsigned int ms);

/* Ends what has this number, untold. */
void link_cancel(struct link *, int number);

#endif
