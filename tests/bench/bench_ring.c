/* SPDX-License-Identifier: ISC */
/*
 * How fast a ring is read while keys are published a thousand times a second,
 * and how soon another process sees what was published.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stek.h>

#include "bench.h"

#define NOW       1000000
#define READERS   2
#define BATCH     1000 /* reads between two looks at the clock */
#define BATCHES   2000 /* of each reader and round */
#define ROUNDS    15
#define PERIOD    1000000 /* ns between two publishes */
#define PUBLISHES 5000
#define ABSENT    100000 /* ns without a look: a process was not running */

struct reader {
	pthread_t thread;
	const struct stek_ring *ring;
	const struct stek_set *set;
	bool opens;
	double ns[BATCHES];
};

struct publisher {
	pthread_t thread;
	struct stek_ring *ring;
	const struct stek_set *set;
	atomic_bool over;
};

/*
 * Shared with the other process: when it first saw a publish, and when it
 * began the look before.
 */
struct seen {
	atomic_bool ready;
	_Atomic uint64_t at[PUBLISHES + 1];
	_Atomic uint64_t before[PUBLISHES + 1];
};

static void
must(bool ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

static struct stek_set *
make_set(size_t keys)
{
	struct stek_set *set = stek_set_new();
	struct stek_key STEK_WIPED key;
	size_t i;

	must(set != NULL, "stek_set_new");
	for (i = 0; i < keys; i++) {
		must(stek_key_mint(&key) == STEK_OK, "stek_key_mint");
		key.seal_from = NOW - 1000 + (int64_t)i;
		key.seal_until = NOW + 1000;
		key.open_until = NOW + 2000;
		must(stek_set_add(set, &key) == STEK_OK, "stek_set_add");
	}
	return set;
}

static void
next_period(struct timespec *at)
{
	at->tv_nsec += PERIOD;
	if (at->tv_nsec >= 1000000000) {
		at->tv_nsec -= 1000000000;
		at->tv_sec++;
	}
	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, at, NULL);
}

static void *
publish(void *arg)
{
	struct publisher *p = arg;
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	while (!atomic_load(&p->over)) {
		must(stek_ring_publish(p->ring, p->set) == STEK_OK, "publish");
		next_period(&at);
	}
	return NULL;
}

/* Every key in turn; or the key that seals. */
static void
read_batch(const struct reader *r)
{
	struct stek_key key;
	size_t i;

	for (i = 0; i < BATCH; i++)
		if (r->opens)
			must(stek_ring_opening(r->ring,
			         r->set->keys[i % r->set->count].name, NOW,
			         &key) != STEK_OPEN_NO,
			    "stek_ring_opening");
		else
			must(stek_ring_sealing(r->ring, NOW, &key),
			    "stek_ring_sealing");
	stek_key_wipe(&key);
}

static void *
read_batches(void *arg)
{
	struct reader *r = arg;
	uint64_t began;
	size_t i;

	for (i = 0; i < BATCHES; i++) {
		began = bench_now();
		read_batch(r);
		r->ns[i] = (double)(bench_now() - began) / BATCH;
	}
	return NULL;
}

struct reading {
	const struct stek_set *sets[2]; /* of 1 key and of 16 */
	bool opens;
};

/* The median of the slower reader, in ns a read. */
static double
read_round(int many, void *arg)
{
	static struct reader readers[READERS];
	const struct reading *reading = arg;
	struct publisher publisher = {.set = reading->sets[many]};
	double ns, worst = 0;
	size_t i;

	must(stek_ring_new(&publisher.ring) == STEK_OK, "stek_ring_new");
	must(stek_ring_publish(publisher.ring, publisher.set) == STEK_OK,
	    "stek_ring_publish");
	must(pthread_create(&publisher.thread, NULL, publish, &publisher) == 0,
	    "pthread_create");
	for (i = 0; i < READERS; i++) {
		readers[i].ring = publisher.ring;
		readers[i].set = publisher.set;
		readers[i].opens = reading->opens;
		must(pthread_create(&readers[i].thread, NULL, read_batches,
		         &readers[i]) == 0,
		    "pthread_create");
	}
	for (i = 0; i < READERS; i++) {
		(void)pthread_join(readers[i].thread, NULL);
		ns = bench_quantile(readers[i].ns, BATCHES, 0.5);
		worst = ns > worst ? ns : worst;
	}
	atomic_store(&publisher.over, true);
	(void)pthread_join(publisher.thread, NULL);
	stek_ring_close(publisher.ring);
	return worst;
}

static void
report_reads(struct reading *reading, bool opens)
{
	static struct bench_pair pair;
	double one, many, ratio;

	reading->opens = opens;
	bench_run(&pair, ROUNDS, read_round, reading);
	bench_medians(&pair, &one, &many, &ratio);
	printf("%s, ns: %7.1f with 1 key %7.1f with 16; goal under 20: %s\n",
	    opens ? "the key of a ticket" : "the sealing key    ", one, many,
	    bench_verdict(one < 20 && many < 20));
	printf("%24s%20.2f times as long; goal at most 2: %s\n", "", 1 / ratio,
	    bench_verdict(1 / ratio <= 2));
}

/* The other process: note when each publish was first seen. */
static void
watch(const struct stek_ring *ring, struct seen *seen)
{
	uint64_t first = stek_ring_turn(ring), last = first, turn;
	uint64_t before = bench_now(), start, now;
	size_t i;

	must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
	atomic_store(&seen->ready, true);
	/* A publish is two turns; the first makes it visible. */
	for (; last < first + 2 * PUBLISHES; before = start) {
		start = bench_now();
		turn = stek_ring_turn(ring);
		if (turn == last)
			continue;
		now = bench_now();
		for (; last < turn; last++) {
			i = (last - first) / 2;
			if ((last - first) % 2 != 0)
				continue;
			atomic_store(&seen->at[i], now);
			atomic_store(&seen->before[i], before);
		}
	}
	_exit(0);
}

struct publishing {
	struct stek_ring *writer;
	const struct stek_set *set;
	struct seen *seen;
	double us[PUBLISHES]; /* until it was visible */
	bool absent[PUBLISHES]; /* either process was not running */
};

static void
publish_all(struct publishing *p)
{
	static uint64_t began[PUBLISHES], done[PUBLISHES];
	struct timespec at;
	uint64_t seen;
	size_t i;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	for (i = 0; i < PUBLISHES; i++) {
		next_period(&at);
		began[i] = bench_now();
		must(stek_ring_publish(p->writer, p->set) == STEK_OK,
		    "stek_ring_publish");
		done[i] = bench_now();
	}
	while (wait(NULL) < 0)
		continue;
	for (i = 0; i < PUBLISHES; i++) {
		seen = atomic_load(&p->seen->at[i]);
		p->us[i] = ((double)seen - (double)began[i]) / 1000;
		p->absent[i] = done[i] - began[i] > ABSENT ||
		               seen - atomic_load(&p->seen->before[i]) > ABSENT;
	}
}

static void
report_publish(struct publishing *p)
{
	static double present[PUBLISHES];
	size_t i, n = 0;
	double p99;

	for (i = 0; i < PUBLISHES; i++)
		if (!p->absent[i])
			present[n++] = p->us[i];
	if (n == 0)
		errx(1, "the machine is too busy to measure");
	p99 = bench_quantile(present, n, 0.99);
	printf("publish to visible in another process, us: median %.1f, 99th "
	       "percentile %.1f; goal under 1000: %s\n",
	    bench_quantile(present, n, 0.5), p99, bench_verdict(p99 < 1000));
	printf("  without the %zu of %d in which one of the two was not "
	       "running; with them %.1f\n",
	    PUBLISHES - n, PUBLISHES, bench_quantile(p->us, PUBLISHES, 0.99));
}

static void
run_publish(const struct stek_set *set, const char *path)
{
	static struct publishing p;
	struct stek_ring *reader;
	pid_t pid;

	p.set = set;
	p.seen = mmap(NULL, sizeof(*p.seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(p.seen != MAP_FAILED, "mmap");
	must(stek_ring_create(path, 0600, &p.writer) == STEK_OK, path);
	must(stek_ring_open(path, &reader) == STEK_OK, path);
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0)
		watch(reader, p.seen);
	while (!atomic_load(&p.seen->ready))
		continue;
	publish_all(&p);
	report_publish(&p);
	stek_ring_close(reader);
	stek_ring_close(p.writer);
	(void)munmap(p.seen, sizeof(*p.seen));
}

int
main(void)
{
	struct stek_set *one = make_set(1), *many = make_set(STEK_KEYS_MAX);
	struct reading reading = {.sets = {one, many}};
	char dir[] = "/dev/shm/stek-bench-XXXXXX", path[64];

	must(mkdtemp(dir) != NULL, dir);
	(void)snprintf(path, sizeof(path), "%s/ring", dir);
	printf("a ring read by %d threads, published 1000 times a second; "
	       "medians of %d rounds in turn\n",
	    READERS, ROUNDS);
	report_reads(&reading, false);
	report_reads(&reading, true);
	run_publish(many, path);
	(void)unlink(path);
	(void)rmdir(dir);
	stek_set_free(one);
	stek_set_free(many);
	return 0;
}
