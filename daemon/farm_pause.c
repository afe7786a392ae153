/* SPDX-License-Identifier: ISC */
/* See farm_pause.h. */
#include "farm_pause.h"

#define SECOND       INT64_C(1000)
#define SPREAD_STEEP 14.0 /* of 2^14 nodes about one has no pause */
#define RETRY_MAX    (300 * SECOND)
#define ASK_MIN      (10 * SECOND)
#define LIST_FIRST   200 /* ms until the writer first asks how nodes stand */
#define LIST_MAX     (10 * SECOND)

static int64_t
at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
between(int64_t low, int64_t n, int64_t high)
{
	return n < low ? low : at_most(n, high);
}

/* Steele, Lea and Flood's SplitMix. */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* -log2(n / 2^64), to a tenth: exact where n is a power of two. */
static double
minus_log2(uint64_t n)
{
	int zeros = n == 0 ? 63 : __builtin_clzll(n);
	double rest = (double)(n << zeros) / 9223372036854775808.0;

	return (double)(zeros + 1) - (rest - 1.0);
}

/*
 * A pause up to `span` ms, another one for each node.  Few nodes of however
 * many have the shortest ones (Nonnenmacher and Biersack's timers for
 * feedback from a group of unknown size): one goes first, and the others see
 * what it did before they would do the same.
 */
static int64_t
spread(const struct farm *farm, int64_t span)
{
	uint64_t draw = mix(farm->conf.node ^ mix(farm->set.version) ^
	                    mix((uint64_t)farm->want << 32 | farm->attempts));
	double left = 1.0 - minus_log2(draw) / SPREAD_STEEP;

	return left > 0 ? (int64_t)((double)span * left) : 0;
}

/* 1, 2, 4, ... seconds. */
static int64_t
back_off(unsigned int attempts)
{
	return at_most(SECOND << at_most(attempts, 9), RETRY_MAX);
}

int64_t
farm_pause(const struct farm *farm)
{
	const struct stek_policy *policy = &farm->conf.policy;
	int64_t lead = policy->lead * SECOND;
	unsigned int i;
	int64_t pause;

	switch (farm->want) {
	case FARM_CONFIRM:
		if (!farm->mine)
			return SECOND + spread(farm, between(ASK_MIN, lead / 2,
			                                 RETRY_MAX));
		pause = LIST_FIRST;
		for (i = 0; i < farm->attempts && pause < LIST_MAX; i++)
			pause += pause / 2;
		return at_most(pause, LIST_MAX);
	case FARM_FORCE:
		pause = farm->mine ? 0
		                   : spread(farm,
		                         between(SECOND, lead / 2, RETRY_MAX));
		break;
	case FARM_PLAN:
		pause = farm->set.version == 0 || lead == 0
		            ? SECOND
		            : between(SECOND / 4, lead / 8, 60 * SECOND);
		pause = spread(farm, pause);
		break;
	case FARM_REVOKE:
		pause = farm->asked_to_revoke ? 0 : spread(farm, 2 * SECOND);
		break;
	case FARM_RESTORE:
		pause = spread(farm, 2 * SECOND);
		break;
	default:
		pause = 0;
	}
	if (farm->attempts > 0)
		pause += back_off(farm->attempts - 1);
	return pause;
}
