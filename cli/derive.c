/* SPDX-License-Identifier: ISC */
/*
 * stek derive: what stekd runs to have its farm key derived from a private
 * key: see daemon/farm_helper.h.  Not for operators, and not among the verbs
 * that stek lists.
 *
 * Never here: the derivation itself (daemon/farm_cert.c).
 * Invariant: a farm key goes into a pipe, and nowhere else.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <daemon/farm_helper.h>
#include <daemon/memory.h>

#include "cli.h"
#include "say.h"

static bool
is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* One byte more than a file may have is left to be refused. */
static size_t
read_input(uint8_t *bytes, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(STDIN_FILENO, bytes + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return len;
}

/* It is shorter than what a pipe takes in one piece. */
static bool
put(uint8_t *answer, size_t len)
{
	return write(STDOUT_FILENO, answer, len) == (ssize_t)len;
}

static bool
answer_key(uint8_t *answer, const uint8_t *key, const char *kind)
{
	answer[0] = FARM_HELPER_KEY;
	memcpy(answer + 1, key, STEK_FARM_KEY_LEN);
	memcpy(answer + 1 + STEK_FARM_KEY_LEN, kind, strlen(kind));
	return put(answer, 1 + STEK_FARM_KEY_LEN + strlen(kind));
}

static bool
answer_why(uint8_t *answer, const char *why)
{
	answer[0] = FARM_HELPER_WHY;
	memcpy(answer + 1, why, strlen(why));
	return put(answer, 1 + strlen(why));
}

int
verb_derive(const struct cli *cli, int argc, char **argv)
{
	char kind[FARM_KIND_LEN], why[CONF_WHY_LEN];
	uint8_t *answer, *bytes, *key = NULL;
	bool done = false;

	(void)cli;
	(void)argv;
	if (argc > 1 || !is_pipe(STDIN_FILENO) || !is_pipe(STDOUT_FILENO))
		return say_usage("derive is for stekd alone");
	(void)memory_lock();
	bytes = stek_file_alloc(FARM_CERT_MAX + 1);
	answer = stek_file_alloc(1 + STEK_FARM_KEY_LEN + CONF_WHY_LEN);
	if (bytes == NULL || answer == NULL)
		goto out;
	key = farm_cert_derive(
	    bytes, read_input(bytes, FARM_CERT_MAX + 1), kind, why);
	done = key != NULL ? answer_key(answer, key, kind)
	                   : answer_why(answer, why);
out:
	stek_file_free(key);
	stek_file_free(answer);
	stek_file_free(bytes);
	return done ? CLI_DONE : CLI_FAILED;
}
