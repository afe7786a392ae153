/* SPDX-License-Identifier: ISC */
/* What can be told of the farm's set as it is; see rotate.h. */
#include "clock.h"
#include "log.h"
#include "node.h"

void
rotate_log_set(const char *msg, const struct rotate *rotate)
{
	const struct stek_set *set = rotate->set;
	int64_t now = clock_now();
	const struct stek_key *sealing = stek_set_sealing(set, now);
	char version[LOG_NUMBER_LEN], count[LOG_NUMBER_LEN];
	char name[STEK_NAME_HEX] = "none";

	if (sealing != NULL)
		stek_key_hex(sealing->name, name);
	log_line(LOG_INFO, msg, "version",
	    log_number(version, (int64_t)set->version), "keys",
	    log_number(count, (int64_t)set->count), "sealing", name, NULL);
}

void
rotate_view(const struct rotate *rotate, struct stek_set *view)
{
	if (rotate->node != NULL)
		node_view(rotate->node, view);
	else
		stek_set_copy(view, rotate->set);
}

const struct doubt *
rotate_doubt(const struct rotate *rotate)
{
	return rotate->node != NULL ? &rotate->node->farm->doubt
	                            : &rotate->doubt;
}
