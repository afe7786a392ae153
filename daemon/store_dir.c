/* SPDX-License-Identifier: ISC */
/*
 * The store "dir:": three files in a local folder,
 *
 *	FARM.set	the encoded set, replaced whole; may be copied to
 *			other hosts by any means
 *	FARM.seen	the highest version in use here, as decimal digits
 *	FARM.lock	locked while a set is swapped
 *
 * See store.h.
 */
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

/* Which are not in linux/magic.h. */
#define GFS2_MAGIC   0x01161970
#define LUSTRE_MAGIC 0x0bd00bd0

#define LOCK_TRIES 50
#define LOCK_WAIT  (10 * 1000 * 1000) /* ns */

static enum store_result
denied(struct store *store, const char *path)
{
	(void)snprintf(store->why, sizeof(store->why), "%.400s: %s", path,
	    strerror(errno));
	return STORE_DENIED;
}

static bool
read_seen(struct store *store)
{
	uint8_t *bytes;
	enum stek_err err;
	char text[32] = "", *end;
	size_t len;

	err = stek_file_read(store->seen, sizeof(text) - 1, &bytes, &len);
	if (err == STEK_ERR_SYSTEM && errno == ENOENT)
		return true;
	if (err == STEK_ERR_SYSTEM) {
		(void)denied(store, store->seen);
		return false;
	}
	if (err == STEK_OK) {
		memcpy(text, bytes, len);
		stek_file_free(bytes);
		errno = 0;
		store->version = strtoull(text, &end, 10);
		if (end != text && strcmp(end, "\n") == 0 && errno == 0 &&
		    text[0] != '-')
			return true;
	}
	(void)snprintf(store->why, sizeof(store->why),
	    "%.200s: expected one version number; remove the file if the set "
	    "beside it is to be trusted",
	    store->seen);
	return false;
}

bool
store_open(struct store *store, const struct conf *conf)
{
	memset(store, 0, sizeof(*store));
	store->watch = -1;
	store->uid = geteuid() == 0 ? conf->uid : (uid_t)-1;
	store->gid = geteuid() == 0 ? conf->gid : (gid_t)-1;
	conf_set_path(conf, store->set, sizeof(store->set));
	(void)snprintf(store->lock, sizeof(store->lock), "%s/%s.lock",
	    conf->store_dir, conf->farm);
	(void)snprintf(store->seen, sizeof(store->seen), "%s/%s.seen",
	    conf->store_dir, conf->farm);
	if (access(conf->store_dir, R_OK | W_OK | X_OK) < 0) {
		(void)denied(store, conf->store_dir);
		return false;
	}
	return read_seen(store);
}

void
store_close(struct store *store)
{
	if (store->watch >= 0)
		(void)close(store->watch);
	store->watch = -1;
}

/* Of these, inotify(7) does not tell what other hosts do. */
static bool
is_remote(const char *path)
{
	static const unsigned int remote[] = {AFS_FS_MAGIC, AFS_SUPER_MAGIC,
	    CEPH_SUPER_MAGIC, CIFS_SUPER_MAGIC, CODA_SUPER_MAGIC,
	    FUSE_SUPER_MAGIC, GFS2_MAGIC, LUSTRE_MAGIC, NFS_SUPER_MAGIC,
	    OCFS2_SUPER_MAGIC, SMB2_SUPER_MAGIC, SMB_SUPER_MAGIC, V9FS_MAGIC};
	struct statfs fs;
	size_t i;

	if (statfs(path, &fs) < 0)
		return false;
	for (i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if ((unsigned int)fs.f_type == remote[i])
			return true;
	return false;
}

static bool
watch_folder(struct store *store)
{
	char path[sizeof(store->set)];

	(void)snprintf(path, sizeof(path), "%.*s",
	    (int)(strrchr(store->set, '/') - store->set), store->set);
	store->folder = inotify_add_watch(store->watch, path,
	    IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF |
	        IN_MOVE_SELF | IN_ONLYDIR);
	store->remote = is_remote(path);
	if (store->folder < 0)
		(void)denied(store, path);
	return store->folder >= 0;
}

bool
store_watch(struct store *store)
{
	store->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (store->watch >= 0 && watch_folder(store))
		return true;
	if (store->watch < 0)
		(void)denied(store, "inotify");
	store_close(store);
	return false;
}

/* The path may name another folder from now on, or none. */
static void
forget_folder(struct store *store)
{
	if (store->folder >= 0)
		(void)inotify_rm_watch(store->watch, store->folder);
	store->folder = -1;
}

bool
store_watch_read(struct store *store)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} buf;
	const char *base = strrchr(store->set, '/') + 1;
	const struct inotify_event *event;
	bool changed = false;
	ssize_t n, at;

	while ((n = read(store->watch, &buf, sizeof(buf))) > 0) {
		for (at = 0; at < n;
		     at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const void *)(buf.bytes + at);
			if ((event->mask & IN_Q_OVERFLOW) != 0 ||
			    (event->len > 0 && strcmp(event->name, base) == 0))
				changed = true;
			if (event->wd != store->folder ||
			    (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF |
			                       IN_UNMOUNT | IN_IGNORED)) == 0)
				continue;
			forget_folder(store);
			changed = true;
		}
	}
	return changed;
}

/* What is there, whatever its version. */
static enum store_result
look(struct store *store, uint8_t bytes[STEK_CODEC_LEN], uint64_t *version)
{
	uint8_t *found;
	enum stek_err err;
	size_t len;

	*version = 0;
	if (store->watch >= 0 && store->folder < 0 && !watch_folder(store))
		return STORE_DENIED;
	err = stek_file_read(store->set, STEK_CODEC_LEN, &found, &len);
	if (err == STEK_ERR_SYSTEM && errno == ENOENT) {
		(void)denied(store, store->set);
		return STORE_ABSENT;
	}
	if (err == STEK_ERR_SYSTEM)
		return denied(store, store->set);
	if (err == STEK_OK) {
		err = stek_codec_version(found, len, version);
		if (err == STEK_OK && bytes != NULL)
			memcpy(bytes, found, len);
		stek_file_free(found);
	}
	if (err == STEK_OK)
		return STORE_OK;
	(void)snprintf(store->why, sizeof(store->why),
	    "%.300s: expected an encoded set of %d bytes: %s", store->set,
	    STEK_CODEC_LEN, stek_strerror(err));
	return STORE_BROKEN;
}

enum store_result
store_read(
    struct store *store, uint8_t bytes[STEK_CODEC_LEN], uint64_t *version)
{
	enum store_result result = look(store, bytes, version);

	if (result != STORE_OK || *version >= store->version)
		return result;
	(void)snprintf(store->why, sizeof(store->why),
	    "%.200s: has version %" PRIu64 ", but this host has had %" PRIu64
	    ": an older copy was put there; if that was intended, stop stekd "
	    "and remove %.200s",
	    store->set, *version, store->version, store->seen);
	return STORE_ROLLBACK;
}

/*
 * Whose folder it is may have put anything there, such as a second name of a
 * file of root's, to be given it.
 */
static bool
is_lock(struct store *store, int fd)
{
	uid_t uid = store->uid != (uid_t)-1 ? store->uid : geteuid();
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    (st.st_uid == 0 || st.st_uid == uid))
		return true;
	(void)snprintf(store->why, sizeof(store->why),
	    "%.300s: expected a file with one name, of root or uid %u; remove "
	    "it",
	    store->lock, (unsigned int)uid);
	return false;
}

/* The lock's descriptor; -1: result says why. */
static int
take_lock(struct store *store, enum store_result *result)
{
	struct timespec wait = {0, LOCK_WAIT};
	int fd, tries;

	fd = open(store->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		*result = denied(store, store->lock);
		return -1;
	}
	if (!is_lock(store, fd)) {
		(void)close(fd);
		*result = STORE_DENIED;
		return -1;
	}
	if (store->uid != (uid_t)-1 && fchown(fd, store->uid, store->gid) < 0)
		(void)denied(store, store->lock);
	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		(void)nanosleep(&wait, NULL);
	}
	(void)snprintf(store->why, sizeof(store->why),
	    "%.300s: another process holds the lock", store->lock);
	(void)close(fd);
	*result = STORE_BUSY;
	return -1;
}

enum store_result
store_swap(
    struct store *store, uint64_t expected, const uint8_t bytes[STEK_CODEC_LEN])
{
	enum store_result result;
	uint64_t version;
	int lock;

	lock = take_lock(store, &result);
	if (lock < 0)
		return result;
	result = look(store, NULL, &version);
	if (result != STORE_OK && result != STORE_ABSENT)
		goto out;
	if (version > expected) {
		(void)snprintf(store->why, sizeof(store->why),
		    "%.300s: has version %" PRIu64 ", expected %" PRIu64,
		    store->set, version, expected);
		result = STORE_CONFLICT;
		goto out;
	}
	result = STORE_OK;
	if (stek_file_write(store->set, bytes, STEK_CODEC_LEN, 0600, store->uid,
	        store->gid) != STEK_OK)
		result = denied(store, store->set);
out:
	(void)close(lock);
	return result;
}

enum store_result
store_accept(struct store *store, uint64_t version)
{
	char text[32];
	int len;

	if (version <= store->version && !store->unseen)
		return STORE_OK;
	if (version > store->version)
		store->version = version;
	store->unseen = true;
	len = snprintf(text, sizeof(text), "%" PRIu64 "\n", store->version);
	if (stek_file_write(store->seen, (const uint8_t *)text, (size_t)len,
	        0600, store->uid, store->gid) != STEK_OK)
		return denied(store, store->seen);
	store->unseen = false;
	return STORE_OK;
}
