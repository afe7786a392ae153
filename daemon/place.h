/* SPDX-License-Identifier: ISC */
/*
 * Placing a target's files where its server reads them, with the owner and
 * the mode that the configuration says.
 *
 * Never here: which keys are right.  Runs in the monitor, with privilege.
 * Invariant: no file is written in a folder in which another user could
 * replace it, and a folder holds no key that left the set.
 */
#ifndef STEK_PLACE_H
#define STEK_PLACE_H

#include "monitor.h"

struct place_result {
	bool ok;
	bool changed; /* false: all was there already */
	bool owed; /* the server has not taken it: see owed.h */
	bool revoking; /* and what it has yet to take revokes a key */
	bool keep; /* a ring that may be kept: no disk is under it */
	unsigned int wait; /* not ok: too soon after the last write */
	char why[CONF_WHY_LEN]; /* ok: what is left to do, or "" */
};

/* Does the target's folder exist, and on a disk? */
bool place_on_disk(const struct conf_target *);

/*
 * Write the set in the target's format, as far as what is there differs, or
 * publish it to the ring.  Owed: from owed_lock().  For a target with a
 * reload, what was written is owed to its server until owed_forget().
 */
void place_request(const struct conf *, const struct monitor_request *,
    const struct stek_set *, int owed, struct place_result *);

#endif
