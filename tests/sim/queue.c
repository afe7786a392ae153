/* SPDX-License-Identifier: ISC */
/* See queue.h: a binary heap. */
#include <stdlib.h>

#include "queue.h"

static bool
is_before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
grow(struct queue *queue)
{
	if (queue->count < queue->room)
		return;
	queue->room = queue->room == 0 ? 256 : 2 * queue->room;
	queue->heap =
	    realloc(queue->heap, queue->room * sizeof(queue->heap[0]));
	if (queue->heap == NULL)
		abort();
}

void
queue_put(struct queue *queue, const struct event *event)
{
	struct event new = *event;
	size_t at, up;

	grow(queue);
	new.order = queue->order++;
	for (at = queue->count++; at > 0; at = up) {
		up = (at - 1) / 2;
		if (!is_before(&new, &queue->heap[up]))
			break;
		queue->heap[at] = queue->heap[up];
	}
	queue->heap[at] = new;
}

bool
queue_get(struct queue *queue, struct event *first)
{
	struct event last;
	size_t at = 0, down;

	if (queue->count == 0)
		return false;
	*first = queue->heap[0];
	last = queue->heap[--queue->count];
	for (;; at = down) {
		down = 2 * at + 1;
		if (down >= queue->count)
			break;
		if (down + 1 < queue->count &&
		    is_before(&queue->heap[down + 1], &queue->heap[down]))
			down++;
		if (!is_before(&queue->heap[down], &last))
			break;
		queue->heap[at] = queue->heap[down];
	}
	queue->heap[at] = last;
	return true;
}
