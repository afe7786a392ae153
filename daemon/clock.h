/* SPDX-License-Identifier: ISC */
/*
 * The clocks: what time it is, and how much of it has passed.
 *
 * Never here: waiting.
 * Invariant: clock_now() never says an earlier second than a timer of
 * CLOCK_REALTIME that has fired; time(2), which looks at a clock of the last
 * tick, may.  So time(2) is not used in stekd.
 */
#ifndef STEK_CLOCK_H
#define STEK_CLOCK_H

#include <stdint.h>

/* Unix seconds; set by people and NTP, so it may jump. */
int64_t clock_now(void);

/* Milliseconds since some moment; never set. */
int64_t clock_ms(void);

/* Since boot, the time in which the host was suspended too; never set. */
int64_t clock_boot(void); /* in seconds */
int64_t clock_ran(void); /* in milliseconds */

#endif
