/* SPDX-License-Identifier: ISC */
/*
 * A test program with stek's preloaded object, for the contract's farms.
 */
#ifndef TESTS_PRELOADED_H
#define TESTS_PRELOADED_H

#include "../adapters/expect.h"

/* Become this program with the object, unless it is that already. */
void become_preloaded(char **argv, const char *object);

/* From now on the ring is that beside this certificate; it is asked once. */
void preloaded_ring(const char *cert);

/* What holds for any TLS library. */
extern const struct point preloaded_points[];

/* These and the contract's storm, in that version: a program's main(). */
int preloaded_main(struct contract_library *, int argc, char **argv);

#endif
