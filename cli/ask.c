/* SPDX-License-Identifier: ISC */
/*
 * See ask.h.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"

#define ANSWER_MAX (4 * 1024 * 1024)
#define CHUNK      16384

enum { ONCE_SECONDS = 10 };

static bool
fail(struct ask *ask, const char *socket)
{
	(void)snprintf(ask->why, sizeof(ask->why),
	    "stekd does not answer at %.200s: %s%s", socket, strerror(errno),
	    errno == ENOENT || errno == ECONNREFUSED ? "; is it running?"
	    : errno == EACCES ? "; it is for root, or who else started stekd"
	                      : "");
	return false;
}

static bool
dial(struct ask *ask, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	/* The configuration was refused if it does not fit. */
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	ask->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ask->fd < 0 || connect(ask->fd, (const void *)&to, sizeof(to)) < 0)
		return fail(ask, path);
	return true;
}

static bool
put(struct ask *ask, const char *path, const char *line)
{
	size_t len = strlen(line);
	ssize_t n;

	while (len > 0) {
		n = send(ask->fd, line, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(ask, path);
		line += n;
		len -= (size_t)n;
	}
	return true;
}

bool
ask_open(struct ask *ask, const char *path, json_t *request, int timeout)
{
	char *text;
	bool sent;

	memset(ask, 0, sizeof(*ask));
	ask->fd = -1;
	ask->timeout = timeout;
	text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL) {
		errno = ENOMEM;
		return fail(ask, path);
	}
	sent = dial(ask, path) && put(ask, path, text) && put(ask, path, "\n");
	free(text);
	return sent;
}

/* Wait for more; false: ask->why. */
static bool
await(struct ask *ask)
{
	struct pollfd fd = {.fd = ask->fd, .events = POLLIN};
	time_t until = time(NULL) + ask->timeout;
	int n;

	do
		n = poll(&fd, 1, ask->timeout * 1000);
	while (n < 0 && errno == EINTR && time(NULL) < until);
	if (n > 0)
		return true;
	(void)snprintf(ask->why, sizeof(ask->why),
	    "stekd has said nothing for %d seconds", ask->timeout);
	return false;
}

static bool
grow(struct ask *ask)
{
	size_t size = ask->size + CHUNK;
	char *buf;

	if (ask->size - ask->len >= CHUNK)
		return true;
	buf = size > ANSWER_MAX ? NULL : realloc(ask->buf, size);
	if (buf == NULL) {
		(void)snprintf(ask->why, sizeof(ask->why),
		    "stekd's answer is longer than %d bytes", ANSWER_MAX);
		return false;
	}
	ask->buf = buf;
	ask->size = size;
	return true;
}

static bool
receive(struct ask *ask)
{
	ssize_t n;

	if (!await(ask) || !grow(ask))
		return false;
	n = recv(ask->fd, ask->buf + ask->len, CHUNK, 0);
	if (n < 0 && errno == EINTR)
		return true;
	if (n > 0) {
		ask->len += (size_t)n;
		return true;
	}
	(void)snprintf(ask->why, sizeof(ask->why),
	    "stekd ended the connection%s%s", n < 0 ? ": " : "",
	    n < 0 ? strerror(errno) : " before it had answered");
	return false;
}

/* What a line says; NULL: ask->why. */
static json_t *
parse(struct ask *ask, const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(answer)) {
		json_decref(answer);
		(void)snprintf(ask->why, sizeof(ask->why),
		    "expected an answer of stekd, found something else");
		return NULL;
	}
	if (!json_is_false(json_object_get(answer, "done")))
		return answer;
	(void)snprintf(
	    ask->why, sizeof(ask->why), "%.400s", ask_text(answer, "error"));
	ask->ended = true;
	json_decref(answer);
	return NULL;
}

json_t *
ask_next(struct ask *ask)
{
	json_t *answer;
	size_t used;
	char *end;

	for (;;) {
		end = ask->len == 0 ? NULL : memchr(ask->buf, '\n', ask->len);
		if (end != NULL)
			break;
		if (!receive(ask))
			return NULL;
	}
	used = (size_t)(end - ask->buf);
	answer = parse(ask, ask->buf, used);
	ask->len -= used + 1;
	memmove(ask->buf, end + 1, ask->len);
	return answer;
}

void
ask_close(struct ask *ask)
{
	if (ask->fd >= 0)
		(void)close(ask->fd);
	free(ask->buf);
	memset(ask, 0, sizeof(*ask));
	ask->fd = -1;
}

json_t *
ask_once(const char *socket, json_t *request, char why[ASK_WHY_LEN])
{
	json_t *answer = NULL;
	struct ask ask;

	if (ask_open(&ask, socket, request, ONCE_SECONDS))
		answer = ask_next(&ask);
	memcpy(why, ask.why, sizeof(ask.why));
	ask_close(&ask);
	return answer;
}

const char *
ask_text(const json_t *answer, const char *name)
{
	const char *text = json_string_value(json_object_get(answer, name));

	return text == NULL ? "" : text;
}

json_int_t
ask_number(const json_t *answer, const char *name, json_int_t otherwise)
{
	const json_t *number = json_object_get(answer, name);

	return json_is_integer(number) ? json_integer_value(number) : otherwise;
}
