/* SPDX-License-Identifier: ISC */
/*
 * One line a thing that happened, made of fields: msg="…" target=web …
 * To standard error until log_to_syslog().
 *
 * Never here, nor in any argument: a key's secret bytes.
 */
#ifndef STEK_LOG_H
#define STEK_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#define LOG_NUMBER_LEN 24

void log_to_syslog(void);

/*
 * Priority as of syslog(3), a message, then pairs of strings, field and
 * value, ended by NULL.  A value of NULL leaves its field out.
 */
void log_line(int priority, const char *msg, ...) __attribute__((sentinel));

/* A number as a value. */
const char *log_number(char buf[LOG_NUMBER_LEN], int64_t);

#endif
