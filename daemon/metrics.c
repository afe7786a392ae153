/* SPDX-License-Identifier: ISC */
/*
 * Metrics for Prometheus, over HTTP at the address that the configuration
 * names; nothing else is served there.
 *
 * Never here: key names or anything else that an outsider should not see.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "node.h"

#define HTTP_SECONDS 5
#define HTTP_BYTES   4096
#define FDS_MAX      128 /* in use, when no more clients are let in */
#define PAUSE_MAX    300 /* seconds between two tries to listen */

struct metrics {
	struct loop *loop;
	struct evhttp *http;
	struct evconnlistener
	    *listener; /* NULL: the address is not to be had */
	struct event *timer; /* to listen, or to let clients in again */
	time_t pause;
	char error[CONF_WHY_LEN]; /* why it does not listen, or "" */
};

static void
put(struct evbuffer *out, const char *name, const char *type, const char *help,
    int64_t value)
{
	(void)evbuffer_add_printf(out,
	    "# HELP stek_%s %s\n# TYPE stek_%s %s\nstek_%s %" PRId64 "\n", name,
	    help, name, type, name, value);
}

static void
put_keys(struct evbuffer *out, const struct stek_set *set, int64_t now)
{
	static const char *const names[] = {[STEK_PENDING] = "pending",
	    [STEK_SEALING] = "sealing",
	    [STEK_OPENING] = "opening"};
	size_t counts[STEK_DEAD + 1] = {0}, i;

	for (i = 0; i < set->count; i++)
		counts[stek_set_state(set, &set->keys[i], now)]++;
	(void)evbuffer_add_printf(out,
	    "# HELP stek_keys Keys of the farm by state.\n"
	    "# TYPE stek_keys gauge\n");
	for (i = 0; i < STEK_DEAD; i++)
		(void)evbuffer_add_printf(
		    out, "stek_keys{state=\"%s\"} %zu\n", names[i], counts[i]);
}

/* Name and value of one series a target. */
static void
put_targets(struct evbuffer *out, const struct loop *loop, const char *name,
    const char *type, const char *help, int64_t (*value)(const struct target *))
{
	size_t i;

	(void)evbuffer_add_printf(out,
	    "# HELP stek_target_%s %s\n# TYPE stek_target_%s %s\n", name, help,
	    name, type);
	for (i = 0; i < loop->conf->count; i++)
		(void)evbuffer_add_printf(out,
		    "stek_target_%s{target=\"%s\"} %" PRId64 "\n", name,
		    loop->conf->targets[i].name, value(&loop->targets[i]));
}

static int64_t
is_ok(const struct target *target)
{
	return target->error[0] == '\0';
}

static int64_t
verified(const struct target *target)
{
	return target->verified;
}

static int64_t
version(const struct target *target)
{
	return (int64_t)target->applied;
}

static int64_t
failures(const struct target *target)
{
	return (int64_t)target->failures;
}

/* Of a farm of many hosts. */
static void
put_node(struct evbuffer *out, const struct node *node)
{
	put(out, "node_in_step", "gauge",
	    "1 while this node is in step with the farm's store.", node->live);
	put(out, "node_silence_seconds", "gauge",
	    "For how long the store has not answered.",
	    (clock_ran() - node->farm->contact) / 1000);
	put(out, "node_stale", "gauge",
	    "1 while this node uses no keys, as it was cut off for too long.",
	    farm_is_stale(node->farm, clock_ran()));
	put(out, "node_confirmed_version", "gauge",
	    "Version of the set that all targets have here.",
	    (int64_t)node->told.confirmed);
	put(out, "node_clock_offset_seconds", "gauge",
	    "This host's clock less the store's; 0 if it is not known.",
	    node->farm->offset);
	put(out, "store_usable", "gauge",
	    "0 while what the store has cannot be used.", !node->garbage);
	put(out, "key_held", "gauge",
	    "1 while a new key waits for nodes to confirm it.",
	    held_key(&node->farm->set) != NULL);
}

static void
fill(struct evbuffer *out, const struct loop *loop)
{
	const struct rotate *rotate = &loop->rotate;
	int64_t now = clock_now();
	const struct stek_key *key;

	rotate_view(rotate, loop->view);
	key = stek_set_sealing(loop->view, now);
	put(out, "conf_ok", "gauge",
	    "0 from when the configuration was refused until one is accepted.",
	    loop->conf_error[0] == '\0');
	put(out, "set_version", "gauge", "Version of the farm's set.",
	    (int64_t)rotate->set->version);
	put_keys(out, rotate->set, now);
	put(out, "sealing", "gauge", "1 if a key of the farm seals now.",
	    key != NULL);
	put(out, "sealing_key_age_seconds", "gauge",
	    "For how long the sealing key has sealed.",
	    key == NULL ? 0 : now - key->seal_from);
	put(out, "next_wake_timestamp_seconds", "gauge",
	    "When stekd will look at its keys again; 0: when told to.",
	    rotate->wake);
	put(out, "store_ok", "gauge", "1 if the last use of the store worked.",
	    rotate->node == NULL ? rotate->error[0] == '\0'
	                         : rotate->node->why[0] == '\0' &&
	                               rotate->node->copy_why[0] == '\0');
	put(out, "store_errors_total", "counter",
	    "Uses of the store that failed.", (int64_t)rotate->store_errors);
	put(out, "clock_ok", "gauge",
	    "0 while keys are not planned by this host's clock.",
	    rotate->node == NULL ? !rotate->doubt.open
	                         : farm_trouble(rotate->node->farm) == NULL);
	if (rotate->node != NULL)
		put_node(out, rotate->node);
	put(out, "rotations_total", "counter",
	    "Changes of the set that this stekd made.",
	    (int64_t)rotate->rotations);
	put(out, "revocations_total", "counter",
	    "Revocations by an operator at this stekd.",
	    (int64_t)rotate->revocations);
	put_targets(out, loop, "ok", "gauge",
	    "1 unless the target's last attempt failed.", is_ok);
	put_targets(out, loop, "version", "gauge",
	    "Version of the set that the target has.", version);
	put_targets(out, loop, "verified_timestamp_seconds", "gauge",
	    "When a handshake last proved the key in use; 0: never.", verified);
	put_targets(out, loop, "failures_total", "counter",
	    "Attempts at the target that failed.", failures);
	stek_set_clear(loop->view);
}

static void
on_metrics(struct evhttp_request *request, void *arg)
{
	const struct metrics *metrics = arg;
	struct evbuffer *out = evbuffer_new();

	if (out == NULL) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	fill(out, metrics->loop);
	(void)evhttp_add_header(evhttp_request_get_output_headers(request),
	    "Content-Type", "text/plain; version=0.0.4");
	evhttp_send_reply(request, HTTP_OK, "OK", out);
	evbuffer_free(out);
}

/* The lowest free descriptor tells how many are in use. */
static bool
is_crowded(void)
{
	int fd = dup(STDERR_FILENO);

	if (fd >= 0)
		(void)close(fd);
	return fd < 0 || fd > FDS_MAX;
}

static void
let_in(struct metrics *metrics)
{
	struct timeval pause = {1, 0};

	if (is_crowded())
		(void)event_add(metrics->timer, &pause);
	else
		(void)evconnlistener_enable(metrics->listener);
}

/*
 * A client was accepted; NULL: as usual.  However many come, the store and
 * the control socket must not be left without descriptors.
 */
static struct bufferevent *
on_accept(struct event_base *base, void *arg)
{
	struct metrics *metrics = arg;

	(void)base;
	if (is_crowded() && evconnlistener_disable(metrics->listener) == 0)
		let_in(metrics);
	return NULL;
}

/* "ADDRESS:PORT" or "[ADDRESS]:PORT", as checked with the configuration. */
static bool
bind_http(struct metrics *metrics, const char *where)
{
	const char *colon = strrchr(where, ':');
	char *address = strndup(where, (size_t)(colon - where)), *start;
	struct evhttp_bound_socket *bound;
	size_t len;

	if (address == NULL)
		return false;
	start = address;
	len = strlen(start);
	if (len > 1 && start[0] == '[' && start[len - 1] == ']') {
		start[len - 1] = '\0';
		start++;
	}
	bound = evhttp_bind_socket_with_handle(
	    metrics->http, start, (uint16_t)strtoul(colon + 1, NULL, 10));
	free(address);
	if (bound == NULL)
		return false;
	metrics->listener = evhttp_bound_socket_get_listener(bound);
	evhttp_set_bevcb(metrics->http, on_accept, metrics);
	return true;
}

/* Somebody else may have the address, or it may come later: try again. */
static void
listen_or_wait(struct metrics *metrics)
{
	const char *where = metrics->loop->conf->metrics;
	struct timeval pause = {metrics->pause, 0};
	bool was_told = metrics->error[0] != '\0';
	const char *why;

	errno = 0;
	if (bind_http(metrics, where)) {
		metrics->error[0] = '\0';
		if (was_told)
			log_line(LOG_INFO, "metrics are served", "metrics",
			    where, NULL);
		return;
	}
	why = errno == 0 ? "there is no such address" : strerror(errno);
	(void)snprintf(metrics->error, sizeof(metrics->error),
	    "cannot listen at %.200s: %s", where, why);
	if (!was_told)
		log_line(LOG_ERR, "cannot listen for metrics", "metrics", where,
		    "why", why, NULL);
	(void)event_add(metrics->timer, &pause);
	metrics->pause *= 2;
	if (metrics->pause > PAUSE_MAX)
		metrics->pause = PAUSE_MAX;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct metrics *metrics = arg;

	(void)fd;
	(void)what;
	if (metrics->listener == NULL)
		listen_or_wait(metrics);
	else
		let_in(metrics);
}

bool
metrics_start(struct loop *loop)
{
	struct metrics *metrics;

	if (loop->conf->metrics[0] == '\0')
		return true;
	metrics = calloc(1, sizeof(*metrics));
	loop->metrics = metrics;
	if (metrics == NULL)
		return false;
	metrics->loop = loop;
	metrics->pause = 1;
	metrics->http = evhttp_new(loop->base);
	metrics->timer = evtimer_new(loop->base, on_timer, metrics);
	if (metrics->http == NULL || metrics->timer == NULL)
		return false;
	evhttp_set_timeout(metrics->http, HTTP_SECONDS);
	evhttp_set_max_headers_size(metrics->http, HTTP_BYTES);
	evhttp_set_max_body_size(metrics->http, HTTP_BYTES);
	evhttp_set_allowed_methods(metrics->http, EVHTTP_REQ_GET);
	if (evhttp_set_cb(metrics->http, "/metrics", on_metrics, metrics) != 0)
		return false;
	listen_or_wait(metrics);
	return true;
}

const char *
metrics_error(const struct loop *loop)
{
	return loop->metrics == NULL ? "" : loop->metrics->error;
}

void
metrics_stop(struct loop *loop)
{
	if (loop->metrics != NULL && loop->metrics->http != NULL)
		evhttp_free(loop->metrics->http);
	if (loop->metrics != NULL && loop->metrics->timer != NULL)
		event_free(loop->metrics->timer);
	free(loop->metrics);
	loop->metrics = NULL;
}
