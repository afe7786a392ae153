/* SPDX-License-Identifier: ISC */
/*
 * What the operator must know, on the server's standard error.
 */
#ifndef PRELOAD_SAY_H
#define PRELOAD_SAY_H

#include <stdbool.h>

/* A line, once for each `said`. */
void say_once(bool *said, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

#endif
