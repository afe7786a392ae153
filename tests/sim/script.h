/* SPDX-License-Identifier: ISC */
/*
 * What a run is: a farm's size and rules, and the list of all that goes wrong
 * or is wished, with times.  It follows from a seed, and can be made smaller.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "farm.h"

#define FAULTS_MAX 2048
#define ALL UINT32_MAX
#define WRITER (UINT32_MAX - 1)
#define HALF (UINT32_MAX - 2)

enum fault_kind {
	FAULT_CUT,	/* off from the store */
	FAULT_DEATH,	/* of the daemon; arg: its copy is lost */
	FAULT_REBOOT,	/* of the host; arg: clock's error until healed, s */
	FAULT_NAP,	/* suspended */
	FAULT_STEP,	/* clock set wrong by arg, s */
	FAULT_TARGET,	/* its servers take no keys */
	FAULT_SLOW,	/* ... take them slowly */
	FAULT_LOSE,	/* swaps, or their answers, are lost or late */
	FAULT_REFUSE,	/* the store refuses swaps */
	FAULT_BACK,	/* the store goes back by arg versions */
	FAULT_DELETE,
	FAULT_FORGE,	/* garbage, until healed; arg: deleted then */
	FAULT_ROTATE,	/* an operator; arg: at once */
	FAULT_REVOKE,	/* arg: 0 the sealing key, 1 the newest, 2 all */
	FAULT_KINDS,
};

struct fault {
	enum fault_kind kind;
	uint32_t node;
	int64_t at, len; /* ms from the beginning; len is 0 for a wish */
	int64_t arg;
	bool dropped;
};

struct script {
	uint64_t seed;
	uint32_t nodes;
	int64_t length; /* ms */
	struct farm_conf conf;
	bool clockless; /* nobody tells the store's clock */
	uint32_t odd; /* one node in so many has a wrong clock */
	struct fault faults[FAULTS_MAX];
	uint32_t count;
};

void script_make(struct script *, uint64_t seed);
/* Ten thousand nodes, or as many, for so long. */
void script_large(struct script *, uint64_t seed, uint32_t nodes,
    int64_t length);
const char *script_name(enum fault_kind);
void script_tell(const struct script *, const struct fault *, char *,
    size_t);

#endif
