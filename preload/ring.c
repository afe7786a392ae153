/* SPDX-License-Identifier: ISC */
/*
 * The ring that stek run named, opened and looked after.
 *
 * It is looked for again whenever it is not there, at most once a second, and
 * a file that was replaced or cut off is noticed at the next handshake, before
 * it is read.  A file that is gone leaves what was read of it: there are no
 * newer keys.
 *
 * Never here: keys, or a TLS library.
 * Invariant: the ring is there from ring_begin() on, with or without keys.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"
#include "say.h"

/* Nanoseconds for which the ring's file is taken to be as it was. */
#define WHOLE_FOR   500000
#define THERE_FOR   50000000
#define MISSING_FOR 1000000000

#define FD_FROM 100 /* servers know what they have below that */

static const char *path, *scope, *meanwhile;
static const char *path_at_start, *scope_at_start;
static struct stek_ring *ring;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock: */
static bool is_there;
static int fd = -1; /* of the file, unless the server has closed it */
static struct stat file;
static uint64_t seen_whole, seen_there, missed; /* when */

static void
before_fork(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void
after_fork(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static const char *
copy(const char *value)
{
	return value != NULL ? strdup(value) : NULL;
}

/* Some servers, such as Exim, empty their environment. */
__attribute__((constructor)) static void
remember(void)
{
	path_at_start = copy(secure_getenv("STEK_RING"));
	scope_at_start = copy(secure_getenv("STEK_SCOPE"));
}

static const char *
variable(const char *name, const char *at_start)
{
	const char *value = secure_getenv(name);

	return value != NULL ? value : at_start;
}

bool
ring_begin(const char *without)
{
	static bool said;

	meanwhile = without;
	path = variable("STEK_RING", path_at_start);
	scope = variable("STEK_SCOPE", scope_at_start);
	if (path == NULL) {
		say_once(&said,
		    "stek: STEK_RING is not set, so this server's tickets "
		    "stay as they are; start it by stek run");
		return false;
	}
	path = strdup(path);
	scope = strdup(scope == NULL ? "" : scope);
	return path != NULL && scope != NULL &&
	       strlen(scope) <= STEK_SCOPE_MAX &&
	       stek_ring_new(&ring) == STEK_OK &&
	       pthread_atfork(before_fork, after_fork, after_fork) == 0;
}

const char *
ring_scope(void)
{
	return scope;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size;
}

/* Is the file as it was, and not replaced?  Cheaper than by its path. */
static bool
is_whole(void)
{
	struct stat found;

	return fd >= 0 && fstat(fd, &found) == 0 && found.st_nlink > 0 &&
	       is_same(&found, &file);
}

/* A number that no longer is the ring's is somebody else's. */
static void
close_fd(void)
{
	struct stat found;

	if (fd >= 0 && fstat(fd, &found) == 0 && found.st_dev == file.st_dev &&
	    found.st_ino == file.st_ino)
		(void)close(fd);
	fd = -1;
}

static void
open_fd(void)
{
	int low = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (low < 0)
		return;
	fd = fcntl(low, F_DUPFD_CLOEXEC, FD_FROM);
	(void)close(low);
}

static void
let_go(void)
{
	/* If this fails there is no memory, and the server ends by that. */
	if (is_there && stek_ring_follow(ring, NULL) == STEK_OK)
		is_there = false;
	close_fd();
}

static void
tell(enum stek_err err, bool *said)
{
	say_once(said, "stek: %s: %s; until that is mended %s", path,
	    err == STEK_ERR_SYSTEM ? strerror(errno) : stek_strerror(err),
	    meanwhile);
}

static void
take(const struct stat *found)
{
	static bool said;
	enum stek_err err;
	struct stat again;

	err = stek_ring_follow(ring, path);
	if (err != STEK_OK) {
		tell(err, &said);
		return;
	}
	said = false;
	is_there = true;
	file = *found;
	open_fd();
	/* Replaced just now: then it is another file, to be looked for. */
	if (stat(path, &again) < 0 || !is_same(found, &again))
		let_go();
}

static void
look(void)
{
	static bool said;
	struct stat found;

	if (stat(path, &found) < 0) {
		if (!is_there)
			tell(STEK_ERR_SYSTEM, &said);
		return;
	}
	said = false;
	if (is_there && !is_same(&found, &file))
		let_go();
	if (!is_there)
		take(&found);
}

static bool
is_within(uint64_t *since, uint64_t now, uint64_t limit)
{
	if (now - *since < limit)
		return true;
	*since = now;
	return false;
}

/* Once a handshake is enough, and it costs more than all else here. */
static bool
is_checked(void)
{
	struct timespec t;
	uint64_t now;

	if (clock_gettime(CLOCK_MONOTONIC, &t) < 0)
		return false;
	now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	if (!is_there)
		return is_within(&missed, now, MISSING_FOR);
	if (is_within(&seen_whole, now, WHOLE_FOR))
		return true;
	return is_within(&seen_there, now, THERE_FOR) && is_whole();
}

const struct stek_ring *
ring_current(void)
{
	(void)pthread_mutex_lock(&lock);
	if (!is_checked())
		look();
	(void)pthread_mutex_unlock(&lock);
	return ring;
}
