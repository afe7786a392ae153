/* SPDX-License-Identifier: ISC */
/*
 * stekd: start-up, from all privilege to none.
 *
 * The order matters: what only the starting user can do (lock memory, read
 * the farm key, make the control socket) comes first, then the monitor is
 * forked, then privilege is dropped, and only then anything is read that
 * somebody else may have written.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "loop.h"
#include "place.h"

static int
usage(void)
{
	(void)fprintf(stderr, "usage: stekd [-f] [-c file]\n");
	return 2;
}

/* No core dumps, no debuggers, nothing swapped out. */
static bool
lock_memory(const struct conf *conf)
{
	struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Without privilege the limit stays what it is. */
	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	if (conf->allow_unlocked ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
		return true;
	log_line(LOG_ERR,
	    "cannot lock memory, so keys could be swapped out; raise the "
	    "limit (LimitMEMLOCK=infinity, ulimit -l), or write allow = "
	    "{\"unlocked\"} in the configuration",
	    "why", strerror(errno), NULL);
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

/* Held until this process ends; -1: another stekd has it, or an error. */
static int
lock_farm(const struct conf *conf)
{
	char path[FORMAT_PATH_MAX + STEK_FARM_MAX + 16], pid[32] = "";
	ssize_t n;
	int fd;

	(void)snprintf(
	    path, sizeof(path), "%s/%s.stekd", conf->store_dir, conf->farm);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		log_line(LOG_ERR,
		    "cannot use the store (\"stek init\" makes "
		    "it)",
		    "file", path, "why", strerror(errno), NULL);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	n = read(fd, pid, sizeof(pid) - 1);
	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	log_line(LOG_ERR, "another stekd runs this farm on this store", "pid",
	    pid, "file", path, NULL);
	(void)close(fd);
	return -1;
}

static bool
write_pid(int fd)
{
	return ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", (int)getpid()) > 0;
}

static bool
drop_privilege(const struct conf *conf)
{
	if (geteuid() != 0 || conf->uid == 0)
		return true;
	return setgroups(0, NULL) == 0 &&
	       setresgid(conf->gid, conf->gid, conf->gid) == 0 &&
	       setresuid(conf->uid, conf->uid, conf->uid) == 0 &&
	       setuid(0) < 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* Fork the monitor, drop privilege, and run. */
static int
run(struct loop *loop, uint8_t *farm_key, int control)
{
	int status = 1;

	loop->monitor = monitor_start(loop->conf_path, loop->conf);
	if (loop->monitor < 0) {
		log_line(LOG_ERR, "cannot start the monitor", "why",
		    strerror(errno), NULL);
		stek_file_free(farm_key);
		return 1;
	}
	if (!drop_privilege(loop->conf)) {
		log_line(LOG_ERR, "cannot drop privilege", "user",
		    loop->conf->user, "why", strerror(errno), NULL);
		stek_file_free(farm_key);
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	loop->base = event_base_new();
	loop->view = stek_set_new();
	loop->scoped = stek_set_new();
	loop->throwaway = (void *)stek_file_alloc(sizeof(struct stek_key));
	if (loop->base != NULL && loop->view != NULL && loop->scoped != NULL &&
	    loop->throwaway != NULL &&
	    rotate_start(&loop->rotate, loop, farm_key) &&
	    control_start(loop, control) && metrics_start(loop))
		status = loop_run(loop);
	metrics_stop(loop);
	control_stop(loop);
	rotate_stop(&loop->rotate);
	stek_set_free(loop->view);
	stek_set_free(loop->scoped);
	stek_file_free((void *)loop->throwaway);
	if (loop->base != NULL)
		event_base_free(loop->base);
	return status;
}

static int
start(struct loop *loop, bool foreground)
{
	char why[CONF_WHY_LEN];
	uint8_t *farm_key;
	int lock, control;

	if (!lock_memory(loop->conf) || !check_disks(loop->conf))
		return 1;
	lock = lock_farm(loop->conf);
	if (lock < 0)
		return 1;
	farm_key = conf_farm_key(loop->conf, why);
	if (farm_key == NULL) {
		log_line(LOG_ERR, "cannot use the farm key", "why", why, NULL);
		return 1;
	}
	control = control_bind(loop->conf);
	if (control < 0 || (!foreground && daemon(0, 0) < 0) ||
	    !write_pid(lock)) {
		log_line(LOG_ERR, "cannot start", "why", strerror(errno), NULL);
		stek_file_free(farm_key);
		return 1;
	}
	return run(loop, farm_key, control);
}

int
main(int argc, char **argv)
{
	struct loop loop = {.conf_path = CONF_DEFAULT,
	    .monitor = -1,
	    .rotate = {.timerfd = -1, .store.watch = -1}};
	char why[CONF_WHY_LEN], *absolute;
	bool foreground = false;
	int c, status;

	while ((c = getopt(argc, argv, "c:f")) != -1) {
		switch (c) {
		case 'c':
			loop.conf_path = optarg;
			break;
		case 'f':
			foreground = true;
			break;
		default:
			return usage();
		}
	}
	if (argc != optind)
		return usage();
	if (sodium_init() < 0)
		return 1;
	/* A daemon leaves the folder that a relative path starts from. */
	absolute = realpath(loop.conf_path, NULL);
	if (absolute != NULL)
		loop.conf_path = absolute;
	loop.conf = conf_load(loop.conf_path, why);
	if (loop.conf == NULL) {
		(void)fprintf(stderr, "stekd: %s\n", why);
		return 1;
	}
	log_start(foreground);
	status = start(&loop, foreground);
	conf_free(loop.conf);
	free(absolute);
	return status;
}
