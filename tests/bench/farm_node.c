/* SPDX-License-Identifier: ISC */
/* See farm_node.h. */
#include <err.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <daemon/clock.h>
#include <daemon/store_etcd_own.h>

#include "bench.h"
#include "farm_node.h"

static void step(struct farm_node *, struct farm_event *);

static void
must(bool done)
{
	if (!done)
		errx(1, "a node cannot be kept");
}

static void
step_what(struct farm_node *node, enum farm_what what)
{
	struct farm_event event = {.what = what};

	step(node, &event);
}

/* --- what is to be done -------------------------------------------------- */

static void
publish(struct farm_node *node)
{
	struct stek_set *view = node->all->view;

	farm_view(&node->farm, clock_ran(), view);
	must(stek_ring_publish(node->ring, view) == STEK_OK);
	stek_set_clear(view);
	if (node->version == node->farm.set.version)
		return;
	node->version = node->farm.set.version;
	node->version_at[node->version % FARM_NODE_KEPT] = bench_now();
}

static void
swap(struct farm_node *node)
{
	uint8_t bytes[STEK_CODEC_LEN + FARM_NODE_NAME];
	size_t len = strlen(node->name);

	memcpy(bytes + STEK_CODEC_LEN, node->name, len);
	must(stek_codec_encode(&node->farm.offer, node->all->name,
	         node->all->farm_key, bytes) == STEK_OK &&
	     store_etcd_swap(
	         node->store, node->revision, bytes, STEK_CODEC_LEN + len));
}

static void
arm(struct farm_node *node, const struct farm_todo *todo)
{
	int64_t now = clock_now(), ms = todo->pause, wake = todo->wake;
	struct timeval wait;

	if (wake <= now)
		wake = now + 1;
	if (wake != FARM_NEVER && (wake - now) < ms / 1000)
		ms = (wake - now) * 1000;
	(void)event_del(node->timer);
	if (ms == FARM_NEVER)
		return;
	wait.tv_sec = (time_t)(ms / 1000);
	wait.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	(void)event_add(node->timer, &wait);
}

static void
tell(struct farm_node *node)
{
	uint8_t bytes[ENTRY_MAX];
	struct entry entry = {0};
	size_t len;

	entry.has = node->farm.set.version;
	entry.stale = farm_is_stale(&node->farm, clock_ran());
	entry.confirmed = entry.stale ? 0 : node->version;
	entry.offset = node->farm.offset;
	entry.offset_known = node->offset_known;
	(void)snprintf(entry.stek, sizeof(entry.stek), "%s", STEK_VERSION);
	entry.at = node->told.at;
	if (memcmp(&entry, &node->told, sizeof(entry)) == 0)
		return;
	entry.at = clock_now();
	len = entry_seal(
	    &entry, node->all->name, node->name, node->all->farm_key, bytes);
	must(len > 0);
	store_etcd_tell(node->store, bytes, len);
	node->told = entry;
}

static void
step(struct farm_node *node, struct farm_event *event)
{
	struct farm_todo todo;

	event->now = clock_now();
	event->ran = clock_ran();
	farm_step(&node->farm, event, &todo);
	if (todo.publish)
		publish(node);
	if (todo.swap)
		swap(node);
	if (todo.read)
		store_etcd_read(node->store);
	node->asked |= todo.list;
	node->asked_writer |= todo.ask;
	if (todo.list || todo.ask) {
		node->all->lists++;
		store_etcd_list(node->store);
	}
	arm(node, &todo);
	tell(node);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step_what(arg, FARM_TIME);
}

/* --- what the store tells ------------------------------------------------ */

static void
on_found(void *arg, const uint8_t *bytes, size_t len, int64_t revision)
{
	struct farm_node *node = arg;
	struct farm_nodes *all = node->all;
	struct farm_event event = {.what = FARM_FOUND};

	node->revision = revision;
	if (bytes != NULL) {
		must(len > STEK_CODEC_LEN &&
		     len < STEK_CODEC_LEN + sizeof(node->writer) &&
		     stek_codec_decode(bytes, STEK_CODEC_LEN, all->name,
		         all->farm_key, all->found) == STEK_OK);
		len -= STEK_CODEC_LEN;
		memcpy(node->writer, bytes + STEK_CODEC_LEN, len);
		node->writer[len] = '\0';
		event.set = all->found;
		event.mine = strcmp(node->writer, node->name) == 0;
	}
	step(node, &event);
	stek_set_clear(all->found);
}

static void
note_why(struct farm_nodes *all, const char *why)
{
	(void)snprintf(all->why, sizeof(all->why), "%s", why);
}

static void
on_state(void *arg, enum store_state state, bool rollback, const char *why)
{
	struct farm_node *node = arg;

	(void)rollback;
	if (state != STORE_LIVE) {
		node->live = false;
		node->all->stales++;
		note_why(node->all, why);
		step_what(node, FARM_CUT_OFF);
		return;
	}
	if (!node->live)
		node->live_at = bench_now();
	node->live = true;
	step_what(node, FARM_CONTACT);
}

static void
on_swapped(void *arg, enum store_swapped result, const char *why)
{
	static const enum farm_what whats[] = {
	    [STORE_SWAPPED] = FARM_SWAPPED,
	    [STORE_CONFLICTED] = FARM_CONFLICT,
	    [STORE_REFUSED] = FARM_REFUSED,
	    [STORE_UNKNOWN] = FARM_UNKNOWN,
	};
	struct farm_node *node = arg;

	node->all->swaps[result]++;
	if (result == STORE_REFUSED || result == STORE_UNKNOWN)
		note_why(node->all, why);
	step_what(node, whats[result]);
}

static void
on_alive(void *arg)
{
	step_what(arg, FARM_CONTACT);
}

static void
on_untold(void *arg, const char *why)
{
	struct farm_node *node = arg;

	if (why[0] == '\0')
		return;
	node->all->untolds++;
	note_why(node->all, why);
}

/* All that are live, and is the writer? */
static bool
look(struct farm_node *node, const struct store_node *nodes, size_t count,
    bool *writer)
{
	const struct farm_nodes *all = node->all;
	bool every = true, readable;
	struct entry entry;
	size_t i;

	*writer = false;
	for (i = 0; i < count; i++) {
		readable = entry_open(nodes[i].entry, nodes[i].len, all->name,
		    nodes[i].name, all->farm_key, &entry);
		if (!nodes[i].live)
			continue;
		*writer |= strcmp(nodes[i].name, node->writer) == 0;
		if (strcmp(nodes[i].name, node->name) != 0)
			every &= readable &&
			         entry.confirmed >= node->farm.set.version;
	}
	return every && node->told.confirmed >= node->farm.set.version;
}

static void
on_nodes(
    void *arg, const struct store_node *nodes, size_t count, const char *why)
{
	struct farm_node *node = arg;
	struct farm_event event = {.what = FARM_NODES};
	bool writer = true, every = false;

	if (nodes != NULL)
		every = look(node, nodes, count, &writer);
	else
		note_why(node->all, why);
	if (node->asked) {
		node->asked = false;
		event.yes = every;
		step(node, &event);
	}
	if (node->asked_writer) {
		node->asked_writer = false;
		event.what = FARM_WRITER;
		event.yes = writer;
		step(node, &event);
	}
}

static void
on_clock(void *arg, int64_t seconds)
{
	struct farm_event event = {.what = FARM_CLOCK, .clock = seconds};
	struct farm_node *node = arg;

	node->offset_known = true;
	step(node, &event);
}

/* --- its life ------------------------------------------------------------ */

void
farm_node_init(struct farm_node *node, struct farm_nodes *all, size_t number)
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	memset(node, 0, sizeof(*node));
	node->all = all;
	(void)snprintf(node->name, sizeof(node->name), "node%05zu", number);
	(void)crypto_generichash(hash, sizeof(hash),
	    (const uint8_t *)node->name, strlen(node->name), NULL, 0);
	node->farm.conf = all->farm;
	memcpy(&node->farm.conf.node, hash, sizeof(node->farm.conf.node));
	node->timer = evtimer_new(all->base, on_timer, node);
	must(node->timer != NULL && stek_ring_new(&node->ring) == STEK_OK);
}

void
farm_node_open(struct farm_node *node)
{
	static const struct store_told told = {
	    .found = on_found,
	    .state = on_state,
	    .alive = on_alive,
	    .swapped = on_swapped,
	    .untold = on_untold,
	    .nodes = on_nodes,
	    .clock = on_clock,
	};
	struct store_etcd_conf conf = node->all->store;
	struct farm_conf farm = node->farm.conf;
	struct stek_set *set = node->all->found;

	stek_set_copy(set, &node->farm.set);
	memset(&node->farm, 0, sizeof(node->farm));
	memset(&node->told, 0, sizeof(node->told));
	farm_begin(&node->farm, &farm, set, clock_now(), clock_ran());
	stek_set_clear(set);
	node->revision = 0;
	node->asked = node->asked_writer = node->live = false;
	conf.node = node->name;
	node->store = store_etcd_open(node->all->base, &conf, &told, node);
	must(node->store != NULL);
	step_what(node, FARM_TIME);
}

void
farm_node_close(struct farm_node *node)
{
	struct store_etcd_counts *sum = &node->all->closed, one;

	if (node->store == NULL)
		return;
	store_etcd_count(node->store, &one);
	sum->calls += one.calls;
	sum->failures += one.failures;
	sum->events += one.events;
	sum->bytes_in += one.bytes_in;
	sum->bytes_out += one.bytes_out;
	sum->connects += one.connects;
	store_etcd_close(node->store);
	node->store = NULL;
	node->live = false;
	(void)event_del(node->timer);
}

void
farm_node_free(struct farm_node *node)
{
	farm_node_close(node);
	event_free(node->timer);
	stek_ring_close(node->ring);
	sodium_memzero(node, sizeof(*node));
}

void
farm_node_rotate(struct farm_node *node, bool at_once)
{
	struct farm_event event = {.what = FARM_DO_ROTATE, .at_once = at_once};

	step(node, &event);
}

void
farm_node_revoke(struct farm_node *node, const uint8_t *name)
{
	struct farm_event event = {.what = FARM_DO_REVOKE, .name = name};

	step(node, &event);
}

bool
farm_node_has_told(const struct farm_node *node)
{
	const struct store_etcd *store = node->store;

	return node->live && node->told.confirmed == node->version &&
	       store->has_entry && !store->entry_due &&
	       !store_busy(store, JOB_ENTRY);
}
