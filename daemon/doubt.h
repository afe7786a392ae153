/* SPDX-License-Identifier: ISC */
/*
 * May keys be planned by the clock?  One that is set far ahead by mistake
 * would bury keys, and they are gone when it is set right again.  So whoever
 * would change the farm's set asks here whether the clock has run ahead of
 * the time that has passed since boot, and if so, waits until it has stood
 * like that for a while.
 *
 * Never here: clocks; a line of log.  Set back, a clock is believed at once:
 * that buries none.
 * Invariant: a host that was suspended is never in doubt.
 */
#ifndef STEK_DOUBT_H
#define STEK_DOUBT_H

#include <stek.h>

#define DOUBT_WHY_LEN 256

struct doubt {
	int64_t believed; /* the clock's distance from the time since boot */
	int64_t doubted; /* its present one */
	int64_t until; /* in seconds since boot */
	bool open;
	char why[DOUBT_WHY_LEN]; /* what is in doubt, or "" */
};

/*
 * As stekd starts with this set.  Just after a boot, a clock by which all
 * keys are dead is in doubt, too.  now: Unix seconds; ran: seconds since boot,
 * those in which the host was suspended too.
 */
void doubt_begin(
    struct doubt *, const struct stek_set *, int64_t now, int64_t ran);

/* Seconds until it is to be asked again, before any plan; 0: plan. */
int64_t doubt_look(struct doubt *, int64_t now, int64_t ran);

/* Somebody who has looked at the clock wants keys to move. */
void doubt_end(struct doubt *, int64_t now, int64_t ran);

#endif
