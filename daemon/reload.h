/* SPDX-License-Identifier: ISC */
/*
 * How a server is told to take its new key file: the part of a target that
 * stek.conf(5) calls reload.
 *
 *	"COMMAND"		by /bin/sh -c
 *	"signal:NAME:PIDFILE"	a signal to the process that the file names
 *	"haproxy:SOCKET"	the file's lines over haproxy's own socket
 *
 * Never here: when to reload (target.c).  Runs in a worker of the monitor,
 * with privilege; may take its time.
 */
#ifndef STEK_RELOAD_H
#define STEK_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

#define RELOAD_SECONDS 30 /* a command that takes longer is killed */

/* NULL if it is one of the above, or what was expected. */
const char *reload_check(const char *reload);

/*
 * Do it, for the key file at path.  False: why holds what went wrong, the
 * end of what a command printed included, never key bytes.
 */
bool reload_run(const char *reload, const char *path, char *why, size_t size);

#endif
