/* SPDX-License-Identifier: ISC */
/*
 * A held key: every node has it and opens with it, none seals with it, until
 * all have confirmed it.  It is one that never seals by its times, which are
 * all HELD_FOR after the time from which it should.
 *
 * Never here: holding one, or letting it seal (farm_offer.c).
 */
#ifndef STEK_HELD_H
#define STEK_HELD_H

#include <stek.h>

#define HELD_FOR INT64_C(8640000) /* 100 days, more than keys live */

/* The one of a set, or NULL. */
const struct stek_key *held_key(const struct stek_set *);

/* When it should begin to seal. */
int64_t held_from(const struct stek_key *);

#endif
