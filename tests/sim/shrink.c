/* SPDX-License-Identifier: ISC */
/* See shrink.h. */
#include <string.h>

#include "shrink.h"

/* Does it still break the same? */
static bool
breaks(const struct script *script, const char *invariant, int64_t *when)
{
	struct world world;
	bool yes;

	run(script, NULL, &world);
	yes = world.broken != NULL && strcmp(world.broken, invariant) == 0;
	if (yes)
		*when = world.now - EPOCH;
	run_free(&world);
	return yes;
}

/* Without `count` faults from the first on, if it breaks without them. */
static bool
drop(struct script *script, uint32_t first, uint32_t count,
    const char *invariant)
{
	struct script less = *script;
	bool any = false;
	int64_t when;
	uint32_t i;

	for (i = first; i < script->count && i < first + count; i++) {
		any |= !less.faults[i].dropped;
		less.faults[i].dropped = true;
	}
	if (!any || !breaks(&less, invariant, &when))
		return false;
	*script = less;
	script->length = when + 1;
	return true;
}

static bool
fewer(struct script *script, uint32_t nodes, const char *invariant)
{
	struct script less = *script;
	int64_t when;

	less.nodes = nodes;
	if (nodes < 1 || nodes >= script->nodes ||
	    !breaks(&less, invariant, &when))
		return false;
	*script = less;
	script->length = when + 1;
	return true;
}

static bool
shorter(struct script *script, uint32_t at, const char *invariant)
{
	struct script less = *script;
	int64_t when;

	less.faults[at].len /= 2;
	if (less.faults[at].dropped || less.faults[at].len < 1000 ||
	    !breaks(&less, invariant, &when))
		return false;
	*script = less;
	script->length = when + 1;
	return true;
}

void
shrink(struct script *script, const char *invariant)
{
	uint32_t size, i;
	bool again = true;
	int64_t when;

	if (breaks(script, invariant, &when))
		script->length = when + 1;
	while (again) {
		again = false;
		for (size = script->count; size > 0; size /= 2)
			for (i = 0; i < script->count; i += size)
				again |= drop(script, i, size, invariant);
		again |= fewer(script, 2, invariant) ||
		         fewer(script, script->nodes / 2, invariant) ||
		         fewer(script, script->nodes - 1, invariant);
	}
	for (i = 0; i < script->count; i++)
		while (shorter(script, i, invariant))
			continue;
}
