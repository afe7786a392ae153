/* SPDX-License-Identifier: ISC */
/*
 * The farm as this host has it: its configuration, its farm key and the set
 * in its store, read without asking stekd.
 *
 * Never here: changing any of them.
 */
#ifndef STEK_FARM_H
#define STEK_FARM_H

#include <daemon/conf.h>
#include <daemon/farm_keys.h>
#include <daemon/store.h>

#include "cli.h"

struct farm {
	struct conf *conf;	/* NULL: see farm_open_stekd() */
	char *control;	/* stekd's control socket */
	struct store store;
	struct farm_keys keys;	/* now NULL: not read */
	struct stek_set *set;	/* of version 0 if the store has none yet */
	bool moved;	/* it is sealed with the next farm key */
	char why[CONF_WHY_LEN];	/* why farm_read() failed */
};

/* Start with the configuration alone; false: it has been said why not. */
bool farm_open(struct farm *, const struct cli *);

/*
 * For what only stekd does.  A configuration that cannot be used is told, and
 * then stekd is looked for where it may be: it goes by the one from before.
 */
bool farm_open_stekd(struct farm *, const struct cli *);

/* The farm key, and the set without what was revoked here; false: why. */
bool farm_read(struct farm *);

void farm_close(struct farm *);

#endif
