/* SPDX-License-Identifier: ISC */
/*
 * Processes that the monitor forks for what may take long, one a request.
 *
 * Never here: what a worker does.
 * Invariants: a worker replies or is told of by worker_reap(); it holds no
 * lock of the monitor's, and no signal that the monitor ignores.
 */
#ifndef STEK_WORKER_H
#define STEK_WORKER_H

#include "monitor.h"

#define WORKERS_MAX (2 * CONF_TARGETS_MAX)

/* Zeroed at first. */
struct workers {
	struct worker {
		pid_t pid; /* 0: the place is free */
		struct monitor_request request;
	} all[WORKERS_MAX];
};

/*
 * As fork(2); the child has only standard input and output open, and the two
 * descriptors to keep, of which one may be -1.  EAGAIN: there are too many.
 */
pid_t worker_fork(
    struct workers *, const struct monitor_request *, const int keep[2]);

/*
 * Forget those that have ended.  True: one was killed by a signal while it
 * was at that request; call again for the next.
 */
bool worker_reap(struct workers *, struct monitor_request *, int *number);

#endif
