/* SPDX-License-Identifier: ISC */
/*
 * What the files of the program bench-farm share: farm.c moves the nodes,
 * farm_say.c writes what came of it as members of a JSON object.
 *
 * Never here: a node (farm_node.h).
 */
#ifndef TESTS_FARM_BENCH_H
#define TESTS_FARM_BENCH_H

#include "bench.h"
#include "farm_node.h"

#define ROUNDS_MAX 200

struct bench {
	struct farm_nodes all;
	struct farm_node *nodes;
	size_t count;
	struct evbuffer *input;
	bool over; /* no more input */
	bool (*done)(struct bench *); /* what is waited for */
	uint64_t version; /* ditto: that all should have */
	uint64_t deadline;
	bool met;
	double *pairs; /* of (node, round), ms */
	size_t pair_count;
	double told[ROUNDS_MAX], last[ROUNDS_MAX], sealed[ROUNDS_MAX];
	size_t rounds;
};

double bench_ms(uint64_t from, uint64_t to); /* of bench_now() */

/* Sums of all nodes, those closed too. */
void bench_count(const struct bench *, struct store_etcd_counts *);
double bench_cpu_ms(void); /* of this process */
long bench_resident_kib(void);

/* 50 %, 99 % and all of them; sorts them.  Nothing, if there are none. */
void bench_say_values(const char *name, double *values, size_t count);
/* How many are in step, and from when on. */
void bench_say_live(struct bench *, uint64_t from);
/* All that was counted since the program began, and the last trouble. */
void bench_say_counts(struct bench *);

#endif
