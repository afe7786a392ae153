/* SPDX-License-Identifier: ISC */
/*
 * See monitor.h.  The process loops over requests; what may take long (a
 * file on a disk, a reload, a probe) is done by a worker forked for it, which
 * replies itself.  Of a target one worker at a time writes files: the one that
 * has the lock of owed.h, which the monitor takes for it, in the order of the
 * requests.  A ring that is in memory is kept here (publish.h).
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

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
#include "publish.h"
#include "reload.h"
#include "wire.h"
#include "worker.h"

#define BUFFER_BYTES (512 * 1024)

/* Workers are given up after so long; reloads and probes look after it. */
#define PLACE_SECONDS  30
#define WORKER_SECONDS 120
#define END_MS         1000 /* for those that place files, at our end */

#define KEEP_RING 10 /* the exit status of a worker whose ring is in memory */

struct monitor {
	int fd;
	pid_t pid;
	int stek; /* the probe's program */
	const char *conf_path;
	struct conf *conf;
	uint8_t *message; /* guarded: requests hold keys */
	struct stek_set *set; /* those of a PLACE, checked */
	struct publish_kept rings[CONF_TARGETS_MAX];
	struct workers workers;
};

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
	(void)send(monitor->fd, reply, wire_reply_length(reply), MSG_NOSIGNAL);
}

static void
report(const struct place_result *result, struct monitor_reply *reply)
{
	reply->ok = result->ok;
	reply->changed = result->changed;
	reply->owed = result->owed;
	reply->revoking = result->revoking;
	reply->wait = result->wait;
	(void)snprintf(reply->text, sizeof(reply->text), "%s", result->why);
}

/* In a worker; a ring stays locked for as long as anyone maps it. */
static void
close_rings(struct monitor *monitor)
{
	size_t i;

	for (i = 0; i < monitor->conf->count; i++)
		publish_drop(&monitor->rings[i]);
}

/*
 * In a worker that places files: what it copied of the monitor's memory is
 * locked as that is.  When stekd ends it is let end, too; whom a disk keeps
 * from that goes no step further once the monitor is gone.
 */
static bool
is_fit_to_place(const struct monitor *monitor)
{
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    getppid() != monitor->pid)
		return false;
	return monitor->conf->allow_unlocked || memory_lock();
}

static int
work_place(struct monitor *monitor, const struct monitor_request *request,
    int owed, struct monitor_reply *reply)
{
	struct place_result result = {.ok = false};

	close_rings(monitor);
	if (is_fit_to_place(monitor))
		place_request(
		    monitor->conf, request, monitor->set, owed, &result);
	else
		(void)snprintf(result.why, sizeof(result.why),
		    "a worker cannot lock its memory: %s; nothing was written",
		    strerror(errno));
	sodium_memzero(monitor->message, MONITOR_REQUEST_MAX);
	stek_set_clear(monitor->set);
	(void)close(owed);
	report(&result, reply);
	answer(monitor, request, reply);
	return result.ok && result.keep ? KEEP_RING : 0;
}

/* False: reply says why there will be none from a worker. */
static bool
start_placing(struct monitor *monitor, const struct monitor_request *request,
    struct monitor_reply *reply)
{
	const struct conf_target *target =
	    &monitor->conf->targets[request->index];
	char why[CONF_WHY_LEN];
	int keep[] = {monitor->fd, -1};
	pid_t pid = -1;
	bool busy;

	keep[1] = owed_lock(monitor->conf, target, &busy, why);
	if (keep[1] >= 0) {
		pid = worker_fork(
		    &monitor->workers, request, PLACE_SECONDS, keep);
		if (pid < 0)
			(void)snprintf(why, sizeof(why),
			    "cannot start a worker: %s; nothing was written",
			    strerror(errno));
	} else if (busy &&
	           worker_places(&monitor->workers, request->index, true)) {
		/* Asked for before the configuration was read again. */
		reply->wait = 1;
	}
	if (pid == 0)
		_exit(work_place(monitor, request, keep[1], reply));
	if (keep[1] >= 0)
		(void)close(keep[1]);
	if (pid < 0)
		(void)snprintf(reply->text, sizeof(reply->text), "%s", why);
	return pid > 0;
}

/* True: a worker will reply. */
static bool
place(struct monitor *monitor, const struct monitor_request *request,
    size_t len, struct monitor_reply *reply)
{
	struct publish_kept *ring = &monitor->rings[request->index];

	if (!wire_take_set(monitor->message, len, monitor->set)) {
		(void)snprintf(reply->text, sizeof(reply->text),
		    "the keys to be written are no set; nothing was written");
		return false;
	}
	publish_yield(ring);
	if (start_placing(monitor, request, reply))
		return true;
	if (ring->map != NULL)
		publish_keep(&monitor->conf->targets[request->index], ring);
	return false;
}

static void
work(struct monitor *monitor, const struct monitor_request *request,
    struct monitor_reply *reply)
{
	const struct conf_target *target =
	    &monitor->conf->targets[request->index];

	close_rings(monitor);
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
	pid_t pid =
	    worker_fork(&monitor->workers, request, WORKER_SECONDS, keep);

	if (pid == 0) {
		work(monitor, request, reply);
		_exit(0);
	}
	if (pid < 0)
		(void)snprintf(reply->text, sizeof(reply->text),
		    "cannot start a worker: %s", strerror(errno));
	return pid > 0;
}

static const char *
task_of(const struct monitor_request *request)
{
	switch (request->op) {
	case MONITOR_PLACE:
		return "write its keys";
	case MONITOR_RELOAD:
		return "reload the server";
	default:
		return "probe the server";
	}
}

/* A ring that was published to is kept, or again, or it is gone. */
static void
keep_ring(struct monitor *monitor, const struct worker_end *end)
{
	uint32_t index = end->request.index;
	const struct conf_target *target;
	struct publish_kept *ring;

	if (end->request.op != MONITOR_PLACE || index >= monitor->conf->count ||
	    worker_places(&monitor->workers, index, false))
		return;
	target = &monitor->conf->targets[index];
	ring = &monitor->rings[index];
	if (publish_is_kept(target, ring) ||
	    (WIFEXITED(end->status) && WEXITSTATUS(end->status) == KEEP_RING))
		publish_keep(target, ring);
	else
		publish_drop(ring);
}

/* A worker that was killed has not replied: do it for it. */
static void
reap(struct monitor *monitor, struct monitor_reply *reply)
{
	struct monitor_request *request;
	struct worker_end end;

	while (worker_reap(&monitor->workers, &end)) {
		request = &end.request;
		keep_ring(monitor, &end);
		if (!WIFSIGNALED(end.status) || end.given_up)
			continue;
		memset(reply, 0, offsetof(struct monitor_reply, text));
		if (WTERMSIG(end.status) == SIGBUS)
			(void)snprintf(reply->text, sizeof(reply->text),
			    "a file was cut short while stekd was at it, as "
			    "its owner can do at any time; expected owner "
			    "root:GROUP and mode 0640");
		else
			(void)snprintf(reply->text, sizeof(reply->text),
			    "the process that was to %s was killed by signal "
			    "%d",
			    task_of(request), WTERMSIG(end.status));
		answer(monitor, request, reply);
	}
}

/* Nor does one that hangs, for whom nobody waits any longer. */
static void
give_up(struct monitor *monitor, struct monitor_reply *reply)
{
	struct monitor_request request;
	const char *path;

	while (worker_overdue(&monitor->workers, &request)) {
		if (request.index >= monitor->conf->count)
			continue;
		path = monitor->conf->targets[request.index].path;
		memset(reply, 0, offsetof(struct monitor_reply, text));
		(void)snprintf(reply->text, sizeof(reply->text),
		    "%s: the process that was to %s took too long and was "
		    "killed; does a disk hang?  The server keeps what it has",
		    path, task_of(&request));
		answer(monitor, &request, reply);
	}
}

/* What belongs to a path goes on with the target that has it now. */
static void
keep_paths(struct monitor *monitor, const struct conf *next)
{
	struct publish_kept kept[CONF_TARGETS_MAX];
	uint32_t map[CONF_TARGETS_MAX];
	const struct conf *conf = monitor->conf;
	size_t i, j;

	memset(kept, 0, sizeof(kept));
	memset(map, 0xff, sizeof(map));
	for (i = 0; i < next->count; i++)
		for (j = 0; j < conf->count; j++)
			if (strcmp(next->targets[i].path,
			        conf->targets[j].path) == 0) {
				kept[i] = monitor->rings[j];
				monitor->rings[j].map = NULL;
				map[j] = (uint32_t)i;
			}
	close_rings(monitor);
	memcpy(monitor->rings, kept, sizeof(kept));
	worker_renumber(&monitor->workers, map);
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
	keep_paths(monitor, conf);
	conf_free(monitor->conf);
	monitor->conf = conf;
}

static void
serve(struct monitor *monitor, size_t len, struct monitor_reply *reply)
{
	const struct conf *conf = monitor->conf;
	struct monitor_request request;

	if (!wire_take_request(monitor->message, len, &request))
		return;
	memset(reply, 0, offsetof(struct monitor_reply, text) + 1);
	if (request.op != MONITOR_CONF &&
	    (request.index >= conf->count ||
	        sodium_memcmp(request.hash, conf->hash, CONF_HASH_LEN) != 0)) {
		(void)snprintf(reply->text, sizeof(reply->text),
		    "the configuration has changed");
		answer(monitor, &request, reply);
		return;
	}
	switch (request.op) {
	case MONITOR_PLACE:
		if (place(monitor, &request, len, reply))
			return;
		break;
	case MONITOR_RELOAD:
	case MONITOR_PROBE:
		if (start_worker(monitor, &request, reply))
			return;
		break;
	case MONITOR_DONE:
		owed_forget(conf, &conf->targets[request.index]);
		return;
	case MONITOR_CONF:
		reload_conf(monitor, &request, reply);
		break;
	default:
		return;
	}
	answer(monitor, &request, reply);
}

static void
run(struct monitor *monitor)
{
	static struct monitor_reply reply;
	struct pollfd pfd = {.fd = monitor->fd, .events = POLLIN};
	struct timespec patience;
	sigset_t none;
	ssize_t len;
	int ms;

	(void)sigemptyset(&none);
	for (;;) {
		ms = worker_patience(&monitor->workers);
		patience.tv_sec = ms / 1000;
		patience.tv_nsec = (long)(ms % 1000) * 1000000;
		/* Only here a child's end interrupts. */
		if (ppoll(&pfd, 1, ms < 0 ? NULL : &patience, &none) < 0 &&
		    errno != EINTR)
			return;
		reap(monitor, &reply);
		give_up(monitor, &reply);
		len = recv(monitor->fd, monitor->message, MONITOR_REQUEST_MAX,
		    MSG_DONTWAIT);
		if (len < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (len <= 0)
			return;
		serve(monitor, (size_t)len, &reply);
		sodium_memzero(monitor->message, (size_t)len);
		stek_set_clear(monitor->set);
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
	monitor.pid = getpid();
	monitor.stek = handshake_open();
	monitor.conf_path = conf_path;
	monitor.conf = conf;
	set_signals();
	leave_terminal();
	(void)prctl(PR_SET_NAME, "stekd-monitor", 0, 0, 0);
	if (!conf->allow_unlocked && !memory_lock())
		_exit(1);
	monitor.message = stek_file_alloc(MONITOR_REQUEST_MAX);
	monitor.set = stek_set_new();
	if (monitor.message != NULL && monitor.set != NULL)
		run(&monitor);
	worker_end_all(&monitor.workers, END_MS);
	stek_set_free(monitor.set);
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
