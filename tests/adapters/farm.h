/* SPDX-License-Identifier: ISC */
/*
 * What a test of the contract has: a ring, servers of it in this process and
 * in others, and a client.
 */
#ifndef TESTS_FARM_H
#define TESTS_FARM_H

#include <sys/types.h>

#include "client.h"
#include "contract.h"

#define FARM_PATH 96

struct farm {
	const struct contract_library *library;
	int version;
	SSL_CTX *client;
	char dir[FARM_PATH / 2];
	char cert[FARM_PATH];
	char key[FARM_PATH];
	char path[FARM_PATH]; /* of the ring */
	struct stek_ring *ring;
	void *server; /* of that ring, without hosts */
};

/* A server in a process of its own, and the socket it listens on. */
struct remote {
	pid_t pid;
	char path[FARM_PATH];
};

/* Folder and certificate for all tests. */
int farm_open(struct farm *, const struct contract_library *, int version);
void farm_close(struct farm *);

/* For one test: an empty ring and its server. */
int farm_start(struct farm *);
void farm_stop(struct farm *);

/* How often to do what is to be done often; less under valgrind. */
size_t farm_times(size_t often, size_t seldom);

/* A new key with times relative to now. */
struct stek_key farm_key(int64_t from, int64_t until, int64_t open_until);

/* Seals for an hour to come, opens for two. */
struct stek_key farm_key_good(void);

/* Publish these keys and no others. */
void farm_publish(struct stek_ring *, size_t, const struct stek_key *const *);

/* A further server, also of another ring. */
void *farm_server(const struct farm *, const struct stek_ring *, bool hosts);

/* Fork and run the test program anew, to map the ring's file by itself. */
void farm_exec(const struct farm *, struct remote *);

/* Fork only: a worker of a server that this process made. */
void farm_fork(const struct farm *, void *server, struct remote *);
void remote_stop(struct remote *);

/* What an executed copy of the test program does; does not return. */
void farm_serve(const struct contract_library *, char **argv);

void farm_visit(const struct farm *, void *server, const SSL_SESSION *,
    const char *host, struct visit *);
void remote_visit(const struct farm *, const struct remote *,
    const SSL_SESSION *, struct visit *);

#endif
