/* SPDX-License-Identifier: ISC */
/*
 * A farm in time that flies: its set, its clock, the tickets that its servers
 * sealed; and what it relies on, whatever happens.
 *
 * Never here: what happens to it (test_plan_*.c).
 * Invariant: all chance comes from a seed, which each failure names:
 * STEK_SEED=N runs that one alone, STEK_SEEDS=N runs so many.
 */
#ifndef FARM_H
#define FARM_H

#include "given.h"

#define HOUR         INT64_C(3600)
#define DAY          (24 * HOUR)
#define YEAR         (365 * DAY)
#define FARM_TICKETS 256

struct ticket {
	uint8_t name[STEK_NAME_LEN];
	int64_t sealed;
	int64_t until; /* it must open before */
};

struct farm {
	struct stek_set *set;
	struct stek_set *before; /* the last plan */
	struct stek_set *again;
	struct stek_policy policy;
	int64_t now; /* what its clock shows */
	int64_t wake;
	struct ticket tickets[FARM_TICKETS];
	size_t next_ticket;
};

extern uint64_t farm_seed;
extern int64_t farm_second;

#define HOLDS(condition)                                               \
	do {                                                           \
		if (!(condition))                                      \
			fail_msg("seed %llu, second %lld: not so: %s", \
			    (unsigned long long)farm_seed,             \
			    (long long)farm_second, #condition);       \
	} while (0)

/* From low to high, both included. */
int64_t between(int64_t low, int64_t high);
bool one_in(int64_t n);

/* Some valid policy, often at its bounds. */
void farm_policy(struct stek_policy *);

/* Live through one story, with one seed after the other. */
void farm_tell(void (*story)(struct farm *));

/* Ask the plan, and check all that is true of every plan. */
void farm_plan(struct farm *);

/* Check what an operator's request just made of `before`. */
void farm_check_request(struct farm *);

/* Keys that went were dead. */
void farm_check_gone(const struct farm *);

/* Keys follow each other by rotate, published their lead ahead. */
void farm_check_schedule(const struct farm *, int64_t lead);

/* No key outlives the last ticket that it can have sealed. */
void farm_check_lives(const struct farm *);

/*
 * Servers seal tickets by the set as it is, until the clock shows `to`;
 * check that theirs, and those from before, open as long as they must.
 */
void farm_serve(struct farm *, int64_t to);

/* No longer expect tickets of that key to open; NULL: of any key. */
void farm_forget(struct farm *, const uint8_t *name);

#endif
