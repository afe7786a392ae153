/* SPDX-License-Identifier: ISC */
/*
 * Placing a target's files where its server reads them, with the owner and
 * the mode that the configuration says.
 *
 * Never here: what is in the files.  Runs in the monitor, with privilege.
 * Invariant: no file is written in a folder in which another user could
 * replace it, and a folder holds no key that left the set.
 */
#ifndef STEK_PLACE_H
#define STEK_PLACE_H

#include "conf.h"

struct place_result {
	bool ok;
	bool changed; /* false: all was there already */
	bool owed; /* the server has not taken it: see owed.h */
	bool revoking; /* and what it has yet to take revokes a key */
	unsigned int wait; /* not ok: too soon after the last write */
	char why[CONF_WHY_LEN];
};

/*
 * May keys be written there: is the folder safe and, unless disk is allowed,
 * in memory?  Makes the folder of a folder format.  False: why.
 */
STEK_CHECKED bool place_check(
    const struct conf_target *, bool allow_disk, char why[CONF_WHY_LEN]);

/* Does the target's folder exist, and on a disk? */
bool place_on_disk(const struct conf_target *);

struct place_how {
	bool allow_disk;
	bool revoking; /* also within the format's spacing */
	bool renew; /* what does not differ gets a new time, as some servers
	               look at that */
	int owed; /* from owed_open() */
};

/*
 * Write what differs.  For a target with a reload, what was written is owed
 * to its server, also after a restart of stekd, until owed_forget().
 */
void place_files(const struct conf_target *, const struct place_how *,
    const struct format_out *, struct place_result *);

/* A ring that stays mapped between publishes; zeroed at first. */
struct place_ring {
	struct stek_ring *ring;
	dev_t dev;
	ino_t ino;
	off_t size;
};

void place_ring(const struct conf_target *, bool allow_disk,
    struct place_ring *, const struct stek_set *, struct place_result *);

#endif
