/* SPDX-License-Identifier: ISC */
/*
 * Leaving the terminal: who types "stekd" gets the prompt back once stekd
 * runs, or an error and exit status 1 if it does not come to that.
 *
 * Never here: privilege, logging.
 */
#ifndef STEK_BACKGROUND_H
#define STEK_BACKGROUND_H

#include <stdbool.h>

/*
 * Goes on in a new process; the old one waits for background_done() and ends
 * with status 0, or for the new one's end and ends with 1.  False with errno.
 */
bool background_begin(void);

/*
 * Give standard input and output up.  False, and nothing done, unless there
 * was a background_begin().
 */
bool background_done(void);

#endif
