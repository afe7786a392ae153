/* SPDX-License-Identifier: ISC */
/* See chance.h. */
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

static uint64_t keys;

/* Steele, Lea and Flood's SplitMix. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t
chance_next(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(*state);
}

uint64_t
chance_of(uint64_t seed, uint64_t number)
{
	uint64_t state = mix(seed + 1) ^ number;

	(void)chance_next(&state);
	return chance_next(&state);
}

int64_t
chance_between(uint64_t *state, int64_t low, int64_t high)
{
	uint64_t span = (uint64_t)(high - low) + 1;

	return low + (int64_t)(chance_next(state) % span);
}

int64_t
chance_scale(uint64_t *state, int64_t low, int64_t high)
{
	double u = (double)(chance_next(state) >> 11) / 9007199254740992.0;

	return (int64_t)((double)low * pow((double)high / (double)low, u));
}

bool
chance_one_in(uint64_t *state, int64_t n)
{
	return chance_between(state, 1, n) == 1;
}

static const char *
name(void)
{
	return "sim";
}

static uint32_t
word(void)
{
	return (uint32_t)chance_next(&keys);
}

static void
fill(void *const to, const size_t len)
{
	uint8_t *bytes = to;
	uint64_t next = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0)
			next = chance_next(&keys);
		bytes[i] = (uint8_t)(next >> 8 * (i % 8));
	}
}

static struct randombytes_implementation from_seed = {
    .implementation_name = name,
    .random = word,
    .buf = fill,
};

void
chance_keys(uint64_t seed)
{
	static bool installed;

	keys = seed;
	if (installed)
		return;
	if (randombytes_set_implementation(&from_seed) != 0 ||
	    sodium_init() < 0)
		abort();
	installed = true;
}
