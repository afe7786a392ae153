/* SPDX-License-Identifier: ISC */
/*
 * See farm.h.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "farm.h"
#include "say.h"

bool
farm_open(struct farm *farm, const struct cli *cli)
{
	memset(farm, 0, sizeof(*farm));
	farm->store.watch = -1;
	farm->conf = conf_load(cli->conf, farm->why);
	if (farm->conf == NULL)
		say_error("%s", farm->why);
	else
		farm->control = strdup(farm->conf->control);
	return farm->control != NULL;
}

bool
farm_open_stekd(struct farm *farm, const struct cli *cli)
{
	if (farm_open(farm, cli))
		return true;
	farm->control = conf_find_control(cli->conf);
	if (farm->control == NULL)
		return false;
	say_error("stekd goes on by the configuration from before; it is asked "
	          "at %s",
	    farm->control);
	return true;
}

/* What stekd has taken away, and could not tell the farm yet. */
static void
drop_revoked(struct farm *farm)
{
	char path[PATH_MAX];
	uint8_t *names;
	size_t len, at;

	conf_revoked_path(farm->conf, path, sizeof(path));
	if (stek_file_read(path, CONF_REVOKED_MAX * STEK_NAME_LEN, &names,
	        &len) != STEK_OK)
		return;
	for (at = 0; at + STEK_NAME_LEN <= len; at += STEK_NAME_LEN)
		(void)stek_set_remove(farm->set, names + at);
	stek_file_free(names);
}

static bool
decode(struct farm *farm, const uint8_t bytes[STEK_CODEC_LEN])
{
	enum stek_err err;
	bool next;

	err = farm_keys_decode(&farm->keys, bytes, STEK_CODEC_LEN,
	    farm->conf->farm, farm->set, &next);
	farm->moved = next;
	if (next)
		farm_keys_move_on(&farm->keys);
	if (err == STEK_OK) {
		drop_revoked(farm);
		return true;
	}
	(void)snprintf(farm->why, sizeof(farm->why),
	    "%.200s: %s; expected the set of farm \"%s\", encrypted with the "
	    "key in %.150s",
	    farm->store.set, stek_strerror(err), farm->conf->farm,
	    farm->conf->farm_key);
	return false;
}

bool
farm_read(struct farm *farm)
{
	uint8_t bytes[STEK_CODEC_LEN];
	enum store_result result;
	uint64_t version;

	if (!farm_keys_load(
	        &farm->keys, farm->conf, farm_cert_derive, farm->why))
		return false;
	if (farm->why[0] != '\0')
		say_error("%s", farm->why);
	farm->set = stek_set_new();
	if (farm->set == NULL) {
		(void)snprintf(farm->why, sizeof(farm->why),
		    "no guarded memory to be had (see \"ulimit -l\")");
		return false;
	}
	result = STORE_DENIED;
	if (store_open(&farm->store, farm->conf))
		result = store_read(&farm->store, bytes, &version);
	if (result == STORE_OK)
		return decode(farm, bytes);
	if (result == STORE_ABSENT)
		return true;
	memcpy(farm->why, farm->store.why, sizeof(farm->why));
	return false;
}

void
farm_close(struct farm *farm)
{
	store_close(&farm->store);
	farm_keys_free(&farm->keys);
	stek_set_free(farm->set);
	conf_free(farm->conf);
	free(farm->control);
}
