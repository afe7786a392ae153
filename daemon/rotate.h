/* SPDX-License-Identifier: ISC */
/*
 * The farm's set as this host has it, and the timer that moves it on: plans,
 * swaps at the store, adopts what others swapped.
 *
 * Never here: targets, sockets.
 * Invariant: a store that fails never stops rotation on this host; the set
 * in memory goes on and is saved when the store is back.  A key that was
 * revoked here meanwhile does not come back by another host's set.
 */
#ifndef STEK_ROTATE_H
#define STEK_ROTATE_H

#include "doubt.h"
#include "farm_keys.h"
#include "store.h"

struct node;

#define ROTATE_REVOKED_MAX 64

struct loop;
struct event;

struct rotate {
	struct loop *loop;
	struct stek_set *set;
	struct farm_keys farm_keys; /* set them before rotate_start() */
	struct node *node; /* of a farm with a store in common; or NULL */
	struct store store; /* a node has its copy there */
	uint64_t stored; /* the version in the store, as last seen */
	bool unsaved; /* set is newer than what could be stored */
	uint8_t revoked[ROTATE_REVOKED_MAX][STEK_NAME_LEN]; /* and not saved */
	size_t revoked_count; /* the latest are kept */
	bool rollback; /* the store has gone back to an older set */
	char error[CONF_WHY_LEN]; /* of the store, or "" */
	unsigned int attempts; /* at the store that failed in a row */
	int64_t retry; /* ditto, when to try it again, by clock_ms(); or 0 */
	struct doubt doubt;
	int64_t wake; /* when the timer fires, or 0 */
	int timerfd; /* or -1 */
	struct event *timer;
	struct event *watch;
	uint64_t rotations, revocations, store_errors;
};

/* False: it has been logged why stekd cannot start. */
STEK_CHECKED bool rotate_start(struct rotate *, struct loop *);
void rotate_stop(struct rotate *);

/* When the store will be tried again, in Unix seconds by now; 0: no need. */
int64_t rotate_retry(const struct rotate *, int64_t now);

/* Plan now, save and publish what changed, set the timer. */
void rotate_wake(struct rotate *);

/* The configuration is another one, so perhaps the policy. */
void rotate_configure(struct rotate *);

/* What servers get, but that dead keys may be in it. */
void rotate_view(const struct rotate *, struct stek_set *);

/*
 * There are no keys for servers yet.  A node waits for those of its farm for a
 * moment; then its servers get one of this host alone.
 */
bool rotate_is_waiting(const struct rotate *);

/* A line of log about the set. */
void rotate_log_set(const char *msg, const struct rotate *);

/*
 * Operator's wishes, carried out at once; of a node, see node.h.  Not OK:
 * nothing changed.  The store may not have been written: rotate->error then
 * says so.  *moved: false if the next key begins to seal as soon already.
 */
STEK_CHECKED enum stek_err rotate_ahead(
    struct rotate *, bool at_once, bool *moved);
STEK_CHECKED enum stek_err rotate_revoke(struct rotate *, const uint8_t *name);

/*
 * The set is sealed with the next farm key from now on.  AUTH: there is none.
 */
STEK_CHECKED enum stek_err rotate_rekey(struct rotate *);

#endif
