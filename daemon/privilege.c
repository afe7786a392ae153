/* SPDX-License-Identifier: ISC */
/* See privilege.h. */
#include <sys/prctl.h>

#include <grp.h>
#include <unistd.h>

#include "privilege.h"

bool
privilege_drop(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return false;
	if (geteuid() != 0 || uid == 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0 && setuid(0) < 0;
}
