/* SPDX-License-Identifier: ISC */
/*
 * The table of formats: what each server is like, as it was seen to be, and
 * what format_write() and its kin refuse for all of them.
 *
 * Never here: bytes of files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "farm.h"

struct row {
	const char *name;
	unsigned int flags;
	size_t keys, opening;
	unsigned int tick, spacing, hint;
};

static const struct row rows[] = {
    {"nginx", FORMAT_FOLDER, 0, 16, 0, 0, 300},
    {"nginx48", FORMAT_FOLDER | FORMAT_SHORT, 0, 16, 0, 0, 300},
    {"haproxy", 0, 3, 1, 0, 0, 7200},
    {"haproxy48", FORMAT_SHORT, 3, 1, 0, 0, 7200},
    {"lighttpd", FORMAT_REMEMBERS, 3, 2, 130, 66, 7200},
    {"lighttpd-gnutls", FORMAT_REFUSED, 0, 0, 0, 0, 0},
    {"lighttpd-nss", FORMAT_REFUSED, 0, 0, 0, 0, 0},
    {"apache", FORMAT_SHORT, 1, 0, 0, 0, 300},
    {"h2o", 0, 0, 16, 10, 2, 7200},
    {"trafficserver", FORMAT_SHORT, 0, 16, 0, 0, 7200},
    {"nghttpx", FORMAT_FOLDER, 0, 16, 0, 0, 43200},
    {"nghttpx48", FORMAT_FOLDER | FORMAT_SHORT, 0, 16, 0, 0, 43200},
    {"dnsdist", 0, 5, 3, 0, 0, 7200},
    {"unbound", FORMAT_FOLDER, 0, 16, 0, 0, 7200},
    {"envoy", 0, 0, 16, 1, 0, 7200},
    {"stunnel", 0, 1, 0, 0, 0, 300},
    {"knot-resolver", 0, 1, 0, 0, 0, 21600},
    {"ring", FORMAT_RING, 0, 16, 0, 0, 0},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void
every_server_is_listed_as_it_is(void **state)
{
	const struct format *format;
	size_t i;

	(void)state;
	for (i = 0; i < ROWS; i++) {
		format = format_at(i);
		assert_non_null(format);
		assert_string_equal(format->name, rows[i].name);
		assert_int_equal(format->flags, rows[i].flags);
		assert_int_equal(format->keys, rows[i].keys);
		assert_int_equal(format->opening, rows[i].opening);
		assert_int_equal(format->tick, rows[i].tick);
		assert_int_equal(format->spacing, rows[i].spacing);
		assert_int_equal(format->hint, rows[i].hint);
	}
	assert_null(format_at(ROWS));
}

static void
a_format_is_found_by_its_name_only(void **state)
{
	(void)state;
	assert_ptr_equal(format_find("h2o"), format_at(8));
	assert_null(format_find("H2O"));
	assert_null(format_find("nginx "));
	assert_null(format_find(""));
}

static bool
is_of_files(const struct format *format)
{
	return !(format->flags & (FORMAT_RING | FORMAT_REFUSED));
}

static void
only_servers_with_files_are_written_and_read(void **state)
{
	struct stek_set *set = farm_new();
	const struct format *format;
	struct format_out out;
	struct format_why why;
	struct format_in in;
	size_t i;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (is_of_files(format)) {
			assert_non_null(format->write);
			assert_non_null(format->read);
			continue;
		}
		assert_int_equal(format_write(format, set, NOW, "/x", &out),
		    STEK_ERR_FORMAT);
		assert_int_equal(
		    format_read(format, set->keys[0].name, 16, NOW, &in, &why),
		    STEK_ERR_FORMAT);
		assert_true(why.text[0] != '\0');
	}
	stek_set_free(set);
}

static void
a_refused_server_says_why(void **state)
{
	const struct format *format;
	size_t i;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++)
		if (format->flags & FORMAT_REFUSED)
			assert_non_null(format->trap);
}

static void
only_folders_have_lists(void **state)
{
	static const uint8_t text[] = "ssl_session_ticket_key /a.key;\n";
	const struct format *format;
	struct format_list list;
	struct format_why why;
	size_t i;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (format->flags & FORMAT_FOLDER) {
			assert_non_null(format->list);
			continue;
		}
		assert_int_equal(
		    format_list(format, text, sizeof(text) - 1, &list, &why),
		    STEK_ERR_FORMAT);
	}
}

static void
without_a_sealing_key_nothing_is_written(void **state)
{
	struct stek_set *set = farm_of(&pending);
	const struct format *format;
	struct format_out out;
	size_t i;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (!is_of_files(format))
			continue;
		assert_int_equal(
		    format_write(format, set, NOW, "/x", &out), STEK_ERR_TIMES);
		assert_int_equal(out.count, 0);
	}
	stek_set_free(set);
}

static void
a_folders_path_must_need_no_quoting(void **state)
{
	static const char *const bad[] = {"", "web", "./web", "/run/a b",
	    "/run/a;b", "/run/a\"b", "/run/a\\b", "/run/a\nb", "/run/$a",
	    "/run/a{b", "/run/a#b", "/run/*", "/run/\xc3\xa4"};
	struct stek_set *set = farm_new();
	const struct format *format;
	struct format_out out;
	size_t i, j;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (!(format->flags & FORMAT_FOLDER))
			continue;
		for (j = 0; j < sizeof(bad) / sizeof(bad[0]); j++)
			assert_int_equal(
			    format_write(format, set, NOW, bad[j], &out),
			    STEK_ERR_FORMAT);
		assert_int_equal(format_write(format, set, NOW, NULL, &out),
		    STEK_ERR_FORMAT);
		assert_int_equal(
		    format_write(format, set, NOW, "/a-b_c.d+e/f", &out),
		    STEK_OK);
		format_out_free(&out);
	}
	stek_set_free(set);
}

static void
a_file_needs_no_path(void **state)
{
	struct stek_set *set = farm_new();
	const struct format *format;
	struct format_out out;
	size_t i;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (!is_of_files(format) || (format->flags & FORMAT_FOLDER))
			continue;
		assert_int_equal(
		    format_write(format, set, NOW, NULL, &out), STEK_OK);
		assert_int_equal(out.count, 1);
		format_out_free(&out);
	}
	stek_set_free(set);
}

static void
the_same_set_gives_the_same_bytes(void **state)
{
	struct stek_set *set = farm_of(&sealing);
	const struct format *format;
	struct format_out one, two;
	size_t i, j;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (!is_of_files(format))
			continue;
		assert_int_equal(
		    format_write(format, set, NOW, "/x", &one), STEK_OK);
		assert_int_equal(
		    format_write(format, set, NOW + 9, "/x", &two), STEK_OK);
		assert_int_equal(one.count, two.count);
		for (j = 0; j < one.count; j++) {
			assert_int_equal(one.files[j].len, two.files[j].len);
			assert_memory_equal(one.files[j].bytes,
			    two.files[j].bytes, one.files[j].len);
		}
		format_out_free(&one);
		format_out_free(&two);
	}
	stek_set_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_server_is_listed_as_it_is),
	    cmocka_unit_test(a_format_is_found_by_its_name_only),
	    cmocka_unit_test(only_servers_with_files_are_written_and_read),
	    cmocka_unit_test(a_refused_server_says_why),
	    cmocka_unit_test(only_folders_have_lists),
	    cmocka_unit_test(without_a_sealing_key_nothing_is_written),
	    cmocka_unit_test(a_folders_path_must_need_no_quoting),
	    cmocka_unit_test(a_file_needs_no_path),
	    cmocka_unit_test(the_same_set_gives_the_same_bytes),
	};

	return cmocka_run_group_tests_name("formats: table", tests, NULL, NULL);
}
