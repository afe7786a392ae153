/* SPDX-License-Identifier: ISC */
/*
 * Which keys of a set go into a file; see order.h.
 *
 * Never here: bytes.
 * Invariant: a set is ordered by seal_from, so walking it forward meets the
 * soonest pending key first, and walking it back the newest opening one.
 */
#include "order.h"

static void
add(struct order *order, const struct stek_key *key, size_t max)
{
	if (order->count < max)
		order->keys[order->count++] = key;
}

void
order_first(
    const struct stek_set *set, int64_t now, size_t max, struct order *order)
{
	const struct stek_key *sealing = stek_set_sealing(set, now);
	size_t i;

	order->count = 0;
	if (sealing == NULL)
		return;
	add(order, sealing, max);
	for (i = 0; i < set->count; i++)
		if (stek_set_state(set, &set->keys[i], now) == STEK_PENDING)
			add(order, &set->keys[i], max);
	for (i = set->count; i-- > 0;)
		if (stek_set_state(set, &set->keys[i], now) == STEK_OPENING)
			add(order, &set->keys[i], max);
}

void
order_last(
    const struct stek_set *set, int64_t now, size_t max, struct order *order)
{
	struct order first;
	size_t i;

	order_first(set, now, max, &first);
	for (i = 0; i < first.count; i++)
		order->keys[i] = first.keys[first.count - 1 - i];
	order->count = first.count;
}

const struct stek_key *
order_find(const struct stek_set *set, int64_t now, enum stek_state state)
{
	struct order order;
	size_t i;

	order_first(set, now, STEK_KEYS_MAX, &order);
	for (i = 0; i < order.count; i++)
		if (stek_set_state(set, order.keys[i], now) == state)
			return order.keys[i];
	return NULL;
}
