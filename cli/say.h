/* SPDX-License-Identifier: ISC */
/*
 * How stek(1) speaks to people: errors, times and spans of time as text.
 *
 * Never here: a key's secret bytes.
 */
#ifndef STEK_SAY_H
#define STEK_SAY_H

#include <stddef.h>
#include <stdint.h>

enum {
	SAY_SPAN_LEN = 24,	/* "3h12m" */
	SAY_TIME_LEN = 64,	/* "2026-01-31 18:00:00 (in 3h12m)" */
};

/* "stek: ", the text and a line feed on standard error. */
void say_error(const char *, ...) __attribute__((format(printf, 1, 2)));

/* The same; returns CLI_USAGE. */
int say_usage(const char *, ...) __attribute__((format(printf, 1, 2)));

/* A length of time, in its two greatest units: "45s", "3h12m", "2d". */
const char *say_span(int64_t seconds, char text[SAY_SPAN_LEN]);

/* Local time, and how far away that is. */
const char *say_time(int64_t time, int64_t now, char text[SAY_TIME_LEN]);

/* On standard output, in lines of at most 79 columns, each indented. */
void say_wrapped(const char *text, int indent);

/*
 * Foreign text on standard output: control characters, with which it could
 * play tricks on a terminal, as blanks.
 */
void say_clean(const char *);

/* Everything went to standard output; 0, or CLI_FAILED with a message. */
int say_flush(void);

#endif
