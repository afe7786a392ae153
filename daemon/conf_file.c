/* SPDX-License-Identifier: ISC */
/*
 * Who else may have had a hand in the configuration's file: see conf.h.
 *
 * Never here: what the configuration says.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "safe.h"

/*
 * The way to the file first: once nobody else can put another file there, what
 * is looked at here is what conf_load() opens.
 */
bool
conf_is_safe(const char *path, char why[CONF_WHY_LEN])
{
	char reason[CONF_WHY_LEN];
	struct stat st;

	if (geteuid() != 0)
		return true;
	if (!safe_file(path, reason)) {
		if (stat(path, &st) < 0)
			(void)snprintf(why, CONF_WHY_LEN, "%.200s: %s%s", path,
			    strerror(errno),
			    errno == ENOENT ? "; write one with \"stek init\""
			                    : "");
		else
			(void)snprintf(why, CONF_WHY_LEN,
			    "%.200s: others can put another file there, and "
			    "with it what root runs: %.700s",
			    path, reason);
		return false;
	}
	if (stat(path, &st) < 0 || (st.st_uid == 0 && (st.st_mode & 022) == 0))
		return true;
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.200s: others can change this file, and with it what root runs; "
	    "expected owner root and no write permission for group and "
	    "others, found uid %u and mode %04o",
	    path, (unsigned int)st.st_uid, (unsigned int)(st.st_mode & 07777));
	return false;
}
