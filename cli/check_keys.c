/* SPDX-License-Identifier: ISC */
/*
 * stek check: the farm's keys, as the store has them.
 *
 * Never here: a byte of a key but its name.
 */
#include <stdio.h>

#include <daemon/held.h>

#include "check.h"
#include "say.h"

static void
check_astray(struct check *check, const struct stek_key *key)
{
	const struct stek_policy *policy = &check->conf->policy;
	char hex[STEK_NAME_HEX], todo[STEK_NAME_HEX + 32];
	char text[SAY_TIME_LEN];

	if (key->seal_from <= check->now + policy->rotate + policy->lead)
		return;
	stek_key_hex(key->name, hex);
	(void)snprintf(todo, sizeof(todo), "stek revoke --key %.8s", hex);
	check_say(check, CHECK_WARN, hex, todo,
	    "it is to seal at %s, later than this policy makes keys: it was "
	    "made under a clock that was ahead, or this one is behind",
	    say_time(key->seal_from, check->now, text));
}

/* Is the one that seals older than the policy lets a key become? */
static void
check_late(struct check *check, const struct stek_set *set)
{
	const struct stek_policy *policy = &check->conf->policy;
	const struct stek_key *key = stek_set_sealing(set, check->now);
	char hex[STEK_NAME_HEX], text[SAY_TIME_LEN];

	if (key == NULL) {
		check_say(check, CHECK_FAIL, "keys",
		    check->conf->mint ? "start stekd"
		                      : "copy the store from the host that "
		                        "makes the keys",
		    "none of the farm's %zu keys may seal now", set->count);
		return;
	}
	stek_key_hex(key->name, hex);
	if (check->now > key->seal_from + policy->rotate + policy->lead)
		check_say(check, CHECK_WARN, hex,
		    check->conf->mint ? "is stekd running?"
		                      : "is the store still copied here?",
		    "it seals since %s, longer than the policy wants",
		    say_time(key->seal_from, check->now, text));
	else
		check_say(check, CHECK_OK, "keys", "",
		    "%zu of them, none weak, %s seals", set->count, hex);
}

void
check_keys(struct check *check, const struct stek_set *set)
{
	size_t i;

	if (set->version == 0) {
		check_say(check, CHECK_NOTE, "keys", "",
		    "the farm has none yet; %s",
		    check->conf->mint ? "stekd makes them when it starts"
		                      : "they come with a copy of the store");
		return;
	}
	for (i = 0; i < set->count; i++)
		if (&set->keys[i] != held_key(set))
			check_astray(check, &set->keys[i]);
	check_late(check, set);
}
