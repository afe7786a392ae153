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

/* Write what differs; at_once: also within the format's spacing. */
void place_files(const struct conf_target *, bool allow_disk, bool at_once,
    const struct format_out *, struct place_result *);

/* A ring that stays mapped between publishes; zeroed at first. */
struct place_ring {
	struct stek_ring *ring;
	dev_t dev;
	ino_t ino;
};

void place_ring(const struct conf_target *, bool allow_disk,
    struct place_ring *, const struct stek_set *, struct place_result *);

#endif
