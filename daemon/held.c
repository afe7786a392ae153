/* SPDX-License-Identifier: ISC */
/* See held.h. */
#include "held.h"

const struct stek_key *
held_key(const struct stek_set *set)
{
	const struct stek_key *last;

	if (set->count == 0)
		return NULL;
	last = &set->keys[set->count - 1];
	return last->seal_from == last->seal_until ? last : NULL;
}

int64_t
held_from(const struct stek_key *held)
{
	return held->seal_from - HELD_FOR;
}
