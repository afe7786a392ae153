/* SPDX-License-Identifier: ISC */
/* See store_apart.h. */
#include <sys/socket.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_apart.h"
#include "store_wire.h"

#define BUFFER_BYTES (1024 * 1024)
#define NODES_MAX    100000
#define HASH_MAX     64
#define CLOCK_MAX    INT64_C(253402300799) /* the year 9999 */

/* Where it is, seen from the folder of this program: installed, or built. */
static const char *const places[] = {
    "../libexec/stek/stek-etcd", "../daemon/stek-etcd", "stek-etcd"};

/* In the child. */
static void
become_store(int fd, const char *conf_path, const uint8_t *hash, size_t len)
{
	char self[4096], path[4096 + 32], home[] = "PATH=/usr/bin:/bin";
	char *argv[] = {path, NULL, NULL, NULL}, *env[] = {home, NULL};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char hex[2 * HASH_MAX + 1] = "";
	size_t i;

	for (i = 0; i < len && i < HASH_MAX; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	argv[1] = strdup(conf_path);
	argv[2] = hex;
	if (n < 0 || argv[1] == NULL || dup2(fd, STDIN_FILENO) < 0)
		_exit(126);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		(void)execve(path, argv, env);
	}
	_exit(127);
}

bool
store_apart_start(struct store_apart *apart, const char *conf_path,
    const uint8_t *hash, size_t hash_len)
{
	int fds[2], size = BUFFER_BYTES, i;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	for (i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
		        sizeof(size)) < 0)
			(void)setsockopt(
			    fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	apart->broken = false;
	apart->pid = fork();
	if (apart->pid == 0)
		become_store(fds[1], conf_path, hash, hash_len);
	(void)close(fds[1]);
	apart->fd = fds[0];
	return apart->pid > 0;
}

static void
drop_nodes(struct store_apart *apart)
{
	size_t i;

	for (i = 0; i < apart->count; i++)
		free((void *)(uintptr_t)apart->nodes[i].name);
	apart->count = 0;
}

/* Its name and its entry, in one piece of memory. */
static bool
keep_node(struct store_apart *apart, const struct store_packed *packed,
    const uint8_t *bytes)
{
	size_t room = apart->room == 0 ? 64 : 2 * apart->room;
	struct store_node *nodes = apart->nodes;
	char *name;

	if (apart->count == NODES_MAX)
		return false;
	if (apart->count == apart->room) {
		nodes = reallocarray(nodes, room, sizeof(*nodes));
		if (nodes == NULL)
			return false;
		apart->nodes = nodes;
		apart->room = room;
	}
	name = calloc(1, (size_t)packed->name_len + 1 + packed->len);
	if (name == NULL)
		return false;
	memcpy(name, bytes, packed->name_len);
	memcpy(
	    name + packed->name_len + 1, bytes + packed->name_len, packed->len);
	nodes[apart->count++] = (struct store_node) {name, packed->live,
	    (const uint8_t *)name + packed->name_len + 1, packed->len};
	return true;
}

static bool
is_node(const struct store_packed *packed, const uint8_t *name)
{
	size_t i;

	for (i = 0; i < packed->name_len; i++)
		if (name[i] == '\0' ||
		    strchr(STORE_NODE_CHARS, name[i]) == NULL)
			return false;
	return i > 0 && i <= STORE_NODE_MAX && packed->len <= STORE_ENTRY_MAX;
}

static void
unpack(struct store_apart *apart, const uint8_t *bytes, size_t len)
{
	struct store_packed packed;
	size_t whole;

	while (len >= sizeof(packed)) {
		memcpy(&packed, bytes, sizeof(packed));
		bytes += sizeof(packed);
		whole = (size_t)packed.name_len + packed.len;
		len -= sizeof(packed);
		if (whole > len || !is_node(&packed, bytes) ||
		    !keep_node(apart, &packed, bytes))
			return;
		bytes += whole;
		len -= whole;
	}
}

static void
end_nodes(struct store_apart *apart, const struct store_message *message,
    const uint8_t *bytes)
{
	static const struct store_node none;
	const struct store_node *nodes = apart->nodes;

	if (nodes == NULL)
		nodes = &none;
	apart->told->nodes(apart->arg, message->flag != 0 ? nodes : NULL,
	    apart->count, store_wire_text(message, bytes));
	drop_nodes(apart);
}

static enum store_swapped
end_of_swap(int64_t number)
{
	return number >= 0 && number < STORE_UNKNOWN
	           ? (enum store_swapped)number
	           : STORE_UNKNOWN;
}

/*
 * The process has no rights because it may be taken over by what it talks to,
 * so nothing is taken from it but what store_etcd.h allows.
 */
static void
hear(struct store_apart *apart, const struct store_message *message,
    const uint8_t *bytes)
{
	const struct store_told *told = apart->told;
	void *arg = apart->arg;

	switch (message->op) {
	case STORE_FOUND:
		if (message->flag != 0 && message->number > 0)
			told->found(arg, bytes, message->len, message->number);
		else
			told->found(arg, NULL, 0, 0);
		break;
	case STORE_STATE:
		told->state(arg,
		    message->number == STORE_LIVE ? STORE_LIVE : STORE_STALE,
		    message->flag != 0, store_wire_text(message, bytes));
		break;
	case STORE_ALIVE:
		told->alive(arg);
		break;
	case STORE_UNTOLD:
		told->untold(arg, store_wire_text(message, bytes));
		break;
	case STORE_SWAP_END:
		told->swapped(arg, end_of_swap(message->number),
		    store_wire_text(message, bytes));
		break;
	case STORE_NODES:
		unpack(apart, bytes, message->len);
		break;
	case STORE_NODES_END:
		end_nodes(apart, message, bytes);
		break;
	case STORE_ASKED:
		told->asked(arg, store_wire_text(message, bytes),
		    message->flag != 0, message->number != 0);
		break;
	case STORE_RIGHTS:
		if (told->rights != NULL && message->number >= 0 &&
		    message->number <= STORE_RIGHTS_OWN)
			told->rights(arg, (enum store_rights)message->number);
		break;
	case STORE_CLOCK:
		if (message->number > 0 && message->number <= CLOCK_MAX)
			told->clock(arg, message->number);
		break;
	default:
		break;
	}
}

static void
on_store(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t buf[STORE_WIRE_MAX];
	struct store_apart *apart = arg;
	struct store_message message;
	const uint8_t *bytes;

	(void)what;
	while (store_wire_take(fd, buf, &message, &bytes))
		hear(apart, &message, bytes);
	if (errno == EAGAIN || errno == EINTR)
		return;
	/* loop.c sees the process end, and says how. */
	apart->broken = true;
	(void)event_del(apart->event);
}

bool
store_apart_attach(struct store_apart *apart, struct event_base *base,
    const struct store_told *told, void *arg)
{
	apart->told = told;
	apart->arg = arg;
	apart->event =
	    event_new(base, apart->fd, EV_READ | EV_PERSIST, on_store, apart);
	return apart->event != NULL && event_add(apart->event, NULL) == 0;
}

void
store_apart_stop(struct store_apart *apart)
{
	if (apart->event != NULL)
		event_free(apart->event);
	apart->event = NULL;
	drop_nodes(apart);
	free(apart->nodes);
	apart->nodes = NULL;
	apart->room = 0;
	if (apart->fd >= 0)
		(void)close(apart->fd);
	apart->fd = -1;
}

static bool
ask(struct store_apart *apart, enum store_op op, int64_t number,
    const void *bytes, size_t len)
{
	struct store_message message = {op, false, number, len};

	return store_wire_put(apart->fd, MSG_DONTWAIT, &message, bytes);
}

void
store_apart_read(struct store_apart *apart)
{
	(void)ask(apart, STORE_READ, 0, NULL, 0);
}

bool
store_apart_swap(struct store_apart *apart, int64_t revision,
    const uint8_t *bytes, size_t len)
{
	return ask(apart, STORE_SWAP, revision, bytes, len);
}

bool
store_apart_tell(struct store_apart *apart, const uint8_t *bytes, size_t len)
{
	return ask(apart, STORE_TELL, 0, bytes, len);
}

void
store_apart_list(struct store_apart *apart)
{
	(void)ask(apart, STORE_LIST, 0, NULL, 0);
}

void
store_apart_ask(struct store_apart *apart, const char *node)
{
	(void)ask(apart, STORE_ASK, 0, node, strlen(node) + 1);
}

void
store_apart_forget(struct store_apart *apart, const char *node)
{
	(void)ask(apart, STORE_FORGET, 0, node, strlen(node) + 1);
}
