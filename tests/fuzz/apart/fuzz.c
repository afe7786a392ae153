/* SPDX-License-Identifier: ISC */
/*
 * What a stek-etcd that was taken over may tell stekd, as a script of packets:
 * the operation, the flag, how the number is meant (SMALL: in one byte; LONG:
 * in eight), the length of what follows in two bytes, the number, and that.
 * RAW: all of it is a packet as it stands.
 *
 * Never here: what stekd does about it.
 * Invariant: it is told nothing but what store_etcd.h has.
 */
#include <sys/socket.h>

#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include <daemon/store_apart.h>
#include <daemon/store_wire.h>

#include "fuzz.h"

#define SMALL 0
#define LONG  1
#define RAW   2

static void
on_found(void *arg, const uint8_t *bytes, size_t len, int64_t revision)
{
	(void)arg;
	FUZZ_EXPECT(len <= STORE_WIRE_MAX);
	FUZZ_EXPECT(bytes != NULL ? revision > 0 : revision == 0 && len == 0);
}

static void
on_state(void *arg, enum store_state state, bool rollback, const char *why)
{
	(void)arg;
	(void)rollback;
	FUZZ_EXPECT(state == STORE_LIVE || state == STORE_STALE);
	FUZZ_EXPECT(strlen(why) < STORE_WIRE_MAX);
}

static void
on_alive(void *arg)
{
	(void)arg;
}

static void
on_swapped(void *arg, enum store_swapped how, const char *why)
{
	(void)arg;
	FUZZ_EXPECT(how >= STORE_SWAPPED && how <= STORE_UNKNOWN);
	FUZZ_EXPECT(strlen(why) < STORE_WIRE_MAX);
}

static void
on_untold(void *arg, const char *why)
{
	(void)arg;
	FUZZ_EXPECT(strlen(why) < STORE_WIRE_MAX);
}

static void
on_nodes(
    void *arg, const struct store_node *nodes, size_t count, const char *why)
{
	size_t i, len;

	(void)arg;
	FUZZ_EXPECT(strlen(why) < STORE_WIRE_MAX);
	for (i = 0; nodes != NULL && i < count; i++) {
		len = strlen(nodes[i].name);
		FUZZ_EXPECT(len > 0 && len <= STORE_NODE_MAX);
		FUZZ_EXPECT(strspn(nodes[i].name, STORE_NODE_CHARS) == len);
		FUZZ_EXPECT(nodes[i].len <= STORE_ENTRY_MAX);
		FUZZ_EXPECT(nodes[i].len == 0 || nodes[i].entry != NULL);
	}
}

static void
on_asked(void *arg, const char *node, bool known, bool live)
{
	(void)arg;
	(void)known;
	(void)live;
	FUZZ_EXPECT(strlen(node) < STORE_WIRE_MAX);
}

static void
on_rights(void *arg, enum store_rights rights)
{
	(void)arg;
	FUZZ_EXPECT(
	    rights >= STORE_RIGHTS_UNKNOWN && rights <= STORE_RIGHTS_OWN);
}

static void
on_clock(void *arg, int64_t seconds)
{
	(void)arg;
	FUZZ_EXPECT(seconds > 0 && seconds < INT64_MAX / 1000);
}

/* One packet of the script; how much of it that was. */
static size_t
say(int fd, const uint8_t *bytes, size_t len)
{
	struct store_message message = {.op = bytes[0], .flag = bytes[1]};
	size_t head = 5, n = (size_t)bytes[3] << 8 | bytes[4];

	if (bytes[2] % 3 == LONG && len >= head + sizeof(message.number)) {
		memcpy(&message.number, bytes + head, sizeof(message.number));
		head += sizeof(message.number);
	} else if (bytes[2] % 3 == SMALL && len > head) {
		message.number = bytes[head++];
	}
	n = n > len - head ? len - head : n;
	message.len = n;
	if (bytes[2] % 3 == RAW)
		(void)send(fd, bytes + head, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		(void)store_wire_put(fd, MSG_DONTWAIT, &message, bytes + head);
	return head + n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct store_told told = {.found = on_found,
	    .state = on_state,
	    .alive = on_alive,
	    .swapped = on_swapped,
	    .untold = on_untold,
	    .nodes = on_nodes,
	    .asked = on_asked,
	    .rights = on_rights,
	    .clock = on_clock};
	struct event_base *base = event_base_new();
	struct store_apart apart = {0};
	size_t n;
	int fds[2];

	FUZZ_EXPECT(base != NULL);
	FUZZ_EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	apart.fd = fds[0];
	FUZZ_EXPECT(store_apart_attach(&apart, base, &told, NULL));
	while (len >= 5 && !apart.broken) {
		n = say(fds[1], bytes, len);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
		bytes += n;
		len -= n;
	}
	store_apart_stop(&apart);
	(void)close(fds[1]);
	event_base_free(base);
	return 0;
}
