/* SPDX-License-Identifier: ISC */
/* What can be told of a node as it is; see farm.h. */
#include "farm_offer.h"

#define SECOND     INT64_C(1000)
#define OFFSET_MIN 60 /* s; so far a clock may always be off */

const char *
farm_trouble(const struct farm *farm)
{
	int64_t limit = farm->conf.policy.lead;

	if (farm->doubt.open)
		return farm->doubt.why;
	limit = limit > OFFSET_MIN ? limit : OFFSET_MIN;
	if (farm->offset > limit || farm->offset < -limit)
		return "this host's clock and the store's are further apart "
		       "than the policy's lead; the other nodes make the "
		       "farm's keys";
	return NULL;
}

bool
farm_is_stale(const struct farm *farm, int64_t ran)
{
	return farm->conf.stale_after > 0 &&
	       ran - farm->contact >= farm->conf.stale_after * SECOND;
}

/* Servers open with it until then, if they hear no more of it. */
static void
end_held(struct stek_set *view, const struct stek_policy *policy)
{
	const struct stek_key *held = held_key(view);
	int64_t end;

	if (held == NULL)
		return;
	end = held_open_until(held, policy);
	/* What cannot have these times is left out, and so opens nothing. */
	(void)farm_retime(view, held, end, end, end);
}

void
farm_view(const struct farm *farm, int64_t ran, struct stek_set *view)
{
	size_t i;

	stek_set_copy(view, &farm->set);
	end_held(view, &farm->conf.policy);
	if (farm_is_stale(farm, ran))
		stek_set_clear(view);
	for (i = view->count; i > 0; i--)
		if (farm_has_revoked(farm, view->keys[i - 1].name))
			(void)stek_set_remove(view, view->keys[i - 1].name);
}
