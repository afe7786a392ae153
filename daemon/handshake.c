/* SPDX-License-Identifier: ISC */
/* See handshake.h. */
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "handshake.h"
#include "privilege.h"

#define NOBODY 65534 /* if there is no user of that name */

/* Where stek is, seen from the folder of stekd: installed, or just built. */
static const char *const places[] = {"../bin/stek", "../cli/stek"};

int
handshake_open(void)
{
	char self[4096], path[4096 + 16];
	ssize_t len;
	size_t i;
	int fd = -1;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return -1;
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	for (i = 0; i < sizeof(places) / sizeof(places[0]) && fd < 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		fd = open(path, O_PATH | O_CLOEXEC);
	}
	return fd;
}

static bool
become_nobody(void)
{
	const struct passwd *pw = getpwnam("nobody");

	return privilege_drop(
	    pw == NULL ? NOBODY : pw->pw_uid, pw == NULL ? NOBODY : pw->pw_gid);
}

/* In the child. */
static void
become_probe(int stek, const char *verify, int output)
{
	char path[] = "PATH=/usr/bin:/bin", name[] = "stek";
	char verb[] = "probe", ticket[] = "--ticket", sni[] = "--sni";
	char address[512];
	char *env[] = {path, NULL};
	char *argv[] = {name, verb, ticket, address, NULL, NULL, NULL};
	char *slash;

	(void)snprintf(address, sizeof(address), "%s", verify);
	slash = strchr(address, '/');
	if (slash != NULL) {
		*slash = '\0';
		argv[3] = sni;
		argv[4] = slash + 1;
		argv[5] = address;
	}
	if (dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0) != 0 ||
	    dup2(output, 1) != 1 || dup2(output, 2) != 2 || !become_nobody())
		_exit(126);
	(void)fexecve(stek, argv, env);
	_exit(127);
}

/* All that it prints, up to size - 1 bytes; false when time ran out. */
static bool
collect(int fd, char *out, size_t size)
{
	int64_t deadline = clock_ms() + HANDSHAKE_SECONDS * 1000, left;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n;

	for (;;) {
		out[len] = '\0';
		left = deadline - clock_ms();
		if (left <= 0)
			return false;
		if (poll(&pfd, 1, (int)left) <= 0)
			continue;
		n = read(fd, out + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		len += (size_t)n;
	}
}

bool
handshake_run(int stek, const char *verify, char *out, size_t size)
{
	int fds[2], status = 0;
	bool in_time;
	pid_t pid;

	if (stek < 0) {
		(void)snprintf(out, size,
		    "stek(1) was not found beside stekd(8), so no handshake "
		    "can be made; install it, and restart stekd");
		return false;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		goto fail;
	pid = fork();
	if (pid < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		goto fail;
	}
	if (pid == 0)
		become_probe(stek, verify, fds[1]);
	(void)close(fds[1]);
	in_time = collect(fds[0], out, size);
	(void)close(fds[0]);
	/* What closes its output has nothing more to say. */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	/* A probe that failed prints an object that says so. */
	if (in_time && out[0] == '{')
		return true;
	(void)snprintf(out, size, "the probe of %.200s %s", verify,
	    in_time ? "did not run to its end (is stek(1) installed beside "
	              "stekd(8)?)"
	            : "took too long and was killed");
	return false;
fail:
	(void)snprintf(out, size, "cannot start a probe: %s", strerror(errno));
	return false;
}
