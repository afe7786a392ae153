/* SPDX-License-Identifier: ISC */
/*
 * stek check: the policy and each target's options against what its server
 * can do.
 *
 * Never here: looking at files or servers.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "check.h"
#include "say.h"

#define DAY INT64_C(86400)

/* For how long a client keeps one of its tickets that still opens. */
static int64_t
ticket_life(const struct stek_policy *policy, const struct format *format)
{
	if (format->hint == 0 || policy->tickets < format->hint)
		return policy->tickets;
	return format->hint;
}

static void
check_hint(struct check *check, const struct conf_target *target)
{
	const struct stek_policy *policy = &check->conf->policy;
	char hint[SAY_SPAN_LEN], tickets[SAY_SPAN_LEN];

	if (target->format->hint <= policy->tickets)
		return;
	check_say(check, CHECK_WARN, target->name,
	    "lengthen tickets, or shorten that time at the server",
	    "this server tells clients to keep tickets for %s by default, but "
	    "with policy tickets = %s the last of them open no more",
	    say_span(target->format->hint, hint),
	    say_span(policy->tickets, tickets));
}

/* A ticket's key may be so many rotations old, while the ticket is kept. */
static void
check_overlap(struct check *check, const struct conf_target *target)
{
	const struct stek_policy *policy = &check->conf->policy;
	const struct format *format = target->format;
	int64_t life = ticket_life(policy, format);
	size_t needed = (size_t)((life + policy->rotate - 1) / policy->rotate);
	char span[SAY_SPAN_LEN];

	if (needed <= format->opening)
		return;
	if (format->opening == 0)
		check_say(check, CHECK_NOTE, target->name, "",
		    "%s keeps no older key: each rotation ends its earlier "
		    "tickets",
		    format->server);
	else
		check_say(check, CHECK_WARN, target->name, "lengthen rotate",
		    "%s keeps %zu older keys, but its tickets live through "
		    "%zu rotations; expected rotate to be at least %s",
		    format->server, format->opening, needed,
		    say_span((life + (int64_t)format->opening - 1) /
		                 (int64_t)format->opening,
		        span));
}

static void
check_pace(struct check *check, const struct conf_target *target)
{
	const struct stek_policy *policy = &check->conf->policy;
	const struct format *format = target->format;
	int64_t need =
	    format->tick > format->spacing ? format->tick : format->spacing;
	char lead[SAY_SPAN_LEN], text[SAY_SPAN_LEN];

	/* One that remembers gets the sealing key alone, whatever the lead. */
	if (policy->lead < need && (format->flags & FORMAT_REMEMBERS) == 0)
		check_say(check, CHECK_WARN, target->name, "lengthen lead",
		    "with lead = %s a key seals elsewhere before this server "
		    "has it: it takes up to %s to look at its file again",
		    say_span(policy->lead, lead), say_span(need, text));
	if (policy->rotate < format->spacing)
		check_say(check, CHECK_FAIL, target->name, "lengthen rotate",
		    "this server misses a second write within %s, so it "
		    "misses keys with rotate = %s",
		    say_span(format->spacing, text),
		    say_span(policy->rotate, lead));
}

static void
check_reload(struct check *check, const struct conf_target *target)
{
	const struct format *format = target->format;
	const struct advice *advice = advice_find(format->name);
	const char *usual =
	    advice == NULL || advice->reload == NULL ? "" : advice->reload;
	bool ring = (format->flags & FORMAT_RING) != 0;
	char todo[256];

	(void)snprintf(todo, sizeof(todo), "often: reload = \"%s\"", usual);
	if (target->reload[0] != '\0' && ring)
		check_say(check, CHECK_NOTE, target->name, "leave reload out",
		    "a ring needs no reload");
	else if (target->reload[0] == '\0' && format->tick == 0 && !ring)
		check_say(check, CHECK_FAIL, target->name, todo,
		    "it has no reload, without which its server goes on with "
		    "the keys that it has");
	else if (target->reload[0] == '\0' &&
	         (format->flags & FORMAT_REMEMBERS) != 0)
		check_say(check, CHECK_WARN, target->name, todo,
		    "it has no reload, without which its server goes on to "
		    "open tickets of a revoked key");
	if (strncmp(target->reload, "haproxy:", 8) == 0 &&
	    strncmp(format->name, "haproxy", 7) != 0)
		check_say(check, CHECK_FAIL, target->name, "",
		    "its reload is for haproxy's socket, but its format is %s",
		    format->name);
}

/* The pid file or socket that a reload names: needed while servers run. */
static void
check_reload_path(struct check *check, const struct conf_target *target)
{
	const char *path = NULL;
	struct stat st;

	if (strncmp(target->reload, "haproxy:", 8) == 0)
		path = target->reload + 8;
	else if (strncmp(target->reload, "signal:", 7) == 0)
		path = strchr(target->reload + 7, ':') + 1;
	if (path != NULL && stat(path, &st) < 0)
		check_say(check, CHECK_NOTE, target->name, "",
		    "its reload needs %s: %s; is the server running?", path,
		    strerror(errno));
}

static void
check_verify(struct check *check, const struct conf_target *target)
{
	if (target->verify[0] != '\0')
		return;
	if (target->format->ticket == NULL)
		check_say(check, CHECK_NOTE, target->name, "",
		    "it has no verify; its server's tickets would not tell "
		    "their key");
	else if ((target->format->flags & FORMAT_RING) != 0)
		check_say(check, CHECK_NOTE, target->name, "",
		    "it has no verify; with one it would be proven that the "
		    "ring's server uses it, unless that is on GnuTLS");
	else
		check_say(check, CHECK_WARN, target->name,
		    "verify = \"ADDRESS:PORT\" of its server",
		    "it has no verify, so nothing proves that its server uses "
		    "the keys");
}

static void
check_scopes(struct check *check, size_t i)
{
	const struct conf_target *target = &check->conf->targets[i], *other;
	size_t k;

	for (k = 0; k < i; k++) {
		other = &check->conf->targets[k];
		if (target->format != other->format ||
		    strcmp(target->scope, other->scope) == 0)
			continue;
		check_say(check, CHECK_NOTE, target->name, "",
		    "it has another scope than %s: a ticket of one is a full "
		    "handshake at the other",
		    other->name);
		return;
	}
}

/* Once a format. */
static void
check_trap(struct check *check, size_t i)
{
	const struct conf_target *targets = check->conf->targets;
	size_t k;

	if (targets[i].format->trap == NULL)
		return;
	for (k = 0; k < i; k++)
		if (targets[k].format == targets[i].format)
			return;
	check_say(check, CHECK_NOTE, targets[i].format->server, "", "%s",
	    targets[i].format->trap);
}

/* Keys that could die sooner: no client keeps tickets for so long. */
static void
check_tickets(struct check *check)
{
	const struct stek_policy *policy = &check->conf->policy;
	const struct conf *conf = check->conf;
	char tickets[SAY_SPAN_LEN], text[SAY_SPAN_LEN];
	int64_t longest = 0;
	size_t i;

	for (i = 0; i < conf->count; i++) {
		if (conf->targets[i].format->hint == 0)
			return;
		if (conf->targets[i].format->hint > longest)
			longest = conf->targets[i].format->hint;
	}
	if (longest > 0 && policy->tickets > 2 * longest)
		check_say(check, CHECK_NOTE, "policy", "",
		    "keys are kept for tickets = %s, but these servers tell "
		    "clients to keep tickets for %s at most by default: a "
		    "shorter time would let keys die sooner",
		    say_span(policy->tickets, tickets),
		    say_span(longest, text));
}

void
check_policy(struct check *check)
{
	const struct stek_policy *policy = &check->conf->policy;
	const struct conf_target *target;
	char text[SAY_SPAN_LEN];
	size_t i;

	if (policy->rotate > DAY)
		check_say(check, CHECK_WARN, "policy",
		    "shorten it to a day at most",
		    "rotate = %s: who steals a key reads that much and more",
		    say_span(policy->rotate, text));
	if (policy->lead == 0)
		check_say(check, CHECK_WARN, "policy", "lengthen it",
		    "lead = 0: a key seals at one server before the others "
		    "have it");
	check_tickets(check);
	for (i = 0; i < check->conf->count; i++) {
		target = &check->conf->targets[i];
		check_hint(check, target);
		check_overlap(check, target);
		check_pace(check, target);
		check_reload(check, target);
		check_reload_path(check, target);
		check_verify(check, target);
		check_scopes(check, i);
		check_trap(check, i);
	}
}
