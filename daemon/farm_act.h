/* SPDX-License-Identifier: ISC */
/*
 * What a node does about the farm as it is, and when: which of all that may be
 * wanted comes first, by which clock, and after which pause.
 *
 * Never here: what an event changes (farm.c), what is offered (farm_offer.c).
 * Invariant: at most one swap is under way.
 */
#ifndef STEK_FARM_ACT_H
#define STEK_FARM_ACT_H

#include "farm.h"

void farm_act(struct farm *, const struct farm_event *, struct farm_todo *);

/* When to look again, whatever happens; left: s that a clock is in doubt. */
void farm_set_wake(const struct farm *, const struct farm_event *,
    int64_t left, struct farm_todo *);

#endif
