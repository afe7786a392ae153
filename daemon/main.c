/* SPDX-License-Identifier: ISC */
/*
 * stekd: start-up, from all privilege to none.
 *
 * The order matters: memory is locked, the farm is locked, the monitor and what
 * talks to etcd are forked, before any secret is read.  Then what only the
 * starting user can do (read the farm key, make the control socket), then
 * privilege is dropped, and only then anything is read that somebody else may
 * have written.
 */
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "control.h"
#include "farm_helper.h"
#include "farm_key.h"
#include "log.h"
#include "loop.h"
#include "memory.h"
#include "place.h"
#include "privilege.h"

#define UNLOCKED                                                             \
	"cannot lock memory, so keys could be swapped out; raise the limit " \
	"(LimitMEMLOCK=infinity, ulimit -l), or write allow = "              \
	"{\"unlocked\"} in the configuration"

/* Guarded memory: at all times, and for each target. */
#define PAGES        256
#define PAGES_TARGET 2

#define PID_LEN    16
#define LOCK_TRIES 100
#define LOCK_WAIT  (20 * 1000 * 1000) /* ns */

static int
usage(void)
{
	(void)fprintf(stderr, "usage: stekd [-ft] [-c file] | -V\n");
	return 2;
}

static bool
lock_memory(const struct conf *conf)
{
	memory_protect();
	if (conf->allow_unlocked || memory_lock())
		return true;
	log_line(LOG_ERR, UNLOCKED, "why", strerror(errno), NULL);
	return false;
}

/* Privilege may have had no limit, which its loss has brought back. */
static bool
check_room(const struct conf *conf)
{
	size_t pages = PAGES + conf->count * PAGES_TARGET;

	if (conf->allow_unlocked ||
	    memory_has_room(pages * (size_t)sysconf(_SC_PAGESIZE)))
		return true;
	log_line(LOG_ERR, UNLOCKED, "why", strerror(errno), "user", conf->user,
	    NULL);
	return false;
}

static bool
check_disks(const struct conf *conf)
{
	bool good = true;
	size_t i;

	for (i = 0; i < conf->count && !conf->allow_disk; i++) {
		if (!place_on_disk(&conf->targets[i]))
			continue;
		log_line(LOG_ERR,
		    "keys would be written to a disk, which may keep old "
		    "ones; use a path in memory, such as one in /run/stek, "
		    "or write allow = {\"disk\"} in the configuration",
		    "target", conf->targets[i].name, "path",
		    conf->targets[i].path, NULL);
		good = false;
	}
	return good;
}

/*
 * Take the lock; false: see errno.  EWOULDBLOCK: somebody has it, and pid is
 * what he wrote there.
 */
static bool
take_lock(int fd, char pid[PID_LEN])
{
	struct timespec wait = {0, LOCK_WAIT};
	ssize_t n;
	int tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK)
			return false;
		n = pread(fd, pid, PID_LEN - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		/* The monitor of one that was killed ends what it is at. */
		if (pid[0] == '\0' || kill(atoi(pid), 0) == 0 || errno != ESRCH)
			break;
		(void)nanosleep(&wait, NULL);
	}
	errno = EWOULDBLOCK;
	return false;
}

/* Held until this process ends; -1: another stekd has it, or an error. */
static int
lock_farm(const struct conf *conf)
{
	char path[FORMAT_PATH_MAX + STEK_FARM_MAX + 16], pid[PID_LEN] = "";
	struct stat st;
	int fd;

	(void)snprintf(
	    path, sizeof(path), "%s/%s.stekd", conf->store_dir, conf->farm);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_line(LOG_ERR,
		    errno == ENOENT
		        ? "cannot use the store (\"stek init\" makes it)"
		        : "cannot use the store",
		    "file", path, "why", strerror(errno), NULL);
		return -1;
	}
	/* Others may write to the folder: overwrite nothing of ours there. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		log_line(LOG_ERR, "expected a file with one name", "file", path,
		    NULL);
	else if (take_lock(fd, pid))
		return fd;
	else if (errno != EWOULDBLOCK)
		log_line(LOG_ERR, "cannot lock the store", "file", path, "why",
		    strerror(errno), NULL);
	else
		log_line(LOG_ERR, "another stekd runs this farm on this store",
		    "pid", pid, "file", path, NULL);
	(void)close(fd);
	return -1;
}

static bool
write_pid(int fd)
{
	return ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0;
}

/* With no privilege any more. */
static int
serve(struct loop *loop, struct farm_keys *keys, int control)
{
	int status = 1;

	loop->base = event_base_new();
	loop->view = stek_set_new();
	loop->scoped = stek_set_new();
	loop->throwaway = (void *)stek_file_alloc(sizeof(struct stek_key));
	loop->rotate.farm_keys = *keys;
	if (loop->base != NULL && loop->view != NULL && loop->scoped != NULL &&
	    loop->throwaway != NULL && control_start(loop, control) &&
	    metrics_start(loop) && rotate_start(&loop->rotate, loop))
		status = loop_run(loop);
	metrics_stop(loop);
	control_stop(loop);
	store_apart_stop(&loop->apart);
	rotate_stop(&loop->rotate);
	stek_set_free(loop->view);
	stek_set_free(loop->scoped);
	stek_file_free((void *)loop->throwaway);
	if (loop->base != NULL)
		event_base_free(loop->base);
	return status;
}

/* What takes privilege, the monitor first: it gets no secret. */
static int
start(struct loop *loop)
{
	const struct conf *conf = loop->conf;
	struct farm_keys keys;
	char why[CONF_WHY_LEN];
	int lock, control;

	if (!lock_memory(conf) || !check_disks(conf))
		return 1;
	lock = lock_farm(conf);
	if (lock < 0)
		return 1;
	loop->monitor = monitor_start(loop->conf_path, loop->conf);
	if (loop->monitor < 0 || !write_pid(lock) ||
	    (conf_is_shared(conf) &&
	        !store_apart_start(&loop->apart, loop->conf_path, conf->hash,
	            sizeof(conf->hash)))) {
		log_line(LOG_ERR, "cannot start", "why", strerror(errno), NULL);
		return 1;
	}
	if (!farm_keys_load(&keys, conf, farm_helper_derive, why)) {
		log_line(LOG_ERR, "cannot use the farm key", "why", why, NULL);
		return 1;
	}
	if (keys.next_why[0] != '\0')
		log_line(LOG_ERR,
		    "cannot use the next farm key; going on "
		    "without it",
		    "why", keys.next_why, NULL);
	control = control_bind(conf);
	if (control < 0)
		goto out;
	if (!privilege_drop(conf->uid, conf->gid) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_line(LOG_ERR, "cannot drop privilege", "user", conf->user,
		    "why", strerror(errno), NULL);
	else if (check_room(conf))
		return serve(loop, &keys, control);
out:
	farm_keys_free(&keys);
	return 1;
}

/* A file that is opened must not become standard output. */
static bool
fill_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	return fd > 2 && close(fd) == 0;
}

/* SIGHUP waits until it can be obeyed; a broken pipe is an error like any. */
static void
set_signals(void)
{
	sigset_t hup;

	(void)sigemptyset(&hup);
	(void)sigaddset(&hup, SIGHUP);
	(void)sigprocmask(SIG_SETMASK, &hup, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/*
 * A daemon leaves the folder that a relative path starts from.  Links in it
 * stay: they may point elsewhere when it is read again.
 */
static char *
make_absolute(const char *path)
{
	char *folder, *absolute = NULL;

	if (path[0] == '/')
		return strdup(path);
	folder = getcwd(NULL, 0);
	if (folder != NULL && asprintf(&absolute, "%s/%s", folder, path) < 0)
		absolute = NULL;
	free(folder);
	return absolute;
}

enum mode { BACKGROUND, FOREGROUND, TEST };

static int
run(struct loop *loop, enum mode mode)
{
	char why[CONF_WHY_LEN];
	int status;

	if (conf_is_safe(loop->conf_path, why))
		loop->conf = conf_load(loop->conf_path, why);
	if (loop->conf == NULL) {
		(void)fprintf(stderr, "stekd: %s\n", why);
		return 1;
	}
	if (mode == TEST) {
		status = 0;
	} else if (mode == FOREGROUND || background_begin()) {
		status = start(loop);
	} else {
		log_line(LOG_ERR, "cannot start", "why", strerror(errno), NULL);
		status = 1;
	}
	conf_free(loop->conf);
	return status;
}

int
main(int argc, char **argv)
{
	struct loop loop = {.monitor = -1,
	    .apart.fd = -1,
	    .rotate = {.timerfd = -1, .store.watch = -1}};
	const char *path = CONF_DEFAULT;
	enum mode mode = BACKGROUND;
	char *absolute;
	int c, status = 1;

	while ((c = getopt(argc, argv, "c:ftV")) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'f':
			mode = mode == TEST ? TEST : FOREGROUND;
			break;
		case 't':
			mode = TEST;
			break;
		case 'V':
			(void)puts("stek " STEK_VERSION);
			return 0;
		default:
			return usage();
		}
	}
	if (argc != optind)
		return usage();
	absolute = make_absolute(path);
	if (!fill_standard() || absolute == NULL || sodium_init() < 0) {
		(void)fprintf(stderr, "stekd: %s\n", strerror(errno));
		goto out;
	}
	set_signals();
	loop.conf_path = absolute;
	status = run(&loop, mode);
out:
	free(absolute);
	return status;
}
