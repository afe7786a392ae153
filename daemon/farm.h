/* SPDX-License-Identifier: ISC */
/*
 * The rules by which the nodes of a farm stay in step: when this node swaps
 * the farm's set for the next one, when a new key may seal, and which keys
 * servers get meanwhile.  A function of (state, event) alone, so that
 * tests/sim can run farms of any size through months in seconds.
 *
 * Rotation has no leader.  Any node may make the next key when the plan says
 * that one is due; a pause of a length drawn from the node's name keeps them
 * apart, and of several the store takes one (swap).
 *
 * A new key is *held*: every node has it and opens with it, none seals with
 * it.  When every live node has confirmed it, whoever wrote it confirms it to
 * all: now it has a time from which it seals.  That time needs no store any
 * more.  A held key is one that never seals by its times, which are all
 * HELD_FOR after the time from which it should.
 *
 * Never here: clocks, timers, sockets, what a store is.
 * Invariants: nothing but a revocation here, or being cut off for too long,
 * changes what servers get before the store has taken it.  The version never
 * goes back.  What cannot be decoded is never replaced.
 */
#ifndef STEK_FARM_H
#define STEK_FARM_H

#include "doubt.h"
#include "held.h"

#define FARM_REVOKED_MAX 64
#define FARM_WAIT        INT64_C(-1)
#define FARM_NEVER       INT64_MAX

struct farm_conf {
	struct stek_policy policy;
	int64_t postpone; /* s a key is held, at most; FARM_WAIT: no bound */
	int64_t stale_after; /* s; 0: however long it is cut off */
	bool mint; /* this node may change the farm's set */
	uint64_t node; /* of its name; other nodes have others */
};

enum farm_swap {
	FARM_IDLE,
	FARM_SWAPPING,
	FARM_UNSURE, /* it may have been done: to be read */
};

/* What this node wants of the store, the most urgent first. */
enum farm_want {
	FARM_NOTHING,
	FARM_REVOKE, /* a key that was revoked here */
	FARM_RESTORE, /* the store has an older set than this node, or none */
	FARM_ROTATE, /* an operator's wish */
	FARM_REKEY, /* another: the same set, sealed with the next farm key */
	FARM_CONFIRM, /* let the held key seal, when all nodes have it */
	FARM_FORCE, /* ditto, as they had their time */
	FARM_PLAN, /* what the plan says is due */
};

struct farm {
	struct farm_conf conf;
	struct stek_set set; /* in use; version 0: none yet */
	struct stek_set offer; /* unless FARM_IDLE */
	enum farm_swap swap;
	enum farm_want offered; /* what it is for */
	bool overtaken; /* something else was found since */
	enum farm_want want; /* what the next attempt is for */
	int64_t attempt; /* ms since boot: when to do something about it */
	unsigned int attempts; /* at the same want */

	bool live; /* in step with the store */
	bool looked; /* what the store has is known, and can be replaced */
	bool garbage; /* it is not */
	uint64_t stored; /* its version; 0: it has none */
	bool mine; /* this node wrote it */
	int64_t contact; /* ms since boot: when the store last answered */
	bool stale; /* servers have been told to forget all keys */

	bool confirmed; /* every live node has the set */
	bool asked; /* about nodes, or the writer; not answered yet */
	bool rotate, at_once, rekey; /* an operator's wishes */
	/* The latest that were revoked here, or taken away before their end. */
	uint8_t revoked[FARM_REVOKED_MAX][STEK_NAME_LEN];
	size_t revoked_count;
	bool revoking; /* some of them are still in the store */
	bool asked_to_revoke; /* ... by an operator, here */
	bool withheld; /* ... and gone from this host's servers meanwhile */

	struct doubt doubt;
	bool clock_known;
	int64_t clock; /* the store's less the time since boot; s */
	int64_t offset; /* this host's clock less the store's, now; s */
	int64_t due; /* by the plan: when to ask it again */
};

enum farm_what {
	FARM_TIME, /* a time came that was asked for, or the clock was set */
	FARM_FOUND, /* the store has this set, or none */
	FARM_GARBAGE, /* the store has what this node cannot decode */
	FARM_CONTACT, /* the store answers: what was found last is true */
	FARM_CUT_OFF, /* it does not */
	FARM_CLOCK, /* the store's clock was seen */
	FARM_SWAPPED, /* the four ends of a swap */
	FARM_CONFLICT,
	FARM_REFUSED,
	FARM_UNKNOWN,
	FARM_NODES, /* how nodes stand, as was asked for, or by chance */
	FARM_WRITER, /* is who wrote the set live? */
	FARM_DO_ROTATE, /* an operator's wishes */
	FARM_DO_REVOKE,
	FARM_DO_REKEY,
};

struct farm_event {
	enum farm_what what;
	int64_t now; /* Unix seconds by this host's clock */
	int64_t ran; /* ms since it booted, also those it slept through */
	const struct stek_set *set; /* FOUND; NULL: there is none */
	bool mine; /* FOUND: this node wrote it */
	bool yes; /* NODES: all live ones have the set; WRITER: it is live */
	bool at_once; /* DO_ROTATE */
	int64_t clock; /* CLOCK: the store's, in Unix seconds */
	const uint8_t *name; /* DO_REVOKE; NULL: all keys */
};

/* What is to be done about it, in this order. */
struct farm_todo {
	bool adopted; /* set is another one: keep a copy of it */
	bool forked; /* ... and of the same version as the one before */
	bool publish; /* servers get what farm_view() says now */
	bool swap; /* put the offer in place of what was found last */
	bool read; /* FOUND is to come again */
	bool list; /* NODES is to come: has each confirmed set.version? */
	bool ask; /* WRITER is to come */
	bool done; /* an operator's wish has been carried out */
	bool undone; /* the store did not take it; see farm.c */
	enum farm_want swapped; /* what this node's swap was for, if done */
	int64_t taken; /* the last open_until of keys taken away early, or 0 */
	int64_t wake; /* Unix seconds of the next FARM_TIME, or FARM_NEVER */
	int64_t pause; /* ms until then, if that is sooner; or FARM_NEVER */
};

/*
 * The farm as this node knew it when it last ran: a set of version 0, with no
 * keys, or one from there on.  All else is zeroed.
 */
void farm_begin(struct farm *, const struct farm_conf *,
    const struct stek_set *, int64_t now, int64_t ran);

/* A key of that name was revoked before this process began. */
void farm_revoke_again(struct farm *, const uint8_t name[STEK_NAME_LEN]);

void farm_step(struct farm *, const struct farm_event *, struct farm_todo *);

/* What servers get: no key that was revoked here. */
void farm_view(const struct farm *, int64_t ran, struct stek_set *);

/* Has it been cut off for longer than it may use keys? */
bool farm_is_stale(const struct farm *, int64_t ran);

/* Why this node makes no keys, or NULL. */
const char *farm_trouble(const struct farm *);

#endif
