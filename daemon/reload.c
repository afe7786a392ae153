/* SPDX-License-Identifier: ISC */
/*
 * See reload.h.
 *
 * Invariant: returns within about RELOAD_SECONDS, and leaves no child.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <formats/format.h>
#include <stek.h>

#include "clock.h"
#include "reload.h"

#define OUTPUT_MAX   4096
#define DRAIN_READS  32 /* a pipe's room, and more */
#define LINE_MAX_LEN 512

#define SOCKET_SECONDS 5 /* for one answer of haproxy's */
#define ECHO_LEN       8 /* so much of a key is never quoted */

static const struct {
	const char *name;
	int number;
} signals[] = {
    {"HUP", SIGHUP},
    {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},
    {"WINCH", SIGWINCH},
};

static int
find_signal(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strlen(signals[i].name) == len &&
		    memcmp(signals[i].name, s, len) == 0)
			return signals[i].number;
	return 0;
}

const char *
reload_check(const char *reload)
{
	const char *colon;

	if (strncmp(reload, "signal:", 7) == 0) {
		colon = strchr(reload + 7, ':');
		if (colon == NULL || colon[1] != '/' ||
		    find_signal(reload + 7, (size_t)(colon - reload - 7)) == 0)
			return "expected \"signal:HUP:/path/of/pidfile\" "
			       "(or USR1, USR2, WINCH)";
	}
	if (strncmp(reload, "haproxy:", 8) == 0 && reload[8] != '/')
		return "expected \"haproxy:/path/of/stats/socket\"";
	return NULL;
}

/* What a program printed, fit for one line of a log: its last words. */
static void
last_line(const char *output, size_t len, char *out, size_t size)
{
	size_t from, i, n = 0;

	while (len > 0 && strchr(" \t\r\n", output[len - 1]) != NULL)
		len--;
	for (from = len; from > 0 && output[from - 1] != '\n'; from--)
		continue;
	for (i = from; i < len && n + 1 < size; i++)
		if ((unsigned char)output[i] >= 0x20 && output[i] != 0x7f)
			out[n++] = output[i];
	out[n] = '\0';
}

/*
 * What stands in the pipe; its end is what counts.  A command that prints
 * without end must not keep us from looking at the clock.
 */
static void
drain(int fd, char *output, size_t size, size_t *len)
{
	ssize_t n;
	int i;

	for (i = 0; i < DRAIN_READS; i++) {
		if (*len == size) {
			memmove(output, output + size / 2, size - size / 2);
			*len = size - size / 2;
		}
		n = read(fd, output + *len, size - *len);
		if (n <= 0)
			return;
		*len += (size_t)n;
	}
}

/* In the child: a plain environment of its own group, nothing inherited. */
static void
become_command(const char *command, int output)
{
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
	              "/usr/bin:/sbin:/bin";
	char lang[] = "LANG=C.UTF-8", sh[] = "sh", flag[] = "-c";
	char *env[] = {path, lang, NULL};
	char *copy = strdup(command);
	char *argv[] = {sh, flag, copy, NULL};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)umask(022);
	(void)setpgid(0, 0);
	if (copy != NULL && null >= 0 && chdir("/") == 0 &&
	    dup2(null, 0) == 0 && dup2(output, 1) == 1 && dup2(output, 2) == 2)
		(void)execve("/bin/sh", argv, env);
	_exit(127);
}

/*
 * Wait for the command itself and not for its output's end: what it starts
 * in the background may keep that open.
 */
static bool
await(pid_t pid, int fd, char *output, size_t *len, int *status)
{
	int64_t deadline = clock_ms() + RELOAD_SECONDS * 1000;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	while (waitpid(pid, status, WNOHANG) == 0) {
		if (clock_ms() >= deadline) {
			(void)kill(-pid, SIGKILL);
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, status, 0);
			return false;
		}
		(void)poll(&pfd, 1, 10);
		if ((pfd.revents & POLLHUP) != 0)
			pfd.fd = -1;
		drain(fd, output, OUTPUT_MAX, len);
	}
	drain(fd, output, OUTPUT_MAX, len);
	return true;
}

static bool
run_command(const char *command, char *why, size_t size)
{
	char output[OUTPUT_MAX], line[200];
	const char *said = line;
	int fds[2], status = 0;
	size_t len = 0;
	bool in_time;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		goto fail;
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	pid = fork();
	if (pid < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		goto fail;
	}
	if (pid == 0)
		become_command(command, fds[1]);
	(void)close(fds[1]);
	in_time = await(pid, fds[0], output, &len, &status);
	(void)close(fds[0]);
	last_line(output, len, line, sizeof(line));
	if (line[0] == '\0')
		said = "it printed nothing";
	if (!in_time)
		(void)snprintf(why, size,
		    "\"%.100s\" took more than %d s and was killed; %s",
		    command, RELOAD_SECONDS, said);
	else if (WIFSIGNALED(status))
		(void)snprintf(why, size, "\"%.100s\" died of signal %d; %s",
		    command, WTERMSIG(status), said);
	else if (WEXITSTATUS(status) != 0)
		(void)snprintf(why, size, "\"%.100s\" ended with %d; %s",
		    command, WEXITSTATUS(status), said);
	return in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
fail:
	(void)snprintf(
	    why, size, "cannot start \"%.100s\": %s", command, strerror(errno));
	return false;
}

/* The process id in a file, and the file's owner; -1: why. */
static long
read_pid(const char *path, struct stat *st, char *why, size_t size)
{
	char text[32] = "", *end;
	ssize_t n = -1;
	long pid;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		if (fstat(fd, st) == 0)
			n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	if (n < 0) {
		(void)snprintf(why, size, "%s: %s (is the server running?)",
		    path, strerror(errno));
		return -1;
	}
	pid = strtol(text, &end, 10);
	if (end != text && pid > 1 && pid <= INT_MAX)
		return pid;
	(void)snprintf(why, size, "%s: expected a process id", path);
	return -1;
}

/* Nobody gets a process signalled that he could not signal himself. */
static bool
may_name(const struct stat *file, long pid)
{
	char path[64];
	struct stat st;

	if ((file->st_mode & 022) != 0)
		return false;
	if (file->st_uid == 0 || file->st_uid == geteuid())
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%ld", pid);
	return stat(path, &st) < 0 || st.st_uid == file->st_uid;
}

static bool
send_signal(const char *arg, char *why, size_t size)
{
	const char *path = strchr(arg, ':') + 1;
	int number = find_signal(arg, (size_t)(path - 1 - arg));
	struct stat st;
	long pid;

	pid = read_pid(path, &st, why, size);
	if (pid < 0)
		return false;
	if (!may_name(&st, pid)) {
		(void)snprintf(why, size,
		    "%s: no signal was sent, for others than root and the "
		    "owner of process %ld can write this file",
		    path, pid);
		return false;
	}
	if (kill((pid_t)pid, number) == 0)
		return true;
	(void)snprintf(why, size, "%s: signal to process %ld: %s", path, pid,
	    strerror(errno));
	return false;
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = SOCKET_SECONDS};
	int fd, saved;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

/* All that comes until the end; false with errno. */
static bool
read_answer(int fd, char *answer, size_t size, size_t *got)
{
	int64_t left, deadline = clock_ms() + SOCKET_SECONDS * 1000;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	ssize_t n;

	for (*got = 0; *got < size; *got += (size_t)n) {
		left = deadline - clock_ms();
		errno = ETIMEDOUT;
		if (left <= 0 || poll(&pfd, 1, (int)left) <= 0)
			return false;
		n = read(fd, answer + *got, size - *got);
		if (n <= 0)
			return n == 0;
	}
	return true;
}

/* Whatever sits at the socket may send the key back, or a part of it. */
static bool
has_part_of(const char *answer, size_t got, const char *command, size_t len)
{
	const char *key = memrchr(command, ' ', len);
	size_t at;

	if (key == NULL)
		return false;
	for (at = (size_t)(key - command) + 1; at + ECHO_LEN < len; at++)
		if (memmem(answer, got, command + at, ECHO_LEN) != NULL)
			return true;
	return false;
}

/* One command, one connection, as haproxy's socket does it by default. */
static bool
ask_haproxy(const char *socket_path, const char *command, size_t len, char *why,
    size_t size)
{
	char answer[OUTPUT_MAX], line[160];
	size_t got = 0;
	int fd = connect_unix(socket_path);
	bool good;

	good = fd >= 0 &&
	       send(fd, command, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       read_answer(fd, answer, sizeof(answer), &got);
	if (!good)
		(void)snprintf(
		    why, size, "%s: %s", socket_path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (!good)
		goto out;
	last_line(answer, got, line, sizeof(line));
	good = strncmp(line, "TLS ticket key updated", 22) == 0;
	if (good)
		goto out;
	if (has_part_of(answer, got, command, len))
		(void)snprintf(line, sizeof(line),
		    "something with the key in it; is this haproxy's socket?");
	(void)snprintf(why, size, "%s: haproxy says: %s", socket_path,
	    line[0] == '\0' ? "nothing" : line);
out:
	sodium_memzero(answer, sizeof(answer));
	return good;
}

/*
 * Each line pushes the oldest of haproxy's three keys out: the whole file,
 * in its order, leaves haproxy with what the file says.
 */
static bool
push_haproxy(const char *socket_path, const char *path, char *why, size_t size)
{
	uint8_t *file = NULL, *command = NULL;
	const uint8_t *line, *end;
	size_t len, room;
	enum stek_err err;
	bool good = false;
	int n;

	/* Its command line knows words, and several commands on a line. */
	if (strpbrk(path, " \t\r\n;\\#\"'") != NULL) {
		(void)snprintf(why, size,
		    "%s: haproxy's socket takes no path with blanks, quotes "
		    "or one of ;\\#",
		    path);
		return false;
	}
	err = stek_file_read(path, FORMAT_BYTES_MAX, &file, &len);
	room = strlen(path) + LINE_MAX_LEN;
	command = stek_file_alloc(room);
	if (err != STEK_OK || command == NULL) {
		(void)snprintf(why, size, "%s: %s", path,
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err));
		goto out;
	}
	for (line = file; line < file + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(file + len - line));
		if (end == NULL)
			end = file + len;
		n = snprintf((char *)command, room, "set ssl tls-key %s %.*s\n",
		    path, (int)(end - line), (const char *)line);
		good = n > 0 && (size_t)n < room &&
		       ask_haproxy(socket_path, (const char *)command,
		           (size_t)n, why, size);
		if (!good)
			break;
	}
out:
	stek_file_free(command);
	stek_file_free(file);
	return good;
}

bool
reload_run(const char *reload, const char *path, char *why, size_t size)
{
	why[0] = '\0';
	if (strncmp(reload, "signal:", 7) == 0)
		return send_signal(reload + 7, why, size);
	if (strncmp(reload, "haproxy:", 8) == 0)
		return push_haproxy(reload + 8, path, why, size);
	return run_command(reload, why, size);
}
