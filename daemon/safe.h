/* SPDX-License-Identifier: ISC */
/*
 * Who else than root could change what lies in a folder.
 *
 * Never here: making, writing or removing anything.
 */
#ifndef STEK_SAFE_H
#define STEK_SAFE_H

#include "conf.h"

/*
 * Can only root and this process's user change what is in the folder, and in
 * those above it?  Above, a sticky bit will do: it keeps others from
 * replacing what is not theirs.  False: why.
 */
STEK_CHECKED bool safe_folder(const char *folder, char why[CONF_WHY_LEN]);

/* As safe_folder(), of those above alone: the folder may be missing. */
STEK_CHECKED bool safe_above(const char *folder, char why[CONF_WHY_LEN]);

#endif
