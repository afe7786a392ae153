/* SPDX-License-Identifier: ISC */
/* Publishing and judging what was read; see storm.h. */
#include "storm.h"

static struct stek_key
storm_key(uint64_t number)
{
	const int64_t from = STORM_START + (int64_t)number;
	struct stek_key key = given_key(number, from, from + 8, from + 16);

	/* However long it lasts, no two names begin alike. */
	memcpy(key.name, &number, 4);
	return key;
}

static size_t
storm_count(uint64_t version)
{
	return 1 + version % STEK_KEYS_MAX;
}

void
storm_publish(struct storm *storm, struct stek_ring *ring, struct stek_set *set)
{
	const uint64_t version = set->version + 1;
	struct stek_key STEK_WIPED key;
	uint64_t i;

	stek_set_clear(set);
	set->version = version;
	for (i = 0; i < storm_count(version); i++) {
		key = storm_key(version + i);
		if (stek_set_add(set, &key) != STEK_OK)
			abort();
	}
	if (stek_ring_publish(ring, set) != STEK_OK)
		abort();
	atomic_store(&storm->published, version);
}

static bool
is_whole(const struct stek_key *key)
{
	struct stek_key right =
	    storm_key((uint64_t)(key->seal_from - STORM_START));

	return memcmp(key, &right, sizeof(right)) == 0;
}

const char *
storm_check(const struct stek_set *set)
{
	size_t i;

	if (set->version == 0)
		return set->count == 0 ? NULL
		                       : "keys in a ring never published";
	if (set->count != storm_count(set->version))
		return "a count of another version";
	for (i = 0; i < set->count; i++) {
		if (set->keys[i].seal_from !=
		    STORM_START + (int64_t)(set->version + i))
			return "keys of another version";
		if (!is_whole(&set->keys[i]))
			return "a torn key in a set";
	}
	return NULL;
}

static const char *
read_set(
    struct storm *storm, const struct stek_ring *ring, struct stek_set *set)
{
	const uint64_t published = atomic_load(&storm->published);
	const uint64_t before = set->version;

	stek_ring_read(ring, set);
	if (set->version < published)
		return "an old set after a publish";
	if (set->version < before)
		return "an older set than before";
	return storm_check(set);
}

static const char *
read_sealing(struct storm *storm, const struct stek_ring *ring, uint64_t dice)
{
	const uint64_t published = atomic_load(&storm->published);
	const int64_t now =
	    STORM_START + (int64_t)published + (int64_t)(dice % 40);
	struct stek_key key;

	if (!stek_ring_sealing(ring, now, &key))
		return NULL;
	if (!is_whole(&key))
		return "a torn sealing key";
	if (key.seal_from > now || key.seal_until <= now)
		return "a sealing key out of its time";
	if (key.seal_from < STORM_START + (int64_t)published)
		return "a removed sealing key";
	return NULL;
}

static const char *
read_opening(struct storm *storm, const struct stek_ring *ring, uint64_t dice)
{
	const uint64_t published = atomic_load(&storm->published);
	const uint64_t number = published + dice % 24;
	const int64_t now = STORM_START + (int64_t)(published + dice % 32);
	struct stek_key want, key;

	if (number < 4)
		return NULL;
	want = storm_key(number - 4);
	if (stek_ring_opening(ring, want.name, now, &key) == STEK_OPEN_NO)
		return NULL;
	if (memcmp(&want, &key, sizeof(key)) != 0)
		return "a torn or other opening key";
	if (key.open_until <= now)
		return "an expired opening key";
	if (number - 4 < published)
		return "a removed opening key";
	return NULL;
}

const char *
storm_read(struct storm *storm, const struct stek_ring *ring,
    struct stek_set *set, uint64_t dice)
{
	const char *wrong;

	wrong = read_set(storm, ring, set);
	if (wrong == NULL)
		wrong = read_sealing(storm, ring, dice);
	if (wrong == NULL)
		wrong = read_opening(storm, ring, dice);
	atomic_fetch_add(&storm->reads, 1);
	if (wrong != NULL)
		atomic_store(&storm->over, true);
	return wrong;
}
