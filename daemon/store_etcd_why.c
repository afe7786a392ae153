/* SPDX-License-Identifier: ISC */
/*
 * What etcd's refusals mean, and what is to be done, in words.  etcd's own
 * sentences are part of its interface: clients of its own go by them, too.
 *
 * Never here: a decision.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store_etcd_own.h"

static bool
says(const struct call_end *end, const char *text)
{
	return strstr(end->why, text) != NULL;
}

bool
store_is_open(const struct call_end *end)
{
	return end->status > CALL_OK &&
	       says(end, "authentication is not enabled");
}

bool
store_is_logged_out(const struct store_etcd *store, const struct call_end *end)
{
	if (store->user[0] == '\0' || end->status <= CALL_OK)
		return false;
	return end->status == CALL_UNAUTHENTICATED ||
	       says(end, "invalid auth token") ||
	       says(end, "user name is empty") ||
	       says(end, "revision of auth store is old");
}

static bool
say_user(const struct store_etcd *store, const struct call_end *end, char *why)
{
	if (says(end, "authentication failed")) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd refuses the user \"%s\" or its password: mend them "
		    "and restart stekd, or let etcd have that user (%s)",
		    store->user, end->why);
		return true;
	}
	if (says(end, "user name is empty") && store->user[0] == '\0') {
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd wants to know who this is: configure a user and a "
		    "password, or a certificate whose CN is a user of etcd's "
		    "(%s)",
		    end->why);
		return true;
	}
	return false;
}

static bool
say_known(const struct store_etcd *store, const struct call_end *end, char *why)
{
	if (end->status == CALL_DENIED)
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd denies this node's user%s%s: have it as a user, and "
		    "grant its role to read and write all under the prefix %s "
		    "(%s)",
		    store->user[0] != '\0' ? " " : ", its certificate's CN",
		    store->user, store->prefix, end->why);
	else if (says(end, "space exceeded"))
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd's database is full: compact it (etcdctl compact), "
		    "give back the space (etcdctl defrag), then take back the "
		    "alarm (etcdctl alarm disarm) (%s)",
		    end->why);
	else if (says(end, "too large") || says(end, "larger than max"))
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd takes no value of this size: raise etcd's "
		    "--max-request-bytes (%s)",
		    end->why);
	else if (end->status == CALL_UNAVAILABLE)
		(void)snprintf(why, CONF_WHY_LEN,
		    "this member of etcd serves nobody now: see whether most "
		    "of the cluster's members run and reach each other (%s)",
		    end->why);
	else if (says(end, "unknown service") || says(end, "unknown method"))
		(void)snprintf(why, CONF_WHY_LEN,
		    "no etcd of version 3.4 or later answers there: mend the "
		    "address, or update etcd (%s)",
		    end->why);
	else
		return false;
	return true;
}

/* etcd does not say what is wrong with it; perhaps its date does. */
static void
say_certificate(const struct store_etcd *store, const struct call_end *end,
    char why[CONF_WHY_LEN])
{
	char date[sizeof("2026-01-01 00:00:00")];
	int64_t since;
	struct tm tm;
	time_t then;

	if (store->cert[0] == '\0') {
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd wants a certificate of this node: configure one "
		    "(etcd { cert key }) (%s)",
		    end->why);
		return;
	}
	if (!cert_has_expired(store->cert, time(NULL), &since)) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "etcd refuses this node's certificate %.300s: see whether "
		    "it has expired, and whether it is of the CA that etcd "
		    "trusts (%s)",
		    store->cert, end->why);
		return;
	}
	then = (time_t)since;
	(void)gmtime_r(&then, &tm);
	(void)strftime(date, sizeof(date), "%F %T", &tm);
	(void)snprintf(why, CONF_WHY_LEN,
	    "etcd refuses this node's certificate %.300s, which expired on %s "
	    "UTC: put a new one, and its key, in its place (%s)",
	    store->cert, date, end->why);
}

void
store_why(const struct store_etcd *store, const struct call_end *end,
    char why[CONF_WHY_LEN])
{
	if (end->uncertified) {
		say_certificate(store, end, why);
		return;
	}
	if (end->status < CALL_OK) {
		(void)snprintf(why, CONF_WHY_LEN, "%s", end->why);
		return;
	}
	if (say_user(store, end, why) || say_known(store, end, why))
		return;
	(void)snprintf(why, CONF_WHY_LEN,
	    "etcd refused with gRPC status %d: see etcd's log (%s)",
	    end->status, end->why[0] != '\0' ? end->why : "no more was said");
}
