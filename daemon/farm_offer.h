/* SPDX-License-Identifier: ISC */
/*
 * The sets that a node offers its farm: each the next one of that in use.
 *
 * Never here: when to offer it, a store.
 * Invariant: an offer has the version after that of the set, and there is at
 * most one held key in it; none but a held key seals too early: a new key
 * seals without having been held only if nothing else does.
 */
#ifndef STEK_FARM_OFFER_H
#define STEK_FARM_OFFER_H

#include "farm.h"

/*
 * All: false if nothing is to be offered, or (errno-less) for want of memory
 * or a valid time; farm->offer is then of no use.
 */

/* What the plan says; farm->due is when to ask again. */
STEK_CHECKED bool farm_offer_plan(struct farm *, int64_t now);

/* An operator's wish, farm->at_once. */
STEK_CHECKED bool farm_offer_rotate(struct farm *, int64_t now);

/* Without the keys in farm->revoked. */
STEK_CHECKED bool farm_offer_revoke(struct farm *, int64_t now);

/* The held key may seal from its time on, or from now if that is past. */
STEK_CHECKED bool farm_offer_confirm(struct farm *, int64_t now);

/*
 * Nothing new but the version: this node looks after the held key now, or the
 * set is to be sealed with another farm key.
 */
void farm_offer_again(struct farm *);

/* Is there a held key, and not too late to let it seal? */
bool farm_holds(const struct farm *, int64_t now);

/* Take out a key and put it back with other times; false: it stays out. */
bool farm_retime(struct stek_set *, const struct stek_key *, int64_t from,
    int64_t until, int64_t open);

/* Is a key of that name among those revoked here? */
bool farm_has_revoked(const struct farm *, const uint8_t name[STEK_NAME_LEN]);

#endif
