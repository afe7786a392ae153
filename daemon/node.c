/* SPDX-License-Identifier: ISC */
/* See node.h. */
#include <sys/timerfd.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "loop.h"
#include "node.h"
#include "rotate_store.h"

#define SILENCE     7000 /* ms, until the store's process counts as mute */
#define PATIENCE    20000 /* ms, for the first keys */
#define PULSE       2 /* s between two looks at that */
#define UNHEARD     1000 /* ms, after which a swap that was not taken failed */
#define SILENT_TEXT "the process that talks to etcd does not answer"

static void perform(struct node *, const struct farm_todo *);

void
node_step(struct node *node, struct farm_event *event)
{
	struct farm_todo todo;

	event->now = clock_now();
	event->ran = clock_ran();
	farm_step(node->farm, event, &todo);
	perform(node, &todo);
}

void
node_step_what(struct node *node, enum farm_what what)
{
	struct farm_event event = {.what = what};

	node_step(node, &event);
}

/* --- what is to be done -------------------------------------------------- */

/* For a start while the store cannot be reached. */
static void
keep_copy(struct node *node)
{
	struct rotate *rotate = node->rotate;
	uint8_t bytes[STEK_CODEC_LEN];
	enum store_result result = STORE_DENIED;

	if (stek_codec_encode(&node->farm->set, node->loop->conf->farm,
	        rotate->farm_keys.now, bytes) == STEK_OK)
		result = store_swap(&rotate->store, UINT64_MAX, bytes);
	if (result == STORE_OK)
		result = store_accept(&rotate->store, node->farm->set.version);
	if (result == STORE_OK) {
		node->copy_why[0] = '\0';
		return;
	}
	rotate->store_errors++;
	if (strcmp(node->copy_why, rotate->store.why) == 0)
		return;
	(void)snprintf(
	    node->copy_why, sizeof(node->copy_why), "%s", rotate->store.why);
	log_line(LOG_ERR,
	    "cannot keep a copy of the farm's set; it is tried again", "why",
	    node->copy_why, NULL);
}

/* The set, sealed, and who wrote it. */
static void
swap(struct node *node)
{
	const struct conf *conf = node->loop->conf;
	const struct farm_keys *keys = &node->rotate->farm_keys;
	const uint8_t *key = keys->now;
	uint8_t bytes[NODE_VALUE_MAX];
	size_t len = strlen(conf->node);

	if (node->farm->offered == FARM_REKEY && keys->next != NULL)
		key = keys->next;

	memcpy(bytes + STEK_CODEC_LEN, conf->node, len);
	node->unheard = stek_codec_encode(&node->farm->offer, conf->farm, key,
	                    bytes) != STEK_OK ||
	                !store_apart_swap(&node->loop->apart, node->revision,
	                    bytes, STEK_CODEC_LEN + len);
}

static void
arm(struct node *node, const struct farm_todo *todo)
{
	struct itimerspec wall = {0}, ran = {0};
	int64_t now = clock_now(), wake = todo->wake, pause = todo->pause;

	if (node->unheard && pause > UNHEARD)
		pause = UNHEARD;
	if (node->loop->throwaway->seal_until > now &&
	    node->loop->throwaway->seal_until < wake)
		wake = node->loop->throwaway->seal_until;
	if (wake <= now)
		wake = now + 1;
	node->rotate->wake = wake == FARM_NEVER ? 0 : wake;
	wall.it_value.tv_sec = node->rotate->wake;
	if (timerfd_settime(node->rotate->timerfd,
	        TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &wall, NULL) < 0 &&
	    errno != ECANCELED)
		log_line(LOG_ERR, "cannot set the timer", "why",
		    strerror(errno), NULL);
	if (pause != FARM_NEVER) {
		ran.it_value.tv_sec = pause / 1000;
		ran.it_value.tv_nsec = (long)(pause % 1000) * 1000000 + 1;
	}
	if (timerfd_settime(node->ran, 0, &ran, NULL) < 0)
		log_line(LOG_ERR, "cannot set the timer", "why",
		    strerror(errno), NULL);
}

static void
count(struct rotate *rotate, enum farm_want swapped)
{
	if (swapped == FARM_PLAN || swapped == FARM_ROTATE)
		rotate->rotations++;
	if (swapped == FARM_REVOKE)
		rotate->revocations++;
}

static void
say_adopted(const struct node *node, enum farm_want swapped)
{
	static const char *const done[] = {
	    [FARM_NOTHING] = "took a newer set",
	    [FARM_REVOKE] = "revoked by an operator",
	    [FARM_RESTORE] = "gave the farm its set back",
	    [FARM_ROTATE] = "rotated by an operator",
	    [FARM_REKEY] = "sealed anew with the next farm key",
	    [FARM_CONFIRM] = "the new key may seal: all nodes have it",
	    [FARM_FORCE] = "the new key may seal, though some nodes lack it",
	    [FARM_PLAN] = "made a key for the farm",
	};

	rotate_log_set(done[swapped], node->rotate);
}

/* After etcd has gone back there may be two sets of one version. */
static void
forget_targets(struct loop *loop)
{
	size_t i;

	for (i = 0; i < loop->conf->count; i++)
		target_forget(&loop->targets[i]);
}

static void
perform(struct node *node, const struct farm_todo *todo)
{
	struct loop *loop = node->loop;

	if (todo->forked)
		forget_targets(loop);
	if (todo->swapped == FARM_REKEY && node->rotate->farm_keys.next != NULL)
		rotate_store_moved_on(node->rotate);
	if (todo->adopted) {
		node->waits[0] = '\0';
		keep_copy(node);
		say_adopted(node, todo->swapped);
	}
	count(node->rotate, todo->swapped);
	if (todo->publish)
		loop_publish(loop, todo->taken);
	if (todo->adopted)
		loop_placed(loop);
	if (todo->swap)
		swap(node);
	if (todo->read)
		store_apart_read(&loop->apart);
	node->asked |= todo->list;
	if (todo->list)
		store_apart_list(&loop->apart);
	if (todo->ask)
		store_apart_ask(&loop->apart, node->writer);
	if (todo->undone ? node->farm->revoking
	                 : node->revoked_kept && !node->farm->revoking)
		node_revoked_keep(node);
	arm(node, todo);
	node_settled(node);
	if (todo->done || todo->undone)
		control_farm(loop, todo->done);
}

void
node_settled(struct node *node)
{
	const struct conf *conf = node->loop->conf;
	uint8_t bytes[ENTRY_MAX];
	struct entry entry;
	size_t len;

	if (!node_describe(node, &entry))
		return;
	len = entry_seal(
	    &entry, conf->farm, conf->node, node->rotate->farm_keys.now, bytes);
	if (len == 0)
		return;
	/* What finds no room is told at the next look. */
	if (store_apart_tell(&node->loop->apart, bytes, len))
		node->told = entry;
}

/* --- time ---------------------------------------------------------------- */

void
node_wake(struct node *node)
{
	if (node->unheard) {
		node->unheard = false;
		node_step_what(node, FARM_UNKNOWN);
	}
	node_step_what(node, FARM_TIME);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	uint64_t expirations;

	(void)what;
	if (read(fd, &expirations, sizeof(expirations)) < 0 && errno == EAGAIN)
		return;
	node_wake(arg);
}

static void
restart_store(struct node *node)
{
	struct loop *loop = node->loop;

	if (!store_apart_start(&loop->apart, loop->conf_path, loop->conf->hash,
	        sizeof(loop->conf->hash)) ||
	    !store_apart_attach(&loop->apart, loop->base, &node_told, node)) {
		log_line(LOG_ERR, "cannot start stek-etcd; it is tried again",
		    "why", strerror(errno), NULL);
		store_apart_stop(&loop->apart);
		return;
	}
	/* It knows nothing of this node's entry yet. */
	memset(&node->told, 0, sizeof(node->told));
	node_settled(node);
}

/* Servers are to start at boot, whatever has become of etcd. */
static void
be_late(struct node *node)
{
	node->late = true;
	if (node->farm->set.count > 0)
		return;
	log_line(
	    LOG_WARNING, "no keys of the farm yet", "why", node->why, NULL);
	loop_publish(node->loop, 0);
	loop_placed(node->loop);
}

static void
on_pulse(evutil_socket_t fd, short what, void *arg)
{
	struct node *node = arg;

	(void)fd;
	(void)what;
	if (node->live && clock_ran() - node->farm->contact > SILENCE) {
		node_told.state(node, STORE_STALE, false, SILENT_TEXT);
		node->loop->apart.broken = true;
	}
	/* Its end is told, and another one is started. */
	if (node->loop->apart.broken && node->loop->apart.pid > 0)
		(void)kill(node->loop->apart.pid, SIGKILL);
	if (node->loop->apart.fd < 0)
		restart_store(node);
	if (node->copy_why[0] != '\0')
		keep_copy(node);
	node_settled(node);
	if (!node->late && clock_ran() - node->began > PATIENCE)
		be_late(node);
}

/* --- and the rest -------------------------------------------------------- */

void
node_rotate(struct node *node, bool at_once)
{
	struct farm_event event = {.what = FARM_DO_ROTATE, .at_once = at_once};

	node_step(node, &event);
}

void
node_revoke(struct node *node, const uint8_t *name)
{
	struct farm_event event = {.what = FARM_DO_REVOKE, .name = name};

	node_step(node, &event);
	/* Until the farm has it, no restart is to bring the key back. */
	if (node->farm->revoking)
		node_revoked_keep(node);
}

void
node_rekey(struct node *node)
{
	node_step_what(node, FARM_DO_REKEY);
}

void
node_list(struct node *node)
{
	store_apart_list(&node->loop->apart);
}

void
node_forget(struct node *node, const char *name)
{
	store_apart_forget(&node->loop->apart, name);
}

void
node_view(const struct node *node, struct stek_set *view)
{
	farm_view(node->farm, clock_ran(), view);
}

static void
read_conf(struct node *node, struct farm_conf *to)
{
	const struct conf *conf = node->loop->conf;
	uint8_t hash[crypto_generichash_BYTES_MIN];

	(void)crypto_generichash(hash, sizeof(hash),
	    (const uint8_t *)conf->node, strlen(conf->node), NULL, 0);
	memcpy(&to->node, hash, sizeof(to->node));
	to->policy = conf->policy;
	to->postpone = conf->postpone;
	to->stale_after = conf->stale_after;
	to->mint = conf->mint;
}

void
node_configure(struct node *node)
{
	read_conf(node, &node->farm->conf);
	node_wake(node);
}

/* The copy of this host, or an empty set of the version it has had. */
static void
recall(struct node *node)
{
	struct rotate *rotate = node->rotate;
	const struct conf *conf = node->loop->conf;
	uint8_t bytes[STEK_CODEC_LEN];
	enum store_result result;
	uint64_t version;
	bool next;

	result = store_read(&rotate->store, bytes, &version);
	if (result == STORE_OK &&
	    farm_keys_decode(&rotate->farm_keys, bytes, sizeof(bytes),
	        conf->farm, node->found, &next) == STEK_OK) {
		if (next)
			rotate_store_moved_on(rotate);
		return;
	}
	if (result != STORE_ABSENT)
		log_line(LOG_WARNING,
		    "this host's copy of the set cannot be "
		    "used; waiting for the farm's",
		    "file", rotate->store.set, "why",
		    result == STORE_OK ? "it is not of this farm key"
		                       : rotate->store.why,
		    NULL);
	stek_set_clear(node->found);
	node->found->version = rotate->store.version;
}

static bool
add_timers(struct node *node)
{
	struct timeval pulse = {PULSE, 0};

	node->wall = event_new(node->loop->base, node->rotate->timerfd,
	    EV_READ | EV_PERSIST, on_timer, node);
	node->pause = event_new(
	    node->loop->base, node->ran, EV_READ | EV_PERSIST, on_timer, node);
	node->pulse =
	    event_new(node->loop->base, -1, EV_PERSIST, on_pulse, node);
	return node->wall != NULL && node->pause != NULL &&
	       node->pulse != NULL && event_add(node->wall, NULL) == 0 &&
	       event_add(node->pause, NULL) == 0 &&
	       event_add(node->pulse, &pulse) == 0;
}

bool
node_start(struct rotate *rotate, struct loop *loop)
{
	struct node *node = calloc(1, sizeof(*node));
	struct farm_conf conf;

	rotate->node = node;
	if (node == NULL)
		return false;
	node->rotate = rotate;
	node->loop = loop;
	node->farm = (void *)stek_file_alloc(sizeof(*node->farm));
	node->found = stek_set_new();
	node->ran = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (node->farm == NULL || node->found == NULL || node->ran < 0)
		return false;
	randombytes_buf(&node->instance, sizeof(node->instance));
	node->instance &= INT64_MAX;
	node->began = clock_ran();
	recall(node);
	read_conf(node, &conf);
	farm_begin(node->farm, &conf, node->found, clock_now(), clock_ran());
	stek_set_clear(node->found);
	node_revoked_recall(node);
	rotate->set = &node->farm->set;
	return add_timers(node) &&
	       store_apart_attach(&loop->apart, loop->base, &node_told, node);
}

void
node_stop(struct rotate *rotate)
{
	struct node *node = rotate->node;
	struct event **events[3];
	size_t i;

	if (node == NULL)
		return;
	events[0] = &node->wall;
	events[1] = &node->pause;
	events[2] = &node->pulse;
	for (i = 0; i < 3; i++)
		if (*events[i] != NULL)
			event_free(*events[i]);
	if (node->ran >= 0)
		(void)close(node->ran);
	node_peers_free(node);
	stek_set_free(node->found);
	stek_file_free((void *)node->farm);
	free(node);
	rotate->node = NULL;
	rotate->set = NULL;
}
