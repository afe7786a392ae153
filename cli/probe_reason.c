/* SPDX-License-Identifier: ISC */
/*
 * probe_reason.c: why a ticket was not taken, in plain words, from what the
 * handshakes showed.
 *
 * Never here: a cause that some of the evidence speaks against.  The most
 * specific one that fits is named; what cannot be told apart from outside is
 * named as a choice.  A reason holds nothing that differs between pairs of
 * the same case, so that a report can say it once.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "probe.h"

/* The evidence: a ticket from one server, offered at another or the same. */
struct evidence {
	const struct probe_own *from;
	const struct probe_own *at;
	const struct probe_pair *pair;
	const struct probe_pair *back; /* the other way round */
	const struct probe_pair *from_home; /* each one's own ticket */
	const struct probe_pair *at_home;
	const char *from_sni, *at_sni;
};

const char *
probe_own_error(const struct probe_own *own)
{
	if (own->shake.end != HANDSHAKE_DONE)
		return own->shake.why;
	if (own->issues)
		return NULL;
	if (own->shake.issued)
		return "issues no ticket: what it sends is a reference to a "
		       "session cache of its own (tickets are off)";
	return "issues no ticket: tickets are off, or it has no key to seal "
	       "with";
}

__attribute__((format(printf, 2, 3))) static void
say(char reason[PROBE_REASON_MAX], const char *fmt, ...)
{
	size_t used = strlen(reason);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reason + used, PROBE_REASON_MAX - used, fmt, ap);
	va_end(ap);
}

static bool
not_tried(const struct evidence *e, char *reason)
{
	if (e->pair->tried)
		return false;
	if (!e->from->issues)
		say(reason, "there is no ticket to offer: its server %s",
		    e->from->error);
	else
		say(reason, "it was not offered: this server %s",
		    e->at->shake.why);
	return true;
}

static bool
broken(const struct evidence *e, char *reason)
{
	const struct handshake *shake = &e->pair->shake;

	if (shake->end == HANDSHAKE_DONE)
		return false;
	if (shake->end == HANDSHAKE_UNREACHED || shake->end == HANDSHAKE_LOCAL)
		say(reason, "%s (though it could be reached before)",
		    shake->why);
	else
		say(reason,
		    "with this ticket it breaks the handshake instead of "
		    "making a full one, so clients that come with such a "
		    "ticket cannot connect at all: %s",
		    shake->why);
	return true;
}

static bool
refused_at_home(const struct evidence *e, char *reason)
{
	const struct probe_pair *pair = e->pair;

	if (e->from != e->at)
		return false;
	if (pair->resumptions > 0)
		say(reason,
		    "resumed in %u of %u tries at its own server: its "
		    "processes have keys of their own, and luck decides which "
		    "one a client meets",
		    pair->resumptions, pair->tries);
	else
		say(reason,
		    "resumed in 0 of %u tries at its own server: the server "
		    "throws its keys away, or each of its processes has keys "
		    "of its own",
		    pair->tries);
	return true;
}

static bool
refused_by_all(const struct evidence *e, char *reason)
{
	if (!e->at->issues) {
		say(reason, "this server %s", e->at->error);
		return true;
	}
	if (!e->from_home->resumed)
		say(reason,
		    "the ticket is not taken everywhere in its own server "
		    "either: see there first");
	else if (!e->at_home->resumed)
		say(reason,
		    "this server does not always take its own tickets either: "
		    "see there first");
	else
		return false;
	return true;
}

/* The new ticket that came with the refusal is the better evidence. */
static bool
same_name(const struct evidence *e)
{
	return probe_same_name(
	           e->from, e->at, &e->from->shake, &e->pair->shake) ||
	       probe_same_name(e->from, e->at, &e->from->shake, &e->at->shake);
}

static bool
named_otherwise(const struct evidence *e, char *reason)
{
	if (e->from->name_len == 0 || e->at->name_len == 0)
		say(reason,
		    "the keys differ, or the servers are of different kinds; "
		    "which of these cannot be told, as one of them has no "
		    "stable key names");
	else if (same_name(e))
		return false;
	else if (e->back->resumed)
		say(reason,
		    "the key names differ, and the other way round it works: "
		    "this server does not have the ticket's key (yet); it may "
		    "not have reloaded");
	else
		say(reason,
		    "the key names differ: these two servers do not share "
		    "keys; one has keys of its own, or has not reloaded");
	return true;
}

static bool
text_differs(const char *a, const char *b)
{
	return (a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0);
}

static bool
leaf_differs(const struct handshake *a, const struct handshake *b)
{
	return a->has_leaf && b->has_leaf &&
	       memcmp(a->leaf, b->leaf, sizeof(a->leaf)) != 0;
}

/* All that differs but the key: each of it may be the cause. */
static void
same_key_name(const struct evidence *e, char *reason)
{
	const struct handshake *a = &e->from->shake, *b = &e->at->shake;
	const bool sni = text_differs(e->from_sni, e->at_sni);
	const bool cert = leaf_differs(a, b);
	const bool cipher = text_differs(a->cipher, b->cipher);
	const bool hint = a->lifetime != b->lifetime;
	const bool length = a->ticket_len != b->ticket_len && !sni;

	say(reason, "the key name is the same, but it is refused");
	if (sni)
		say(reason,
		    "; the two were asked for different host names (SNI): "
		    "name one with --sni");
	if (cert)
		say(reason,
		    "; their certificates differ: nginx takes tickets only "
		    "under a certificate that is the same byte for byte");
	if (cipher)
		say(reason,
		    "; they choose different cipher suites, and a ticket "
		    "belongs to one (in TLS 1.3, to its hash)");
	if (hint || length)
		say(reason,
		    "; their %s%s%s differ: they are probably different "
		    "kinds of server, which never take each other's tickets",
		    hint ? "lifetime hints" : "", hint && length ? " and " : "",
		    length ? "ticket lengths" : "");
	if (!sni && !cert && !cipher && !hint && !length)
		say(reason,
		    " and nothing else differs: the keys of this name have "
		    "different bytes, or the virtual host (session id "
		    "context; for apache, ServerName:port) or the client "
		    "certificate settings do");
}

void
probe_reason(const struct probe *probe, const struct probe_version *v,
    size_t from, size_t at, char reason[PROBE_REASON_MAX])
{
	const struct evidence e = {
	    .from = &v->own[from],
	    .at = &v->own[at],
	    .pair = &v->pairs[from][at],
	    .back = &v->pairs[at][from],
	    .from_home = &v->pairs[from][from],
	    .at_home = &v->pairs[at][at],
	    .from_sni = probe->servers[from].sni,
	    .at_sni = probe->servers[at].sni,
	};

	reason[0] = '\0';
	if (!e.from->supported || !e.at->supported || e.pair->resumed)
		return;
	if (not_tried(&e, reason) || broken(&e, reason) ||
	    refused_at_home(&e, reason) || refused_by_all(&e, reason) ||
	    named_otherwise(&e, reason))
		return;
	same_key_name(&e, reason);
}
