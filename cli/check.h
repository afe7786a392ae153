/* SPDX-License-Identifier: ISC */
/*
 * stek check: each part looks at one side of this host and says what it
 * found.
 *
 * Never here: mending anything; a key's secret bytes.
 * Invariant: what stekd would refuse to start with is a failure here.
 */
#ifndef STEK_CHECK_H
#define STEK_CHECK_H

#include <jansson.h>

#include "farm.h"

enum check_level {
	CHECK_OK,	/* as it should be */
	CHECK_NOTE,	/* good to know; nothing need be done */
	CHECK_WARN,	/* works, and is less safe or useful than it should */
	CHECK_FAIL,	/* does not work, or gives keys away */
};

struct check {
	const struct conf *conf;
	const char *conf_path;
	int64_t now;
	json_t *lines;		/* gathered for --json, or NULL: printed */
	size_t counts[CHECK_FAIL + 1];
};

/*
 * One line: about what, what was found and what was expected, and what to do
 * about it, or "".
 */
void check_say(struct check *, enum check_level, const char *subject,
    const char *todo, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Swap, core dumps, limits, the clock. */
void check_host(struct check *);

/* Configuration, farm key, store and control socket: who can get at them. */
void check_files(struct check *);

/* Each target's place: who can get at it, and what keys are there. */
void check_places(struct check *, const struct stek_set *);

/* The farm's keys, as the store has them. */
void check_keys(struct check *, const struct stek_set *);

/* The policy and each target's options against what its server can do. */
void check_policy(struct check *);

/* A store in etcd: how it is reached, and with what. */
void check_etcd(struct check *);

/* Of stekd's status: the nodes of a farm. */
void check_nodes(struct check *, const json_t *status);

/* What a running stekd knows to be wrong. */
void check_stekd(struct check *);

#endif
