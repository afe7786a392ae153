/* SPDX-License-Identifier: ISC */
/*
 * NSS's adapter on an NSS that cannot be given keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nss.h>
#include <sslerr.h>
#include <sslexp.h>

#include <stek/nss.h>

static void
an_nss_without_the_interface_is_told_from_other_errors(void **state)
{
	struct stek_ring *ring;

	(void)state;
	if (SSL_GetExperimentalAPI("SSL_SetSessionTicketKeys") != NULL)
		skip(); /* this NSS has it */
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	assert_int_equal(NSS_NoDB_Init(NULL), SECSuccess);
	assert_int_equal(stek_nss_use(ring), STEK_ERR_LIBRARY);
	assert_int_equal(stek_nss_use(NULL), STEK_ERR_LIBRARY);
	assert_int_equal(NSS_Shutdown(), SECSuccess);
	stek_ring_close(ring);
}

static void
an_nss_that_was_not_initialized_takes_no_keys(void **state)
{
	struct stek_ring *ring;

	(void)state;
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	assert_false(NSS_IsInitialized());
	assert_int_equal(stek_nss_use(ring), STEK_ERR_SYSTEM);
	stek_ring_close(ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_nss_that_was_not_initialized_takes_no_keys),
	    cmocka_unit_test(
	        an_nss_without_the_interface_is_told_from_other_errors),
	};

	return cmocka_run_group_tests_name("nss_stock", tests, NULL, NULL);
}
