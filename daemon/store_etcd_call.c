/* SPDX-License-Identifier: ISC */
/*
 * See store_etcd_call.h.  libcurl's callbacks only gather: what was gathered
 * is told once libcurl has returned, when it may be called again.
 */
#include <curl/curl.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "store_etcd_call.h"
#include "store_etcd_conn.h"
#include "store_etcd_frame.h"
#include "store_etcd_http.h"

#define UPLOAD_BYTES 16384L /* the least that libcurl takes */
#define STREAMS_MAX  1000L
#define AT_ONCE      ((size_t)4 * 1024 * 1024)

struct call {
	struct call *next;
	struct link *link;
	CURL *easy;
	int number;
	unsigned int ms;
	size_t limit;
	bool dead; /* ended or cancelled; not freed yet */
	bool held; /* its request is left open, until it is answered */
	uint8_t *frame; /* the request */
	size_t len, sent;
	struct curl_slist *headers;
	struct frame_buf in;
	struct http_answer answer;
	int64_t began;
	char error[CURL_ERROR_SIZE];
};

struct link {
	struct event_base *base;
	struct link_conf conf;
	struct link_told told;
	void *arg;
	CURLM *multi;
	struct event *timer;
	struct call *calls;
	struct cert_seen seen;
	bool used; /* by a call that was answered */
	bool telling, dead;
};

/* --- what libcurl calls --- */

static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	struct call *call = arg;

	http_header(&call->answer, line, size * count);
	return size * count;
}

/* Of a call's answer, and of what comes of a stream's at once. */
static size_t
room(const struct call *call)
{
	return call->limit + FRAME_HEAD + (call->ms == 0 ? AT_ONCE : 0);
}

static size_t
take_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	size_t len = size * count;
	enum frame_found found;

	if (call->answer.plain)
		return len;
	if (!http_has_frames(&call->answer))
		return 0;
	call->answer.too_long = call->in.len - call->in.at + len > room(call);
	if (call->answer.too_long ||
	    !frame_add(&call->in, (const uint8_t *)bytes, len))
		return 0;
	*call->link->conf.bytes_in += len;
	found = frame_look(&call->in, call->limit);
	call->answer.too_long = found == FRAME_LONG;
	call->answer.garbled = found == FRAME_BAD;
	return call->answer.too_long || call->answer.garbled ? 0 : len;
}

/* A stream's request, or a held one; after it, that is left open. */
static size_t
give_body(char *to, size_t size, size_t count, void *arg)
{
	struct call *call = arg;
	size_t len = call->len - call->sent;

	if (len == 0)
		return call->ms == 0 || call->held ? CURL_READFUNC_PAUSE : 0;
	if (len > size * count)
		len = size * count;
	memcpy(to, call->frame + call->sent, len);
	call->sent += len;
	return len;
}

static void pump(struct link *);

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	int running, bits = 0;

	if ((what & EV_READ) != 0)
		bits |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		bits |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(link->multi, fd, bits, &running);
	pump(link);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	int running;

	(void)fd;
	(void)what;
	(void)curl_multi_socket_action(
	    link->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	pump(link);
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct link *link = arg;
	struct event *event = assigned;
	short bits = EV_PERSIST;

	(void)easy;
	if (event != NULL)
		event_free(event);
	(void)curl_multi_assign(link->multi, fd, NULL);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (what != CURL_POLL_OUT)
		bits |= EV_READ;
	if (what != CURL_POLL_IN)
		bits |= EV_WRITE;
	event = event_new(link->base, fd, bits, on_socket, link);
	if (event == NULL)
		return -1;
	(void)curl_multi_assign(link->multi, fd, event);
	return event_add(event, NULL);
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct link *link = arg;
	struct timeval wait = {ms / 1000, (ms % 1000) * 1000};

	(void)multi;
	if (ms < 0)
		return event_del(link->timer);
	return event_add(link->timer, &wait);
}

/* --- links --- */

struct link *
link_new(struct event_base *base, const struct link_conf *conf,
    const struct link_told *told, void *arg)
{
	struct link *link = calloc(1, sizeof(*link));
	CURLM *multi;

	if (link == NULL)
		return NULL;
	link->base = base;
	link->conf = *conf;
	link->told = *told;
	link->arg = arg;
	link->timer = evtimer_new(base, on_timer, link);
	link->multi = multi = curl_multi_init();
	if (link->timer == NULL || multi == NULL ||
	    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket) !=
	        CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, link) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) !=
	        CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, link) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L) !=
	        CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
	        STREAMS_MAX) != CURLM_OK) {
		link_free(link);
		return NULL;
	}
	return link;
}

static void
call_free(struct call *call)
{
	if (call->easy != NULL) {
		(void)curl_multi_remove_handle(call->link->multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
	http_headers_free(call->headers);
	frame_free(call->frame, call->len);
	frame_clear(&call->in);
	free(call);
}

static void
sweep(struct link *link)
{
	struct call **at = &link->calls, *call;

	while ((call = *at) != NULL) {
		if (!call->dead) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		call_free(call);
	}
}

void
link_free(struct link *link)
{
	struct call *call;

	if (link == NULL)
		return;
	for (call = link->calls; call != NULL; call = call->next)
		call->dead = true;
	link->dead = true;
	if (link->telling)
		return; /* whose end does the rest */
	sweep(link);
	(void)curl_multi_cleanup(link->multi);
	if (link->timer != NULL)
		event_free(link->timer);
	free(link);
}

void
link_cancel(struct link *link, int number)
{
	struct call *call;

	for (call = link->calls; call != NULL; call = call->next)
		if (call->number == number)
			call->dead = true;
	if (!link->telling)
		sweep(link);
}

/* --- telling --- */

static void
tell_messages(struct call *call)
{
	struct link *link = call->link;
	const uint8_t *bytes;
	size_t len;

	while (!call->dead &&
	       frame_take(&call->in, call->limit, &bytes, &len) == FRAME_ONE)
		link->told.message(link->arg, call->number, bytes, len);
}

/* Exactly one message, or else it was no answer to a call. */
static bool
take_answer(struct call *call, struct call_end *end)
{
	if (call->ms == 0)
		return true;
	return frame_take(&call->in, call->limit, &end->bytes, &end->len) ==
	           FRAME_ONE &&
	       call->in.at == call->in.len;
}

/* A connection is made first, which may take longer than the answer. */
static int64_t
sent_at(const struct call *call)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
	return call->began + us / 1000;
}

static void
tell_end(struct call *call, CURLcode code)
{
	struct link *link = call->link;
	char why[CONF_WHY_LEN];
	struct call_end end = {.why = why, .began = sent_at(call), .date = -1};

	call->answer.limit = call->limit;
	end.status =
	    http_status(&call->answer, call->easy, code, call->error, why);
	if (end.status == CALL_BROKEN && call->answer.code == 0) {
		end.uncertified = cert_is_refused(link->seen.alert);
		end.mute =
		    !link->used && link->seen.done && link->seen.alert == 0;
	}
	if (end.uncertified)
		end.why = cert_alert_name(link->seen.alert);
	if (call->answer.plain)
		end.date = call->answer.date;
	else if (end.status == CALL_OK && !take_answer(call, &end)) {
		end.status = CALL_BROKEN;
		(void)snprintf(why, sizeof(why),
		    "its answer is cut short: see what is between this node "
		    "and etcd");
	}
	if (http_has_frames(&call->answer))
		link->used = true;
	call->dead = true;
	link->told.end(link->arg, call->number, &end);
}

/* Of a held call, which ends with it: what would follow does not matter. */
static void
tell_answer(struct call *call)
{
	struct link *link = call->link;
	struct call_end end = {.why = "", .began = sent_at(call), .date = -1};

	if (call->dead || frame_take(&call->in, call->limit, &end.bytes,
	                      &end.len) != FRAME_ONE)
		return;
	link->used = true;
	call->dead = true;
	link->told.end(link->arg, call->number, &end);
}

static void
pump(struct link *link)
{
	struct call *call;
	CURLMsg *msg;
	CURLcode code;
	int left;

	link->telling = true;
	for (call = link->calls; call != NULL; call = call->next)
		if (call->ms == 0)
			tell_messages(call);
		else if (call->held)
			tell_answer(call);
	while (!link->dead &&
	       (msg = curl_multi_info_read(link->multi, &left)) != NULL) {
		code = msg->data.result;
		(void)curl_easy_getinfo(
		    msg->easy_handle, CURLINFO_PRIVATE, &call);
		if (call->dead)
			continue;
		tell_end(call, code);
	}
	link->telling = false;
	if (link->dead)
		link_free(link);
	else
		sweep(link);
}

/* --- calls --- */

#define SET(option, value) \
	(curl_easy_setopt(call->easy, CURLOPT_##option, value) == CURLE_OK)

static bool
set_common(struct call *call, const char *path)
{
	struct link *link = call->link;

	return conn_set(call->easy, &link->conf, path, &link->seen) &&
	       SET(PRIVATE, call) && SET(ERRORBUFFER, call->error) &&
	       SET(TIMEOUT_MS, (long)call->ms) &&
	       SET(HEADERFUNCTION, take_header) && SET(HEADERDATA, call) &&
	       SET(WRITEFUNCTION, take_body) && SET(WRITEDATA, call);
}

static bool
set_grpc(struct call *call)
{
	if (!SET(HTTPHEADER, call->headers) || !SET(POST, 1L) ||
	    !SET(HTTP_VERSION,
	        conn_version(call->link->conf.endpoint, call->link->used)))
		return false;
	if (call->ms != 0 && !call->held)
		return SET(POSTFIELDSIZE, (long)call->len) &&
		       SET(POSTFIELDS, (char *)call->frame);
	return SET(READFUNCTION, give_body) && SET(READDATA, call) &&
	       SET(UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
}

/* Takes the frame. */
static struct call *
call_new(
    struct link *link, int number, unsigned int ms, uint8_t *frame, size_t len)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		frame_free(frame, len);
		return NULL;
	}
	call->link = link;
	call->number = number;
	call->ms = ms;
	call->frame = frame;
	call->len = len;
	call->began = clock_ran();
	call->easy = curl_easy_init();
	if (call->easy != NULL)
		return call;
	call_free(call);
	return NULL;
}

static bool
call_begin(struct call *call)
{
	struct link *link = call->link;

	if (curl_multi_add_handle(link->multi, call->easy) != CURLM_OK) {
		call_free(call);
		return false;
	}
	call->next = link->calls;
	link->calls = call;
	*link->conf.bytes_out += call->len;
	return true;
}

bool
link_call(struct link *link, int number, const struct call_conf *conf,
    uint8_t *frame, size_t len)
{
	struct call *call;

	if (frame == NULL)
		return false;
	call = call_new(link, number, conf->ms, frame, len);
	if (call == NULL)
		return false;
	call->limit = conf->limit;
	call->held = conf->held;
	http_begin(&call->answer, false);
	call->headers = http_headers(conf->token, conf->ms);
	if (call->headers != NULL && set_common(call, conf->path) &&
	    set_grpc(call))
		return call_begin(call);
	call_free(call);
	return false;
}

bool
link_date(struct link *link, int number, unsigned int ms)
{
	struct call *call = call_new(link, number, ms, NULL, 0);

	if (call == NULL)
		return false;
	http_begin(&call->answer, true);
	if (set_common(call, "/version") &&
	    SET(HTTP_VERSION, conn_is_tls(link->conf.endpoint)
	                          ? (long)CURL_HTTP_VERSION_2TLS
	                          : (long)CURL_HTTP_VERSION_1_1))
		return call_begin(call);
	call_free(call);
	return false;
}
