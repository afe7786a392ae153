/* SPDX-License-Identifier: ISC */
/*
 * A simulated farm: nodes that run the daemon's own farm.c and plan.c, one
 * store, servers, and what goes wrong.  All of a run follows from its script.
 *
 * Never here: real clocks, sockets, threads.
 * Invariant: the same script gives the same run, event by event.
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>

#include "farm.h"
#include "queue.h"
#include "script.h"

#define SECOND		INT64_C(1000)
#define MINUTE		(60 * SECOND)
#define DAY		INT64_C(86400000)
#define EPOCH		INT64_C(1800000000000)	/* ms; the run's first */
#define LEASE		(15 * SECOND)
#define NOBODY		UINT32_MAX
#define NEVER		INT64_MAX

enum what {
	EV_START,	/* a node comes up for the first time */
	EV_TIME,	/* a node's timer */
	EV_WATCH,	/* the store's change reaches a node */
	EV_APPLY,	/* its servers have what they were to get */
	EV_SERVERS,	/* a time of a key passes at its servers */
	EV_CUT,		/* it notices that the store is silent */
	EV_JOIN,	/* ... that it speaks again */
	EV_CONTACT,
	EV_CLOCK,	/* it sees the store's clock */
	EV_SWAP,	/* its swap reaches the store */
	EV_ANSWER,	/* ... and the answer it */
	EV_READ,
	EV_LIST,
	EV_ASK,
	EV_SET,		/* a clock that was wrong since a boot is set right */
	EV_FAULT,
	EV_HEAL,
	EV_SWEEP,	/* the checks that look at the whole farm */
};

/* A swap under way. */
struct swap {
	uint32_t node, life;
	int64_t revision;	/* it is to take the place of */
	int64_t taken;		/* it has become */
	enum farm_want offered;
	enum farm_what end;
	bool unheard;
	uint32_t events;	/* that hold it */
	struct stek_set set;
};

struct node {
	uint32_t id;
	struct farm farm;
	struct farm_conf conf;
	struct stek_set copy;	/* on its disk */
	uint64_t seen;		/* ditto: the highest version */
	int64_t adopted;	/* when it got its set */
	int64_t offset;		/* ms, of its clock */
	int64_t drift;		/* ppm */
	int64_t boot;
	int64_t stepped;	/* when its clock was set right or wrong */

	bool up;
	uint32_t life;		/* counts its daemon's starts */
	const struct fault *owed;	/* a start that a nap holds up */
	uint32_t cuts, naps, fails, slows;	/* faults under way */
	bool linked;		/* the store can be reached, in truth */
	uint32_t link;		/* counts changes of that */
	bool in_step;		/* as the daemon has it */
	bool registered;
	int64_t lease;		/* it ends then, unless linked */
	uint64_t acked;
	int64_t told;		/* the revision found last */
	int64_t base;		/* ... or written by itself */
	struct swap *flying;
	uint32_t timer;
	bool contacting;
	int64_t clock_seen;

	bool placing, again;
	uint64_t placing_version;
	struct stek_set placed;

	/* Its servers. */
	struct stek_set view;
	uint32_t ids[STEK_KEYS_MAX];
	uint32_t seals;		/* a key, or NOBODY */
	uint32_t opens[STEK_KEYS_MAX];
	size_t open_count;
	bool in_step_servers;	/* I1 counts on it */
	bool was_counted, was_strict;
	uint32_t server_timer;

	int64_t fine;		/* since then nothing is wrong with it */
	int64_t awake;
	int64_t begun;
	int64_t eased;		/* ... with its servers */
	int64_t contact;	/* true time */
	int64_t dry;		/* no key seals since then, or NEVER */
};

enum holds { HOLDS_NOTHING, HOLDS_SET, HOLDS_GARBAGE };

#define PAST_MAX 64

struct store {
	int64_t revision;
	enum holds holds;
	struct stek_set set;
	uint32_t writer;
	uint64_t highest;	/* version ever */
	int64_t changed;
	int64_t forked;		/* when it got an older set again */
	int64_t clear;		/* since then no fault has touched it */
	uint32_t losing, refusing, spoilt;	/* faults under way */
	struct stek_set past[PAST_MAX];
	size_t past_count;
};

/* What is known of a key that a node has stored. */
struct known {
	uint8_t name[STEK_NAME_LEN];
	uint32_t strict;	/* counted, able nodes that seal with it */
	uint32_t loose;		/* others that do */
	uint32_t openers;	/* counted nodes that open it */
	bool stored;		/* it is in the newest set */
	bool sealed;
	int64_t open_until;	/* the soonest that was stored */
	int64_t last_end;	/* ... the latest */
	int64_t wished;		/* when its revocation was */
	uint32_t wisher, wisher_life;
	int64_t revoked;	/* when that was stored */
};

struct count {
	uint64_t events, mints, confirms, forces, restores;
	uint64_t attempts, conflicts, refused, asks, lists;
	uint64_t planned, plans; /* swaps for the plan: done, and tried */
	uint64_t worst; /* conflicts in a row */
};

struct world {
	const struct script *script;
	int64_t now;
	uint64_t random;
	struct queue queue;
	struct node *nodes;
	uint32_t node_count;
	struct store store;
	struct known *keys;
	size_t key_count, key_room, key_first;
	uint32_t counted;
	int64_t calm;		/* no fault since then, or NEVER */
	uint32_t faults;	/* under way */
	int64_t last_from;	/* of the newest key that was stored; s */
	int64_t last_until;
	int64_t ready;		/* since then nodes have the held key */
	int64_t rotated_by;
	int64_t rotating;	/* since then an operator waits */
	uint8_t rotated[STEK_NAME_LEN];	/* for another key */
	uint32_t tries;		/* swaps too late since one was taken */
	bool sealed_once;
	uint32_t hit[FAULTS_MAX];	/* the node that a fault was at */
	struct count count;
	FILE *trace;
	bool over;		/* see check.c */
	const char *broken;	/* the name of an invariant, or NULL */
	char why[256];
};

/* run.c */
void run(const struct script *, FILE *trace, struct world *);
void run_free(struct world *);
void trace(struct world *, const char *, ...)
    __attribute__((format(printf, 2, 3)));
int64_t latency(struct world *);
void later(struct world *, int64_t delay, enum what, uint32_t node,
    uint32_t gen);

/* node.c: the driver of one node, in stekd's place. */
int64_t node_now(const struct world *, const struct node *); /* ms */
int64_t node_ran(const struct world *, const struct node *);
void node_step(struct world *, struct node *, struct farm_event *);
void node_simple(struct world *, struct node *, enum farm_what);
void node_found(struct world *, struct node *);
void node_begin(struct world *, struct node *);
void node_event(struct world *, const struct event *);
void node_timer(struct world *, struct node *, const struct farm_todo *);
void node_join(struct world *, struct node *);

/* life.c: faults, as they begin and end. */
void life_link(struct world *, struct node *);
void life_fault(struct world *, uint32_t index);
void life_heal(struct world *, uint32_t index);
void life_set_clock(struct world *, struct node *, uint32_t index);
void life_start(struct world *, struct node *);

/* store.c */
void store_event(struct world *, const struct event *);
void store_send(struct world *, struct node *);
void store_put(struct world *, enum holds, const struct stek_set *,
    uint32_t writer);
bool store_is_live(const struct world *, const struct node *);

/* servers.c */
void servers_publish(struct world *, struct node *);
void servers_try_again(struct world *, struct node *);
void servers_applied(struct world *, struct node *);
void servers_refresh(struct world *, struct node *);
void servers_forget(struct world *, struct node *);
void servers_count(struct world *, struct node *, bool);
void servers_try_count(struct world *, struct node *);
uint32_t servers_key(struct world *, const uint8_t name[STEK_NAME_LEN]);
struct known *servers_known(struct world *,
    const uint8_t name[STEK_NAME_LEN]);
bool servers_is_clock_right(const struct world *, const struct node *);

/* check.c: the invariants. */
void check_keys(struct world *);
void check_step(struct world *, struct node *, const struct farm_event *,
    const struct stek_set *before, const struct stek_set *offer);
void check_before_put(struct world *, const struct swap *,
    const struct stek_set *old);
void check_stored(struct world *, const struct swap *,
    const struct stek_set *old);
void check_sweep(struct world *);
void broken(struct world *, const char *invariant, const char *, ...)
    __attribute__((format(printf, 3, 4)));

#endif
