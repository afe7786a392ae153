/* SPDX-License-Identifier: ISC */
/* See loop.h. */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "control.h"
#include "log.h"
#include "loop.h"
#include "node.h"

#define END_LOOKS   100 /* at how the monitor ended, at most */
#define END_LOOK_NS (10 * 1000 * 1000)

/*
 * sd_notify(3)'s protocol is one datagram; its library would bring six more
 * into a process that holds keys.
 */
static void
notify(const char *state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	        (const struct sockaddr *)&addr,
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_line(LOG_WARNING, "cannot notify systemd", "why",
		    strerror(errno), NULL);
	(void)close(fd);
}

static void
stop(struct loop *loop, bool failed)
{
	loop->failed |= failed;
	(void)event_base_loopbreak(loop->base);
}

static void
bury_dead(struct stek_set *set, int64_t now)
{
	size_t i;

	for (i = set->count; i > 0; i--)
		if (stek_key_state(&set->keys[i - 1], now) == STEK_DEAD)
			(void)stek_set_remove(set, set->keys[i - 1].name);
}

/*
 * A key of this host alone, for servers that always seal with some key of
 * their file, for as long as no key of the farm may seal: a host that is cut
 * off from its farm stretches no key.
 */
static void
add_throwaway(struct loop *loop, struct stek_set *set, int64_t now)
{
	struct stek_key *key = loop->throwaway;

	if (stek_key_state(key, now) != STEK_SEALING) {
		if (stek_key_mint(key) != STEK_OK)
			return;
		key->seal_from = now;
		key->seal_until = now + loop->conf->policy.rotate;
		key->open_until = key->seal_until;
		log_line(LOG_WARNING,
		    "no key of the farm may seal; servers get one of their "
		    "own until one comes",
		    NULL);
	}
	if (set->count == STEK_KEYS_MAX)
		(void)stek_set_remove(set, set->keys[0].name);
	if (stek_set_add(set, key) != STEK_OK)
		stek_key_wipe(key);
}

void
loop_publish(struct loop *loop, int64_t revoked)
{
	int64_t now = clock_now();
	bool seals;
	size_t i;

	if (rotate_is_waiting(&loop->rotate))
		return;
	rotate_view(&loop->rotate, loop->view);
	seals = stek_set_sealing(loop->view, now) != NULL;
	for (i = 0; i < loop->conf->count; i++) {
		rotate_view(&loop->rotate, loop->view);
		bury_dead(loop->view, now);
		if (!seals &&
		    (loop->conf->targets[i].format->flags & FORMAT_RING) == 0)
			add_throwaway(loop, loop->view, now);
		target_update(&loop->targets[i], loop->view, revoked);
	}
	stek_set_clear(loop->view);
	if (seals)
		stek_key_wipe(loop->throwaway);
}

static void
check_ready(struct loop *loop)
{
	size_t i;

	for (i = 0; i < loop->conf->count; i++)
		if (!loop->targets[i].placed &&
		    !rotate_is_waiting(&loop->rotate))
			return;
	if (loop->ready ||
	    (loop->rotate.node != NULL && rotate_is_waiting(&loop->rotate)))
		return;
	loop->ready = true;
	notify("READY=1");
	log_line(LOG_INFO, "ready", NULL);
	if (background_done())
		log_to_syslog();
}

void
loop_placed(struct loop *loop)
{
	if (!loop->ready)
		check_ready(loop);
}

void
loop_settled(struct loop *loop, struct target *target)
{
	char version[LOG_NUMBER_LEN];

	if (target->state != TARGET_FAILED)
		log_line(LOG_INFO,
		    target->state == TARGET_VERIFIED ? "target verified"
		                                     : "target applied",
		    "target", target->conf->name, "version",
		    log_number(version, (int64_t)target->version), "sealing",
		    target->sealing, NULL);
	control_settled(loop, target);
	if (loop->rotate.node != NULL)
		node_settled(loop->rotate.node);
}

static void
stop_targets(struct loop *loop)
{
	size_t i;

	for (i = 0; loop->targets != NULL && i < loop->conf->count; i++)
		target_stop(&loop->targets[i]);
	free(loop->targets);
	loop->targets = NULL;
}

static bool
start_targets(struct loop *loop)
{
	size_t i, n = loop->conf->count;

	loop->targets = calloc(n > 0 ? n : 1, sizeof(*loop->targets));
	if (loop->targets == NULL)
		return false;
	for (i = 0; i < n; i++)
		if (!target_start(&loop->targets[i], loop,
		        &loop->conf->targets[i], (uint32_t)i))
			return false;
	return true;
}

/* What a server has still to be told outlives its target's configuration. */
static void
inherit(struct loop *loop, const struct target *old, size_t count)
{
	size_t i, j;

	for (i = 0; i < loop->conf->count; i++)
		for (j = 0; j < count; j++)
			if (strcmp(loop->conf->targets[i].path,
			        old[j].conf->path) == 0) {
				loop->targets[i].stale = old[j].stale;
				loop->targets[i].revoked = old[j].revoked;
				loop->targets[i].owed = old[j].owed;
				loop->targets[i].written = old[j].written;
				loop->targets[i].failures = old[j].failures;
			}
}

static void
swap_conf(struct loop *loop)
{
	struct target *old = loop->targets;
	struct conf *old_conf = loop->conf;
	size_t i;

	control_forget(loop);
	loop->conf = loop->next_conf;
	loop->next_conf = NULL;
	loop->conf_error[0] = '\0';
	if (!start_targets(loop)) {
		log_line(LOG_ERR, "no memory for the new configuration", NULL);
		stop(loop, true);
		return;
	}
	inherit(loop, old, old_conf->count);
	for (i = 0; i < old_conf->count; i++)
		target_stop(&old[i]);
	free(old);
	conf_free(old_conf);
	log_line(LOG_INFO, "configuration read again", "file", loop->conf_path,
	    NULL);
	rotate_configure(&loop->rotate);
	check_ready(loop);
}

static void
refuse_conf(struct loop *loop, const char *why)
{
	log_line(
	    LOG_ERR, "the configuration stays as it was", "why", why, NULL);
	(void)snprintf(
	    loop->conf_error, sizeof(loop->conf_error), "%.1000s", why);
	conf_free(loop->next_conf);
	loop->next_conf = NULL;
}

static bool
same_etcd(const struct conf *a, const struct conf *b)
{
	const struct conf_etcd *x = &a->etcd, *y = &b->etcd;
	size_t i;

	if (x->count != y->count || strcmp(a->node, b->node) != 0)
		return false;
	for (i = 0; i < x->count; i++)
		if (strcmp(x->endpoints[i], y->endpoints[i]) != 0)
			return false;
	return strcmp(x->prefix, y->prefix) == 0 && strcmp(x->ca, y->ca) == 0 &&
	       strcmp(x->cert, y->cert) == 0 && strcmp(x->key, y->key) == 0 &&
	       strcmp(x->user, y->user) == 0 &&
	       strcmp(x->password, y->password) == 0;
}

/* The first option that only a restart can change; NULL if none differs. */
static const char *
needs_restart(const struct conf *a, const struct conf *b)
{
	if (strcmp(a->farm, b->farm) != 0)
		return "farm can change only by a restart";
	if (strcmp(a->store_dir, b->store_dir) != 0)
		return conf_is_shared(a) && conf_is_shared(b)
		           ? "state can change only by a restart"
		           : "store can change only by a restart";
	if (!same_etcd(a, b))
		return "store, node and etcd can change only by a restart";
	if (strcmp(a->farm_key, b->farm_key) != 0)
		return "farm_key can change only by a restart";
	if (strcmp(a->farm_key_next, b->farm_key_next) != 0)
		return "farm_key_next can change only by a restart";
	if (strcmp(a->user, b->user) != 0)
		return "user can change only by a restart";
	if (strcmp(a->control, b->control) != 0)
		return "control can change only by a restart";
	if (strcmp(a->metrics, b->metrics) != 0)
		return "metrics can change only by a restart";
	return NULL;
}

/*
 * One configuration at a time is with the monitor, so that both processes
 * always go from one to the same next.
 */
static void
read_conf(struct loop *loop)
{
	struct monitor_request request = {.op = MONITOR_CONF};
	char why[CONF_WHY_LEN];
	const char *wrong;

	loop->read_again = loop->next_conf != NULL;
	if (loop->read_again)
		return;
	loop->next_conf = conf_load(loop->conf_path, why);
	if (loop->next_conf == NULL) {
		refuse_conf(loop, why);
		return;
	}
	wrong = needs_restart(loop->conf, loop->next_conf);
	if (wrong != NULL) {
		refuse_conf(loop, wrong);
		return;
	}
	request.serial = ++loop->serial;
	memcpy(request.hash, loop->next_conf->hash, sizeof(request.hash));
	if (monitor_send(loop->monitor, &request, NULL))
		return;
	if (errno != EAGAIN)
		refuse_conf(loop, strerror(errno));
	/* It has much to reply to before it has room. */
	conf_free(loop->next_conf);
	loop->next_conf = NULL;
	loop->read_again = true;
}

static void
on_hup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_conf(arg);
}

static void
say_end(int status, char *how, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(how, size, "killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(
		    how, size, "ended with status %d", WEXITSTATUS(status));
}

/* Its socket may be closed before it has ended; it has no long way to go. */
static void
describe_end(char *how, size_t size)
{
	const struct timespec pause = {0, END_LOOK_NS};
	pid_t pid = 0;
	int status = 0, i;

	for (i = 0; i < END_LOOKS && pid == 0; i++) {
		if (i > 0)
			(void)nanosleep(&pause, NULL);
		pid = waitpid(-1, &status, WNOHANG);
	}
	if (pid > 0)
		say_end(status, how, size);
	else
		(void)snprintf(how, size, "its socket is closed or broken");
}

static void
lose_monitor(struct loop *loop)
{
	char how[128];

	if (!loop->failed) {
		describe_end(how, sizeof(how));
		log_line(
		    LOG_ERR, "the monitor process is gone", "how", how, NULL);
	}
	stop(loop, true);
}

/* What talks to etcd: another one is started. */
static void
lose_store(struct loop *loop)
{
	char how[128];
	int status;

	if (waitpid(loop->apart.pid, &status, WNOHANG) <= 0)
		return;
	loop->apart.pid = 0;
	say_end(status, how, sizeof(how));
	node_store_gone(loop->rotate.node, how);
}

/*
 * The monitor, and what talks to etcd, are the only children; the monitor's
 * workers may outlive it for a while.
 */
static void
on_child(evutil_socket_t fd, short what, void *arg)
{
	siginfo_t info = {.si_pid = 0};
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	if (loop->rotate.node != NULL && loop->apart.pid > 0)
		lose_store(loop);
	/* Who is stopped, by a debugger say, has not ended. */
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    info.si_pid != 0)
		lose_monitor(loop);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stop(arg, false);
}

static void
dispatch(struct loop *loop, const struct monitor_reply *reply)
{
	if (reply->op == MONITOR_CONF) {
		if (loop->next_conf == NULL)
			return;
		if (reply->ok)
			swap_conf(loop);
		else
			refuse_conf(loop, reply->text);
		return;
	}
	if (reply->index < loop->conf->count)
		target_reply(&loop->targets[reply->index], reply);
}

static void
on_monitor(evutil_socket_t fd, short what, void *arg)
{
	static struct monitor_reply reply;
	struct loop *loop = arg;
	int got;

	(void)what;
	while ((got = monitor_receive(fd, &reply)) > 0)
		dispatch(loop, &reply);
	if (got == 0 && loop->read_again && loop->next_conf == NULL)
		read_conf(loop);
	if (got < 0)
		lose_monitor(loop);
}

int
loop_run(struct loop *loop)
{
	struct event *events[5] = {NULL};
	sigset_t none;
	size_t i;

	events[0] = event_new(
	    loop->base, loop->monitor, EV_READ | EV_PERSIST, on_monitor, loop);
	events[1] = evsignal_new(loop->base, SIGHUP, on_hup, loop);
	events[2] = evsignal_new(loop->base, SIGTERM, on_end, loop);
	events[3] = evsignal_new(loop->base, SIGINT, on_end, loop);
	events[4] = evsignal_new(loop->base, SIGCHLD, on_child, loop);
	loop->failed = true;
	for (i = 0; i < 5; i++)
		if (events[i] == NULL || event_add(events[i], NULL) < 0)
			goto out;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!start_targets(loop))
		goto out;
	loop->failed = false;
	rotate_wake(&loop->rotate);
	check_ready(loop);
	if (event_base_dispatch(loop->base) < 0)
		loop->failed = true;
	notify("STOPPING=1");
	log_line(LOG_INFO, "ended", NULL);
out:
	stop_targets(loop);
	for (i = 0; i < 5; i++)
		if (events[i] != NULL)
			event_free(events[i]);
	conf_free(loop->next_conf);
	return loop->failed ? 1 : 0;
}
