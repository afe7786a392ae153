/* SPDX-License-Identifier: ISC */
/*
 * How long a node waits before it does what it wants at the store, so that a
 * farm of any size does it once.
 *
 * Never here: what it wants.
 */
#ifndef STEK_FARM_PAUSE_H
#define STEK_FARM_PAUSE_H

#include "farm.h"

/* ms, for farm->want and what was tried of it so far. */
int64_t farm_pause(const struct farm *);

#endif
