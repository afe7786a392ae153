/* SPDX-License-Identifier: ISC */
/*
 * The store "etcd:": a farm's set, and an entry of each of its nodes, in
 * etcd, from version 3.4 on, by gRPC over HTTP/2.  Under a prefix, such as
 * "/stek/FARM/":
 *
 *	set		the farm's set, sealed (codec.c)
 *	nodes/NODE	what that node says of itself, sealed, under a lease:
 *			it is gone a while after the node is
 *	members/NODE	the same, under none: it stays until it is forgotten
 *
 * Nothing blocks: all is told by callbacks from the event loop, never from
 * within one of these functions.
 *
 * Never here: keys in clear, what any bytes mean, when to swap.
 * Invariants: while the state is LIVE, what found() told last is what etcd
 * has, or is told within a second; the state is STALE at the latest 5 s after
 * that cannot be said any more.  Nothing is ever written but over what was
 * there when the caller decided (by revision).
 */
#ifndef STEK_STORE_ETCD_H
#define STEK_STORE_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_VALUE_MAX (64 * 1024) /* a value that is longer is refused */
#define STORE_NODE_MAX  64 /* length of a node's name, which has these: */
#define STORE_NODE_CHARS             \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define STORE_ENTRY_MAX 1024 /* of a node's entry */
#define STORE_WHY_MAX   1024 /* of what why says, with its zero byte */

struct event_base;
struct store_etcd;

/* All strings are copied; none is NULL; "" is none. */
struct store_etcd_conf {
	const char *const *endpoints; /* "https://HOST:PORT" or "http://…" */
	size_t endpoint_count;
	const char *prefix; /* begins and ends with '/' */
	const char *node; /* this node's name */
	const char *ca; /* PEM file; "": the system's */
	const char *cert, *key; /* PEM files of this client */
	const char *user, *password; /* of etcd's authentication */
};

enum store_state {
	STORE_LIVE, /* in step with etcd */
	STORE_STALE, /* cut off; it goes on trying */
};

enum store_swapped {
	STORE_SWAPPED, /* done */
	STORE_CONFLICTED, /* another value is there, which found() tells */
	STORE_REFUSED, /* etcd refused; nothing was changed */
	STORE_UNKNOWN, /* no answer: it may or may not have been done */
};

/* What this node may read of etcd, and thus write, as roles usually go. */
enum store_rights {
	STORE_RIGHTS_UNKNOWN, /* never told */
	STORE_RIGHTS_OPEN, /* all, as anybody may: authentication is off */
	STORE_RIGHTS_ALL, /* all, by its user's roles */
	STORE_RIGHTS_OWN, /* not all: its prefix, as far as can be told */
};

struct store_node {
	const char *name;
	bool live; /* it has an entry under a lease */
	const uint8_t *entry; /* that, or else the one it left */
	size_t len;
};

/* arg is that of store_etcd_open(); bytes are the caller's for the call. */
struct store_told {
	/*
	 * The set is this, now at `revision`; bytes NULL: there is none.  Told
	 * at first, after each store_etcd_read(), and after each change; of
	 * several changes it may tell only the last.
	 */
	void (*found)(void *arg, const uint8_t *bytes, size_t len,
	    int64_t revision);
	/*
	 * At each change, and of STALE again when `why` becomes another: one
	 * sentence for an operator that names the endpoint, what was found and
	 * what to do.  "" with LIVE.  rollback: etcd has gone back to an
	 * earlier revision than this node has seen from it, such as by a
	 * restored backup.
	 */
	void (*state)(void *arg, enum store_state, bool rollback,
	    const char *why);
	/* etcd has shown to be there, every 2 s or so.  May be NULL. */
	void (*alive)(void *arg);
	/* How the one swap under way has ended. */
	void (*swapped)(void *arg, enum store_swapped, const char *why);
	/*
	 * Why this node's entry could not be written; "": it was, after all.
	 * It is tried again meanwhile.  May be NULL.
	 */
	void (*untold)(void *arg, const char *why);
	/* All nodes, by name; nodes NULL: they could not be had, see why. */
	void (*nodes)(void *arg, const struct store_node *nodes, size_t count,
	    const char *why);
	/* Is this one live?  Not known: it could not be had. */
	void (*asked)(void *arg, const char *node, bool known, bool live);
	/* Once it is known, and at each change.  May be NULL. */
	void (*rights)(void *arg, enum store_rights);
	/* The etcd server's clock, in Unix seconds, is this now (+- 1 s). */
	void (*clock)(void *arg, int64_t seconds);
};

/* It begins to connect.  NULL: no memory. */
struct store_etcd *store_etcd_open(struct event_base *,
    const struct store_etcd_conf *, const struct store_told *, void *arg);
/*
 * At once; nothing is told any more.  The node's entry stays until its lease
 * ends, by itself.
 */
void store_etcd_close(struct store_etcd *);

/* Read the set anew (linearizable); found() follows once that is done. */
void store_etcd_read(struct store_etcd *);

/*
 * Replace what found() told with this revision (0: nothing was there), and
 * nothing else.  swapped() follows within 10 s.  False: one is under way.
 */
bool store_etcd_swap(struct store_etcd *, int64_t revision,
    const uint8_t *bytes, size_t len);

/*
 * This node's entry from now on, in nodes/ and members/; written again
 * whenever its lease is a new one.  len is at most STORE_ENTRY_MAX.
 */
void store_etcd_tell(struct store_etcd *, const uint8_t *bytes, size_t len);

/* nodes() follows within 10 s; one call answers all that asked meanwhile. */
void store_etcd_list(struct store_etcd *);

/*
 * asked() follows within 10 s, at a cost that does not grow with the farm.
 * Only the last node asked for is answered.
 */
void store_etcd_ask(struct store_etcd *, const char *node);

/*
 * Remove what a node that is not live has left in members/.  It is tried once:
 * the next nodes() tells whether it was done.
 */
void store_etcd_forget(struct store_etcd *, const char *node);

/* Of this store since it was opened, for metrics and benchmarks. */
struct store_etcd_counts {
	uint64_t calls, failures, events, bytes_in, bytes_out, connects;
};
void store_etcd_count(const struct store_etcd *, struct store_etcd_counts *);

#endif
