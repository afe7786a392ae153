/* SPDX-License-Identifier: ISC */
/*
 * Within the control socket: who has asked for what.  control.c has the
 * socket, control_obey.c what is done, control_farm.c the other nodes.
 *
 * Never here: keys.
 */
#ifndef STEK_CONTROL_CLIENT_H
#define STEK_CONTROL_CLIENT_H

#include <jansson.h>

#include "control.h"
#include "conf.h"
#include "request.h"

struct bufferevent;
struct event;
struct evconnlistener;

/* What a client waits for besides this host's targets. */
enum client_wait {
	CLIENT_NOT,
	CLIENT_FARM, /* the store to take the change */
	CLIENT_NODES, /* the other nodes to confirm it */
	CLIENT_STATUS, /* how the nodes stand, for a status */
	CLIENT_REKEY, /* how the nodes stand, before a rekey */
	CLIENT_FORGET, /* ... before a node is forgotten */
	CLIENT_FORGOTTEN, /* the store to have no such node any more */
};

struct client {
	struct control *control;
	struct bufferevent *bev; /* NULL: the place is free */
	bool ending; /* close once all is written */
	uint64_t version; /* waits for targets to have it; or 0 */
	int64_t seal_from; /* of the key that the change was about */
	int64_t since; /* ms, of the request */
	size_t left, failed;
	bool told[CONF_TARGETS_MAX];

	enum client_wait wait;
	int64_t lead; /* s, in which the change's key is to seal */
	bool revoking, rekeying; /* or neither: rotating */
	/* A node that is not waited for, or is to be forgotten. */
	char evicted[CONF_NODE_MAX + 1];
	uint64_t before; /* the version before the change */
	json_t *nodes; /* by name: true once told, false while waited for */
};

struct control {
	struct loop *loop;
	struct evconnlistener *listener;
	struct event *timer; /* of control_farm.c */
	struct client clients[CONTROL_CLIENTS_MAX];
};

/* Takes the object. */
void control_say(struct client *, json_t *);
/* Ditto; it is the last one. */
void control_end(struct client *, json_t *);
void control_refuse(struct client *, const char *why);

/* The set's version, and the key that the change was about. */
void control_say_head(
    struct client *, int64_t lead, bool moved, const char *farm_error);
void control_await_targets(struct client *);
/* All that was waited for has been told. */
void control_finish(struct client *);

/* control_obey.c: do it, or say why not. */
void control_obey(struct client *, const struct request *);

/* control_farm.c: this host's targets are done; what next? */
void control_next(struct client *);
/* Carry out a change at the farm. */
void control_wish(struct client *, const struct request *);
/* True: it was a request that only concerns the farm, or needs it. */
bool control_obey_farm(struct client *, const struct request *);
/* It is gone, or needs no more. */
void control_end_farm(struct client *);
void control_stop_farm(struct control *);

#endif
