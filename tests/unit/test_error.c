/* SPDX-License-Identifier: ISC */
/* Each error has words of its own. */
#include <ctype.h>

#include "given.h"

#define LAST STEK_ERR_LIBRARY

static void
every_error_has_words_of_its_own(void **state)
{
	const char *text;
	int i, j;

	(void)state;
	for (i = STEK_OK; i <= LAST; i++) {
		text = stek_strerror((enum stek_err)i);
		assert_true(strlen(text) > 7);
		for (j = STEK_OK; j < i; j++)
			assert_string_not_equal(
			    text, stek_strerror((enum stek_err)j));
	}
}

static void
they_read_well_behind_a_path_and_a_colon(void **state)
{
	const char *text;
	int i;

	(void)state;
	for (i = STEK_OK; i <= LAST; i++) {
		text = stek_strerror((enum stek_err)i);
		assert_true(islower((unsigned char)text[0]));
		assert_true(isalnum((unsigned char)text[strlen(text) - 1]));
		assert_null(strchr(text, '\n'));
	}
}

static void
no_value_is_without_words(void **state)
{
	(void)state;
	assert_string_equal(
	    stek_strerror((enum stek_err)(LAST + 1)), "unknown error");
	assert_string_equal(stek_strerror((enum stek_err)999), "unknown error");
}

static void
success_is_zero(void **state)
{
	(void)state;
	assert_int_equal(STEK_OK, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_error_has_words_of_its_own),
	    cmocka_unit_test(they_read_well_behind_a_path_and_a_colon),
	    cmocka_unit_test(no_value_is_without_words),
	    cmocka_unit_test(success_is_zero),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
