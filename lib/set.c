/* SPDX-License-Identifier: ISC */
/*
 * The ordered keys of a farm: adding, removing, finding, and which one seals.
 *
 * Never here: when keys come and go (plan.c), how a set is stored (codec.c).
 * Invariant: keys[0 .. count) are ordered by seal_from, pass
 * stek_key_check() and differ in the first 4 bytes of their names; slots from
 * count on are zero.
 */
#include <sodium.h>
#include <string.h>

#include <stek.h>

/* Some servers compare no more of a name than this. */
#define PREFIX_LEN 4

struct stek_set *
stek_set_new(void)
{
	struct stek_set *set;

	if (sodium_init() < 0)
		return NULL;
	set = sodium_malloc(sizeof(*set));
	if (set != NULL)
		memset(set, 0, sizeof(*set));
	return set;
}

void
stek_set_free(struct stek_set *set)
{
	sodium_free(set);
}

void
stek_set_copy(struct stek_set *to, const struct stek_set *from)
{
	if (to != from)
		memcpy(to, from, sizeof(*to));
}

void
stek_set_clear(struct stek_set *set)
{
	sodium_memzero(set->keys, sizeof(set->keys));
	set->count = 0;
}

static bool
has_prefix_of(const struct stek_set *set, const struct stek_key *key)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (memcmp(set->keys[i].name, key->name, PREFIX_LEN) == 0)
			return true;
	return false;
}

enum stek_err
stek_set_add(struct stek_set *set, const struct stek_key *key)
{
	enum stek_err err;
	size_t at;

	err = stek_key_check(key);
	if (err != STEK_OK)
		return err;
	if (has_prefix_of(set, key))
		return STEK_ERR_DUPLICATE;
	if (set->count >= STEK_KEYS_MAX)
		return STEK_ERR_FULL;
	for (at = set->count; at > 0; at--)
		if (set->keys[at - 1].seal_from <= key->seal_from)
			break;
	memmove(&set->keys[at + 1], &set->keys[at],
	    (set->count - at) * sizeof(set->keys[0]));
	set->keys[at] = *key;
	set->count++;
	return STEK_OK;
}

const struct stek_key *
stek_set_find(const struct stek_set *set, const uint8_t name[STEK_NAME_LEN])
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (memcmp(set->keys[i].name, name, STEK_NAME_LEN) == 0)
			return &set->keys[i];
	return NULL;
}

bool
stek_set_remove(struct stek_set *set, const uint8_t name[STEK_NAME_LEN])
{
	const struct stek_key *key = stek_set_find(set, name);
	size_t at;

	if (key == NULL)
		return false;
	at = (size_t)(key - set->keys);
	set->count--;
	memmove(&set->keys[at], &set->keys[at + 1],
	    (set->count - at) * sizeof(set->keys[0]));
	stek_key_wipe(&set->keys[set->count]);
	return true;
}

const struct stek_key *
stek_set_sealing(const struct stek_set *set, int64_t now)
{
	size_t i;

	for (i = set->count; i > 0; i--)
		if (stek_key_state(&set->keys[i - 1], now) == STEK_SEALING)
			return &set->keys[i - 1];
	return NULL;
}

enum stek_state
stek_set_state(
    const struct stek_set *set, const struct stek_key *key, int64_t now)
{
	enum stek_state state = stek_key_state(key, now);

	if (state == STEK_SEALING && key != stek_set_sealing(set, now))
		return STEK_OPENING;
	return state;
}

static int64_t
sooner(int64_t time, int64_t now, int64_t best)
{
	return time > now && time < best ? time : best;
}

int64_t
stek_set_wake(const struct stek_set *set, int64_t now)
{
	int64_t wake = INT64_MAX;
	size_t i;

	for (i = 0; i < set->count; i++) {
		wake = sooner(set->keys[i].seal_from, now, wake);
		wake = sooner(set->keys[i].seal_until, now, wake);
		wake = sooner(set->keys[i].open_until, now, wake);
	}
	return wake;
}
