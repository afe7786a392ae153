/* SPDX-License-Identifier: ISC */
/*
 * The store "etcd:" asks for etcd's /version, not by gRPC, for two things that
 * no call tells: etcd's clock, by the answer's date; and why connections break
 * after a handshake.  That is how TLS 1.3 refuses a client certificate, if the
 * alert is lost amid what is sent; with TLS 1.2 it is told within the
 * handshake.
 *
 * Never here: anything else over TLS 1.2.
 */
#include <string.h>

#include "clock.h"
#include "store_etcd_own.h"

#define DOUBT_MS    2000
#define CLOCK_MS    5000
#define CLOCK_LEAST (9 * 60 * 1000)
#define CLOCK_MOST  (10 * 60 * 1000)
#define CLOCK_SLOW  1000 /* an answer that took longer says nothing */

static bool
get_version(struct store_etcd *store, struct link *link, unsigned int ms)
{
	store->calls++;
	store->due[JOB_CLOCK] = store_due(ms);
	if (link == NULL || !link_date(link, JOB_CLOCK, ms)) {
		store->failures++;
		return false;
	}
	store->jobs |= 1U << JOB_CLOCK;
	return true;
}

/* --- why it breaks --- */

void
store_doubt_ask(struct store_etcd *store)
{
	if (!get_version(store, store->link, DOUBT_MS))
		store_fail(store, false, "no memory");
}

static void
on_doubt(struct store_etcd *store, const struct call_end *end)
{
	if (end->uncertified) {
		store_fail_end(store, end);
		return;
	}
	store->doubt = DOUBT_IN_VAIN;
	store_link_close(store);
	store->connect = clock_ran();
}

/* --- the clock --- */

void
store_clock_ask(struct store_etcd *store)
{
	struct link *link = store->link;

	store->clock = store_soon(CLOCK_LEAST, CLOCK_MOST);
	if (store_busy(store, JOB_CLOCK) || store->told.clock == NULL)
		return;
	if (strncmp(store->endpoints[store->endpoint], "https:", 6) != 0)
		link = store->clock_link = store_open_link(store, false);
	(void)get_version(store, link, CLOCK_MS);
}

void
store_on_clock(struct store_etcd *store, const struct call_end *end)
{
	if (store->doubt == DOUBT_ASK) {
		on_doubt(store, end);
		return;
	}
	link_free(store->clock_link);
	store->clock_link = NULL;
	if (end->date > 0 && clock_ran() - end->began <= CLOCK_SLOW &&
	    !store->closed)
		store->told.clock(store->arg, end->date);
}
