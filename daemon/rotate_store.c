/* SPDX-License-Identifier: ISC */
/* See rotate_store.h. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "rotate_store.h"

#define RETRY_MAX 300 /* s between two attempts at the store */

/* Log a reason once, and set the next attempt. */
static void
failed(struct rotate *rotate, enum store_result result, const char *what)
{
	bool ours = result == STORE_BROKEN && rotate->loop->conf->mint;
	char why[CONF_WHY_LEN];
	int64_t pause = INT64_C(1)
	                << (rotate->attempts < 9 ? rotate->attempts : 9);

	rotate->attempts++;
	rotate->store_errors++;
	pause = pause < RETRY_MAX ? pause : RETRY_MAX;
	rotate->retry = clock_ms() + pause * 1000;
	(void)snprintf(why, sizeof(why), "%.900s%s", what,
	    ours ? "; remove it, and stekd writes its own" : "");
	if (strcmp(rotate->error, why) != 0)
		log_line(LOG_ERR, "store failed; keys go on from memory", "why",
		    why, NULL);
	(void)snprintf(rotate->error, sizeof(rotate->error), "%s", why);
}

void
rotate_store_raced(struct rotate *rotate)
{
	failed(rotate, STORE_CONFLICT, rotate->store.why);
}

bool
rotate_store_due(const struct rotate *rotate)
{
	return rotate->retry != 0 && clock_ms() >= rotate->retry;
}

int64_t
rotate_retry(const struct rotate *rotate, int64_t now)
{
	int64_t left = rotate->retry - clock_ms();

	if (rotate->retry == 0)
		return 0;
	return now + (left > 0 ? (left + 999) / 1000 : 0);
}

static void
store_works(struct rotate *rotate)
{
	if (rotate->error[0] != '\0')
		log_line(LOG_INFO, "store works again", NULL);
	rotate->error[0] = '\0';
	rotate->attempts = 0;
	rotate->retry = 0;
}

static void
taken(struct rotate *rotate, uint64_t version)
{
	enum store_result result;

	rotate->stored = version;
	rotate->unsaved = false;
	rotate->rollback = false;
	result = store_accept(&rotate->store, version);
	if (result == STORE_OK)
		store_works(rotate);
	else
		failed(rotate, result, rotate->store.why);
}

void
rotate_store_moved_on(struct rotate *rotate)
{
	farm_keys_move_on(&rotate->farm_keys);
	log_line(LOG_INFO, "the farm has moved to the next farm key", NULL);
}

/* The store's set, decoded; not OK: why it cannot be used. */
static enum store_result
fetch(struct rotate *rotate, struct stek_set *set, char why[CONF_WHY_LEN])
{
	const struct conf *conf = rotate->loop->conf;
	uint8_t bytes[STEK_CODEC_LEN];
	enum store_result result;
	uint64_t version;
	enum stek_err err;
	bool next;

	result = store_read(&rotate->store, bytes, &version);
	if (result != STORE_OK) {
		(void)snprintf(why, CONF_WHY_LEN, "%s", rotate->store.why);
		return result;
	}
	err = farm_keys_decode(
	    &rotate->farm_keys, bytes, sizeof(bytes), conf->farm, set, &next);
	if (next)
		rotate_store_moved_on(rotate);
	if (err == STEK_OK)
		return STORE_OK;
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.300s: %s (farm \"%s\", farm key %.300s); it is left as it is",
	    rotate->store.set, stek_strerror(err), conf->farm, conf->farm_key);
	return STORE_BROKEN;
}

void
rotate_store_revoked(struct rotate *rotate, const struct stek_set *next)
{
	const struct stek_set *set = rotate->set;
	size_t i, at;

	for (i = 0; i < set->count; i++) {
		if (stek_set_find(next, set->keys[i].name) != NULL)
			continue;
		at = rotate->revoked_count++ % ROTATE_REVOKED_MAX;
		memcpy(rotate->revoked[at], set->keys[i].name, STEK_NAME_LEN);
	}
}

static bool
take_out_revoked(const struct rotate *rotate, struct stek_set *found)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ROTATE_REVOKED_MAX && i < rotate->revoked_count; i++)
		any |= stek_set_remove(found, rotate->revoked[i]);
	return any;
}

/*
 * What is adopted is not what the store has: to be saved, with a version
 * that is higher than any.
 */
static void
change(struct rotate *rotate, struct stek_set *found)
{
	if (found->version < rotate->set->version)
		found->version = rotate->set->version;
	found->version++;
	rotate->unsaved = true;
}

/* Only two who make keys bring that about, or an older copy of the store. */
static bool
is_twin(const struct rotate *rotate, const struct stek_set *found)
{
	const struct stek_set *set = rotate->set;

	return !rotate->unsaved && found->version == set->version &&
	       (found->count != set->count ||
	           sodium_memcmp(found->keys, set->keys, sizeof(set->keys)) !=
	               0);
}

static enum rotate_look
meet_twin(struct rotate *rotate)
{
	char why[CONF_WHY_LEN];

	if (!rotate->loop->conf->mint)
		return LOOK_NEWER;
	rotate->rollback = false;
	(void)snprintf(why, sizeof(why),
	    "%.300s: has other keys than this host, and the same version; it "
	    "is overwritten when keys change next.  Only one host of a farm "
	    "may make keys (mint).  Remove the file, and stekd writes its "
	    "own; or restart stekd, and it takes the file's",
	    rotate->store.set);
	failed(rotate, STORE_CONFLICT, why);
	return LOOK_FAILED;
}

enum rotate_look
rotate_store_look(struct rotate *rotate, struct stek_set *found)
{
	char why[CONF_WHY_LEN];
	enum store_result result = fetch(rotate, found, why);
	bool newer;

	if (result == STORE_ABSENT && rotate->loop->conf->mint) {
		/* Somebody removed it; ours is as good. */
		rotate->stored = 0;
		rotate->unsaved = rotate->set->version > 0;
		return LOOK_NOTHING;
	}
	if (result == STORE_ABSENT && rotate->set->version == 0)
		return LOOK_NOTHING;
	if (result != STORE_OK) {
		rotate->rollback = result == STORE_ROLLBACK;
		failed(rotate, result, why);
		return LOOK_FAILED;
	}
	if (is_twin(rotate, found))
		return meet_twin(rotate);
	newer = found->version > rotate->stored;
	if (newer || !rotate->unsaved)
		taken(rotate, found->version);
	/* Versions go up here even if ours could not be saved. */
	if (newer && (take_out_revoked(rotate, found) ||
	                 found->version <= rotate->set->version))
		change(rotate, found);
	return newer ? LOOK_NEWER : LOOK_NOTHING;
}

enum store_result
rotate_store_save(struct rotate *rotate, const struct stek_set *set)
{
	uint8_t bytes[STEK_CODEC_LEN];
	enum store_result result;
	enum stek_err err;

	err = stek_codec_encode(
	    set, rotate->loop->conf->farm, rotate->farm_keys.now, bytes);
	if (err != STEK_OK) {
		failed(rotate, STORE_DENIED, stek_strerror(err));
		return STORE_DENIED;
	}
	result = store_swap(&rotate->store, rotate->stored, bytes);
	if (result == STORE_OK) {
		taken(rotate, set->version);
		rotate->revoked_count = 0;
	} else if (result != STORE_CONFLICT) {
		failed(rotate, result, rotate->store.why);
	}
	return result;
}

bool
rotate_store_first(struct rotate *rotate)
{
	const struct conf *conf = rotate->loop->conf;
	char why[CONF_WHY_LEN];

	switch (fetch(rotate, rotate->set, why)) {
	case STORE_OK:
		rotate->stored = rotate->set->version;
		taken(rotate, rotate->stored);
		return true;
	case STORE_ABSENT:
		/* Versions go on from what this host has had. */
		rotate->set->version = rotate->store.version;
		log_line(conf->mint ? LOG_INFO : LOG_WARNING,
		    conf->mint ? "no keys yet; making the first"
		               : "no keys yet; waiting for them",
		    "store", rotate->store.set, NULL);
		return true;
	default:
		log_line(LOG_ERR, "cannot use the store", "why", why, NULL);
		return false;
	}
}
