/* SPDX-License-Identifier: ISC */
/*
 * What this node may do in etcd: found out by reads alone, soon after each link
 * is up, and now and then.
 *
 * First it reads a key before all others, which no prefix has in it.  Who is
 * denied it has a role, and that is all there is to ask; etcd does not log it.
 * Who is not denied it has a role for everything, or needs none:
 *
 *	with a token	reads it as nobody, without the token, which only an
 *			etcd whose authentication is off lets it do
 *	with a		takes it along wherever it goes, and so logs in as
 *	certificate	nobody, to be told that authentication is off, or to be
 *			refused; etcd logs that, so it is done once a link
 *
 * Never here: what is wrong with that.
 */
#include <string.h>

#include "etcd.pb-c.h"
#include "store_etcd_own.h"

#define FIRST_MOST  2000 /* ms after a new link */
#define RETRY_LEAST 5000
#define RETRY_MOST  10000
#define AGAIN_LEAST (9 * 60 * 1000)
#define AGAIN_MOST  (10 * 60 * 1000)

static void
tell(struct store_etcd *store, enum store_rights rights)
{
	if (store->rights == rights || store->closed)
		return;
	store->rights = rights;
	store->told.rights(store->arg, rights);
}

static void
retry(struct store_etcd *store)
{
	store->rights_at = store_soon(RETRY_LEAST, RETRY_MOST);
}

static void
failed(struct store_etcd *store, const struct call_end *end)
{
	if (!store_lost(store, end))
		retry(store);
}

/* etcd has decided, and not only been unable to answer. */
static bool
is_refusal(const struct call_end *end)
{
	return end->status > CALL_OK && end->status != CALL_UNAVAILABLE;
}

static void
read_first(struct store_etcd *store, enum store_job job)
{
	static const char first[] = "";
	Etcd__RangeRequest request = ETCD__RANGE_REQUEST__INIT;

	request.key = frame_binary(first, sizeof(first));
	request.count_only = true;
	if (!store_send(store, job, &request.base))
		retry(store);
}

static void
log_in_as_nobody(struct store_etcd *store)
{
	static char nobody[] = "";
	Etcd__AuthenticateRequest request = ETCD__AUTHENTICATE_REQUEST__INIT;

	request.name = request.password = nobody;
	if (!store_send(store, JOB_OPEN, &request.base))
		retry(store);
}

void
store_on_rights(struct store_etcd *store, const struct call_end *end)
{
	if (end->status == CALL_DENIED)
		tell(store, STORE_RIGHTS_OWN);
	else if (end->status != CALL_OK)
		failed(store, end);
	else if (store->token != NULL && store->cert[0] == '\0')
		read_first(store, JOB_NOBODY);
	else if (!store->refused)
		log_in_as_nobody(store);
}

void
store_on_nobody(struct store_etcd *store, const struct call_end *end)
{
	if (end->status == CALL_OK)
		tell(store, STORE_RIGHTS_OPEN);
	else if (is_refusal(end))
		tell(store, STORE_RIGHTS_ALL);
	else
		failed(store, end);
}

void
store_on_open(struct store_etcd *store, const struct call_end *end)
{
	if (store_is_open(end))
		tell(store, STORE_RIGHTS_OPEN);
	else if (is_refusal(end)) {
		store->refused = true;
		tell(store, STORE_RIGHTS_ALL);
	} else
		failed(store, end);
}

void
store_rights_up(struct store_etcd *store)
{
	store->refused = false;
	store->rights_at = store_soon(0, FIRST_MOST);
}

int64_t
store_rights_next(const struct store_etcd *store)
{
	bool busy = store_busy(store, JOB_RIGHTS) ||
	            store_busy(store, JOB_NOBODY) ||
	            store_busy(store, JOB_OPEN);

	return busy || store->told.rights == NULL ? INT64_MAX
	                                          : store->rights_at;
}

void
store_rights_run(struct store_etcd *store, int64_t now)
{
	if (now < store_rights_next(store))
		return;
	store->rights_at = store_soon(AGAIN_LEAST, AGAIN_MOST);
	read_first(store, JOB_RIGHTS);
}
