/* SPDX-License-Identifier: ISC */
/*
 * Many nodes of one farm on a real etcd, in one process and on one event loop,
 * moved by lines on standard input; each is answered by one JSON object:
 *
 *	open N		so many a second, or all at once, until all are in step
 *	close		all at once
 *	mint N		an operator's rotations, one after another
 *	revoke N	ditto, of the key that seals
 *	rest N		nothing for so many seconds
 *	cut		until all nodes know that they are cut off
 *	back		until all are in step again
 *	size		resident memory, KiB, and processor time, ms
 *
 * Times are in milliseconds of this process's clock, from just before the
 * first byte of the change was given to a store.  A key counts as applied at a
 * node once it is in the node's ring.
 *
 * usage: bench-farm CA CERT KEY PASSWORD NODES ENDPOINT...
 *
 * PASSWORD is a file with that of the user "farm", or "".
 *
 * Never here: goals; etcd's own processes (farm.py).
 */
#include <sys/resource.h>

#include <err.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "farm_bench.h"

#define TICK_US  2000 /* between two looks at what is waited for */
#define PATIENCE 180 /* s */

/* --- waiting ------------------------------------------------------------- */

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct bench *b = arg;

	(void)fd;
	(void)what;
	b->met = b->done(b);
	if (b->met || bench_now() >= b->deadline)
		(void)event_base_loopbreak(b->all.base);
}

/* False: it did not come about in time. */
static bool
wait_for(struct bench *b, bool (*done)(struct bench *), double seconds)
{
	b->done = done;
	b->deadline = bench_now() + (uint64_t)(seconds * 1e9);
	b->met = false;
	(void)event_base_dispatch(b->all.base);
	return b->met;
}

static bool
never(struct bench *b)
{
	(void)b;
	return false;
}

static void
pause_for(struct bench *b, double seconds)
{
	(void)wait_for(b, never, seconds);
}

static bool
have_version(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		if (b->nodes[i].version < b->version)
			return false;
	return true;
}

static bool
have_told(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		if (b->nodes[i].version < b->version ||
		    (b->nodes[i].version == b->version &&
		        !farm_node_has_told(&b->nodes[i])))
			return false;
	return true;
}

/* All have the same set, have said so, and have nothing to do. */
static bool
are_settled(struct bench *b)
{
	const struct farm_node *first = &b->nodes[0], *node;
	size_t i;

	if (first->version == 0 || held_key(&first->farm.set) != NULL)
		return false;
	for (i = 0; i < b->count; i++) {
		node = &b->nodes[i];
		if (node->version != first->version ||
		    node->farm.swap != FARM_IDLE ||
		    node->farm.stored != node->version ||
		    !farm_node_has_told(node))
			return false;
	}
	return true;
}

static bool
are_cut(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		if (b->nodes[i].live)
			return false;
	return true;
}

static bool
has_line(struct bench *b)
{
	struct evbuffer_ptr at =
	    evbuffer_search_eol(b->input, NULL, NULL, EVBUFFER_EOL_LF);

	return at.pos >= 0 || b->over;
}

/* --- what is done -------------------------------------------------------- */

/* So many a second; 0: all at once. */
static void
open_all(struct bench *b, size_t rate)
{
	size_t i, some = rate / 20 + 1;

	for (i = 0; i < b->count; i++) {
		farm_node_open(&b->nodes[i]);
		if (rate > 0 && i % some == some - 1)
			pause_for(b, (double)some / (double)rate);
	}
}

static void
do_open(struct bench *b, size_t rate)
{
	uint64_t from = bench_now();
	bool settled;

	open_all(b, rate);
	printf("{\"opened\": %.3f", bench_ms(from, bench_now()));
	settled = wait_for(b, are_settled, PATIENCE);
	printf(", \"settled\": %s, \"ms\": %.3f", settled ? "true" : "false",
	    bench_ms(from, bench_now()));
	bench_say_live(b, from);
}

static void
do_close(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->count; i++)
		farm_node_close(&b->nodes[i]);
	printf("{\"closed\": %zu", b->count);
}

static void
do_back(struct bench *b)
{
	bool settled = wait_for(b, are_settled, PATIENCE);

	printf("{\"settled\": %s, \"now\": %.3f", settled ? "true" : "false",
	    (double)bench_now() / 1e6);
	bench_say_live(b, 0);
}

/* False: all gave up waiting for something. */
static bool
settle(struct bench *b)
{
	uint64_t version;

	do {
		if (!wait_for(b, are_settled, PATIENCE))
			return false;
		version = b->nodes[0].version;
		pause_for(b, 0.2 + randombytes_uniform(400) / 1e3);
	} while (b->nodes[0].version != version || !are_settled(b));
	return true;
}

/* Of the version that is waited for. */
static double
note_pairs(struct bench *b, uint64_t from)
{
	double last = 0, ms;
	size_t i;

	for (i = 0; i < b->count; i++) {
		ms = bench_ms(
		    from, b->nodes[i].version_at[b->version % FARM_NODE_KEPT]);
		b->pairs[b->pair_count++] = ms;
		last = ms > last ? ms : last;
	}
	return last;
}

static void
wish(struct bench *b, bool revoke)
{
	struct farm_node *node =
	    &b->nodes[randombytes_uniform((uint32_t)b->count)];
	const struct stek_key *key =
	    stek_set_sealing(&node->farm.set, time(NULL));
	uint8_t name[STEK_NAME_LEN];

	if (!revoke || key == NULL) {
		farm_node_rotate(node, true);
		return;
	}
	memcpy(name, key->name, sizeof(name));
	farm_node_revoke(node, name);
}

static bool
run_round(struct bench *b, bool revoke)
{
	uint64_t from;

	if (!settle(b))
		return false;
	b->version = b->nodes[0].version + 1;
	from = bench_now();
	wish(b, revoke);
	if (!wait_for(b, have_version, PATIENCE) ||
	    !wait_for(b, have_told, PATIENCE))
		return false;
	b->told[b->rounds] = bench_ms(from, bench_now());
	b->last[b->rounds] = note_pairs(b, from);
	if (!revoke) {
		b->version++;
		if (!wait_for(b, have_version, PATIENCE))
			return false;
		b->sealed[b->rounds] = bench_ms(from, bench_now());
	}
	b->rounds++;
	return true;
}

static void
do_rounds(struct bench *b, size_t rounds, bool revoke)
{
	b->rounds = b->pair_count = 0;
	while (b->rounds < rounds && b->rounds < ROUNDS_MAX &&
	       run_round(b, revoke))
		;
	printf("{\"rounds\": %zu", b->rounds);
	bench_say_values("applied", b->pairs, b->pair_count);
	bench_say_values("last", b->last, b->rounds);
	bench_say_values("told", b->told, b->rounds);
	if (!revoke)
		bench_say_values("sealed", b->sealed, b->rounds);
}

static void
do_rest(struct bench *b, size_t seconds)
{
	struct store_etcd_counts before, after;
	double cpu, passed;
	uint64_t from;

	(void)settle(b);
	bench_count(b, &before);
	cpu = bench_cpu_ms();
	from = bench_now();
	pause_for(b, (double)seconds);
	passed = bench_ms(from, bench_now()) / 1e3 * (double)b->count;
	bench_count(b, &after);
	printf("{\"requests_s\": %.3f, \"in_s\": %.1f, \"out_s\": %.1f, "
	       "\"cpu_us_s\": %.1f, \"failed\": %" PRIu64,
	    (double)(after.calls - before.calls) / passed,
	    (double)(after.bytes_in - before.bytes_in) / passed,
	    (double)(after.bytes_out - before.bytes_out) / passed,
	    (bench_cpu_ms() - cpu) * 1e3 / passed,
	    after.failures - before.failures);
}

static void
do_line(struct bench *b, const char *line)
{
	char word[16];
	size_t number = 0;

	if (sscanf(line, "%15s %zu", word, &number) < 1)
		return;
	if (strcmp(word, "open") == 0)
		do_open(b, number);
	else if (strcmp(word, "close") == 0)
		do_close(b);
	else if (strcmp(word, "mint") == 0)
		do_rounds(b, number, false);
	else if (strcmp(word, "revoke") == 0)
		do_rounds(b, number, true);
	else if (strcmp(word, "rest") == 0)
		do_rest(b, number);
	else if (strcmp(word, "cut") == 0)
		printf("{\"cut\": %s",
		    wait_for(b, are_cut, PATIENCE) ? "true" : "false");
	else if (strcmp(word, "back") == 0)
		do_back(b);
	else
		printf("{\"kib\": %ld", bench_resident_kib());
	bench_say_counts(b);
	printf("}\n");
	(void)fflush(stdout);
}

/* --- the program --------------------------------------------------------- */

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct bench *b = arg;

	(void)what;
	if (evbuffer_read(b->input, fd, 4096) <= 0)
		b->over = true;
}

static void
allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "setrlimit");
}

static const char *
read_password(const char *path)
{
	static char password[64];
	FILE *file;

	if (path[0] == '\0')
		return "";
	file = fopen(path, "r");
	if (file == NULL || fgets(password, sizeof(password), file) == NULL)
		err(1, "%s", path);
	(void)fclose(file);
	return password;
}

static void
init(struct bench *b, char **argv, size_t endpoints)
{
	struct farm_nodes *all = &b->all;
	size_t i;

	all->base = event_base_new();
	all->name = "bench";
	all->store = (struct store_etcd_conf) {.ca = argv[1],
	    .cert = argv[2],
	    .key = argv[3],
	    .user = argv[4][0] != '\0' ? "farm" : "",
	    .password = read_password(argv[4]),
	    .prefix = "/stek/bench/",
	    .endpoints = (const char *const *)argv + 6,
	    .endpoint_count = endpoints};
	stek_policy_default(&all->farm.policy);
	all->farm.postpone = FARM_WAIT;
	all->farm.mint = true;
	all->found = stek_set_new();
	all->view = stek_set_new();
	b->input = evbuffer_new();
	b->count = strtoul(argv[5], NULL, 10);
	b->nodes = calloc(b->count, sizeof(*b->nodes));
	b->pairs = calloc(b->count * ROUNDS_MAX, sizeof(*b->pairs));
	if (all->base == NULL || all->found == NULL || all->view == NULL ||
	    b->input == NULL || b->count == 0 || b->nodes == NULL ||
	    b->pairs == NULL)
		errx(1, "no memory, or no nodes");
	randombytes_buf(all->farm_key, sizeof(all->farm_key));
	for (i = 0; i < b->count; i++)
		farm_node_init(&b->nodes[i], all, i);
}

static void
serve(struct bench *b)
{
	struct timeval tick = {0, TICK_US};
	struct event *input, *ticks;
	char *line;

	input = event_new(
	    b->all.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, b);
	ticks = event_new(b->all.base, -1, EV_PERSIST, on_tick, b);
	if (input == NULL || ticks == NULL || event_add(input, NULL) < 0 ||
	    event_add(ticks, &tick) < 0)
		errx(1, "no events");
	while (!b->over) {
		(void)wait_for(b, has_line, 86400);
		while ((line = evbuffer_readln(
		            b->input, NULL, EVBUFFER_EOL_LF)) != NULL) {
			do_line(b, line);
			free(line);
		}
	}
	event_free(input);
	event_free(ticks);
}

int
main(int argc, char **argv)
{
	static struct bench b;
	size_t i;

	if (argc < 7 || sodium_init() < 0)
		errx(2, "usage: bench-farm CA CERT KEY PASSWORD NODES "
		        "ENDPOINT...");
	allow_files();
	init(&b, argv, (size_t)argc - 6);
	serve(&b);
	for (i = 0; i < b.count; i++)
		farm_node_free(&b.nodes[i]);
	stek_set_free(b.all.found);
	stek_set_free(b.all.view);
	evbuffer_free(b.input);
	event_base_free(b.all.base);
	free(b.nodes);
	free(b.pairs);
	return 0;
}
