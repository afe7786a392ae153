/* SPDX-License-Identifier: ISC */
/*
 * What an etcd may answer, as a script: lines of an HTTP answer (LINES), or a
 * body of frames that a job gets (its number), or the words of a refusal (its
 * number and REFUSED).  Each has its length in the two bytes after the first.
 * No byte goes over a network: the loop is never run.
 *
 * Never here: libcurl.
 * Invariant: found() goes back only after a rollback was told; a swap, a list
 * and a question are answered at most once; names are those that a node may
 * have.
 */
#include <event2/event.h>
#include <string.h>

#include <daemon/clock.h>
#include <daemon/store_etcd_own.h>

#include "fuzz.h"

#define LINES   0x40
#define REFUSED 0x80
#define LIMIT   (STORE_VALUE_MAX + 4096)

struct seen {
	int64_t revision;
	bool swapping, listing, asking, rollback;
};

static void
on_found(void *arg, const uint8_t *bytes, size_t len, int64_t revision)
{
	struct seen *seen = arg;

	FUZZ_EXPECT(len <= STORE_VALUE_MAX);
	FUZZ_EXPECT(bytes != NULL ? revision > 0 : revision == 0 && len == 0);
	if (bytes == NULL)
		return;
	FUZZ_EXPECT(seen->rollback || revision >= seen->revision);
	seen->revision = revision;
	seen->rollback = false;
}

static void
on_state(void *arg, enum store_state state, bool rollback, const char *why)
{
	struct seen *seen = arg;

	FUZZ_EXPECT((state == STORE_LIVE) == (why[0] == '\0'));
	FUZZ_EXPECT(strpbrk(why, "\r\n\t\033") == NULL);
	seen->rollback |= rollback;
}

static void
on_swapped(void *arg, enum store_swapped how, const char *why)
{
	struct seen *seen = arg;

	(void)why;
	FUZZ_EXPECT(how <= STORE_UNKNOWN && seen->swapping);
	seen->swapping = false;
}

static void
on_nodes(
    void *arg, const struct store_node *nodes, size_t count, const char *why)
{
	struct seen *seen = arg;
	size_t i;

	FUZZ_EXPECT(seen->listing && (nodes != NULL || why[0] != '\0'));
	seen->listing = false;
	for (i = 0; i < count; i++)
		FUZZ_EXPECT(strlen(nodes[i].name) <= STORE_NODE_MAX &&
		            nodes[i].len <= STORE_ENTRY_MAX &&
		            nodes[i].entry != NULL);
}

static void
on_asked(void *arg, const char *node, bool known, bool live)
{
	struct seen *seen = arg;

	FUZZ_EXPECT(seen->asking && strcmp(node, "n") == 0);
	FUZZ_EXPECT(known || !live);
	seen->asking = false;
}

static void
on_rights(void *arg, enum store_rights rights)
{
	(void)arg;
	FUZZ_EXPECT(
	    rights > STORE_RIGHTS_UNKNOWN && rights <= STORE_RIGHTS_OWN);
}

/* All that is due, now. */
static void
run(struct store_etcd *store, struct seen *seen)
{
	int64_t now = clock_ran();

	store->connect = store->look = store->keep = store->entry_at = 0;
	store->rights_at = 0;
	store->watch_by = store->swap_by = store->list_by = INT64_MAX;
	if (!seen->swapping)
		seen->swapping = store_etcd_swap(
		    store, store->revision, (const uint8_t *)"set", 3);
	store->swap_by = INT64_MAX;
	seen->listing = true;
	if (!seen->asking)
		store_etcd_ask(store, "n");
	store->ask_by = INT64_MAX;
	seen->asking = true;
	store_link_run(store, now);
	if (store->phase == PHASE_UP)
		store_set_run(store);
	if (store->phase == PHASE_UP)
		store_swap_run(store);
	if (store->phase == PHASE_UP)
		store_nodes_run(store, now);
	if (store->phase == PHASE_UP)
		store_list_run(store);
	if (store->phase == PHASE_UP)
		store_rights_run(store, now);
}

static void
give_lines(const uint8_t *bytes, size_t len)
{
	struct http_answer answer;
	const uint8_t *end;
	size_t n;

	http_begin(&answer, false);
	while (len > 0) {
		end = memchr(bytes, '\n', len);
		n = end != NULL ? (size_t)(end - bytes) + 1 : len;
		http_header(&answer, (const char *)bytes, n);
		bytes += n;
		len -= n;
	}
	FUZZ_EXPECT(answer.message[sizeof(answer.message) - 1] == '\0' ||
	            strlen(answer.message) < sizeof(answer.message));
	(void)http_has_frames(&answer);
}

static void
give_refusal(
    struct store_etcd *store, int job, const uint8_t *bytes, size_t len)
{
	char text[256], why[256];
	struct call_end end = {.why = why, .date = -1};

	if (len == 0)
		return;
	if (len > sizeof(text))
		len = sizeof(text);
	memcpy(text, bytes + 1, len - 1);
	text[len - 1] = '\0';
	http_printable(why, sizeof(why), text);
	end.status = bytes[0] % 20 - 2;
	end.status += end.status == CALL_OK;
	store_cancel(store, (enum store_job)job);
	store_end(store, job, &end);
}

static void
give_body(struct store_etcd *store, int job, const uint8_t *bytes, size_t len)
{
	struct call_end end = {.why = "", .date = -1, .began = clock_ran()};
	struct frame_buf buf = {0};
	const uint8_t *message;
	size_t n, half = len / 2;

	FUZZ_EXPECT(frame_add(&buf, bytes, half));
	(void)frame_look(&buf, LIMIT);
	FUZZ_EXPECT(frame_add(&buf, bytes + half, len - half));
	while (frame_take(&buf, LIMIT, &message, &n) == FRAME_ONE) {
		FUZZ_EXPECT(n <= LIMIT);
		if (job == JOB_WATCH) {
			if (store_busy(store, JOB_WATCH))
				store_message(store, job, message, n);
			continue;
		}
		end.bytes = message;
		end.len = n;
		store_cancel(store, (enum store_job)job);
		store_end(store, job, &end);
		break;
	}
	frame_clear(&buf);
}

static void
play(struct store_etcd *store, struct seen *seen, const uint8_t *bytes,
    size_t len)
{
	size_t n;
	int job;

	while (len >= 3) {
		run(store, seen);
		n = (size_t)bytes[1] << 8 | bytes[2];
		n = n > len - 3 ? len - 3 : n;
		job = bytes[0] & 0x0f;
		if ((bytes[0] & LINES) != 0)
			give_lines(bytes + 3, n);
		else if (job < JOB_COUNT && store_busy(store, job)) {
			if ((bytes[0] & REFUSED) != 0)
				give_refusal(store, job, bytes + 3, n);
			else
				give_body(store, job, bytes + 3, n);
		}
		bytes += 3 + n;
		len -= 3 + n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const endpoints[] = {
	    "https://127.0.0.1:1", "https://127.0.0.1:2"};
	static const struct store_etcd_conf conf = {.endpoints = endpoints,
	    .endpoint_count = 2,
	    .prefix = "/s/",
	    .node = "n",
	    .ca = "",
	    .cert = "",
	    .key = "",
	    .user = "u",
	    .password = "p"};
	static const struct store_told told = {.found = on_found,
	    .state = on_state,
	    .swapped = on_swapped,
	    .nodes = on_nodes,
	    .asked = on_asked,
	    .rights = on_rights};
	struct event_base *base = event_base_new();
	struct store_etcd *store;
	struct seen seen = {0};

	FUZZ_EXPECT(base != NULL);
	store = store_etcd_open(base, &conf, &told, &seen);
	FUZZ_EXPECT(store != NULL);
	store_etcd_tell(store, (const uint8_t *)"entry", 5);
	play(store, &seen, bytes, len);
	store_etcd_close(store);
	event_base_free(base);
	return 0;
}
