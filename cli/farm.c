/* SPDX-License-Identifier: ISC */
/*
 * See farm.h.
 */
#include <stdio.h>
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
	return farm->conf != NULL;
}

static bool
decode(struct farm *farm, const uint8_t bytes[STEK_CODEC_LEN])
{
	enum stek_err err;
	bool next;

	err = farm_keys_decode(&farm->keys, bytes, STEK_CODEC_LEN,
	    farm->conf->farm, farm->set, &next);
	if (next)
		farm_keys_move_on(&farm->keys);
	if (err == STEK_OK)
		return true;
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
}
