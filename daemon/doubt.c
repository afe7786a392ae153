/* SPDX-License-Identifier: ISC */
/* See doubt.h. */
#include <inttypes.h>
#include <stdio.h>

#include "doubt.h"

#define STEP    60 /* s; less than that ahead is believed at once */
#define SECONDS 600 /* for which a clock must stand */

void
doubt_end(struct doubt *doubt, int64_t now, int64_t ran)
{
	doubt->believed = now - ran;
	doubt->open = false;
	doubt->why[0] = '\0';
}

static void
start(struct doubt *doubt, int64_t offset, int64_t ran)
{
	doubt->open = true;
	doubt->doubted = offset;
	doubt->until = ran + SECONDS;
	(void)snprintf(doubt->why, sizeof(doubt->why),
	    "the clock is %" PRId64 " s ahead of what stekd went by; the "
	    "farm's keys stay as they are until it has stood for ten minutes. "
	    "Set it right, or if it is, \"stek rotate\" ends the wait",
	    offset - doubt->believed);
}

static bool
has_moved(const struct doubt *doubt, int64_t offset)
{
	return offset - doubt->doubted >= STEP ||
	       doubt->doubted - offset >= STEP;
}

int64_t
doubt_look(struct doubt *doubt, int64_t now, int64_t ran)
{
	int64_t offset = now - ran;

	if (offset - doubt->believed >= STEP) {
		if (!doubt->open || has_moved(doubt, offset))
			start(doubt, offset, ran);
		if (ran < doubt->until)
			return doubt->until - ran;
	}
	doubt_end(doubt, now, ran);
	return 0;
}

void
doubt_begin(
    struct doubt *doubt, const struct stek_set *set, int64_t now, int64_t ran)
{
	int64_t last = 0;
	size_t i;

	doubt_end(doubt, now, ran);
	for (i = 0; i < set->count; i++)
		if (set->keys[i].open_until > last)
			last = set->keys[i].open_until;
	if (ran < SECONDS && last != 0 && last - ran < doubt->believed)
		doubt->believed = last - ran;
}
