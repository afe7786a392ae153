/* SPDX-License-Identifier: ISC */
/*
 * What a target's server has yet to take, noted so that it outlives stekd, and
 * the lock under which the target's files are written: a file a target, in a
 * folder beside the control socket that is the monitor's alone.  Never beside
 * the key files, for some servers read all that lies there.
 *
 * Never here: keys, and what to do about a debt.
 * Invariants: the file belongs to what lies at a path, whatever its target is
 * called; two paths have two files.  At a boot all of them may go: servers
 * start anew, too.
 */
#ifndef STEK_OWED_H
#define STEK_OWED_H

#include "conf.h"

/*
 * The target's file, made if it is missing, and locked until its last copy is
 * closed; or -1: why, and whether somebody else has the lock.
 */
int owed_lock(const struct conf *, const struct conf_target *, bool *busy,
    char why[CONF_WHY_LEN]);

/* A reload is owed; of a revocation, if so.  False with errno. */
STEK_CHECKED bool owed_note(int fd, bool revoking);

/* Is one owed?  *revoking: for a revocation. */
bool owed_is(int fd, bool *revoking);

/* It is paid.  If this fails, one reload too many comes after a restart. */
void owed_forget(const struct conf *, const struct conf_target *);

#endif
