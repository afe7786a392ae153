/* SPDX-License-Identifier: ISC */
/* See control.h. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control_client.h"
#include "log.h"
#include "loop.h"
#include "node.h"
#include "request.h"
#include "utf8.h"

#define OUT_OF_MEMORY "{\"done\": false, \"error\": \"out of memory\"}"

static void
drop(struct client *client)
{
	bufferevent_free(client->bev);
	client->bev = NULL;
	client->version = 0;
	control_end_farm(client);
}

/* Takes the object. */
void
control_say(struct client *client, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	(void)evbuffer_add_printf(bufferevent_get_output(client->bev), "%s\n",
	    text != NULL ? text : OUT_OF_MEMORY);
	free(text);
}

void
control_end(struct client *client, json_t *object)
{
	control_say(client, object);
	client->ending = true;
	client->version = 0;
	control_end_farm(client);
	(void)bufferevent_disable(client->bev, EV_READ);
}

void
control_refuse(struct client *client, const char *why)
{
	control_end(client,
	    json_pack("{s:b, s:o}", "done", 0, "error", utf8_json(why)));
}

/* Done; but will it be so after a restart? */
void
control_finish(struct client *client)
{
	const struct rotate *rotate = &client->control->loop->rotate;
	const struct node *node = rotate->node;
	char why[CONF_WHY_LEN + 128];

	if (node == NULL ? !rotate->unsaved : node->copy_why[0] == '\0') {
		control_end(client, json_pack("{s:b, s:I}", "done", 1, "failed",
		                        (json_int_t)client->failed));
		return;
	}
	if (node == NULL)
		(void)snprintf(why, sizeof(why),
		    "it is done on this host until stekd is restarted, but the "
		    "store could not be written: %s",
		    rotate->error);
	else
		(void)snprintf(why, sizeof(why),
		    "it is done, but this host could not keep a copy: stekd "
		    "would begin with the keys of before: %s",
		    node->copy_why);
	control_end(
	    client, json_pack("{s:b, s:I, s:o}", "done", 0, "failed",
	                (json_int_t)client->failed, "error", utf8_json(why)));
}

static const char *
detail(const struct client *client, const struct target *target)
{
	switch (target->state) {
	case TARGET_VERIFIED:
		if (client->seal_from > clock_now())
			return "written and reloaded; the new key can be "
			       "verified only when it seals";
		return target->proof == FORMAT_TICKET_PROVEN
		           ? "verified by a ticket's MAC"
		           : "verified by a ticket's name";
	case TARGET_APPLIED:
		if (target->conf->verify[0] == '\0')
			return "written and reloaded; it has no verify";
		return target->conf->format->ticket == NULL
		           ? "written and reloaded; this server's tickets do "
		             "not tell their key"
		           : "written and reloaded; no key seals now";
	default:
		return target->error;
	}
}

static void
tell(struct client *client, const struct target *target)
{
	bool ok =
	    target->state == TARGET_VERIFIED || target->state == TARGET_APPLIED;

	if (client->told[target->index] || client->version == 0 ||
	    target->version < client->version)
		return;
	client->told[target->index] = true;
	client->failed += ok ? 0 : 1;
	control_say(client,
	    json_pack("{s:s, s:b, s:I, s:o}", "target", target->conf->name,
	        "ok", (int)ok, "ms", (json_int_t)(clock_ms() - client->since),
	        "detail", utf8_json(detail(client, target))));
	if (--client->left == 0)
		control_next(client);
}

void
control_settled(struct loop *loop, const struct target *target)
{
	size_t i;

	for (i = 0; loop->control != NULL && i < CONTROL_CLIENTS_MAX; i++)
		if (loop->control->clients[i].bev != NULL)
			tell(&loop->control->clients[i], target);
}

static bool
awaits_targets(const struct client *client)
{
	return client->version != 0 &&
	       (client->wait == CLIENT_NOT ||
	           (client->wait == CLIENT_NODES && client->left > 0));
}

void
control_forget(struct loop *loop)
{
	struct client *client;
	size_t i;

	for (i = 0; loop->control != NULL && i < CONTROL_CLIENTS_MAX; i++) {
		client = &loop->control->clients[i];
		if (client->bev != NULL && awaits_targets(client))
			control_refuse(client,
			    "it was done, but the configuration was read "
			    "again before all targets had confirmed");
	}
}

/* The newest of the keys that seal by then; later ones may be astray. */
static const struct stek_key *
newest(const struct stek_set *set, int64_t by)
{
	size_t i = set->count - 1;

	if (held_key(set) != NULL)
		return held_key(set);
	while (i > 0 && set->keys[i].seal_from > by)
		i--;
	return &set->keys[i];
}

void
control_say_head(
    struct client *client, int64_t lead, bool moved, const char *farm_error)
{
	struct loop *loop = client->control->loop;
	const struct stek_set *set = loop->rotate.set;
	const struct stek_key *key = newest(set, clock_now() + lead);
	bool held = key == held_key(set);
	int64_t from = held ? held_from(key) : key->seal_from;
	char name[STEK_NAME_HEX];
	json_t *head;

	client->seal_from = key->seal_from;
	stek_key_hex(key->name, name);
	head = json_pack("{s:I, s:s, s:I, s:b, s:I, s:b}", "version",
	    (json_int_t)set->version, "sealing", name, "seal_from",
	    (json_int_t)from, "held", (int)held, "targets",
	    (json_int_t)loop->conf->count, "moved", (int)moved);
	if (farm_error != NULL)
		(void)json_object_set_new(
		    head, "farm_error", utf8_json(farm_error));
	control_say(client, head);
}

/* After the head, a line a target as they settle. */
void
control_await_targets(struct client *client)
{
	struct loop *loop = client->control->loop;
	size_t i;

	client->version = loop->rotate.set->version;
	client->left = loop->conf->count;
	client->failed = 0;
	memset(client->told, 0, sizeof(client->told));
	if (client->left == 0)
		control_next(client);
	for (i = 0; i < loop->conf->count; i++)
		if (loop->targets[i].state != TARGET_WORKING)
			tell(client, &loop->targets[i]);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct client *client = arg;
	struct request request;
	const char *wrong;
	size_t len;
	char *line;

	if (client->ending || client->version != 0) {
		(void)evbuffer_drain(input, evbuffer_get_length(input));
		return;
	}
	line = evbuffer_readln(input, &len, EVBUFFER_EOL_LF);
	if (line == NULL) {
		if (evbuffer_get_length(input) >= CONTROL_LINE_MAX)
			control_refuse(client, "the request is too long");
		return;
	}
	client->since = clock_ms();
	wrong = request_read(line, len, &request);
	if (wrong == NULL)
		control_obey(client, &request);
	else
		control_refuse(client, wrong);
	free(line);
}

static void
on_written(struct bufferevent *bev, void *arg)
{
	struct client *client = arg;

	if (client->ending &&
	    evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		drop(client);
}

/* Or has it only said that it asks for no more?  shutdown(2) */
static bool
is_gone(struct bufferevent *bev)
{
	struct pollfd pfd = {.fd = bufferevent_getfd(bev)};

	return poll(&pfd, 1, 0) != 0;
}

/*
 * Silence, and an end of its own, end a client only before it has asked for
 * something; not to read the answers ends it always.
 */
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;

	if ((what & BEV_EVENT_EOF) != 0 && client->version != 0 &&
	    !is_gone(bev)) {
		(void)bufferevent_disable(bev, EV_READ);
		return;
	}
	if ((what & BEV_EVENT_TIMEOUT) != 0 &&
	    (what & BEV_EVENT_READING) != 0 && client->version != 0) {
		(void)bufferevent_enable(bev, EV_READ);
		return;
	}
	drop(client);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *addr, int len, void *arg)
{
	struct timeval idle = {CONTROL_IDLE_SECONDS, 0};
	struct control *control = arg;
	struct client *client = NULL;
	size_t i;

	(void)listener;
	(void)addr;
	(void)len;
	for (i = 0; i < CONTROL_CLIENTS_MAX && client == NULL; i++)
		if (control->clients[i].bev == NULL)
			client = &control->clients[i];
	if (client != NULL)
		client->bev = bufferevent_socket_new(
		    control->loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client == NULL || client->bev == NULL) {
		(void)close(fd);
		return;
	}
	client->control = control;
	client->ending = false;
	client->version = 0;
	bufferevent_setcb(client->bev, on_read, on_written, on_event, client);
	bufferevent_setwatermark(client->bev, EV_READ, 0, CONTROL_LINE_MAX);
	(void)bufferevent_set_timeouts(client->bev, &idle, &idle);
	(void)bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

/*
 * Remove what an earlier stekd left.  Nothing else: false with errno, EEXIST
 * for no socket, EADDRINUSE for one that somebody listens at.
 */
static bool
clear_place(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, refused;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0
	              ? errno
	              : 0;
	(void)close(fd);
	errno = EADDRINUSE;
	return refused == ECONNREFUSED && unlink(addr->sun_path) == 0;
}

int
control_bind(const struct conf *conf)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, bound;

	/* The configuration was refused if it does not fit. */
	(void)snprintf(
	    addr.sun_path, sizeof(addr.sun_path), "%s", conf->control);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !clear_place(&addr))
		goto fail;
	mask = umask(0177);
	bound = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	(void)umask(mask);
	if (bound == 0 && listen(fd, CONTROL_CLIENTS_MAX) == 0)
		return fd;
fail:
	log_line(LOG_ERR, "cannot make the control socket", "control",
	    conf->control, "why",
	    errno == EEXIST ? "what is there is no socket; remove it"
	                    : strerror(errno),
	    NULL);
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

bool
control_start(struct loop *loop, int fd)
{
	loop->control = calloc(1, sizeof(*loop->control));
	if (loop->control == NULL)
		return false;
	loop->control->loop = loop;
	loop->control->listener = evconnlistener_new(
	    loop->base, on_accept, loop->control, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	return loop->control->listener != NULL;
}

void
control_stop(struct loop *loop)
{
	size_t i;

	if (loop->control == NULL)
		return;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (loop->control->clients[i].bev != NULL)
			drop(&loop->control->clients[i]);
	control_stop_farm(loop->control);
	if (loop->control->listener != NULL)
		evconnlistener_free(loop->control->listener);
	free(loop->control);
	loop->control = NULL;
}
