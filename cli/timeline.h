/* SPDX-License-Identifier: ISC */
/*
 * A farm's keys drawn as bars over time, for people.
 *
 * Never here: where the keys come from.
 */
#ifndef STEK_TIMELINE_H
#define STEK_TIMELINE_H

#include <stek.h>

/* What is known of a key without its secrets. */
struct timeline_key {
	char name[STEK_NAME_HEX];
	enum stek_state state;
	const char *label; /* in place of the state's name, or NULL */
	int64_t seal_from;
	int64_t seal_until;
	int64_t open_until;
};

/*
 * On standard output, for keys ordered by seal_from; "none" for none.  The
 * last one's successor will come after `rotate`; 0: there will be none.
 */
void timeline_put(const struct timeline_key *, size_t count, int64_t rotate,
    int64_t now, bool colour);

#endif
