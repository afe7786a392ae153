/* SPDX-License-Identifier: ISC */
/* What others are told of rotation; see rotate.h. */
#include "log.h"
#include "clock.h"
#include "loop.h"
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

bool
rotate_is_waiting(const struct rotate *rotate)
{
	if (rotate->node == NULL)
		return rotate->set->version == 0;
	/* Without its copy it knows only which version it has had. */
	return rotate->set->count == 0 && !rotate->node->late;
}
