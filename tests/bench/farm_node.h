/* SPDX-License-Identifier: ISC */
/*
 * A node of a farm, as daemon/node.c has one: the rules of farm.c, a store
 * "etcd:" of its own, and a ring as its only target; but many of them share a
 * process and its event loop.
 *
 * Never here: what is measured.
 * Invariant: a node confirms what its ring has, and nothing else.
 */
#ifndef TESTS_FARM_NODE_H
#define TESTS_FARM_NODE_H

#include <daemon/entry.h>
#include <daemon/farm.h>
#include <daemon/store_etcd.h>

#define FARM_NODE_NAME 32
#define FARM_NODE_KEPT 8 /* versions whose time is kept */

/* What all nodes of a process share. */
struct farm_nodes {
	struct event_base *base;
	struct store_etcd_conf store; /* but for the node's name */
	struct farm_conf farm; /* ditto */
	const char *name; /* of the farm */
	uint8_t farm_key[STEK_FARM_KEY_LEN];
	struct stek_set *found, *view; /* while they are being looked at */
	struct store_etcd_counts closed; /* of stores that were closed */
	uint64_t stales; /* times that a node was told that it is cut off */
	uint64_t untolds; /* ditto, that its entry could not be written */
	uint64_t swaps[4]; /* how they ended: enum store_swapped */
	uint64_t lists; /* times that all nodes were asked for */
	char why[STORE_WHY_MAX]; /* of the last of those troubles */
};

struct farm_node {
	struct farm_nodes *all;
	char name[FARM_NODE_NAME];
	struct farm farm;
	struct store_etcd *store; /* NULL: closed */
	struct stek_ring *ring;
	struct event *timer;
	int64_t revision; /* of what was found last */
	char writer[STORE_NODE_MAX + 1];
	bool asked, asked_writer;
	bool offset_known;
	struct entry told;
	bool live;
	uint64_t live_at; /* bench_now() */
	uint64_t version; /* that its ring has */
	uint64_t version_at[FARM_NODE_KEPT]; /* of the last: bench_now() then */
};

/* Ends the program if it cannot. */
void farm_node_init(struct farm_node *, struct farm_nodes *, size_t number);
void farm_node_free(struct farm_node *);

/* It starts with the set that it has, as from the copy on its host. */
void farm_node_open(struct farm_node *);
/* As by a power cut: nobody is told. */
void farm_node_close(struct farm_node *);

/* An operator's wishes.  name NULL: all keys. */
void farm_node_rotate(struct farm_node *, bool at_once);
void farm_node_revoke(struct farm_node *, const uint8_t *name);

/* Has etcd taken its entry, which confirms what its ring has? */
bool farm_node_has_told(const struct farm_node *);

#endif
