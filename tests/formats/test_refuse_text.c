/* SPDX-License-Identifier: ISC */
/*
 * Text that is refused, with a reason that names the line and what was
 * expected there.
 *
 * Never here: raw keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "farm.h"

/* The farm's file with the first `from` made `to`. */
struct edit {
	const char *format, *from, *to;
	enum stek_err err;
	size_t line;
	const char *says;
};

static const struct edit edits[] = {
    {"haproxy", "\n", "\n\n", STEK_ERR_FORMAT, 2, "blank"},
    {"haproxy", "aO2Q", "#O2Q", STEK_ERR_FORMAT, 1, "comment"},
    {"haproxy", "aO2Q", "a*2Q", STEK_ERR_FORMAT, 1, "base64"},
    {"haproxy", "aO2Q", "aO2", STEK_ERR_FORMAT, 1, "80 bytes"},
    {"haproxy", "aO2Q", " aO2Q", STEK_ERR_FORMAT, 1, "base64"},
    {"haproxy", "\ntfcc", "\n/zlkcc", STEK_ERR_FORMAT, 2, "base64"},
    {"haproxy", "\n/zlkhO", "\ntfcclq", STEK_ERR_DUPLICATE, 3, "4 bytes"},
    {"haproxy48", "F/l\n", "F/\n", STEK_ERR_FORMAT, 1, "48 bytes"},
    {"h2o", "- name", "  name", STEK_ERR_FORMAT, 1, "\"- \""},
    {"h2o", "62ffe56b", "62ffe56", STEK_ERR_FORMAT, 1, "32 hex digits"},
    {"h2o", "AES-256-CBC", "AES-128-CBC", STEK_ERR_FORMAT, 2, "AES-256"},
    {"h2o", "SHA256", "SHA384", STEK_ERR_FORMAT, 3, "SHA256"},
    {"h2o", "  hash: SHA256\n", "", STEK_ERR_FORMAT, 1, "hash"},
    {"h2o", "  hash: SHA256\n", "  hash: SHA256\n  hash: SHA256\n",
        STEK_ERR_FORMAT, 4, "once"},
    {"h2o", "hash:", "hush:", STEK_ERR_FORMAT, 3, "something else"},
    {"h2o", "  hash", "   hash", STEK_ERR_FORMAT, 3, "column 3"},
    {"h2o", "  hash", "\thash", STEK_ERR_FORMAT, 3, "spaces"},
    {"h2o", "hash: ", "hash:", STEK_ERR_FORMAT, 3, "key: value"},
    {"h2o", "hash: SHA256", "hash: \"SHA256", STEK_ERR_FORMAT, 3, "key: value"},
    {"h2o", "0000\n", "0001\n", STEK_ERR_FORMAT, 4, "filled up with zeroes"},
    {"h2o", "0000\n", "000\n", STEK_ERR_FORMAT, 4, "192 hex digits"},
    {"h2o", "0000\n", "00000\n", STEK_ERR_FORMAT, 4, "192 hex digits"},
    {"h2o", "1699955800", "1700020601", STEK_ERR_TIMES, 1, "not_before"},
    {"h2o", "1699955800", "-5", STEK_ERR_FORMAT, 5, "Unix seconds"},
    {"h2o", "1699955800", "2023-11-14", STEK_ERR_FORMAT, 5, "Unix seconds"},
    {"h2o", "1700020600", "17000206000000000000", STEK_ERR_FORMAT, 6,
        "Unix seconds"},
    {"h2o", "1700020600", "1700000000", STEK_ERR_TIMES, 1, "expired"},
    {"h2o", "68ed9063", "62ffe56b", STEK_ERR_DUPLICATE, 7, "4 bytes"},
    {"h2o",
        "key: 60e67c66d343ca9a456b183d674a4c46"
        "fba51844338cd5cb42afebd95e597c47",
        "key: 00000000000000000000000000000000"
        "00000000000000000000000000000000",
        STEK_ERR_WEAK, 1, "AES key"},
    {"envoy", "resources:", "resource:", STEK_ERR_FORMAT, 2, "resources"},
    {"envoy", "v3.Secret", "v2.Secret", STEK_ERR_FORMAT, 3, "v3.Secret"},
    {"envoy", "  name: \"stek\"\n", "", STEK_ERR_FORMAT, 4, "name"},
    {"envoy", "  session_ticket_keys:", "session_ticket_keys:", STEK_ERR_FORMAT,
        5, "session_ticket_keys"},
    {"envoy", "name: \"stek\"", "name:", STEK_ERR_FORMAT, 4, "name"},
    {"envoy", "\"stek\"", "\"st\\ek\"", STEK_ERR_FORMAT, 4, "key: value"},
    {"envoy", "\"stek\"", "\"st\"ek\"", STEK_ERR_FORMAT, 4, "key: value"},
    {"envoy", "    keys:", "  keys:", STEK_ERR_FORMAT, 6, "keys"},
    {"envoy", "    - inline", "      inline", STEK_ERR_FORMAT, 7, "- inline"},
    {"envoy", "inline_bytes", "filename", STEK_ERR_FORMAT, 7, "inline_bytes"},
    {"envoy", "tfcclq", "tf*clq", STEK_ERR_FORMAT, 7, "base64"},
    {"envoy", "tfcclq", "tfcc", STEK_ERR_FORMAT, 7, "80 bytes"},
    {"envoy", "/zlkhO", "tfcclq", STEK_ERR_DUPLICATE, 8, "4 bytes"},
    {"stunnel", "ticketKeySecret", "ticketKeySecrets", STEK_ERR_FORMAT, 2,
        "another line"},
    {"stunnel", "ticketKeySecret =", "ticketKeySecret", STEK_ERR_FORMAT, 2,
        "another line"},
    {"stunnel", "ticketMacSecret", "ticketKeySecret", STEK_ERR_FORMAT, 3,
        "one ticketKeySecret"},
    {"stunnel", "ticketMacSecret", "; ticketMacSecret", STEK_ERR_FORMAT, 3,
        "found 32 and 0 bytes"},
    {"stunnel", "7f632bf0", "7f632bf", STEK_ERR_FORMAT, 2, "hex digits"},
    {"stunnel", "7f632bf0", "7f632bfg", STEK_ERR_FORMAT, 2, "hex digits"},
    {"stunnel", "7f632bf0", "7f632bf000", STEK_ERR_FORMAT, 2, "hex digits"},
    {"stunnel", "7f632bf0f54bf91a5c110dbb287165b1", "", STEK_ERR_FORMAT, 3,
        "found 16 and 32 bytes"},
};

static size_t
edited(const struct edit *edit, char text[8192])
{
	struct stek_set *set = farm_new();
	struct format_out out;
	const char *at, *from;
	size_t len, before;

	assert_int_equal(
	    format_write(format_find(edit->format), set, NOW, NULL, &out),
	    STEK_OK);
	from = (const char *)out.files[0].bytes;
	len = out.files[0].len;
	at = memmem(from, len, edit->from, strlen(edit->from));
	assert_non_null(at);
	before = (size_t)(at - from);
	at += strlen(edit->from);
	len = (size_t)snprintf(text, 8192, "%.*s%s%.*s", (int)before, from,
	    edit->to, (int)(len - before - strlen(edit->from)), at);
	assert_true(len < 8192);
	format_out_free(&out);
	stek_set_free(set);
	return len;
}

static void
the_reason_names_the_line_and_what_was_expected(void **state)
{
	struct format_why why;
	struct format_in in;
	char text[8192];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		len = edited(&edits[i], text);
		assert_int_equal(
		    format_read(format_find(edits[i].format),
		        (const uint8_t *)text, len, NOW, &in, &why),
		    edits[i].err);
		if (why.line != edits[i].line ||
		    strstr(why.text, edits[i].says) == NULL)
			fail_msg("%s, \"%s\" for \"%s\": line %zu, %s",
			    edits[i].format, edits[i].to, edits[i].from,
			    why.line, why.text);
	}
}

static void
text_cut_anywhere_never_gives_other_keys(void **state)
{
	static const char *const texts[] = {
	    "haproxy", "h2o", "envoy", "stunnel"};
	struct edit none = {NULL, "\n", "\n", STEK_OK, 0, ""};
	struct format_why why;
	struct stek_set *set;
	struct format_in in;
	char text[8192];
	size_t i, j, len;

	(void)state;
	set = farm_new();
	for (i = 0; i < 4; i++) {
		none.format = texts[i];
		for (len = edited(&none, text); len-- > 0;) {
			if (format_read(format_find(texts[i]),
			        (const uint8_t *)text, len, NOW, &in,
			        &why) != STEK_OK)
				continue;
			for (j = 0; j < in.count; j++)
				expect_same(&in.keys[j],
				    stek_set_find(set, in.keys[j].name), false);
		}
	}
	stek_set_free(set);
}

static void
text_without_a_key_is_refused(void **state)
{
	static const char *const texts[] = {
	    "haproxy", "h2o", "envoy", "stunnel"};
	static const uint8_t comment[] = "# none\n";
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		expect_refusal(
		    format_find(texts[i]), comment, 0, STEK_ERR_FORMAT);
		expect_refusal(format_find(texts[i]), comment,
		    sizeof(comment) - 1, STEK_ERR_FORMAT);
	}
}

static void
text_longer_than_any_key_file_is_refused(void **state)
{
	static uint8_t text[FORMAT_BYTES_MAX + 1];
	struct edit none = {"h2o", "\n", "\n", STEK_OK, 0, ""};
	struct format_why why;
	struct format_in in;
	char file[8192];
	size_t len;

	(void)state;
	memset(text, '\n', sizeof(text));
	len = edited(&none, file);
	memcpy(text, file, len);
	assert_int_equal(format_read(format_find("h2o"), text, sizeof(text) - 1,
	                     NOW, &in, &why),
	    STEK_OK);
	expect_refusal(format_find("h2o"), text, sizeof(text), STEK_ERR_FORMAT);
}

static void
two_lines_are_too_few_for_haproxy(void **state)
{
	static const char text[] =
	    "aO2QY/oG0+egTgQ2NRJUoZme89U0eS3HMCRnyNKC40BhjvidsSBU9lAaqtDH"
	    "m2VlS+/Nhd1IHd1Fj5P3eFKbPT/RFqPNw+a5qP9M8PZdEM8=\n"
	    "tfcclq9UP8mwTpBmLCsLwH9jK/D1S/kaXBENuyhxZbFNffhCEKLTcsSNq+Oz"
	    "/u3PZd5nYM/P7dhqWmisVORUM+Z7okkQUBCY8KfrtsCBbGU=\n";

	(void)state;
	expect_refusal(format_find("haproxy"), (const uint8_t *)text,
	    sizeof(text) - 1, STEK_ERR_FORMAT);
	expect_refusal(
	    format_find("haproxy"), (const uint8_t *)text, 0, STEK_ERR_FORMAT);
}

static void
files_of_the_two_sizes_are_not_taken_for_each_other(void **state)
{
	static const char *const pairs[][2] = {{"nginx", "nginx48"},
	    {"nghttpx", "nghttpx48"}, {"haproxy", "haproxy48"}};
	struct stek_set *set = farm_of(&sealing);
	struct format_out out;
	size_t i, j;

	(void)state;
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 2; j++) {
			assert_int_equal(format_write(format_find(pairs[i][j]),
			                     set, NOW, "/x", &out),
			    STEK_OK);
			expect_refusal(format_find(pairs[i][1 - j]),
			    out.files[0].bytes, out.files[0].len,
			    STEK_ERR_FORMAT);
			format_out_free(&out);
		}
	}
	stek_set_free(set);
}

static void
expect_list_refusal(
    const char *format, const char *text, size_t line, enum stek_err err)
{
	static const struct format_list empty;
	struct format_list list;
	struct format_why why;

	assert_int_equal(format_list(format_find(format), (const uint8_t *)text,
	                     strlen(text), &list, &why),
	    err);
	assert_int_equal(why.line, line);
	assert_true(strncmp(why.text, "expected ", 9) == 0);
	assert_memory_equal(&list, &empty, sizeof(list));
}

static void
a_list_of_anything_else_is_refused(void **state)
{
	(void)state;
	expect_list_refusal("nginx", "", 0, STEK_ERR_FORMAT);
	expect_list_refusal("nginx", "# none\n", 1, STEK_ERR_FORMAT);
	expect_list_refusal("nginx",
	    "ssl_session_ticket_key /a.key;\nuser x;\n", 2, STEK_ERR_FORMAT);
	expect_list_refusal(
	    "nginx", "ssl_session_ticket_key /a.key\n", 1, STEK_ERR_FORMAT);
	expect_list_refusal(
	    "nginx", "ssl_session_ticket_key a.key;\n", 1, STEK_ERR_FORMAT);
	expect_list_refusal(
	    "nginx", "ssl_session_ticket_key ;\n", 1, STEK_ERR_FORMAT);
	expect_list_refusal(
	    "nghttpx", "tls-ticket-key-file=/a.key\n", 1, STEK_ERR_FORMAT);
	expect_list_refusal("nghttpx",
	    "tls-ticket-key-cipher=aes-128-cbc\ntls-ticket-key-file=/a.key\n",
	    1, STEK_ERR_FORMAT);
	expect_list_refusal("unbound",
	    "server:\n\ttls-session-ticket-keys: /a.key\n", 2, STEK_ERR_FORMAT);
}

static void
a_list_of_more_files_than_a_set_holds_is_refused(void **state)
{
	static const char line[] = "ssl_session_ticket_key /a.key;\n";
	char text[17 * sizeof(line)] = "";
	size_t i;

	(void)state;
	for (i = 0; i < 17; i++)
		strcat(text, line);
	expect_list_refusal("nginx", text, 17, STEK_ERR_FULL);
}

static void
a_path_too_long_is_refused(void **state)
{
	char text[FORMAT_PATH_MAX + 64];

	(void)state;
	(void)snprintf(text, sizeof(text), "ssl_session_ticket_key /%0*d;\n",
	    FORMAT_PATH_MAX - 1, 0);
	expect_list_refusal("nginx", text, 1, STEK_ERR_FORMAT);
}

static void
a_path_with_a_nul_is_refused(void **state)
{
	static const char text[] = "ssl_session_ticket_key /a\0b;\n";
	struct format_list list;
	struct format_why why;

	(void)state;
	assert_int_equal(
	    format_list(format_find("nginx"), (const uint8_t *)text,
	        sizeof(text) - 1, &list, &why),
	    STEK_ERR_FORMAT);
}

static void
a_list_may_have_comments_and_blanks(void **state)
{
	static const char text[] =
	    "# ours\r\n\n  ssl_session_ticket_key /a;  \n"
	    "ssl_session_ticket_key /b/c d;";
	struct format_list list;
	struct format_why why;

	(void)state;
	assert_int_equal(
	    format_list(format_find("nginx"), (const uint8_t *)text,
	        sizeof(text) - 1, &list, &why),
	    STEK_OK);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.paths[0], "/a");
	assert_string_equal(list.paths[1], "/b/c d");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_reason_names_the_line_and_what_was_expected),
	    cmocka_unit_test(text_cut_anywhere_never_gives_other_keys),
	    cmocka_unit_test(text_without_a_key_is_refused),
	    cmocka_unit_test(text_longer_than_any_key_file_is_refused),
	    cmocka_unit_test(two_lines_are_too_few_for_haproxy),
	    cmocka_unit_test(
	        files_of_the_two_sizes_are_not_taken_for_each_other),
	    cmocka_unit_test(a_list_of_anything_else_is_refused),
	    cmocka_unit_test(a_list_of_more_files_than_a_set_holds_is_refused),
	    cmocka_unit_test(a_path_too_long_is_refused),
	    cmocka_unit_test(a_path_with_a_nul_is_refused),
	    cmocka_unit_test(a_list_may_have_comments_and_blanks),
	};

	return cmocka_run_group_tests_name(
	    "formats: text refused", tests, NULL, NULL);
}
