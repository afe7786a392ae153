/* SPDX-License-Identifier: ISC */
/*
 * Where a farm's set lives, as bytes that the store cannot read: a set is
 * encrypted (codec.c) before it comes here.
 *
 * Level-triggered: a watch says that something changed, a read says what is
 * there now.  A swap succeeds only over the version that the caller saw.
 *
 * Never here: keys in clear, policy, retries.
 * Invariant: a version once seen by this host is never gone below: a store
 * that goes back is told as STORE_ROLLBACK and its bytes are not given out.
 */
#ifndef STEK_STORE_H
#define STEK_STORE_H

#include "conf.h"

enum store_result {
	STORE_OK,
	STORE_ABSENT, /* read: there is no set yet */
	STORE_ROLLBACK, /* read: an older version than this host has had */
	STORE_CONFLICT, /* swap: there is another version than expected */
	STORE_BROKEN, /* read, swap: what is there is no encoded set */
	STORE_DENIED, /* the system refused: see why */
	STORE_BUSY, /* another process holds the store's lock */
};

struct store {
	char set[FORMAT_PATH_MAX + STEK_FARM_MAX + 16];
	char lock[FORMAT_PATH_MAX + STEK_FARM_MAX + 16];
	char seen[FORMAT_PATH_MAX + STEK_FARM_MAX + 16];
	uint64_t version; /* the highest that this host has had */
	uid_t uid; /* owner of what is written, or -1 */
	gid_t gid;
	bool remote; /* a file system that others change unnoticed */
	bool unseen; /* version could not be written down */
	int watch; /* inotify descriptor, or -1 */
	int folder; /* the folder's watch there; -1: it was moved away */
	char why[CONF_WHY_LEN]; /* of the last result that was not OK */
};

/* False: store->why says why not. */
STEK_CHECKED bool store_open(struct store *, const struct conf *);
void store_close(struct store *);

/*
 * Make store->watch readable whenever the set may have changed.  False:
 * store->why.  Where store->remote, it tells only of what this host does.
 */
STEK_CHECKED bool store_watch(struct store *);

/* Take what the watch has to say; true if the set is to be read again. */
bool store_watch_read(struct store *);

/* OK: bytes hold an encoded set that claims to be of *version. */
STEK_CHECKED enum store_result store_read(
    struct store *, uint8_t bytes[STEK_CODEC_LEN], uint64_t *version);

/*
 * Put an encoded set in place of version `expected` (0: of none).  What is
 * there with a lower version than expected is older than what the caller has
 * and is replaced, too.
 */
STEK_CHECKED enum store_result store_swap(
    struct store *, uint64_t expected, const uint8_t bytes[STEK_CODEC_LEN]);

/*
 * This version was decoded and is in use: nothing older is taken from now
 * on, also after a restart.
 */
STEK_CHECKED enum store_result store_accept(struct store *, uint64_t version);

#endif
