/* SPDX-License-Identifier: ISC */
/*
 * The words that the contract's tests are written in, and the list of them.
 */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include "farm.h"

/* A point of the contract: its test's name, to be read as a sentence. */
struct point {
	const char *says;
	void (*test)(void **farm);
	unsigned int unless; /* the library cannot do one of these */
	unsigned int only_if; /* it cannot do one of these, if any is named */
};

/* Each list ends with an empty point. */
extern const struct point ticket_points[];
extern const struct point refusal_points[];
extern const struct point time_points[];
extern const struct point host_points[];
extern const struct point storm_points[];

#define POINT(test)               \
	{                         \
#test, test, 0, 0 \
	}
#define POINT_UNLESS(cannot, test)     \
	{                              \
#test, test, cannot, 0 \
	}
#define POINT_ONLY_IF(cannot, test)    \
	{                              \
#test, test, 0, cannot \
	}
#define END_OF_POINTS            \
	{                        \
		NULL, NULL, 0, 0 \
	}

/* Publish these keys and no others. */
#define PUBLISH(ring, ...)                                      \
	farm_publish((ring),                                    \
	    sizeof((const struct stek_key *[]) {__VA_ARGS__}) / \
	        sizeof(const struct stek_key *),                \
	    (const struct stek_key *[]) {__VA_ARGS__})

/* Connected, with no alert; by a full handshake, or resumed. */
void expect_full(const struct visit *);
void expect_resumed(const struct visit *);

/* Is the last ticket that came of this key? */
bool is_ticket_of(
    const struct farm *, const struct visit *, const struct stek_key *);
void expect_ticket_of(
    const struct farm *, const struct visit *, const struct stek_key *);

/* None came, or, where the library always gives one, none of the ring's. */
void expect_no_ticket(const struct farm *, const struct visit *);

/* Is one of these beyond the library, in the version that is tested? */
bool cannot(const struct farm *, unsigned int what);

/* A full handshake that gives a ticket to come back with. */
void first_visit(
    const struct farm *, void *server, const char *host, struct visit *);

/* Come back with v's ticket; w is what came of it. */
void return_visit(const struct farm *, void *server, const char *host,
    const struct visit *v, struct visit *w);

#endif
