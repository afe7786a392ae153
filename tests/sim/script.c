/* SPDX-License-Identifier: ISC */
/* See script.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "script.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct stek_policy policies[] = {
    {6 * 3600, 12 * 3600, 600},
    {6 * 3600, 12 * 3600, 600},
    {3600, 7200, 300},
    {3600, 1800, 600},
    {24 * 3600, 48 * 3600, 3600},
    {6 * 3600, 3600, 60},
    {600, 3600, 60},
    {2 * 3600, 4 * 3600, 2 * 3600},
    {3600, 7200, 0},
};

static const int64_t postpones[] = {3600, 3600, 600, 6 * 3600, 0, FARM_WAIT};
static const int64_t stales[] = {0, 0, 600, 3600, 86400};

static void
choose_conf(struct farm_conf *conf, uint64_t *chance)
{
	size_t n = sizeof(policies) / sizeof(policies[0]);

	conf->policy = policies[chance_next(chance) % n];
	n = sizeof(postpones) / sizeof(postpones[0]);
	conf->postpone = postpones[chance_next(chance) % n];
	n = sizeof(stales) / sizeof(stales[0]);
	conf->stale_after = stales[chance_next(chance) % n];
	conf->mint = true;
}

static int64_t
choose_arg(enum fault_kind kind, uint64_t *chance)
{
	int64_t step;

	switch (kind) {
	case FAULT_DEATH:
		return chance_one_in(chance, 3);
	case FAULT_REBOOT:
		if (chance_one_in(chance, 2))
			return 0;
		return -chance_scale(chance, 60, INT64_C(57) * 365 * 86400);
	case FAULT_STEP:
		step = chance_scale(chance, 1, 40 * 86400);
		return chance_one_in(chance, 2) ? step : -step;
	case FAULT_BACK:
		return chance_scale(chance, 1, 20);
	case FAULT_FORGE:
	case FAULT_ROTATE:
		return chance_one_in(chance, 2);
	case FAULT_REVOKE:
		return chance_between(chance, 0, 2);
	default:
		return 0;
	}
}

static uint32_t
choose_node(enum fault_kind kind, uint32_t nodes, uint64_t *chance)
{
	int64_t draw = chance_between(chance, 0, 9);

	if (kind == FAULT_CUT && draw < 2)
		return ALL;
	if ((kind == FAULT_CUT || kind == FAULT_TARGET) && draw == 2)
		return HALF;
	if (draw < 5)
		return WRITER;
	return (uint32_t)chance_between(chance, 0, (int64_t)nodes - 1);
}

/* Any time, about when a key is due, or soon after the fault before. */
static int64_t
choose_time(const struct script *script, uint64_t *chance)
{
	int64_t rotate = script->conf.policy.rotate * SECOND;
	int64_t lead = script->conf.policy.lead * SECOND;
	int64_t end = script->length * 4 / 5, at;

	at = chance_between(chance, 0, end);
	if (script->count > 0 && chance_one_in(chance, 3))
		return script->faults[script->count - 1].at +
		       chance_scale(chance, 1, MINUTE);
	if (chance_one_in(chance, 2) && rotate < end) {
		at = at / rotate * rotate + chance_scale(chance, 1, MINUTE);
		return chance_one_in(chance, 2) || lead > at ? at : at - lead;
	}
	return at;
}

static bool
is_wish(enum fault_kind kind)
{
	return kind == FAULT_ROTATE || kind == FAULT_REVOKE;
}

static bool
is_moment(enum fault_kind kind)
{
	return is_wish(kind) || kind == FAULT_BACK || kind == FAULT_DELETE;
}

/* One node's, soon over: at any time some are under way in a large farm. */
static void
add_small_fault(struct script *script, uint64_t *chance)
{
	struct fault *fault = &script->faults[script->count++];

	fault->kind = (enum fault_kind)chance_between(chance, 0, FAULT_SLOW);
	fault->at = chance_between(chance, 0, script->length * 4 / 5);
	fault->node =
	    (uint32_t)chance_between(chance, 0, (int64_t)script->nodes - 1);
	fault->arg = choose_arg(fault->kind, chance);
	fault->len = chance_scale(chance, SECOND, 10 * MINUTE);
}

/* The store is gone as a key is due, and all come back at once. */
static void
add_outage(struct script *script, uint64_t *chance)
{
	const struct stek_policy *policy = &script->conf.policy;
	int64_t turns = script->length / SECOND / policy->rotate;
	struct fault *fault = &script->faults[script->count++];

	fault->kind = FAULT_CUT;
	fault->node = ALL;
	fault->at =
	    (chance_between(chance, 1, turns) * policy->rotate - policy->lead) *
	        SECOND +
	    chance_between(chance, SECOND, 15 * SECOND);
	fault->len = chance_scale(chance, 10 * SECOND, 10 * MINUTE);
}

/* The store is gone for about a day. */
static void
add_dark_day(struct script *script, uint64_t *chance)
{
	struct fault *fault = &script->faults[script->count++];

	fault->kind = FAULT_CUT;
	fault->node = ALL;
	fault->len = chance_between(chance, 20 * HOUR, 36 * HOUR);
	fault->at =
	    chance_between(chance, 0, script->length * 4 / 5 - fault->len);
}

static void
add_fault(struct script *script, uint64_t *chance)
{
	struct fault *fault = &script->faults[script->count];

	fault->kind =
	    (enum fault_kind)chance_between(chance, 0, FAULT_KINDS - 1);
	fault->at = choose_time(script, chance);
	/* Two operators at once. */
	if (script->count > 0 && is_wish(fault[-1].kind) &&
	    chance_one_in(chance, 3)) {
		fault->kind =
		    chance_one_in(chance, 2) ? FAULT_ROTATE : FAULT_REVOKE;
		fault->at = fault[-1].at + chance_scale(chance, 1, 200);
	}
	fault->node = choose_node(fault->kind, script->nodes, chance);
	fault->arg = choose_arg(fault->kind, chance);
	fault->len = chance_scale(chance, SECOND, 12 * HOUR);
	if (fault->at + fault->len > script->length * 4 / 5)
		fault->len = chance_scale(chance, SECOND, MINUTE);
	if (is_moment(fault->kind))
		fault->len = 0;
	script->count++;
}

void
script_make(struct script *script, uint64_t seed)
{
	uint64_t chance = chance_of(seed, 1);
	uint32_t faults, i;

	memset(script, 0, sizeof(*script));
	script->seed = seed;
	script->nodes = (uint32_t)chance_scale(&chance, 2, 51);
	choose_conf(&script->conf, &chance);
	script->length =
	    chance_scale(&chance, 2, chance_one_in(&chance, 4) ? 31 : 6) * DAY;
	if (script->conf.policy.rotate < 3600 || script->nodes > 20)
		script->length = 2 * DAY;
	script->odd = (uint32_t)chance_scale(&chance, 2, 100);
	script->clockless = chance_one_in(&chance, 4);
	faults = (uint32_t)chance_scale(&chance, 1, 40) - 1;
	for (i = 0; i < faults; i++)
		add_fault(script, &chance);
	if (chance_one_in(&chance, 10))
		add_dark_day(script, &chance);
}

void
script_large(
    struct script *script, uint64_t seed, uint32_t nodes, int64_t length)
{
	uint64_t chance = chance_of(seed, 2);
	uint32_t i;

	memset(script, 0, sizeof(*script));
	script->seed = seed;
	script->nodes = nodes;
	script->length = length;
	script->odd = 100;
	stek_policy_default(&script->conf.policy);
	script->conf.postpone = 3600;
	script->conf.stale_after = 86400;
	script->conf.mint = true;
	for (i = 0; i + 1 < FAULTS_MAX && i < 40 * length / DAY; i++)
		if (i % 40 == 0)
			add_outage(script, &chance);
		else if (i % 10 == 0)
			add_fault(script, &chance);
		else
			add_small_fault(script, &chance);
	if (length > 10 * DAY)
		add_dark_day(script, &chance);
}

static const char *const names[] = {
    [FAULT_CUT] = "is cut off from the store",
    [FAULT_DEATH] = "its stekd dies",
    [FAULT_REBOOT] = "reboots",
    [FAULT_NAP] = "is suspended",
    [FAULT_STEP] = "its clock is set wrong",
    [FAULT_TARGET] = "its servers take no keys",
    [FAULT_SLOW] = "its servers take keys slowly",
    [FAULT_LOSE] = "swaps and answers are lost",
    [FAULT_REFUSE] = "the store refuses swaps",
    [FAULT_BACK] = "the store is set back",
    [FAULT_DELETE] = "the set is deleted",
    [FAULT_FORGE] = "the set is overwritten with garbage",
    [FAULT_ROTATE] = "an operator rotates",
    [FAULT_REVOKE] = "an operator revokes",
};

void
script_tell(const struct script *script, const struct fault *fault, char *out,
    size_t len)
{
	char who[24] = "";

	(void)script;
	if (fault->node == ALL)
		(void)snprintf(who, sizeof(who), "every node");
	else if (fault->node == HALF)
		(void)snprintf(who, sizeof(who), "half of the nodes");
	else if (fault->node == WRITER)
		(void)snprintf(who, sizeof(who), "the writer");
	else
		(void)snprintf(who, sizeof(who), "node %u", fault->node);
	(void)snprintf(out, len, "%12.3f s  for %9.3f s  %s: %s (%" PRId64 ")",
	    (double)fault->at / 1000, (double)fault->len / 1000, who,
	    names[fault->kind], fault->arg);
}

const char *
script_name(enum fault_kind kind)
{
	return names[kind];
}
