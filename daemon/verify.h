/* SPDX-License-Identifier: ISC */
/*
 * What a probe's answer proves: is the key that should seal at a server the
 * one that does?
 *
 * Never here: making the probe (handshake.c), trying again (target.c).
 * Invariant: the answer comes from a process without privilege that talked
 * to a server, so it can be anything.
 */
#ifndef STEK_VERIFY_H
#define STEK_VERIFY_H

#include "conf.h"

struct verify {
	const struct conf_target *conf;
	const struct stek_set *wanted; /* what the server should have */
	int64_t now;
};

/*
 * The JSON object that "stek probe --ticket" printed.  NAMED also where a
 * format's tickets tell nothing.  OTHER, FORGED: why says what is wrong.
 */
enum format_ticket verify_reply(
    const struct verify *, const char *text, char why[CONF_WHY_LEN]);

#endif
