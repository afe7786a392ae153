/* SPDX-License-Identifier: ISC */
/*
 * A change of the farm's keys that stekd carries out, watched until every
 * target has confirmed it: what rotate and revoke have in common.
 *
 * Never here: which change.
 */
#ifndef STEK_CHANGE_H
#define STEK_CHANGE_H

#include <stdbool.h>

#include <jansson.h>

#include "cli.h"

#define CHANGE_TIMEOUT 180 /* seconds without any answer */

/* --timeout's value: seconds from 1 to a day; -1, said, if it is none. */
int change_timeout(const char *);

/*
 * Send the request, which it takes over, and show what comes of it.  The
 * exit status.
 */
int change_run(const char *socket, json_t *request, int timeout);

#endif
