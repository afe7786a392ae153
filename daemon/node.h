/* SPDX-License-Identifier: ISC */
/*
 * This host as a node of a farm that has its store in common: what the store
 * tells goes to farm.c, and what farm.c says is done.
 *
 * Never here: the rules of the farm; TLS and HTTP (store_apart.c).
 * Invariant: rotate->set is the farm's set as farm.c has it; a store that is
 * silent, or lies, changes nothing about it.
 */
#ifndef STEK_NODE_H
#define STEK_NODE_H

#include "entry.h"
#include "farm.h"
#include "rotate.h"
#include "store_apart.h"

#define NODE_VALUE_MAX (STEK_CODEC_LEN + CONF_NODE_MAX)

/* Another node, or this one, as the store told last. */
struct node_peer {
	char name[CONF_NODE_MAX + 1];
	bool live; /* it has a lease */
	bool readable; /* of the same farm key, so that there is an entry */
	bool follows; /* it is not, but has this farm key as its next one */
	struct entry entry;
};

struct node {
	struct rotate *rotate;
	struct loop *loop;
	struct farm *farm; /* guarded */
	struct stek_set *found; /* while it is being looked at */
	int64_t revision; /* of what was found last */
	bool live; /* in step with etcd */
	bool garbage; /* what is in the store cannot be used */
	char why[CONF_WHY_LEN]; /* it is not live, or cannot be used */
	char copy_why[CONF_WHY_LEN]; /* this host's copy is not the set */
	char untold[CONF_WHY_LEN]; /* why this node's entry is not there */
	enum store_rights rights; /* of this node, in etcd */
	char writer[CONF_NODE_MAX + 1]; /* of the set, or "" */
	char waits[CONF_WHY_LEN]; /* for whom the held key does, or "" */
	int64_t instance; /* of this run */
	bool namesake; /* another host has this node's name */
	bool revoked_kept; /* there is a file of what was revoked */
	bool offset_known;
	int64_t since; /* ms since boot: when etcd was first there */
	int64_t began; /* ditto: when this process was */
	bool late; /* it has waited long enough for its first keys */
	int ran; /* a timer of CLOCK_BOOTTIME, or -1 */
	struct event *wall, *pause, *pulse;
	bool unheard; /* a swap that the store's process did not take */
	bool asked; /* farm.c waits for how nodes stand */
	char list_why[CONF_WHY_LEN]; /* nodes are not as the store has them */
	struct node_peer *peers;
	size_t count;
	struct entry told; /* what this node says of itself */
};

/* False: it has been logged why stekd cannot start. */
STEK_CHECKED bool node_start(struct rotate *, struct loop *);
void node_stop(struct rotate *);

/* It may be time for something. */
void node_wake(struct node *);

/* The configuration is another one. */
void node_configure(struct node *);

/*
 * An operator's wishes.  control_farm() tells how they end, perhaps before
 * these return.
 */
void node_rotate(struct node *, bool at_once);
void node_revoke(struct node *, const uint8_t *name);

/* Ditto: to seal the set with the next farm key. */
void node_rekey(struct node *);

/* The process that talks to etcd is gone: another one will be started. */
void node_store_gone(struct node *, const char *how);

/* A target's state has changed: say so to the farm. */
void node_settled(struct node *);

/* Ask how all nodes stand; control_nodes() tells when that is known. */
void node_list(struct node *);

/* Forget a node that is not live. */
void node_forget(struct node *, const char *name);

/* What servers get. */
void node_view(const struct node *, struct stek_set *);

/* What has happened, to farm.c; and what that says is done. */
void node_step(struct node *, struct farm_event *);
void node_step_what(struct node *, enum farm_what);

extern const struct store_told node_told; /* node_told.c */

/* node_revoked.c: what etcd has not been told, over restarts. */
void node_revoked_recall(struct node *);
void node_revoked_keep(struct node *);

/* node_peer.c: what the store said of all nodes. */
STEK_CHECKED bool node_peers_take(
    struct node *, const struct store_node *, size_t count);
void node_peers_free(struct node *);
const struct node_peer *node_peer_find(const struct node *, const char *name);

/*
 * Has it what this node has, or a version before that from `since` on?  Of a
 * version that this node does not know it is not believed.
 */
bool node_peer_confirmed(
    const struct node *, const struct node_peer *, uint64_t since);

/*
 * Has it been silent for so long, and `more` seconds, that the keys that it
 * may have are dead, by its own clock too?
 */
bool node_peer_is_harmless(
    const struct node *, const struct node_peer *, int64_t more);

/* Nodes whose keys are dead since long are forgotten. */
void node_peers_tidy(struct node *);

/*
 * Has each live node confirmed the set?  If not, node->waits says whose
 * confirmation is missing.
 */
STEK_CHECKED bool node_peers_confirmed(struct node *);

/* node_peer.c: what this node has to say; false: nothing new. */
STEK_CHECKED bool node_describe(struct node *, struct entry *);

#endif
