/* SPDX-License-Identifier: ISC */
/*
 * What rotation does with the store: reads it, saves to it, and notes when
 * to try again what failed.
 *
 * Never here: what the farm's keys should be.
 * Invariant: rotate->set is left as it is; the caller adopts what was found.
 */
#ifndef STEK_ROTATE_STORE_H
#define STEK_ROTATE_STORE_H

#include "rotate.h"

/* The first read decides whether stekd starts at all: false, logged. */
STEK_CHECKED bool rotate_store_first(struct rotate *);

/*
 * What the set has and `next` has not was revoked, which could not be saved.
 * Until it is, such a key is taken out of whatever set is found.
 */
void rotate_store_revoked(struct rotate *, const struct stek_set *next);

enum rotate_look {
	LOOK_NEWER, /* found holds another set, to be adopted */
	LOOK_NOTHING, /* all is as it was */
	LOOK_FAILED, /* rotate->error says why */
};

/* Has another host, or an operator, put a newer set there? */
STEK_CHECKED enum rotate_look rotate_store_look(
    struct rotate *, struct stek_set *found);

/* CONFLICT: somebody else was faster; look, and plan anew. */
STEK_CHECKED enum store_result rotate_store_save(
    struct rotate *, const struct stek_set *);

/* CONFLICT, but nothing newer was there to see: try again later. */
void rotate_store_raced(struct rotate *);

/* A set was sealed with the next farm key: that is the one now. */
void rotate_store_moved_on(struct rotate *);

/* Is it time to try again? */
bool rotate_store_due(const struct rotate *);

#endif
