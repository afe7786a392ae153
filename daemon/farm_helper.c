/* SPDX-License-Identifier: ISC */
/* See farm_helper.h. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "farm_helper.h"
#include "handshake.h"

#define ANSWER_LEN (1 + STEK_FARM_KEY_LEN + CONF_WHY_LEN)

struct helper {
	pid_t pid;
	int to;
	int from;
};

/*
 * In the child.  It stays the user that started stekd, for others that run as
 * another one, such as nobody, could look into it.
 */
static void
become_helper(int stek, int input, int output)
{
	char path[] = "PATH=/usr/bin:/bin", name[] = "stek", verb[] = "derive";
	char *env[] = {path, NULL};
	char *argv[] = {name, verb, NULL};

	if (dup2(input, 0) != 0 || dup2(output, 1) != 1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	(void)alarm(FARM_HELPER_SECONDS);
	(void)fexecve(stek, argv, env);
	_exit(127);
}

static bool
start(struct helper *helper, int stek)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return false;
	if (pipe2(out, O_CLOEXEC) < 0) {
		(void)close(in[0]);
		(void)close(in[1]);
		return false;
	}
	helper->to = in[1];
	helper->from = out[0];
	helper->pid = fork();
	if (helper->pid == 0)
		become_helper(stek, in[0], out[1]);
	(void)close(in[0]);
	(void)close(out[1]);
	if (helper->pid > 0)
		return true;
	(void)close(in[1]);
	(void)close(out[0]);
	return false;
}

/* One that reads no more has its reason, which it writes. */
static void
send_all(int fd, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static size_t
receive_all(int fd, uint8_t *bytes, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, bytes + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return len;
}

/* The length of its answer. */
static size_t
ask(struct helper *helper, const uint8_t *bytes, size_t len, uint8_t *answer)
{
	size_t n;

	send_all(helper->to, bytes, len);
	(void)close(helper->to);
	n = receive_all(helper->from, answer, ANSWER_LEN);
	(void)close(helper->from);
	(void)kill(helper->pid, SIGKILL);
	while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return n;
}

static uint8_t *
take(const uint8_t *answer, size_t len, char kind[FARM_KIND_LEN],
    char why[CONF_WHY_LEN])
{
	const size_t head = 1 + STEK_FARM_KEY_LEN;
	uint8_t *key;

	if (len > 1 && answer[0] == FARM_HELPER_WHY) {
		(void)snprintf(why, CONF_WHY_LEN, "%.*s", (int)(len - 1),
		    (const char *)answer + 1);
		return NULL;
	}
	if (len < head || answer[0] != FARM_HELPER_KEY) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "\"stek derive\" did not run to its end (is stek(1) "
		    "installed beside stekd(8)?)");
		return NULL;
	}
	key = stek_file_alloc(STEK_FARM_KEY_LEN);
	if (key == NULL) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "no guarded memory to be had (see \"ulimit -l\")");
		return NULL;
	}
	memcpy(key, answer + 1, STEK_FARM_KEY_LEN);
	(void)snprintf(kind, FARM_KIND_LEN, "%.*s", (int)(len - head),
	    (const char *)answer + head);
	return key;
}

uint8_t *
farm_helper_derive(const uint8_t *bytes, size_t len, char kind[FARM_KIND_LEN],
    char why[CONF_WHY_LEN])
{
	uint8_t *answer = stek_file_alloc(ANSWER_LEN), *key = NULL;
	struct helper helper;
	int stek = handshake_open();

	if (stek < 0)
		(void)snprintf(why, CONF_WHY_LEN,
		    "stek(1) was not found beside stekd(8), so no farm key "
		    "can be derived; install it");
	else if (answer == NULL || !start(&helper, stek))
		(void)snprintf(why, CONF_WHY_LEN, "\"stek derive\": %s",
		    answer == NULL ? "no guarded memory to be had"
		                   : strerror(errno));
	else
		key = take(answer, ask(&helper, bytes, len, answer), kind, why);
	if (stek >= 0)
		(void)close(stek);
	stek_file_free(answer);
	return key;
}
