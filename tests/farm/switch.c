/* SPDX-License-Identifier: ISC */
/*
 * The wire between hosts that are network namespaces: a device of the kernel's
 * (tun) in each, and this program behind all of them, which takes each IPv4
 * packet to the host that it is for; or does not, or late.  Told by lines on
 * stdin, each of which it answers with "ok" once it is so, or "no: why":
 *
 *	port NAME ADDRESS FILE	a host; FILE is its namespace
 *	cut FROM TO		nothing passes from now on, nobody is told
 *	heal			everything passes
 *	delay NAME MS		what leaves or reaches it is held for so long
 *	loss NAME PERCENT	and of that so much is lost, by chance
 *	count			packets that passed, and that did not
 *
 * At the end of stdin it ends, and the devices with it.  Below Ethernet's
 * level there is no ARP: a host that is cut off is silent, and never said to
 * be unreachable.
 *
 * Never here: the machine's own network, of which this knows nothing;
 * addresses that no host has (their packets are dropped).
 * Invariant: packets between two hosts keep their order while the delays stay.
 */
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORTS     64
#define PACKET    2048 /* the devices' MTU is 1500 */
#define BURST     64 /* packets of one host before the next has its turn */
#define HELD      65536
#define IP_HEADER 20
#define IP_TO     16 /* where the address is */

struct port {
	char name[32];
	uint32_t address; /* as on the wire */
	int fd;
	int64_t delay_us;
	uint32_t loss; /* of 1000 */
	bool cut[PORTS]; /* to these */
};

struct held {
	int64_t due; /* in microseconds */
	uint64_t number; /* those of one time go in their order */
	size_t from, to, len;
	uint8_t bytes[];
};

struct wire {
	int epoll, home; /* home: this program's own namespace */
	struct port ports[PORTS];
	size_t count;
	struct held *heap[HELD];
	size_t held;
	uint64_t number, passed, lost;
};

static int64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- packets that wait, the next one due at heap[0] --- */

static bool
before(const struct held *a, const struct held *b)
{
	return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void
swap(struct held **a, struct held **b)
{
	struct held *was = *a;

	*a = *b;
	*b = was;
}

static void
push(struct wire *wire, struct held *held)
{
	struct held **heap = wire->heap;
	size_t i = wire->held++;

	heap[i] = held;
	for (; i > 0 && before(heap[i], heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
}

static struct held *
pop(struct wire *wire)
{
	struct held **heap = wire->heap, *first = heap[0];
	size_t i = 0, child;

	heap[0] = heap[--wire->held];
	while ((child = 2 * i + 1) < wire->held) {
		if (child + 1 < wire->held &&
		    before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], heap[i]))
			break;
		swap(&heap[i], &heap[child]);
		i = child;
	}
	return first;
}

/* --- packets that go --- */

static void
deliver(
    struct wire *wire, size_t from, size_t to, const uint8_t *bytes, size_t len)
{
	ssize_t n = -1;

	if (!wire->ports[from].cut[to])
		n = write(wire->ports[to].fd, bytes, len);
	if (n == (ssize_t)len)
		wire->passed++;
	else
		wire->lost++;
}

static void
deliver_due(struct wire *wire)
{
	int64_t now = now_us();
	struct held *held;

	while (wire->held > 0 && wire->heap[0]->due <= now) {
		held = pop(wire);
		deliver(wire, held->from, held->to, held->bytes, held->len);
		free(held);
	}
}

static bool
hold(struct wire *wire, size_t from, size_t to, const uint8_t *bytes,
    size_t len, int64_t delay_us)
{
	struct held *held;

	if (wire->held == HELD)
		return false;
	if ((held = malloc(sizeof(*held) + len)) == NULL)
		return false;
	held->due = now_us() + delay_us;
	held->number = wire->number++;
	held->from = from;
	held->to = to;
	held->len = len;
	memcpy(held->bytes, bytes, len);
	push(wire, held);
	return true;
}

static bool
is_lost(const struct port *port)
{
	return port->loss > 0 && arc4random_uniform(1000) < port->loss;
}

/* The host with this address, or PORTS. */
static size_t
find_address(const struct wire *wire, const uint8_t *address)
{
	size_t i;

	for (i = 0; i < wire->count; i++)
		if (memcmp(&wire->ports[i].address, address, 4) == 0)
			return i;
	return PORTS;
}

static void
take(struct wire *wire, size_t from, const uint8_t *bytes, size_t len)
{
	const struct port *ports = wire->ports;
	int64_t delay_us;
	size_t to;

	/* Not IPv4: a device that comes up looks for IPv6 routers. */
	if (len < IP_HEADER || bytes[0] >> 4 != 4)
		return;
	to = find_address(wire, bytes + IP_TO);
	if (to == PORTS || is_lost(&ports[from]) || is_lost(&ports[to])) {
		wire->lost++;
		return;
	}
	delay_us = ports[from].delay_us + ports[to].delay_us;
	if (delay_us == 0)
		deliver(wire, from, to, bytes, len);
	else if (!hold(wire, from, to, bytes, len, delay_us))
		wire->lost++;
}

static void
read_port(struct wire *wire, size_t from)
{
	uint8_t bytes[PACKET];
	ssize_t len;
	int i;

	for (i = 0; i < BURST; i++) {
		len = read(wire->ports[from].fd, bytes, sizeof(bytes));
		if (len <= 0)
			return;
		take(wire, from, bytes, (size_t)len);
	}
}

/* --- what it is told --- */

static size_t
find_name(const struct wire *wire, const char *name)
{
	size_t i;

	for (i = 0; i < wire->count; i++)
		if (strcmp(wire->ports[i].name, name) == 0)
			return i;
	return PORTS;
}

/* A device made by who is in a namespace belongs there. */
static int
open_tun(const struct wire *wire, const char *file)
{
	struct ifreq ask = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int there = open(file, O_RDONLY | O_CLOEXEC), fd = -1;

	(void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "wire");
	if (there < 0 || setns(there, CLONE_NEWNET) != 0)
		goto out;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ask) != 0) {
		(void)close(fd);
		fd = -1;
	}
	if (setns(wire->home, CLONE_NEWNET) != 0)
		abort(); /* it must not go on in a host's namespace */
out:
	if (there >= 0)
		(void)close(there);
	return fd;
}

static const char *
add_port(
    struct wire *wire, const char *name, const char *address, const char *file)
{
	struct port *port = &wire->ports[wire->count];
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = wire->count};

	if (wire->count == PORTS)
		return "there are too many hosts";
	if (strlen(name) >= sizeof(port->name) ||
	    find_name(wire, name) != PORTS)
		return "the name is too long, or is another's";
	if (inet_pton(AF_INET, address, &port->address) != 1)
		return "this is no address";
	if ((port->fd = open_tun(wire, file)) < 0)
		return strerror(errno);
	if (epoll_ctl(wire->epoll, EPOLL_CTL_ADD, port->fd, &event) != 0)
		return strerror(errno);
	memcpy(port->name, name, strlen(name) + 1);
	wire->count++;
	return NULL;
}

static const char *
cut(struct wire *wire, const char *from, const char *to)
{
	size_t a = find_name(wire, from), b = find_name(wire, to);

	if (a == PORTS || b == PORTS)
		return "no such host";
	wire->ports[a].cut[b] = true;
	return NULL;
}

static const char *
heal(struct wire *wire)
{
	size_t i;

	for (i = 0; i < wire->count; i++)
		memset(wire->ports[i].cut, 0, sizeof(wire->ports[i].cut));
	return NULL;
}

static const char *
set_quality(
    struct wire *wire, const char *what, const char *name, const char *value)
{
	size_t i = find_name(wire, name);
	char *end;
	double number = strtod(value, &end);

	if (i == PORTS)
		return "no such host";
	if (*end != '\0' || end == value || !(number >= 0 && number < 1e6))
		return "this is no number of 0 or more";
	if (strcmp(what, "delay") == 0)
		wire->ports[i].delay_us = (int64_t)(number * 1000);
	else
		wire->ports[i].loss = (uint32_t)(number * 10);
	return NULL;
}

static const char *
obey(struct wire *wire, char *line)
{
	const char *word[4] = {"", "", "", ""};
	char *rest = NULL, *next;
	size_t n = 0;

	for (next = strtok_r(line, " \n", &rest); next != NULL && n < 4;
	     next = strtok_r(NULL, " \n", &rest))
		word[n++] = next;
	if (strcmp(word[0], "port") == 0)
		return add_port(wire, word[1], word[2], word[3]);
	if (strcmp(word[0], "cut") == 0)
		return cut(wire, word[1], word[2]);
	if (strcmp(word[0], "heal") == 0)
		return heal(wire);
	if (strcmp(word[0], "delay") == 0 || strcmp(word[0], "loss") == 0)
		return set_quality(wire, word[0], word[1], word[2]);
	if (strcmp(word[0], "count") == 0)
		return NULL;
	return "no such command";
}

/* What has come on stdin; false at its end. */
static bool
listen_once(struct wire *wire)
{
	static char line[512];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, line + len, sizeof(line) - 1 - len);
	const char *why;
	char *end;

	if (n <= 0)
		return false;
	len += (size_t)n;
	line[len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end++ = '\0';
		if ((why = obey(wire, line)) != NULL)
			(void)printf("no: %s\n", why);
		else
			(void)printf("ok %llu %llu\n",
			    (unsigned long long)wire->passed,
			    (unsigned long long)wire->lost);
		len = strlen(end);
		memmove(line, end, len + 1);
	}
	(void)fflush(stdout);
	return len < sizeof(line) - 1;
}

static int
patience(const struct wire *wire)
{
	int64_t left;

	if (wire->held == 0)
		return -1;
	left = wire->heap[0]->due - now_us();
	return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

static void
forward(struct wire *wire)
{
	struct epoll_event events[PORTS + 1];
	int i, n;

	for (;;) {
		n = epoll_wait(wire->epoll, events, PORTS + 1, patience(wire));
		if (n < 0 && errno != EINTR)
			return;
		deliver_due(wire);
		for (i = 0; i < n; i++) {
			if (events[i].data.u64 < PORTS)
				read_port(wire, events[i].data.u64);
			else if (!listen_once(wire))
				return;
		}
	}
}

int
main(void)
{
	static struct wire wire;
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = PORTS};

	wire.epoll = epoll_create1(EPOLL_CLOEXEC);
	wire.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (wire.epoll < 0 || wire.home < 0 ||
	    epoll_ctl(wire.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) {
		perror("switch");
		return 1;
	}
	forward(&wire);
	while (wire.held > 0)
		free(pop(&wire));
	return 0;
}
