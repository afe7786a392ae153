/* SPDX-License-Identifier: ISC */
/*
 * What benchmarks have in common: a clock, medians, and pairs.
 *
 * The machine's speed drifts.  So the two sides of a comparison run in turn,
 * many times each, and what counts is the median of the ratios of neighbours.
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_ROUNDS_MAX 1000

/* Both sides of a comparison, in the same unit. */
struct bench_pair {
	size_t rounds;
	double ours[BENCH_ROUNDS_MAX];
	double theirs[BENCH_ROUNDS_MAX];
};

/* Nanoseconds. */
uint64_t bench_now(void);

/* Of 0 to 1; sorts the values. */
double bench_quantile(double *, size_t, double);

/*
 * Run both sides `rounds` times in turn.  A side returns its figure; what it
 * is told is its place in the pair: 0 ours, 1 theirs.
 */
void bench_run(struct bench_pair *, size_t rounds,
    double (*side)(int, void *), void *);

/* The medians of each side, and of ours to theirs. */
void bench_medians(const struct bench_pair *, double *ours, double *theirs,
    double *ratio);

const char *bench_verdict(int met);

#endif
