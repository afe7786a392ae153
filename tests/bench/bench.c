/* SPDX-License-Identifier: ISC */
/*
 * A clock, medians, and pairs.
 *
 * Never here: goals.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

uint64_t
bench_now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
		abort();
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double
bench_quantile(double *values, size_t count, double at)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[(size_t)(at * (double)(count - 1) + 0.5)];
}

void
bench_run(struct bench_pair *pair, size_t rounds, double (*side)(int, void *),
    void *arg)
{
	size_t i;

	/* One round each to warm up; then who comes first changes. */
	(void)side(0, arg);
	(void)side(1, arg);
	if (rounds > BENCH_ROUNDS_MAX)
		abort();
	for (i = 0; i < rounds; i++) {
		if (i % 2 == 0)
			pair->ours[i] = side(0, arg);
		pair->theirs[i] = side(1, arg);
		if (i % 2 == 1)
			pair->ours[i] = side(0, arg);
	}
	pair->rounds = rounds;
}

void
bench_medians(
    const struct bench_pair *pair, double *ours, double *theirs, double *ratio)
{
	double values[BENCH_ROUNDS_MAX];
	size_t i;

	for (i = 0; i < pair->rounds; i++)
		values[i] = pair->ours[i] / pair->theirs[i];
	*ratio = bench_quantile(values, pair->rounds, 0.5);
	memcpy(values, pair->ours, pair->rounds * sizeof(*values));
	*ours = bench_quantile(values, pair->rounds, 0.5);
	memcpy(values, pair->theirs, pair->rounds * sizeof(*values));
	*theirs = bench_quantile(values, pair->rounds, 0.5);
}

const char *
bench_verdict(int met)
{
	return met ? "met" : "MISSED";
}
