/* SPDX-License-Identifier: ISC */
/*
 * The local control socket: how stek(1) asks a running stekd.
 *
 * A request is one JSON object on one line, at most CONTROL_LINE_MAX bytes:
 *
 *	{"do": "status"}
 *	{"do": "rotate", "now": false}
 *	{"do": "revoke", "all": true}
 *	{"do": "revoke", "key": "<32 hex digits>"}
 *
 * Answers are JSON objects, one a line; the last one has "done".  A request
 * that cannot be carried out: {"done": false, "error": "..."}, and nothing
 * was changed.
 *
 * status: one line with "done": true and what status.c puts there.
 *
 * rotate, revoke: first {"version": V, "sealing": "<hex>", "seal_from": T,
 * "targets": N, "moved": BOOL}; moved is false if the next key, which is
 * "sealing", begins to seal as soon already, and nothing was changed.  Then
 * for each target, in the order in which they confirm,
 * {"target": NAME, "ok": BOOL, "ms": MILLISECONDS, "detail": TEXT}, last
 * {"done": true, "failed": N}, or, if what was done could not be stored,
 * {"done": false, "failed": N, "error": "..."}.  A target is ok once the set
 * of version V is in its file, its server has reloaded, and its verify has
 * proven it; where it could not, detail says why.
 *
 * In a farm of many hosts the head comes once the store has the change, and
 * after this host's targets comes a line for each other node,
 * {"node": NAME, "ok": BOOL, "ms": MILLISECONDS, "detail": TEXT}.  If the farm
 * could not be told, the head has "farm_error": TEXT, and there are no nodes.
 *
 *	{"do": "forget", "node": NAME}
 *
 * removes what a node that is gone has left in the store.
 *
 *	{"do": "rekey"}
 *	{"do": "rekey", "node": NAME}
 *
 * seals the set with the next farm key, if all live nodes, but the one that is
 * named, have the same; it is answered as rotate is.
 *
 * The socket belongs to whoever started stekd, mode 0600.
 *
 * Never here: a key's secret bytes; names only, as hex digits.
 */
#ifndef STEK_CONTROL_H
#define STEK_CONTROL_H

#include <stdbool.h>

#define CONTROL_LINE_MAX     4096
#define CONTROL_CLIENTS_MAX  16
#define CONTROL_IDLE_SECONDS 10

struct conf;
struct loop;
struct target;

/*
 * The listening socket, made before privilege is dropped; -1: it has been
 * logged why not.
 */
int control_bind(const struct conf *);

/* Serve it; false: no memory. */
bool control_start(struct loop *, int fd);
void control_stop(struct loop *);

/* The target's state has settled: tell whoever waits for it. */
void control_settled(struct loop *, const struct target *);

/*
 * Of a node: an operator's wish was carried out at the farm, or (false) could
 * not be.
 */
void control_farm(struct loop *, bool done);

/* Of a node: how all nodes stand is known anew. */
void control_nodes(struct loop *);

/* The targets are about to be replaced: nobody can wait for them. */
void control_forget(struct loop *);

#endif
