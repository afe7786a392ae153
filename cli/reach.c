/* SPDX-License-Identifier: ISC */
/*
 * reach.c: connections that are made by a deadline or not at all.
 *
 * Never here: TLS.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reach.h"

int64_t
reach_now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		abort();
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
reach_ready(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = {.fd = fd, .events = events};
	int64_t left;
	int n;

	do {
		left = deadline - reach_now();
		if (left <= 0)
			return false;
		n = poll(&pfd, 1, (int)left);
	} while (n == -1 && errno == EINTR);
	return n == 1;
}

__attribute__((format(printf, 2, 3))) static void
explain(char why[REACH_WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, REACH_WHY_MAX, fmt, ap);
	va_end(ap);
}

static void
settle(struct reach_server *server, const struct addrinfo *ai)
{
	memcpy(&server->at, ai->ai_addr, ai->ai_addrlen);
	server->at_len = ai->ai_addrlen;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool
parse_host(struct reach_server *server, const char *host, size_t len)
{
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len) != NULL) {
		return false;
	}
	if (len == 0 || len >= sizeof(server->host) ||
	    memchr(host, '[', len) != NULL || memchr(host, ']', len) != NULL)
		return false;
	memcpy(server->host, host, len);
	return true;
}

static bool
parse_port(struct reach_server *server, const char *text)
{
	unsigned long port;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0')
		return false;
	port = strtoul(text, NULL, 10);
	if (port < 1 || port > 65535)
		return false;
	(void)snprintf(server->port, sizeof(server->port), "%lu", port);
	return true;
}

bool
reach_parse(struct reach_server *server, const char *address)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	const char *colon = strrchr(address, ':');
	struct addrinfo *ai;

	memset(server, 0, sizeof(*server));
	server->address = address;
	if (colon == NULL ||
	    !parse_host(server, address, (size_t)(colon - address)) ||
	    !parse_port(server, colon + 1))
		return false;
	if (getaddrinfo(server->host, server->port, &hints, &ai) == 0) {
		settle(server, ai);
		freeaddrinfo(ai);
	} else {
		server->sni = server->host;
	}
	return true;
}

/* All that a resolver's thread may read: it can outlive its caller. */
struct request {
	struct gaicb gai;
	char host[REACH_HOST_MAX];
	char port[6];
};

static struct request *
request_new(const struct reach_server *server)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct request *req = calloc(1, sizeof(*req));

	if (req == NULL)
		return NULL;
	memcpy(req->host, server->host, sizeof(req->host));
	memcpy(req->port, server->port, sizeof(req->port));
	req->gai.ar_name = req->host;
	req->gai.ar_service = req->port;
	req->gai.ar_request = &hints;
	return req;
}

/*
 * Looking a name up cannot be bounded but by doing it aside.  A request that
 * can be neither finished nor cancelled in time is left to its thread.
 */
static struct addrinfo *
look_up(struct reach_server *server, int timeout, char why[REACH_WHY_MAX])
{
	struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000L};
	struct request *req = request_new(server);
	struct addrinfo *found = NULL;
	struct gaicb *list[1];
	int err;

	if (req == NULL) {
		explain(why, "out of memory");
		return NULL;
	}
	list[0] = &req->gai;
	err = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
	if (err == 0) {
		(void)gai_suspend((const struct gaicb *const *)list, 1, &wait);
		err = gai_error(list[0]);
	}
	if (err == 0)
		found = req->gai.ar_result;
	else if (err == EAI_INPROGRESS)
		explain(
		    why, "its name is not found within %g s", timeout / 1000.0);
	else
		explain(why, "its name is not found: %s", gai_strerror(err));
	if (err != EAI_INPROGRESS || gai_cancel(list[0]) == EAI_CANCELED)
		free(req);
	return found;
}

static int
connect_to(const struct sockaddr *at, socklen_t len, int timeout,
    char why[REACH_WHY_MAX])
{
	int64_t deadline = reach_now() + timeout;
	socklen_t err_len = sizeof(int);
	int err = 0, fd;

	fd = socket(
	    at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		explain(why, "no socket: %s", strerror(errno));
		return -1;
	}
	if (connect(fd, at, len) == 0)
		return fd;
	if (errno != EINPROGRESS)
		err = errno;
	else if (!reach_ready(fd, POLLOUT, deadline))
		err = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len) == -1)
		err = errno;
	if (err == 0)
		return fd;
	if (err == ETIMEDOUT)
		explain(why,
		    "no connection within %g s: wrong address, host down or "
		    "firewall",
		    timeout / 1000.0);
	else if (err == ECONNREFUSED)
		explain(why, "connection refused: nothing listens there");
	else
		explain(why, "no connection: %s", strerror(err));
	(void)close(fd);
	return -1;
}

int
reach_connect(struct reach_server *server, int timeout, char why[REACH_WHY_MAX])
{
	struct addrinfo *found, *ai;
	int fd = -1;

	if (server->at_len > 0)
		return connect_to((struct sockaddr *)&server->at,
		    server->at_len, timeout, why);
	found = look_up(server, timeout, why);
	for (ai = found; ai != NULL && fd == -1; ai = ai->ai_next) {
		fd = connect_to(ai->ai_addr, ai->ai_addrlen, timeout, why);
		if (fd == -1)
			continue;
		settle(server, ai);
	}
	if (found != NULL)
		freeaddrinfo(found);
	return fd;
}
