/* SPDX-License-Identifier: ISC */
/* A script that breaks an invariant, made as small as it still does so. */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "sim.h"

/* Fewer faults and nodes, shorter faults, an end at the break. */
void shrink(struct script *, const char *invariant);

#endif
