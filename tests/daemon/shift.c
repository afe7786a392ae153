/* SPDX-License-Identifier: ISC */
/*
 * Loaded before libc (LD_PRELOAD) into stekd: sets its clock, and nobody
 * else's, while it runs.
 *
 * SHIFT names a file of four 64-bit numbers: seconds that are added to
 * CLOCK_REALTIME, how often they were changed, seconds that are to be added
 * at the very moment at which the timer is set next, and seconds that are
 * added to CLOCK_BOOTTIME, as if the host had been suspended.  When they are, a
 * timer with TFD_TIMER_CANCEL_ON_SET does what timerfd_create(2) says: it
 * becomes readable, and a read gives ECANCELED; or setting it does.
 *
 * REMOTE names a folder that says it is on NFS.
 *
 * Never here: CLOCK_MONOTONIC, which setting a clock does not touch.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20 /* how long a change may stay unseen */

#pragma GCC visibility push(default)

struct clock {
	_Atomic int64_t shift;
	_Atomic uint64_t changes;
	_Atomic int64_t trap;
	_Atomic int64_t slept;
};

static struct clock *set;
static uint64_t seen; /* changes, when the timer was set */
static int timer = -1;
static bool cancelled;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("SHIFT");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return;
	map =
	    mmap(NULL, sizeof(*set), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (map != MAP_FAILED)
		set = map;
}

static int64_t
shift(void)
{
	return set == NULL ? 0 : atomic_load(&set->shift);
}

static uint64_t
changes(void)
{
	return set == NULL ? 0 : atomic_load(&set->changes);
}

static bool
spring(void)
{
	int64_t trap = set == NULL ? 0 : atomic_exchange(&set->trap, 0);

	if (trap != 0)
		atomic_fetch_add(&set->shift, trap);
	return trap != 0;
}

int
clock_gettime(clockid_t id, struct timespec *now)
{
	int failed = (int)syscall(SYS_clock_gettime, id, now);

	if (failed == 0 && id == CLOCK_REALTIME)
		now->tv_sec += shift();
	if (failed == 0 && id == CLOCK_BOOTTIME && set != NULL)
		now->tv_sec += atomic_load(&set->slept);
	return failed;
}

int
statfs(const char *path, struct statfs *out)
{
	const char *remote = getenv("REMOTE");
	int failed = (int)syscall(SYS_statfs, path, out);

	if (failed == 0 && remote != NULL && strcmp(path, remote) == 0)
		out->f_type = NFS_SUPER_MAGIC;
	return failed;
}

time_t
time(time_t *out)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

int
timerfd_settime(
    int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	struct itimerspec moved = *value;
	bool late = false;
	int failed;

	if ((flags & TFD_TIMER_CANCEL_ON_SET) != 0) {
		late = spring() || (timer == fd && changes() != seen);
		timer = fd;
		cancelled = false;
		seen = changes();
		if (moved.it_value.tv_sec != 0)
			moved.it_value.tv_sec -= shift();
		/* The kernel takes no time before 1970; so long ago is now. */
		if (value->it_value.tv_sec != 0 && moved.it_value.tv_sec < 1)
			moved.it_value.tv_sec = 1;
	}
	failed = (int)syscall(SYS_timerfd_settime, fd, flags, &moved, old);
	if (!late || failed != 0)
		return failed;
	errno = ECANCELED;
	return -1;
}

/* Make the timer readable at once if the clock was set. */
static void
look(void)
{
	const struct itimerspec now = {.it_value.tv_nsec = 1};

	if (set == NULL || timer < 0 || cancelled || changes() == seen)
		return;
	cancelled = true;
	(void)syscall(SYS_timerfd_settime, timer, 0, &now, NULL);
}

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	int left = timeout, n, step;

	do {
		look();
		step = left >= 0 && left < LOOK_MS ? left : LOOK_MS;
		n = (int)syscall(SYS_epoll_wait, fd, events, max, step);
		left -= timeout < 0 ? 0 : step;
	} while (n == 0 && left != 0);
	return n;
}

ssize_t
read(int fd, void *to, size_t len)
{
	ssize_t n = syscall(SYS_read, fd, to, len);

	if (fd != timer || !cancelled)
		return n;
	cancelled = false;
	seen = changes();
	errno = ECANCELED;
	return -1;
}
