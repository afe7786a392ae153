/* SPDX-License-Identifier: ISC */
/*
 * The options of stek.conf(5), each checked by itself, as a struct conf.
 *
 * Never here: lines of the file.
 */
#ifndef STEK_CONF_BUILD_H
#define STEK_CONF_BUILD_H

#include <confuse.h>

#include "conf.h"

#define CONF_BUILD_STORE "dir:/var/lib/stek"

/*
 * Fill a zeroed conf, which conf_free() frees either way.  False: why says
 * what does not go together, or is as it was if there was no memory.
 */
STEK_CHECKED bool conf_build(cfg_t *, struct conf *, char why[CONF_WHY_LEN]);

#endif
