/* SPDX-License-Identifier: ISC */
/*
 * What the files of the store "etcd:" share:
 *
 *	store_etcd.c		what others call
 *	store_etcd_link.c	which endpoint, when, until when; what state
 *	store_etcd_version.c	the clock; why a connection breaks
 *	store_etcd_set.c	the set: read, watch, look
 *	store_etcd_swap.c	the set: swap
 *	store_etcd_nodes.c	this node: its lease, its entry
 *	store_etcd_list.c	the nodes: all, one, forget
 *	store_etcd_rights.c	what this node may do
 *	store_etcd_why.c	what etcd's refusals mean, in words
 *	store_etcd_call.c	calls, by libcurl; with _http.c and _frame.c
 *	store_etcd_conn.c	how it is to connect
 *	store_etcd_cert.c	a client certificate that is refused
 *
 * Only one job of each kind is under way, but for JOB_FORGET.
 *
 * Never here: anything for others than these files and their tests.
 */
#ifndef STEK_STORE_ETCD_OWN_H
#define STEK_STORE_ETCD_OWN_H

#include "conf.h"
#include "store_etcd.h"
#include "store_etcd_call.h"
#include "store_etcd_cert.h"
#include "store_etcd_frame.h"
#include "store_etcd_http.h"

struct Etcd__KeyValue; /* etcd.pb-c.h */

#define STORE_NO_STATE (-1) /* no state was told yet */

enum store_job {
	JOB_LOGIN,
	JOB_READ,
	JOB_WATCH,
	JOB_LOOK, /* is etcd there, and is the set what it was? */
	JOB_SWAP,
	JOB_GRANT, /* a lease */
	JOB_KEEP, /* it */
	JOB_ENTRY,
	JOB_LIST,
	JOB_FORGET,
	JOB_CLOCK,
	JOB_ASK,
	JOB_RIGHTS, /* from here on, a refusal is an answer */
	JOB_NOBODY,
	JOB_OPEN,
	JOB_COUNT,
};

/* In etcd; an _END is where a range ends. */
enum store_key {
	KEY_SET,
	KEY_NODE, /* this one's */
	KEY_MEMBER,
	KEY_NODES,
	KEY_NODES_END,
	KEY_MEMBERS,
	KEY_MEMBERS_END,
	KEY_COUNT,
};

enum store_phase {
	PHASE_DOWN, /* no link, until `connect` */
	PHASE_OPENING, /* log in, read, watch */
	PHASE_UP,
};

enum store_doubt {
	DOUBT_NONE,
	DOUBT_ASK, /* the next link is to tell why the last one broke */
	DOUBT_IN_VAIN, /* it did not; not again before one is up */
};

/* Times are clock_ran()'s: what was proved before a host slept is long ago. */
struct store_etcd {
	struct event_base *base;
	struct event *timer;
	struct store_told told;
	void *arg;
	unsigned int depth; /* of what may tell; while it is not 0, */
	bool closed; /* closing only marks */

	char **endpoints; /* in an order of its own */
	size_t endpoint_count, endpoint; /* the one in use */
	char *prefix, *node, *ca, *cert, *key, *user;
	char *password; /* guarded; NULL: none */
	char *token; /* NULL: none */
	char *keys[KEY_COUNT];

	enum store_phase phase;
	enum store_doubt doubt;
	struct link *link, *clock_link; /* see link_date() */
	unsigned int jobs; /* bits of those under way */
	unsigned int tries; /* failures since it worked for a while */
	bool poked; /* something waits to be begun */
	int64_t connect, watch_by, look, clock, stale; /* when to */
	int64_t began; /* when the read that opened this link did */

	int state; /* enum store_state, or STORE_NO_STATE */
	char trouble[CONF_WHY_LEN]; /* the last, told or not */
	char **troubles; /* the last told of each endpoint, or NULL */

	uint64_t cluster; /* etcd's; 0: not known yet */
	int64_t seen; /* its highest revision yet */
	int64_t floors[JOB_COUNT]; /* `seen` when the job began */
	int64_t due[JOB_COUNT]; /* when it must have ended */
	int64_t cursor; /* up to here the set is told */
	int64_t revision; /* of what found() told; 0: none */
	int64_t read_floor; /* that, when the read began */
	int64_t missed; /* the watch owes what has this; 0: nothing */
	bool read; /* it was asked to */
	bool owed; /* found(), even of what it told */

	uint8_t *swap; /* NULL: none is under way */
	size_t swap_len;
	int64_t swap_revision, swap_by;
	bool swap_sent;

	uint8_t entry[STORE_ENTRY_MAX];
	size_t entry_len;
	bool has_entry, entry_due;
	char untold[CONF_WHY_LEN];
	int64_t lease, keep, entry_at; /* id; when to */
	int64_t lease_ends; /* unless it is kept */
	int64_t list_by; /* 0: nobody asked */
	char ask[STORE_NODE_MAX + 1]; /* the node asked for */
	int64_t ask_by; /* 0: nobody asked */
	enum store_rights rights; /* as told */
	int64_t rights_at; /* when to ask for them */
	bool refused; /* nobody was, over this link */

	uint64_t calls, failures, events, bytes_in, bytes_out, connects;
};

/* --- store_etcd.c --- */

/* What link_told says: as if it had come from etcd, for the fuzz target. */
void store_message(void *store, int job, const uint8_t *bytes, size_t len);
void store_end(void *store, int job, const struct call_end *);

/* Soon after: what waits is begun. */
void store_poke(struct store_etcd *);
/* A moment from now on. */
int64_t store_soon(unsigned int least_ms, unsigned int most_ms);

/* --- store_etcd_link.c --- */

/* False: there is no memory, or no link; then it counts as a failure. */
bool store_send(
    struct store_etcd *, enum store_job, const ProtobufCMessage *);
/* How long to wait for what would take so long, if things were well. */
unsigned int store_patience(const struct store_etcd *, unsigned int ms);
ProtobufCBinaryData store_key(const struct store_etcd *, enum store_key);
bool store_busy(const struct store_etcd *, enum store_job);
void store_cancel(struct store_etcd *, enum store_job);
/* What is due. */
void store_link_run(struct store_etcd *, int64_t now);
int64_t store_link_next(const struct store_etcd *);
void store_link_close(struct store_etcd *);

/* Give the link up, and try the next.  refused: etcd said so for certain. */
void store_fail(struct store_etcd *, bool refused, const char *why);
void store_fail_end(struct store_etcd *, const struct call_end *);
/* Was it the link's end, too, by such an end of a job that is not vital? */
bool store_lost(struct store_etcd *, const struct call_end *);
/* "ENDPOINT: " and why it ended so. */
void store_say(const struct store_etcd *, const struct call_end *,
    char why[CONF_WHY_LEN]);
/* The watch is there: what waits may begin. */
void store_up(struct store_etcd *);
/* At `began`, nothing was missed. */
void store_proved(struct store_etcd *, int64_t began);
/* Read and watch anew, over the same link. */
void store_reopen(struct store_etcd *);
void store_tell_rollback(struct store_etcd *, const char *why);

void store_on_login(struct store_etcd *, const struct call_end *);
/* To the endpoint in use; NULL: no memory. */
struct link *store_open_link(struct store_etcd *, bool tls12);
/* When a call that begins now is lost. */
int64_t store_due(unsigned int ms);

/* --- store_etcd_version.c --- */

void store_clock_ask(struct store_etcd *);
/* Over the link, which is used for nothing else. */
void store_doubt_ask(struct store_etcd *);
void store_on_clock(struct store_etcd *, const struct call_end *);

/* --- store_etcd_set.c --- */

void store_set_read(struct store_etcd *);
void store_set_look(struct store_etcd *);
void store_set_run(struct store_etcd *); /* over a link */
void store_on_read(struct store_etcd *, const struct call_end *);
void store_on_look(struct store_etcd *, const struct call_end *);
void store_on_watch(struct store_etcd *, const uint8_t *bytes, size_t len);
void store_on_watch_end(struct store_etcd *, const struct call_end *);
void store_fail_garbled(struct store_etcd *);
bool store_is_set(const struct store_etcd *, const struct Etcd__KeyValue *);
/* NULL: none.  at: what is told here holds at this revision of etcd. */
void store_tell_found(
    struct store_etcd *, const struct Etcd__KeyValue *, int64_t at);

/* --- store_etcd_swap.c --- */

void store_swap_run(struct store_etcd *); /* over a link */
void store_swap_late(struct store_etcd *, int64_t now);
void store_swap_lost(struct store_etcd *); /* the link was given up */
void store_on_swap(struct store_etcd *, const struct call_end *);

/* --- store_etcd_nodes.c --- */

void store_nodes_run(struct store_etcd *, int64_t now); /* over a link */
int64_t store_nodes_next(const struct store_etcd *); /* when to */
void store_nodes_up(struct store_etcd *); /* there is a link again */
void store_nodes_lost(struct store_etcd *); /* the link is to be given up */
void store_nodes_reset(struct store_etcd *); /* etcd has gone back */
void store_on_grant(struct store_etcd *, const struct call_end *);
void store_on_keep(struct store_etcd *, const struct call_end *);
void store_on_entry(struct store_etcd *, const struct call_end *);

/* --- store_etcd_list.c --- */

void store_list_run(struct store_etcd *); /* over a link */
int64_t store_list_next(const struct store_etcd *); /* when it is late */
void store_list_late(struct store_etcd *, int64_t now);
void store_on_list(struct store_etcd *, const struct call_end *);
void store_on_ask(struct store_etcd *, const struct call_end *);
void store_on_forget(struct store_etcd *, const struct call_end *);

/* --- store_etcd_rights.c --- */

void store_rights_up(struct store_etcd *); /* there is a link again */
void store_rights_run(struct store_etcd *, int64_t now); /* over a link */
int64_t store_rights_next(const struct store_etcd *); /* when to */
void store_on_rights(struct store_etcd *, const struct call_end *);
void store_on_nobody(struct store_etcd *, const struct call_end *);
void store_on_open(struct store_etcd *, const struct call_end *);

/* --- store_etcd_why.c --- */

/* What goes after "ENDPOINT: ". */
void store_why(const struct store_etcd *, const struct call_end *,
    char why[CONF_WHY_LEN]);
/* etcd's authentication is off. */
bool store_is_open(const struct call_end *);
/* The user's token is none (any more). */
bool store_is_logged_out(const struct store_etcd *, const struct call_end *);

#endif
