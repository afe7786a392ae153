/* SPDX-License-Identifier: ISC */
/*
 * Loaded before libc (LD_PRELOAD) into a program under test: counts its
 * system calls, writes them down, and lets one of them go wrong.
 *
 *	FAULT_UNDER	count only calls on files in this folder, and those
 *			that name no file
 *	FAULT_CALLS	count only these, separated by commas: "write,fsync"
 *	FAULT_AT	which one goes wrong, from 1; 0: none; "live": what
 *			the state says, and from that one on each further call
 *			of the same name on the same path
 *	FAULT_HOW	an errno as a number; "kill": SIGKILL before the call;
 *			"short": of a write, only half is written
 *	FAULT_STATE	a file of 64-bit numbers, shared by all processes of a
 *			test: the calls so far, how many went wrong, which one
 *			goes wrong (live; 0: none, and none is counted), and a
 *			hash of its name and path
 *	FAULT_LOG	a file for one line a call:
 *			name size mode uid gid path, of the file as it then is
 *
 * Never here: what should follow from a fault (the tests beside this).
 * Invariant: no call of this file is one of those that it counts: all go
 * straight to the kernel, but for fork(2), which libc prepares for.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHORT (-1)

#pragma GCC visibility push(default)

struct state {
	_Atomic uint64_t calls;
	_Atomic uint64_t faults;
	_Atomic uint64_t at;
	_Atomic uint64_t which;
};

static struct {
	struct state *state;
	const char *under;
	const char *calls;
	uint64_t at;
	bool live;
	int how; /* an errno, 0 to kill, SHORT */
	const char *log;
} fault;

static int
raw_open(const char *path, int flags)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAULT_STATE"), *how = getenv("FAULT_HOW");
	const char *at = getenv("FAULT_AT"), *log = getenv("FAULT_LOG");
	void *map;
	int fd;

	if (path == NULL)
		return;
	fault.under = getenv("FAULT_UNDER");
	fault.calls = getenv("FAULT_CALLS");
	fault.live = at != NULL && strcmp(at, "live") == 0;
	fault.at = at == NULL ? 0 : strtoull(at, NULL, 10);
	if (how != NULL)
		fault.how = strcmp(how, "kill") == 0    ? 0
		            : strcmp(how, "short") == 0 ? SHORT
		                                        : atoi(how);
	fault.log = log;
	fd = raw_open(path, O_RDWR);
	map = (void *)syscall(SYS_mmap, NULL, sizeof(struct state),
	    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)syscall(SYS_close, fd);
	if (map != MAP_FAILED)
		fault.state = map;
}

static bool
is_counted(const char *name)
{
	const char *at = fault.calls;
	size_t len = strlen(name);

	while (at != NULL && (at = strstr(at, name)) != NULL) {
		if ((at == fault.calls || at[-1] == ',') &&
		    (at[len] == ',' || at[len] == '\0'))
			return true;
		at += len;
	}
	return fault.calls == NULL;
}

/* The path behind a descriptor, if it has one. */
static const char *
path_of(int fd, char path[PATH_MAX])
{
	char link[40];
	long n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
	if (n < 0)
		return NULL;
	path[n] = '\0';
	return path;
}

static void
note(const char *name, const char *path)
{
	struct stat st = {0};
	char line[PATH_MAX + 100];
	int len, fd;

	/* Each time anew: programs close what they did not open. */
	fd = fault.log == NULL ? -1 : raw_open(fault.log, O_WRONLY | O_APPEND);
	if (fd < 0)
		return;
	if (path != NULL)
		(void)syscall(
		    SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	len = snprintf(line, sizeof(line), "%s %lld %o %u %u %s\n", name,
	    (long long)st.st_size, st.st_mode, st.st_uid, st.st_gid,
	    path == NULL ? "-" : path);
	(void)syscall(SYS_write, fd, line, (size_t)len);
	(void)syscall(SYS_close, fd);
}

/* FNV-1a, which no attacker ever sees. */
static uint64_t
hash(uint64_t sum, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		sum = (sum ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return sum;
}

/* Is it this call's turn? */
static bool
is_due(const char *name, const char *path)
{
	uint64_t at = fault.live ? atomic_load(&fault.state->at) : fault.at;
	uint64_t n = atomic_fetch_add(&fault.state->calls, 1) + 1;
	uint64_t which = hash(hash(UINT64_C(0xcbf29ce484222325), name), path);

	if (n == at)
		atomic_store(&fault.state->which, which);
	return n == at || (fault.live && n > at &&
	                      atomic_load(&fault.state->which) == which);
}

/* What is to become of this call: 0 to go on, an errno, SHORT. */
static int
judge(const char *name, const char *path)
{
	int saved = errno;

	if (fault.state == NULL || !is_counted(name))
		return 0;
	if (path != NULL && fault.under != NULL &&
	    strncmp(path, fault.under, strlen(fault.under)) != 0)
		return 0;
	if (fault.live && atomic_load(&fault.state->at) == 0)
		return 0;
	note(name, path);
	errno = saved;
	if (!is_due(name, path))
		return 0;
	if (fault.how == SHORT && strstr(name, "write") == NULL)
		return 0;
	atomic_fetch_add(&fault.state->faults, 1);
	if (fault.how == 0)
		(void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
	return fault.how;
}

static int
judge_fd(const char *name, int fd)
{
	char path[PATH_MAX];
	int saved = errno, what;

	if (fault.state == NULL)
		return 0;
	what = judge(name, path_of(fd, path));
	errno = saved;
	return what;
}

#define FAIL_IF(what)                   \
	do {                            \
		int error_ = (what);    \
		if (error_ > 0) {       \
			errno = error_; \
			return -1;      \
		}                       \
	} while (0)

static int
do_open(int at, const char *path, int flags, mode_t mode)
{
	FAIL_IF(judge((flags & O_CREAT) != 0 ? "create" : "open", path));
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

#define MODE_OF(flags)                                   \
	mode_t mode = 0;                                 \
	if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {    \
		va_list ap;                              \
		va_start(ap, flags);                     \
		mode = (mode_t)va_arg(ap, unsigned int); \
		va_end(ap);                              \
	}

int
open(const char *path, int flags, ...)
{
	MODE_OF(flags)
	return do_open(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	MODE_OF(flags)
	return do_open(AT_FDCWD, path, flags, mode);
}

int
openat(int at, const char *path, int flags, ...)
{
	MODE_OF(flags)
	return do_open(at, path, flags, mode);
}

int
openat64(int at, const char *path, int flags, ...)
{
	MODE_OF(flags)
	return do_open(at, path, flags, mode);
}

int
close(int fd)
{
	int error = judge_fd("close", fd);

	if (error > 0)
		(void)syscall(SYS_close, fd);
	FAIL_IF(error);
	return (int)syscall(SYS_close, fd);
}

ssize_t
read(int fd, void *buf, size_t len)
{
	FAIL_IF(judge_fd("read", fd));
	return syscall(SYS_read, fd, buf, len);
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	int what = judge_fd("write", fd);

	FAIL_IF(what);
	return syscall(SYS_write, fd, buf, what == SHORT ? len / 2 : len);
}

ssize_t
pwrite(int fd, const void *buf, size_t len, off_t at)
{
	FAIL_IF(judge_fd("pwrite", fd));
	return syscall(SYS_pwrite64, fd, buf, len, at);
}

ssize_t
pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	FAIL_IF(judge_fd("pwrite", fd));
	return syscall(SYS_pwrite64, fd, buf, len, at);
}

static int
do_fallocate(int fd, off64_t at, off64_t len)
{
	int error = judge_fd("fallocate", fd);

	if (error > 0)
		return error;
	return syscall(SYS_fallocate, fd, 0, at, len) < 0 ? errno : 0;
}

int
posix_fallocate(int fd, off_t at, off_t len)
{
	return do_fallocate(fd, at, len);
}

int
posix_fallocate64(int fd, off64_t at, off64_t len)
{
	return do_fallocate(fd, at, len);
}

int
fsync(int fd)
{
	FAIL_IF(judge_fd("fsync", fd));
	return (int)syscall(SYS_fsync, fd);
}

int
fchmod(int fd, mode_t mode)
{
	FAIL_IF(judge_fd("fchmod", fd));
	return (int)syscall(SYS_fchmod, fd, mode);
}

int
fchown(int fd, uid_t uid, gid_t gid)
{
	FAIL_IF(judge_fd("fchown", fd));
	return (int)syscall(SYS_fchown, fd, uid, gid);
}

int
flock(int fd, int how)
{
	FAIL_IF(judge_fd("flock", fd));
	return (int)syscall(SYS_flock, fd, how);
}

int
ftruncate(int fd, off_t len)
{
	FAIL_IF(judge_fd("ftruncate", fd));
	return (int)syscall(SYS_ftruncate, fd, len);
}

int
rename(const char *from, const char *to)
{
	FAIL_IF(judge("rename", from));
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
link(const char *from, const char *to)
{
	FAIL_IF(judge("link", from));
	return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlink(const char *path)
{
	FAIL_IF(judge("unlink", path));
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int
mkdir(const char *path, mode_t mode)
{
	FAIL_IF(judge("mkdir", path));
	return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int
chmod(const char *path, mode_t mode)
{
	FAIL_IF(judge("chmod", path));
	return (int)syscall(SYS_fchmodat, AT_FDCWD, path, mode);
}

int
chown(const char *path, uid_t uid, gid_t gid)
{
	FAIL_IF(judge("chown", path));
	return (int)syscall(SYS_fchownat, AT_FDCWD, path, uid, gid, 0);
}

int
lchown(const char *path, uid_t uid, gid_t gid)
{
	FAIL_IF(judge("lchown", path));
	return (int)syscall(
	    SYS_fchownat, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

static void *
do_mmap(void *at, size_t len, int prot, int flags, int fd, off64_t from)
{
	int error = fd < 0 ? judge("mmap", NULL) : judge_fd("mmap", fd);

	if (error > 0) {
		errno = error;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, from);
}

void *
mmap(void *at, size_t len, int prot, int flags, int fd, off_t from)
{
	return do_mmap(at, len, prot, flags, fd, from);
}

void *
mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t from)
{
	return do_mmap(at, len, prot, flags, fd, from);
}

int
mlock(const void *at, size_t len)
{
	FAIL_IF(judge("mlock", NULL));
	return (int)syscall(SYS_mlock, at, len);
}

int
mlockall(int flags)
{
	FAIL_IF(judge("mlockall", NULL));
	return (int)syscall(SYS_mlockall, flags);
}

int
madvise(void *at, size_t len, int advice)
{
	FAIL_IF(judge("madvise", NULL));
	return (int)syscall(SYS_madvise, at, len, advice);
}

pid_t
fork(void)
{
	pid_t (*next)(void);

	*(void **)&next = dlsym(RTLD_NEXT, "fork");
	FAIL_IF(judge("fork", NULL));
	return next();
}

#pragma GCC visibility pop
