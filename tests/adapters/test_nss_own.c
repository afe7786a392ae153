/* SPDX-License-Identifier: ISC */
/*
 * What is NSS's alone, beside the contract.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <nss.h>

#include <stek/nss.h>

#include "expect.h"
#include "nss_server.h"

static void
an_nss_that_is_started_again_gets_its_keys_again(void **state)
{
	struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v;

	PUBLISH(farm->ring, &key);
	farm->library->server_free(farm->server);
	assert_int_equal(stek_nss_use(farm->ring), STEK_OK);
	assert_int_equal(NSS_Shutdown(), SECSuccess);
	farm->server = farm_server(farm, farm->ring, false);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
}

static void
a_scope_has_tickets_of_its_own(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), scoped;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	assert_int_equal(stek_scope_key(&key, "mail", &scoped), STEK_OK);
	nss_server_scope(farm->server, "mail");
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &scoped);
	visit_free(&v);
	visit_free(&w);
}

int
main(void)
{
	static const struct point points[] = {
	    POINT(an_nss_that_is_started_again_gets_its_keys_again),
	    POINT(a_scope_has_tickets_of_its_own),
	    END_OF_POINTS,
	};
	const struct contract_library library = {
	    .name = "NSS",
	    .server_new = nss_server_new,
	    .server_free = nss_server_free,
	    .serve = nss_serve,
	};

	return contract_points(&library, 1, points);
}
