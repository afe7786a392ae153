/* SPDX-License-Identifier: ISC */
/*
 * probe_reason.c: why a ticket was not taken, in plain words, from what the
 * handshakes showed.
 *
 * Never here: a guess that some of the evidence speaks against.  The most
 * specific cause that fits is named; what cannot be told apart from outside
 * is named as a choice.
 */
#include <stdio.h>
#include <string.h>

#include "probe.h"

const char *
probe_own_error(const struct probe_own *own)
{
	if (own->shake.end != HANDSHAKE_DONE)
		return own->shake.why;
	if (own->issues)
		return NULL;
	if (own->shake.issued)
		return "issues no ticket: what it sends refers to a session "
		       "cache of its own (tickets are off)";
	return "issues no ticket: tickets are off, or it has no key to seal "
	       "with";
}

void
probe_reason(const struct probe_version *v, size_t from, size_t at,
    struct probe_pair *pair)
{
	if (!v->own[from].supported || !v->own[at].supported || pair->resumed)
		return;
	(void)snprintf(pair->reason, sizeof(pair->reason), "%s",
	    pair->tried && pair->shake.end != HANDSHAKE_DONE
	        ? pair->shake.why
	        : "the ticket was not taken");
}
