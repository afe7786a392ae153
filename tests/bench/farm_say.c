/* SPDX-License-Identifier: ISC */
/* See farm_bench.h. */
#include <sys/resource.h>

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "farm_bench.h"

double
bench_ms(uint64_t from, uint64_t to)
{
	return to < from ? 0 : (double)(to - from) / 1e6;
}

void
bench_count(const struct bench *b, struct store_etcd_counts *sum)
{
	struct store_etcd_counts one;
	size_t i;

	*sum = b->all.closed;
	for (i = 0; i < b->count; i++) {
		if (b->nodes[i].store == NULL)
			continue;
		store_etcd_count(b->nodes[i].store, &one);
		sum->calls += one.calls;
		sum->failures += one.failures;
		sum->events += one.events;
		sum->bytes_in += one.bytes_in;
		sum->bytes_out += one.bytes_out;
		sum->connects += one.connects;
	}
}

double
bench_cpu_ms(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

long
bench_resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size, resident = 0;

	if (file != NULL && fscanf(file, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	if (file != NULL)
		(void)fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

void
bench_say_values(const char *name, double *values, size_t values_count)
{
	double half, most, all;

	if (values_count == 0)
		return;
	half = bench_quantile(values, values_count, 0.5);
	most = bench_quantile(values, values_count, 0.99);
	all = bench_quantile(values, values_count, 1);
	printf(", \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name,
	    half, most, all);
}

/* A sentence of ours, or of etcd's, as a string of JSON. */
static void
say_why(struct bench *b)
{
	const char *at;

	printf(", \"why\": \"");
	for (at = b->all.why; *at != '\0'; at++)
		if (*at >= ' ' && *at != '"' && *at != '\\')
			(void)putchar(*at);
	(void)putchar('"');
	b->all.why[0] = '\0';
}

/* What became of the farm's wishes and troubles so far. */
void
bench_say_counts(struct bench *b)
{
	const struct farm_nodes *all = &b->all;
	struct store_etcd_counts sum;

	bench_count(b, &sum);
	printf(", \"calls\": %" PRIu64 ", \"failures\": %" PRIu64
	       ", \"events\": %" PRIu64 ", \"bytes_in\": %" PRIu64
	       ", \"bytes_out\": %" PRIu64 ", \"connects\": %" PRIu64,
	    sum.calls, sum.failures, sum.events, sum.bytes_in, sum.bytes_out,
	    sum.connects);
	printf(", \"stales\": %" PRIu64 ", \"untolds\": %" PRIu64
	       ", \"lists\": %" PRIu64 ", \"swapped\": %" PRIu64
	       ", \"conflicts\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"unknown\": %" PRIu64 ", \"cpu_ms\": %.0f",
	    all->stales, all->untolds, all->lists, all->swaps[STORE_SWAPPED],
	    all->swaps[STORE_CONFLICTED], all->swaps[STORE_REFUSED],
	    all->swaps[STORE_UNKNOWN], bench_cpu_ms());
	say_why(b);
}

/* The times at which nodes went live, and how many did. */
void
bench_say_live(struct bench *b, uint64_t from)
{
	double *values = b->pairs;
	size_t i, live = 0;

	for (i = 0; i < b->count; i++)
		if (b->nodes[i].live)
			values[live++] = bench_ms(from, b->nodes[i].live_at);
	printf(", \"live\": %zu", live);
	bench_say_values("in_step", values, live);
}
