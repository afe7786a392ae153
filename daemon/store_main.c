/* SPDX-License-Identifier: ISC */
/*
 * stek-etcd: the process that talks to etcd for stekd, and for stek(1).  What
 * speaks HTTP/2 and TLS with a network has no key in its memory and no
 * privilege: what passes through it was sealed before.
 *
 *	stek-etcd FILE HASH
 *
 * FILE is the configuration, as stekd has read it: of this hash.  Standard
 * input is a socket on which it is told what to do, and tells what etcd says
 * (store_wire.h).
 *
 * Never here: keys in clear; what any bytes mean.
 * Invariant: it ends with whoever started it, and not by a signal to the whole
 * group.
 */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "memory.h"
#include "privilege.h"
#include "store_wire.h"

#define BATCH_MAX    (32 * 1024)
#define PASSWORD_MAX 512
#define AGAIN_MS     10000 /* until it is tried again */

struct apart {
	int fd;
	struct event_base *base;
	struct store_etcd *store;
	char *password; /* or NULL */
	uint8_t batch[BATCH_MAX];
	size_t used;
	uint8_t buf[STORE_WIRE_MAX];
};

/* Here waiting is no harm, and who does not listen is gone. */
static void
say(struct apart *apart, enum store_op op, int64_t number, bool flag,
    const void *bytes, size_t len)
{
	struct store_message message = {op, flag, number, len};

	if (!store_wire_put(apart->fd, 0, &message, bytes))
		(void)event_base_loopbreak(apart->base);
}

static void
on_found(void *arg, const uint8_t *bytes, size_t len, int64_t revision)
{
	say(arg, STORE_FOUND, revision, bytes != NULL, bytes, len);
}

static void
on_state(void *arg, enum store_state state, bool rollback, const char *why)
{
	say(arg, STORE_STATE, state, rollback, why, strlen(why) + 1);
}

static void
on_swapped(void *arg, enum store_swapped result, const char *why)
{
	say(arg, STORE_SWAP_END, result, false, why, strlen(why) + 1);
}

static void
on_asked(void *arg, const char *node, bool known, bool live)
{
	say(arg, STORE_ASKED, live, known, node, strlen(node) + 1);
}

static void
on_rights(void *arg, enum store_rights rights)
{
	say(arg, STORE_RIGHTS, (int64_t)rights, false, NULL, 0);
}

static void
on_clock(void *arg, int64_t seconds)
{
	say(arg, STORE_CLOCK, seconds, false, NULL, 0);
}

static void
flush_batch(struct apart *apart)
{
	if (apart->used > 0)
		say(apart, STORE_NODES, 0, true, apart->batch, apart->used);
	apart->used = 0;
}

static void
pack(struct apart *apart, const struct store_node *node)
{
	struct store_packed packed = {
	    node->live, (uint8_t)strlen(node->name), (uint16_t)node->len};
	size_t len = sizeof(packed) + packed.name_len + packed.len;
	uint8_t *to;

	if (apart->used + len > BATCH_MAX)
		flush_batch(apart);
	to = apart->batch + apart->used;
	memcpy(to, &packed, sizeof(packed));
	memcpy(to + sizeof(packed), node->name, packed.name_len);
	memcpy(to + sizeof(packed) + packed.name_len, node->entry, packed.len);
	apart->used += len;
}

static void
on_alive(void *arg)
{
	say(arg, STORE_ALIVE, 0, false, NULL, 0);
}

static void
on_untold(void *arg, const char *why)
{
	say(arg, STORE_UNTOLD, 0, false, why, strlen(why) + 1);
}

static void
on_nodes(
    void *arg, const struct store_node *nodes, size_t count, const char *why)
{
	struct apart *apart = arg;
	size_t i;

	for (i = 0; nodes != NULL && i < count; i++)
		pack(apart, &nodes[i]);
	flush_batch(apart);
	say(apart, STORE_NODES_END, 0, nodes != NULL, why, strlen(why) + 1);
}

static const struct store_told told_apart = {
    .found = on_found,
    .state = on_state,
    .alive = on_alive,
    .swapped = on_swapped,
    .untold = on_untold,
    .nodes = on_nodes,
    .asked = on_asked,
    .rights = on_rights,
    .clock = on_clock,
};

static void
obey(struct apart *apart, const struct store_message *message,
    const uint8_t *bytes)
{
	switch (message->op) {
	case STORE_READ:
		store_etcd_read(apart->store);
		break;
	case STORE_SWAP:
		if (!store_etcd_swap(
		        apart->store, message->number, bytes, message->len))
			on_swapped(apart, STORE_UNKNOWN, "");
		break;
	case STORE_TELL:
		store_etcd_tell(apart->store, bytes, message->len);
		break;
	case STORE_LIST:
		store_etcd_list(apart->store);
		break;
	case STORE_ASK:
		store_etcd_ask(apart->store, store_wire_text(message, bytes));
		break;
	case STORE_FORGET:
		store_etcd_forget(
		    apart->store, store_wire_text(message, bytes));
		break;
	default:
		break;
	}
}

static void
on_main(evutil_socket_t fd, short what, void *arg)
{
	struct apart *apart = arg;
	struct store_message message;
	const uint8_t *bytes;

	(void)what;
	while (store_wire_take(fd, apart->buf, &message, &bytes))
		obey(apart, &message, bytes);
	if (errno != EAGAIN && errno != EINTR)
		(void)event_base_loopbreak(apart->base);
}

/* As any other user of this host may not read it, nor may others here. */
static bool
read_password(
    struct apart *apart, const struct conf *conf, char why[CONF_WHY_LEN])
{
	enum stek_err err;
	uint8_t *bytes;
	size_t len;

	apart->password = (char *)stek_file_alloc(PASSWORD_MAX + 1);
	if (apart->password == NULL)
		return false;
	if (conf->etcd.password[0] == '\0')
		return true;
	err = stek_file_read(conf->etcd.password, PASSWORD_MAX, &bytes, &len);
	if (err != STEK_OK) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.300s: %s: stekd's user must be able to read etcd's "
		    "password",
		    conf->etcd.password,
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err));
		return false;
	}
	memcpy(apart->password, bytes, len);
	stek_file_free(bytes);
	apart->password[strcspn(apart->password, "\r\n")] = '\0';
	if (apart->password[0] != '\0')
		return true;
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.300s: expected etcd's password, found an empty line",
	    conf->etcd.password);
	return false;
}

static bool
open_store(struct apart *apart, const struct conf *conf)
{
	struct store_etcd_conf etcd = {
	    .endpoints = (const char *const *)conf->etcd.endpoints,
	    .endpoint_count = conf->etcd.count,
	    .prefix = conf->etcd.prefix,
	    .node = conf->node,
	    .ca = conf->etcd.ca,
	    .cert = conf->etcd.cert,
	    .key = conf->etcd.key,
	    .user = conf->etcd.user,
	    .password = apart->password,
	};

	apart->store = store_etcd_open(apart->base, &etcd, &told_apart, apart);
	return apart->store != NULL;
}

/* Until it may be otherwise, or nobody is there to be told. */
static void
tell_why(int fd, const char *why)
{
	struct apart apart = {.fd = fd};
	struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};

	on_state(&apart, STORE_STALE, false, why);
	(void)poll(&pfd, 1, AGAIN_MS);
}

static void
serve(int fd, const struct conf *conf)
{
	static struct apart apart;
	struct event *event = NULL;
	char why[CONF_WHY_LEN] = "";

	apart.fd = fd;
	apart.base = event_base_new();
	if (apart.base != NULL)
		event = event_new(
		    apart.base, fd, EV_READ | EV_PERSIST, on_main, &apart);
	if (event != NULL && event_add(event, NULL) == 0 &&
	    read_password(&apart, conf, why) && open_store(&apart, conf))
		(void)event_base_dispatch(apart.base);
	if (why[0] != '\0')
		tell_why(fd, why);
	if (apart.store != NULL)
		store_etcd_close(apart.store);
	stek_file_free((uint8_t *)apart.password);
}

/* What stekd goes by, or NULL. */
static struct conf *
load(const char *path, const char *hash, char why[CONF_WHY_LEN])
{
	struct conf *conf = conf_load(path, why);
	char hex[2 * CONF_HASH_LEN + 1];

	if (conf == NULL)
		return NULL;
	(void)sodium_bin2hex(hex, sizeof(hex), conf->hash, sizeof(conf->hash));
	if (strcmp(hex, hash) == 0)
		return conf;
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.300s has changed since stekd read it, so its part that talks "
	    "to etcd cannot be started again; restart stekd, or put the file "
	    "back",
	    path);
	conf_free(conf);
	return NULL;
}

int
main(int argc, char **argv)
{
	char why[CONF_WHY_LEN];
	struct conf *conf;

	if (argc != 3 || sodium_init() < 0)
		return 2;
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	conf = load(argv[1], argv[2], why);
	if (conf == NULL)
		tell_why(STDIN_FILENO, why);
	/* Only what the daemon's own user may read is read from here on. */
	if (conf == NULL || !conf_is_shared(conf) ||
	    !privilege_drop(conf->uid, conf->gid))
		return 1;
	memory_protect();
	serve(STDIN_FILENO, conf);
	conf_free(conf);
	return 0;
}
