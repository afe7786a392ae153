/* SPDX-License-Identifier: ISC */
/*
 * See monitor.h.  The process loops over requests; what may take long (a
 * reload, a probe) is done by a worker forked for it, which replies itself.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handshake.h"
#include "memory.h"
#include "monitor.h"
#include "owed.h"
#include "place.h"
#include "reload.h"
#include "worker.h"

#define BUFFER_BYTES (512 * 1024)

/* How a request lies in its message: this, then the files or the set. */
struct wire_file {
	char name[sizeof(((struct format_file *)0)->name)];
	uint32_t len;
};

struct wire_request {
	struct monitor_request request;
	uint32_t is_ring;
	uint32_t count;
};

struct monitor {
	int fd;
	int stek; /* the probe's program */
	const char *conf_path;
	struct conf *conf;
	uint8_t *message; /* guarded: requests hold keys */
	struct place_ring rings[CONF_TARGETS_MAX];
	struct workers workers;
};

static size_t
reply_length(const struct monitor_reply *reply)
{
	return offsetof(struct monitor_reply, text) + reply->len + 1;
}

static void
answer(const struct monitor *monitor, const struct monitor_request *request,
    struct monitor_reply *reply)
{
	reply->op = request->op;
	reply->index = request->index;
	reply->serial = request->serial;
	reply->text[sizeof(reply->text) - 1] = '\0';
	reply->len = strlen(reply->text);
	/* Nobody to tell if this fails: the main process is gone. */
	(void)send(monitor->fd, reply, reply_length(reply), MSG_NOSIGNAL);
}

/*
 * The files of a request, in place: no second copy of any key.  False if
 * the message is not what monitor_send() makes.
 */
static bool
unpack(uint8_t *message, size_t len, struct format_out *out)
{
	struct wire_request head;
	struct wire_file file;
	size_t at = sizeof(head);

	memcpy(&head, message, sizeof(head));
	if (head.count > FORMAT_FILES_MAX)
		return false;
	for (out->count = 0; out->count < head.count; out->count++) {
		struct format_file *to = &out->files[out->count];

		if (len - at < sizeof(file))
			return false;
		memcpy(&file, message + at, sizeof(file));
		at += sizeof(file);
		if (len - at < file.len ||
		    memchr(file.name, '\0', sizeof(file.name)) == NULL)
			return false;
		memcpy(to->name, file.name, sizeof(to->name));
		to->bytes = message + at;
		to->len = file.len;
		at += file.len;
	}
	return at == len;
}

static void
write_files(const struct monitor *monitor,
    const struct monitor_request *request, const struct format_out *out,
    struct place_result *result)
{
	const struct conf *conf = monitor->conf;
	const struct conf_target *target = &conf->targets[request->index];
	struct place_how how = {.allow_disk = conf->allow_disk,
	    .revoking = request->revoking != 0,
	    .renew = request->renew != 0};

	how.owed = owed_open(conf, target, result->why);
	if (how.owed < 0)
		return;
	place_files(target, &how, out, result);
	(void)close(how.owed);
}

static void
place(struct monitor *monitor, const struct wire_request *head, size_t len,
    struct monitor_reply *reply)
{
	const struct monitor_request *request = &head->request;
	const struct conf *conf = monitor->conf;
	const struct conf_target *target = &conf->targets[request->index];
	bool is_ring = (target->format->flags & FORMAT_RING) != 0;
	struct place_result result = {.why = "request makes no sense"};
	struct format_out out;
	struct stek_set *set;

	if (is_ring && head->is_ring &&
	    len == sizeof(*head) + sizeof(struct stek_set)) {
		set = stek_set_new();
		if (set != NULL) {
			memcpy(set, monitor->message + sizeof(*head),
			    sizeof(*set));
			place_ring(target, conf->allow_disk,
			    &monitor->rings[request->index], set, &result);
		}
		stek_set_free(set);
	} else if (!is_ring && !head->is_ring &&
	           unpack(monitor->message, len, &out)) {
		write_files(monitor, request, &out, &result);
	}
	reply->ok = result.ok;
	reply->changed = result.changed;
	reply->owed = result.owed;
	reply->revoking = result.revoking;
	reply->wait = result.wait;
	(void)snprintf(reply->text, sizeof(reply->text), "%s",
	    result.ok ? "" : result.why);
}

/* In a worker; a ring stays locked for as long as anyone maps it. */
static void
work(const struct monitor *monitor, const struct monitor_request *request,
    struct monitor_reply *reply)
{
	const struct conf_target *target =
	    &monitor->conf->targets[request->index];
	size_t i;

	for (i = 0; i < monitor->conf->count; i++)
		stek_ring_close(monitor->rings[i].ring);
	if (request->op == MONITOR_RELOAD)
		reply->ok = reload_run(
		    target->reload, target->path, reply->text, CONF_WHY_LEN);
	else
		reply->ok = handshake_run(monitor->stek, target->verify,
		    reply->text, sizeof(reply->text));
	answer(monitor, request, reply);
}

/* True: the worker will reply.  False: reply says why there is none. */
static bool
start_worker(struct monitor *monitor, const struct monitor_request *request,
    struct monitor_reply *reply)
{
	const int keep[] = {monitor->fd, monitor->stek};
	pid_t pid = worker_fork(&monitor->workers, request, keep);

	if (pid == 0) {
		work(monitor, request, reply);
		_exit(0);
	}
	if (pid < 0)
		(void)snprintf(reply->text, sizeof(reply->text),
		    "cannot start a worker: %s", strerror(errno));
	return pid > 0;
}

/* A worker that was killed has not replied: do it for it. */
static void
reap(struct monitor *monitor, struct monitor_reply *reply)
{
	struct monitor_request request;
	int number;

	while (worker_reap(&monitor->workers, &request, &number)) {
		memset(reply, 0, offsetof(struct monitor_reply, text));
		(void)snprintf(reply->text, sizeof(reply->text),
		    "the process that was to %s was killed by signal %d",
		    request.op == MONITOR_RELOAD ? "reload the server"
		                                 : "probe the server",
		    number);
		answer(monitor, &request, reply);
	}
}

/* A ring stays mapped and locked for a target that keeps its path. */
static void
keep_rings(struct monitor *monitor, const struct conf *next)
{
	struct place_ring kept[CONF_TARGETS_MAX];
	const struct conf *conf = monitor->conf;
	size_t i, j;

	memset(kept, 0, sizeof(kept));
	for (i = 0; i < next->count; i++)
		for (j = 0; j < conf->count; j++)
			if (strcmp(next->targets[i].path,
			        conf->targets[j].path) == 0) {
				kept[i] = monitor->rings[j];
				monitor->rings[j].ring = NULL;
			}
	for (j = 0; j < conf->count; j++)
		stek_ring_close(monitor->rings[j].ring);
	memcpy(monitor->rings, kept, sizeof(kept));
}

static void
reload_conf(struct monitor *monitor, const struct monitor_request *request,
    struct monitor_reply *reply)
{
	char why[CONF_WHY_LEN] = "the file changed while it was being read; "
	                         "send SIGHUP again";
	struct conf *conf = NULL;

	if (conf_is_safe(monitor->conf_path, why))
		conf = conf_load(monitor->conf_path, why);
	reply->ok = conf != NULL && sodium_memcmp(conf->hash, request->hash,
	                                CONF_HASH_LEN) == 0;
	if (!reply->ok) {
		(void)snprintf(reply->text, sizeof(reply->text), "%s", why);
		conf_free(conf);
		return;
	}
	keep_rings(monitor, conf);
	conf_free(monitor->conf);
	monitor->conf = conf;
}

static void
serve(struct monitor *monitor, size_t len, struct monitor_reply *reply)
{
	const struct conf *conf = monitor->conf;
	struct wire_request head;

	if (len < sizeof(head))
		return;
	memcpy(&head, monitor->message, sizeof(head));
	memset(reply, 0, offsetof(struct monitor_reply, text) + 1);
	if (head.request.op != MONITOR_CONF &&
	    (head.request.index >= conf->count ||
	        sodium_memcmp(head.request.hash, conf->hash, CONF_HASH_LEN) !=
	            0)) {
		(void)snprintf(reply->text, sizeof(reply->text),
		    "the configuration has changed");
		answer(monitor, &head.request, reply);
		return;
	}
	switch (head.request.op) {
	case MONITOR_PLACE:
		place(monitor, &head, len, reply);
		break;
	case MONITOR_RELOAD:
	case MONITOR_PROBE:
		if (start_worker(monitor, &head.request, reply))
			return;
		break;
	case MONITOR_DONE:
		owed_forget(conf, &conf->targets[head.request.index]);
		return;
	case MONITOR_CONF:
		reload_conf(monitor, &head.request, reply);
		break;
	default:
		return;
	}
	answer(monitor, &head.request, reply);
}

static void
run(struct monitor *monitor)
{
	static struct monitor_reply reply;
	struct pollfd pfd = {.fd = monitor->fd, .events = POLLIN};
	sigset_t none;
	ssize_t len;

	(void)sigemptyset(&none);
	for (;;) {
		/* Only here a child's end interrupts. */
		if (ppoll(&pfd, 1, NULL, &none) < 0 && errno != EINTR)
			return;
		reap(monitor, &reply);
		len = recv(monitor->fd, monitor->message, MONITOR_REQUEST_MAX,
		    MSG_DONTWAIT);
		if (len < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (len <= 0)
			return;
		serve(monitor, (size_t)len, &reply);
		sodium_memzero(monitor->message, (size_t)len);
	}
}

static void
on_child(int number)
{
	(void)number;
}

/* It ends with the main process and not by a signal to the whole group. */
static void
set_signals(void)
{
	struct sigaction action = {.sa_handler = on_child};
	sigset_t child;

	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)sigaction(SIGCHLD, &action, NULL);
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &child, NULL);
}

/* Whoever waits for the end of stekd's output must not wait for ours. */
static void
leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	for (fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
}

static void
become_monitor(int fd, const char *conf_path, struct conf *conf)
{
	static struct monitor monitor;

	monitor.fd = fd;
	monitor.stek = handshake_open();
	monitor.conf_path = conf_path;
	monitor.conf = conf;
	set_signals();
	leave_terminal();
	(void)prctl(PR_SET_NAME, "stekd-monitor", 0, 0, 0);
	if (!conf->allow_unlocked && !memory_lock())
		_exit(1);
	monitor.message = stek_file_alloc(MONITOR_REQUEST_MAX);
	if (monitor.message != NULL)
		run(&monitor);
	stek_file_free(monitor.message);
	_exit(0);
}

int
monitor_start(const char *conf_path, struct conf *conf)
{
	int fds[2], size = BUFFER_BYTES, i;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	for (i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size,
		        sizeof(size)) < 0)
			(void)setsockopt(
			    fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	switch (fork()) {
	case -1:
		(void)close(fds[0]);
		(void)close(fds[1]);
		return -1;
	case 0:
		(void)close(fds[0]);
		become_monitor(fds[1], conf_path, conf);
	}
	(void)close(fds[1]);
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return fds[0];
}

static size_t
pack(uint8_t *message, const struct format_out *out)
{
	struct wire_file file;
	size_t at = sizeof(struct wire_request), i;

	for (i = 0; i < out->count; i++) {
		memset(&file, 0, sizeof(file));
		memcpy(file.name, out->files[i].name, sizeof(file.name));
		file.len = (uint32_t)out->files[i].len;
		if (MONITOR_REQUEST_MAX - at < sizeof(file) + file.len)
			return 0;
		memcpy(message + at, &file, sizeof(file));
		at += sizeof(file);
		memcpy(message + at, out->files[i].bytes, file.len);
		at += file.len;
	}
	return at;
}

bool
monitor_send(int fd, const struct monitor_request *request,
    const struct format_out *out, const struct stek_set *set)
{
	struct wire_request head;
	uint8_t *message;
	size_t len = sizeof(head);
	ssize_t sent;
	int saved;

	message = stek_file_alloc(MONITOR_REQUEST_MAX);
	if (message == NULL) {
		errno = ENOMEM;
		return false;
	}
	memset(&head, 0, sizeof(head));
	head.request = *request;
	if (set != NULL) {
		head.is_ring = 1;
		memcpy(message + len, set, sizeof(*set));
		len += sizeof(*set);
	} else if (out != NULL) {
		head.count = (uint32_t)out->count;
		len = pack(message, out);
	}
	memcpy(message, &head, sizeof(head));
	errno = EMSGSIZE;
	sent = len == 0 ? -1 : send(fd, message, len, MSG_NOSIGNAL);
	saved = errno;
	stek_file_free(message);
	errno = saved;
	return sent >= 0;
}

int
monitor_receive(int fd, struct monitor_reply *reply)
{
	ssize_t len = recv(fd, reply, sizeof(*reply), 0);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len < (ssize_t)offsetof(struct monitor_reply, text) + 1 ||
	    (size_t)len != reply_length(reply))
		return -1;
	reply->text[reply->len] = '\0';
	return 1;
}
