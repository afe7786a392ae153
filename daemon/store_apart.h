/* SPDX-License-Identifier: ISC */
/*
 * The store "etcd:" in a process of its own (store_main.c), for who has keys in
 * its memory: what passes between them was sealed before.
 *
 * Never here: keys in clear; what any bytes mean.
 * Invariant: the main process never waits for it.
 */
#ifndef STEK_STORE_APART_H
#define STEK_STORE_APART_H

#include <sys/types.h>

#include "store_etcd.h"

struct event;

struct store_apart {
	int fd; /* -1: none; zeroed otherwise until _attach() */
	pid_t pid;
	struct event *event;
	const struct store_told *told;
	void *arg;
	struct store_node *nodes; /* of an answer that is not complete */
	size_t count, room;
	bool broken; /* the process is gone, or does not listen */
};

/*
 * Start stek-etcd, which reads the same configuration, if its hash is the same,
 * and becomes its user by itself.  False with errno.
 */
bool store_apart_start(struct store_apart *, const char *conf_path,
    const uint8_t *hash, size_t hash_len);

/* From now on it is told of what the store says.  False: no memory. */
bool store_apart_attach(struct store_apart *, struct event_base *,
    const struct store_told *, void *arg);

/* It ends by itself once nobody is there to be told. */
void store_apart_stop(struct store_apart *);

/* As of store_etcd.h. */
void store_apart_read(struct store_apart *);
bool store_apart_swap(
    struct store_apart *, int64_t revision, const uint8_t *, size_t len);
bool store_apart_tell(struct store_apart *, const uint8_t *, size_t len);
void store_apart_list(struct store_apart *);
void store_apart_ask(struct store_apart *, const char *node);
void store_apart_forget(struct store_apart *, const char *node);

#endif
