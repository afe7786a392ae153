/* SPDX-License-Identifier: ISC */
/*
 * Having a server probed by an unprivileged "stek probe", so that no TLS
 * stack ever shares a process with keys.
 *
 * Never here: judging the ticket (target.c).  Runs in a worker of the
 * monitor.
 */
#ifndef STEK_HANDSHAKE_H
#define STEK_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#define HANDSHAKE_SECONDS 15 /* a probe that takes longer is killed */

/*
 * A descriptor of the stek(1) that belongs to this stekd, from which it can
 * be executed; -1 with errno.
 */
int handshake_open(void);

/*
 * Probe "HOST:PORT[/SNI]".  True: out holds the JSON object that the probe
 * printed, NUL-terminated.  False: out says why there is none.
 */
bool handshake_run(int stek, const char *verify, char *out, size_t size);

#endif
