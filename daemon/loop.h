/* SPDX-License-Identifier: ISC */
/*
 * stekd's main process: what it is made of, and the events that move it.
 *
 * Never here: privilege; it was dropped before the loop begins.
 */
#ifndef STEK_LOOP_H
#define STEK_LOOP_H

#include "rotate.h"
#include "store_apart.h"
#include "target.h"

struct event_base;
struct control;
struct metrics;

struct loop {
	const char *conf_path;
	struct conf *conf;
	struct conf *next_conf; /* read, and offered to the monitor; or NULL */
	bool read_again; /* another SIGHUP came meanwhile */
	char conf_error[CONF_WHY_LEN]; /* why the file was refused, or "" */
	struct event_base *base;
	int monitor;
	struct store_apart apart; /* of a store in etcd */
	uint64_t serial; /* of the last request */
	struct rotate rotate;
	struct target *targets;
	struct stek_set *view; /* what targets get: no dead key in it */
	struct stek_set *scoped; /* while a target gets it */
	struct stek_key *throwaway; /* guarded; see loop_publish() */
	struct control *control;
	struct metrics *metrics;
	bool ready; /* every target was tried once */
	bool failed; /* why the loop ended */
};

/* Run until told to stop; the exit status. */
int loop_run(struct loop *);

/*
 * Give every target the set as it is now.  revoked: when the last of the keys
 * that were revoked with this would have died; 0: none was.
 */
void loop_publish(struct loop *, int64_t revoked);

/* A target's file was placed, or could not be: servers may start. */
void loop_placed(struct loop *);

/* A target's state has settled, well or not. */
void loop_settled(struct loop *, struct target *);

/* status.c: everything that can be told, as one JSON object. */
struct json_t;
struct json_t *status_object(const struct loop *);

/* metrics.c.  False: no memory; an address not to be had is tried again. */
bool metrics_start(struct loop *);
void metrics_stop(struct loop *);
/* Why they are not served, or "". */
const char *metrics_error(const struct loop *);

#endif
