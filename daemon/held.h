/* SPDX-License-Identifier: ISC */
/*
 * A held key: every node has it and opens with it, none seals with it, until
 * all have confirmed it.  It is one that never seals by its times, which are
 * all HELD_FOR after the time from which it should.  It lives no longer than
 * if it had sealed from that time on.
 *
 * Never here: holding one, or letting it seal (farm_offer.c).
 */
#ifndef STEK_HELD_H
#define STEK_HELD_H

#include <stek.h>

#define HELD_FOR INT64_C(8640000) /* 100 days, more than keys live */

/* A key that was to seal, and was cut short to nothing, is not. */
bool held_is(const struct stek_key *);

/* The one of a set, or NULL. */
const struct stek_key *held_key(const struct stek_set *);

/* When it should begin to seal. */
int64_t held_from(const struct stek_key *);

/* From then on it is not let seal any more: another takes its place. */
int64_t held_until(const struct stek_key *, const struct stek_policy *);

/* From then on no server opens with it, wherever it is still held. */
int64_t held_open_until(const struct stek_key *, const struct stek_policy *);

#endif
