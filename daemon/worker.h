/* SPDX-License-Identifier: ISC */
/*
 * Processes that the monitor forks for what may take long, one a request.
 *
 * Never here: what a worker does.
 * Invariants: a worker replies, or is told of by worker_reap() or
 * worker_overdue(); it holds no lock of the monitor's but one that it is to
 * keep, and no signal that the monitor ignores.
 */
#ifndef STEK_WORKER_H
#define STEK_WORKER_H

#include "monitor.h"

#define WORKERS_MAX (2 * CONF_TARGETS_MAX)

/* Zeroed at first. */
struct workers {
	struct worker {
		pid_t pid; /* 0: the place is free */
		int64_t deadline; /* by clock_ms(); 0: it was given up */
		struct monitor_request request;
	} all[WORKERS_MAX];
};

struct worker_end {
	struct monitor_request request;
	int status; /* as of waitpid(2) */
	bool given_up; /* worker_overdue() has told of it */
};

/*
 * As fork(2); the child has only standard input and output open, and the two
 * descriptors to keep, of which one may be -1.  EAGAIN: there are too many.
 */
pid_t worker_fork(struct workers *, const struct monitor_request *,
    unsigned int seconds, const int keep[2]);

/* True: one has ended; call again for the next. */
bool worker_reap(struct workers *, struct worker_end *);

/*
 * True: the time of one that was at that request is over; call again for the
 * next.  It is killed, but where a disk hangs it ends only when that goes on.
 */
bool worker_overdue(struct workers *, struct monitor_request *);

/* Until one is overdue: ms, or -1 if none can be. */
int worker_patience(const struct workers *);

/* Is one at that target's files?  In time: that was not given up. */
bool worker_places(const struct workers *, uint32_t index, bool in_time);

/* Targets have other indices now: that of old index i is map[i]. */
void worker_renumber(struct workers *, const uint32_t *map);

/* Let those that place files end, and kill them if they take longer. */
void worker_end_all(struct workers *, unsigned int ms);

#endif
