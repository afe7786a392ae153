/* SPDX-License-Identifier: ISC */
/*
 * Giving up root, for good.
 *
 * Never here: who to be instead.
 */
#ifndef STEK_PRIVILEGE_H
#define STEK_PRIVILEGE_H

#include <sys/types.h>

#include <stdbool.h>

/*
 * This process runs no program with more rights, and if it was root, and uid is
 * not, it is that user from now on and cannot go back.  False: it is not.
 */
bool privilege_drop(uid_t uid, gid_t gid);

#endif
