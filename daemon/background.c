/* SPDX-License-Identifier: ISC */
/* See background.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "background.h"

static int done = -1; /* a byte into it says so */

/* In the old process. */
static void
await(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

bool
background_begin(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	switch (fork()) {
	case -1:
		(void)close(fds[0]);
		(void)close(fds[1]);
		return false;
	case 0:
		break;
	default:
		(void)close(fds[1]);
		await(fds[0]);
	}
	(void)close(fds[0]);
	done = fds[1];
	return setsid() >= 0 && chdir("/") == 0;
}

bool
background_done(void)
{
	int null, fd;

	if (done < 0)
		return false;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		(void)close(null);
	/* If this fails the old process is gone: nobody waits. */
	if (write(done, "", 1) < 0)
		errno = 0;
	(void)close(done);
	done = -1;
	return true;
}
