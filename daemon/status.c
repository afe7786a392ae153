/* SPDX-License-Identifier: ISC */
/*
 * All that stekd tells about itself, as one JSON object: what stek-status
 * shows and metrics.c counts.
 *
 * Never here: a key's secret bytes; names only.
 */
#include <jansson.h>
#include <unistd.h>

#include "clock.h"
#include "loop.h"
#include "utf8.h"

static const char *const states[] = {
    [STEK_PENDING] = "pending",
    [STEK_SEALING] = "sealing",
    [STEK_OPENING] = "opening",
    [STEK_DEAD] = "dead",
};

static const char *const target_states[] = {
    [TARGET_WORKING] = "working",
    [TARGET_APPLIED] = "applied",
    [TARGET_VERIFIED] = "verified",
    [TARGET_FAILED] = "failed",
};

static json_t *
text_or_null(const char *text)
{
	return text[0] == '\0' ? json_null() : utf8_json(text);
}

static json_t *
number_or_null(int64_t number)
{
	return number == 0 ? json_null() : json_integer(number);
}

static json_t *
key_object(const struct stek_set *set, const struct stek_key *key, int64_t now)
{
	char name[STEK_NAME_HEX];

	stek_key_hex(key->name, name);
	return json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", name, "state",
	    states[stek_set_state(set, key, now)], "seal_from",
	    (json_int_t)key->seal_from, "seal_until",
	    (json_int_t)key->seal_until, "open_until",
	    (json_int_t)key->open_until);
}

static json_t *
proof(const struct target *target)
{
	if (target->verified == 0 || target->state != TARGET_VERIFIED)
		return json_null();
	return json_string(
	    target->proof == FORMAT_TICKET_PROVEN ? "mac" : "name");
}

static json_t *
target_object(const struct target *target)
{
	const struct conf_target *conf = target->conf;

	return json_pack(
	    "{s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, "
	    "s:I, s:o}",
	    "name", conf->name, "format", conf->format->name, "path",
	    utf8_json(conf->path), "scope", utf8_json(conf->scope), "state",
	    target_states[target->state], "version",
	    number_or_null((int64_t)target->applied), "sealing",
	    text_or_null(target->sealing), "proof", proof(target), "error",
	    text_or_null(target->error), "written",
	    number_or_null(target->written), "verified",
	    number_or_null(target->verified), "attempts", (int)target->attempts,
	    "failures", (json_int_t)target->failures, "next_try",
	    number_or_null(target->next_try));
}

static json_t *
store_object(const struct rotate *rotate)
{
	const char *state = rotate->rollback ? "rollback" : "live";

	if (!rotate->rollback && rotate->error[0] != '\0')
		state = "failing";
	return json_pack("{s:s, s:o, s:s, s:o, s:o}", "kind", "dir", "path",
	    utf8_json(rotate->store.set), "state", state, "error",
	    text_or_null(rotate->error), "retry",
	    number_or_null(rotate_retry(rotate, clock_now())));
}

struct json_t *
status_object(const struct loop *loop)
{
	const struct rotate *rotate = &loop->rotate;
	const struct stek_set *set = rotate->set;
	const struct stek_policy *policy = &loop->conf->policy;
	int64_t now = clock_now();
	const struct stek_key *sealing = stek_set_sealing(set, now);
	char name[STEK_NAME_HEX] = "";
	json_t *keys = json_array(), *targets = json_array();
	size_t i;

	if (sealing != NULL)
		stek_key_hex(sealing->name, name);
	for (i = 0; i < set->count; i++)
		(void)json_array_append_new(
		    keys, key_object(set, &set->keys[i], now));
	for (i = 0; i < loop->conf->count; i++)
		(void)json_array_append_new(
		    targets, target_object(&loop->targets[i]));
	return json_pack(
	    "{s:b, s:s, s:i, s:I, s:I, s:b, s:{s:I, s:I, s:I}, "
	    "s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}}",
	    "done", 1, "farm", loop->conf->farm, "pid", (int)getpid(),
	    "version", (json_int_t)set->version, "now", (json_int_t)now, "mint",
	    (int)loop->conf->mint, "policy", "rotate",
	    (json_int_t)policy->rotate, "tickets", (json_int_t)policy->tickets,
	    "lead", (json_int_t)policy->lead, "store", store_object(rotate),
	    "conf_error", text_or_null(loop->conf_error), "metrics_error",
	    text_or_null(metrics_error(loop)), "clock_error",
	    text_or_null(rotate->doubt.why), "wake",
	    number_or_null(rotate->wake), "sealing", text_or_null(name), "keys",
	    keys, "targets", targets, "counters", "rotations",
	    (json_int_t)rotate->rotations, "revocations",
	    (json_int_t)rotate->revocations, "store_errors",
	    (json_int_t)rotate->store_errors);
}
