/* SPDX-License-Identifier: ISC */
/* See held.h. */
#include "held.h"

bool
held_is(const struct stek_key *key)
{
	return key->seal_from == key->open_until;
}

const struct stek_key *
held_key(const struct stek_set *set)
{
	size_t i;

	for (i = set->count; i > 0; i--)
		if (held_is(&set->keys[i - 1]))
			return &set->keys[i - 1];
	return NULL;
}

int64_t
held_from(const struct stek_key *held)
{
	return held->seal_from - HELD_FOR;
}

int64_t
held_until(const struct stek_key *held, const struct stek_policy *policy)
{
	return held_from(held) + 2 * policy->rotate;
}

int64_t
held_open_until(const struct stek_key *held, const struct stek_policy *policy)
{
	return held_until(held, policy) + policy->tickets;
}
