/* SPDX-License-Identifier: ISC */
/* Events in the order of their times, and of their coming at the same. */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
	int64_t at;	/* true time, ms */
	uint64_t order;
	void *swap;	/* whose it is: of EV_SWAP and EV_ANSWER */
	uint32_t node;
	uint32_t gen;	/* it is void if the node's has gone on */
	int what;
};

struct queue {
	struct event *heap;
	size_t count, room;
	uint64_t order;
};

void queue_put(struct queue *, const struct event *);
bool queue_get(struct queue *, struct event *);

#endif
