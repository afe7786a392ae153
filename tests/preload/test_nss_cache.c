/* SPDX-License-Identifier: ISC */
/*
 * Processes on stock NSS that share a session cache.  One of them makes the
 * ticket keys and leaves them there, wrapped with the certificate's RSA key;
 * the others unwrap them, instead of making any.
 *
 *	preload-nss-cache 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives NSS keys.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ssl.h>

#include "preloaded_nss.h"

#define SESSIONS 100
#define SECONDS  600

/* The cache is the first process's; its children are told by a variable. */
static void *
server_new(const struct contract_server *options)
{
	static bool has_cache;
	void *server = preloaded_server_new(options);
	SECStatus rv = SECSuccess;

	if (!has_cache && getenv("SSL_INHERITANCE") == NULL)
		rv = SSL_ConfigMPServerSIDCache(
		    SESSIONS, SECONDS, SECONDS, NULL);
	else if (!has_cache)
		rv = SSL_InheritMPServerSIDCache(NULL);
	if (rv != SECSuccess)
		abort();
	has_cache = true;
	nss_server_keep_sessions(server);
	return server;
}

static void
a_process_that_fetches_the_ticket_keys_has_the_rings(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w, back;
	struct remote remote;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_true(is_preloaded_ticket_of(&v, &key));
	farm_exec(farm, &remote);
	remote_visit(farm, &remote, NULL, &w);
	expect_full(&w);
	assert_true(is_preloaded_ticket_of(&w, &key));
	return_visit(farm, farm->server, NULL, &w, &back);
	expect_resumed(&back);
	visit_free(&back);
	remote_visit(farm, &remote, v.session, &back);
	expect_resumed(&back);
	remote_stop(&remote);
	visit_free(&v);
	visit_free(&w);
	visit_free(&back);
}

static void
a_revoked_key_opens_in_neither(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), next = farm_key_good();
	struct visit v, w, back;
	struct remote remote;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	farm_exec(farm, &remote);
	remote_visit(farm, &remote, NULL, &w);
	PUBLISH(farm->ring, &next);
	remote_visit(farm, &remote, v.session, &back);
	expect_full(&back);
	assert_true(is_preloaded_ticket_of(&back, &next));
	visit_free(&back);
	return_visit(farm, farm->server, NULL, &w, &back);
	expect_full(&back);
	assert_true(is_preloaded_ticket_of(&back, &next));
	remote_stop(&remote);
	visit_free(&v);
	visit_free(&w);
	visit_free(&back);
}

int
main(int argc, char **argv)
{
	static const struct point points[] = {
	    POINT(a_process_that_fetches_the_ticket_keys_has_the_rings),
	    POINT(a_revoked_key_opens_in_neither),
	    END_OF_POINTS,
	};
	struct contract_library library = {
	    .name = "stock NSS with a session cache",
	    .rsa = true,
	    .server_new = server_new,
	    .server_free = nss_server_free,
	    .serve = nss_serve,
	};

	if (argc == 7 && strcmp(argv[1], "--serve") == 0) {
		(void)signal(SIGPIPE, SIG_IGN);
		farm_serve(&library, argv + 2);
	}
	if (argc != 3)
		return 2;
	become_preloaded(argv, argv[2]);
	library.cannot =
	    strcmp(argv[1], "1.2") == 0 ? CONTRACT_NO_TLS13 : CONTRACT_NO_TLS12;
	return contract_points(&library, 1, points);
}
