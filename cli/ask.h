/* SPDX-License-Identifier: ISC */
/*
 * Asking a running stekd over its control socket; see daemon/control.h for
 * what is said.
 *
 * Never here: what any request means.
 */
#ifndef STEK_ASK_H
#define STEK_ASK_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define ASK_WHY_LEN 512

struct ask {
	int fd;		/* -1: not connected */
	int timeout;	/* seconds without any answer */
	char *buf;	/* received, and not yet taken as answers */
	size_t len;
	size_t size;
	bool ended;	/* stekd has said that it is not done, and why */
	char why[ASK_WHY_LEN];
};

/*
 * Connect to the socket and send the request, which it takes over (NULL: out
 * of memory).  False: ask->why.  ask_close() either way.
 */
bool ask_open(
    struct ask *, const char *socket, json_t *request, int timeout);

/*
 * The next answer, an object, to be released by json_decref().  NULL:
 * ask->why, which is stekd's own error if it sent one.
 */
json_t *ask_next(struct ask *);

void ask_close(struct ask *);

/* All of that for a request with one answer; NULL: why. */
json_t *ask_once(
    const char *socket, json_t *request, char why[ASK_WHY_LEN]);

/* An answer's text; "" if it has none of that name. */
const char *ask_text(const json_t *, const char *name);

/* An answer's number; otherwise if it has none of that name. */
json_int_t ask_number(
    const json_t *, const char *name, json_int_t otherwise);

#endif
