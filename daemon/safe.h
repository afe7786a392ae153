/* SPDX-License-Identifier: ISC */
/*
 * Who else than root and this process's user could change what a path leads
 * to: the one judgement for targets, the configuration, the farm key, and
 * "stek check".
 *
 * Never here: making, writing or removing anything; who may read.
 * Invariant: a path is judged as the kernel follows it, folder by folder and
 * link by link: if it is found safe, nobody else can make it unsafe after.
 */
#ifndef STEK_SAFE_H
#define STEK_SAFE_H

#include "conf.h"

/*
 * A folder is safe if root or this process's user owns it and neither group
 * nor others can write to it.  On the way a sticky bit will do instead, which
 * keeps others from replacing what is not theirs, and links must be root's or
 * this user's.  All return false, and why, also for what is not there.
 */

/* The folder, and the way to it. */
STEK_CHECKED bool safe_folder(const char *folder, char why[CONF_WHY_LEN]);

/* The way to what the path names, which itself is not looked at. */
STEK_CHECKED bool safe_above(const char *path, char why[CONF_WHY_LEN]);

/*
 * The folder that the file lies in, beyond all links, and the way to it.  The
 * file itself may be missing.
 */
STEK_CHECKED bool safe_file(const char *path, char why[CONF_WHY_LEN]);

#endif
