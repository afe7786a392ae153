/* SPDX-License-Identifier: ISC */
/*
 * Servers that read text, and the lists of folders: every character.
 *
 * Never here: expectations from the code under test.  The texts below were
 * written from what the servers read, with keys put into them by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "farm.h"

struct golden {
	const char *format;
	const char *text;
};

static const struct golden files[] = {
    {"haproxy", "aO2QY/oG0+egTgQ2NRJUoZme89U0eS3HMCRnyNKC40BhjvidsSBU9lAaqtDH"
                "m2VlS+/Nhd1IHd1Fj5P3eFKbPT/RFqPNw+a5qP9M8PZdEM8=\n"
                "tfcclq9UP8mwTpBmLCsLwH9jK/D1S/kaXBENuyhxZbFNffhCEKLTcsSNq+Oz"
                "/u3PZd5nYM/P7dhqWmisVORUM+Z7okkQUBCY8KfrtsCBbGU=\n"
                "/zlkhOgVgjLQlW7pmC7N3lfwlqvNMrZMGuYIsFPQfxky2hfoht4T62BDrwY/"
                "IiX+s8LYLgXe2gavH/Qr8xdJiBPyJLxZH42K2rPBiGeI9D0=\n"},
    {"haproxy48", "aO2QY/oG0+egTgQ2NRJUocHpsd22wneom8UO0yB313zxdZpR8OwWMA+SvVtZ"
                  "YF/l\n"
                  "tfcclq9UP8mwTpBmLCsLwAXKBlM1v6gqTfdOGaMX3LanQgXHbns5NC886HbX"
                  "uWgL\n"
                  "/zlkhOgVgjLQlW7pmC7N3mbcnj87Uxzvz1mVY+xWHVCw82xfDDE5BfzTJ6w/"
                  "jgia\n"},
    {"h2o", "- name: 62ffe56b4930f56022327fba64ca16ce\n"
            "  cipher: AES-256-CBC\n"
            "  hash: SHA256\n"
            "  key: 60e67c66d343ca9a456b183d674a4c46fba51844338cd5cb42afe"
            "bd95e597c47abfafaea1d8872a82ed79264a562d0bd25b8dd878993f79c7"
            "991e967b91a13df000000000000000000000000000000000000000000000"
            "0000000000000000000\n"
            "  not_before: 1699955800\n"
            "  not_after: 1700020600\n"
            "- name: 68ed9063fa06d3e7a04e0436351254a1\n"
            "  cipher: AES-256-CBC\n"
            "  hash: SHA256\n"
            "  key: 999ef3d534792dc7302467c8d282e340618ef89db12054f6501aa"
            "ad0c79b65654befcd85dd481ddd458f93f778529b3d3fd116a3cdc3e6b9a"
            "8ff4cf0f65d10cf000000000000000000000000000000000000000000000"
            "0000000000000000000\n"
            "  not_before: 1699977400\n"
            "  not_after: 1700042200\n"
            "- name: ff396484e8158232d0956ee9982ecdde\n"
            "  cipher: AES-256-CBC\n"
            "  hash: SHA256\n"
            "  key: 57f096abcd32b64c1ae608b053d07f1932da17e886de13eb6043a"
            "f063f2225feb3c2d82e05deda06af1ff42bf317498813f224bc591f8d8ad"
            "ab3c1886788f43d000000000000000000000000000000000000000000000"
            "0000000000000000000\n"
            "  not_before: 1700000300\n"
            "  not_after: 1700086700\n"
            "- name: b5f71c96af543fc9b04e90662c2b0bc0\n"
            "  cipher: AES-256-CBC\n"
            "  hash: SHA256\n"
            "  key: 7f632bf0f54bf91a5c110dbb287165b14d7df84210a2d372c48da"
            "be3b3feedcf65de6760cfcfedd86a5a68ac54e45433e67ba24910501098f"
            "0a7ebb6c0816c65000000000000000000000000000000000000000000000"
            "0000000000000000000\n"
            "  not_before: 1699999000\n"
            "  not_after: 1700085400\n"},
    {"envoy", "version_info: \"0-b5f71c96af543fc9b04e90662c2b0bc0\"\n"
              "resources:\n"
              "- \"@type\": \"type.googleapis.com/envoy.extensions.transport_s"
              "ockets.tls.v3.Secret\"\n"
              "  name: \"stek\"\n"
              "  session_ticket_keys:\n"
              "    keys:\n"
              "    - inline_bytes: \"tfcclq9UP8mwTpBmLCsLwGXeZ2DPz+3YalporFT"
              "kVDPme6JJEFAQmPCn67bAgWxlf2Mr8PVL+RpcEQ27KHFlsU19+EIQotNyxI2"
              "r47P+7c8=\"\n"
              "    - inline_bytes: \"/zlkhOgVgjLQlW7pmC7N3rPC2C4F3toGrx/0K/M"
              "XSYgT8iS8WR+NitqzwYhniPQ9V/CWq80ytkwa5giwU9B/GTLaF+iG3hPrYEO"
              "vBj8iJf4=\"\n"
              "    - inline_bytes: \"aO2QY/oG0+egTgQ2NRJUoUvvzYXdSB3dRY+T93h"
              "Smz0/0RajzcPmuaj/TPD2XRDPmZ7z1TR5LccwJGfI0oLjQGGO+J2xIFT2UBq"
              "q0MebZWU=\"\n"
              "    - inline_bytes: \"Yv/la0kw9WAiMn+6ZMoWzqv6+uodiHKoLteSZKV"
              "i0L0luN2HiZP3nHmR6We5GhPfYOZ8ZtNDyppFaxg9Z0pMRvulGEQzjNXLQq/"
              "r2V5ZfEc=\"\n"},
    {"stunnel", "; stek key b5f71c96af543fc9b04e90662c2b0bc0\n"
                "ticketKeySecret = 7f632bf0f54bf91a5c110dbb287165b14d7df84210"
                "a2d372c48dabe3b3feedcf\n"
                "ticketMacSecret = 65de6760cfcfedd86a5a68ac54e45433e67ba24910"
                "501098f0a7ebb6c0816c65\n"},
};

static const struct golden lists[] = {
    {"nginx", "ssl_session_ticket_key /run/stek/web/b5f71c96af543fc9b04e906"
              "62c2b0bc0.key;\n"
              "ssl_session_ticket_key /run/stek/web/ff396484e8158232d0956ee"
              "9982ecdde.key;\n"
              "ssl_session_ticket_key /run/stek/web/68ed9063fa06d3e7a04e043"
              "6351254a1.key;\n"
              "ssl_session_ticket_key /run/stek/web/62ffe56b4930f56022327fb"
              "a64ca16ce.key;\n"},
    {"nginx48", "ssl_session_ticket_key /run/stek/web/b5f71c96af543fc9b04e906"
                "62c2b0bc0.key;\n"
                "ssl_session_ticket_key /run/stek/web/ff396484e8158232d0956ee"
                "9982ecdde.key;\n"
                "ssl_session_ticket_key /run/stek/web/68ed9063fa06d3e7a04e043"
                "6351254a1.key;\n"
                "ssl_session_ticket_key /run/stek/web/62ffe56b4930f56022327fb"
                "a64ca16ce.key;\n"},
    {"nghttpx", "tls-ticket-key-cipher=aes-256-cbc\n"
                "tls-ticket-key-file=/run/stek/web/b5f71c96af543fc9b04e90662c"
                "2b0bc0.key\n"
                "tls-ticket-key-file=/run/stek/web/ff396484e8158232d0956ee998"
                "2ecdde.key\n"
                "tls-ticket-key-file=/run/stek/web/68ed9063fa06d3e7a04e043635"
                "1254a1.key\n"
                "tls-ticket-key-file=/run/stek/web/62ffe56b4930f56022327fba64"
                "ca16ce.key\n"},
    {"nghttpx48", "tls-ticket-key-cipher=aes-128-cbc\n"
                  "tls-ticket-key-file=/run/stek/web/b5f71c96af543fc9b04e90662c"
                  "2b0bc0.key\n"
                  "tls-ticket-key-file=/run/stek/web/ff396484e8158232d0956ee998"
                  "2ecdde.key\n"
                  "tls-ticket-key-file=/run/stek/web/68ed9063fa06d3e7a04e043635"
                  "1254a1.key\n"
                  "tls-ticket-key-file=/run/stek/web/62ffe56b4930f56022327fba64"
                  "ca16ce.key\n"},
    {"unbound", "server:\n"
                "\ttls-session-ticket-keys: \"/run/stek/web/b5f71c96af543fc9"
                "b04e90662c2b0bc0.key\"\n"
                "\ttls-session-ticket-keys: \"/run/stek/web/ff396484e8158232"
                "d0956ee9982ecdde.key\"\n"
                "\ttls-session-ticket-keys: \"/run/stek/web/68ed9063fa06d3e7"
                "a04e0436351254a1.key\"\n"
                "\ttls-session-ticket-keys: \"/run/stek/web/62ffe56b4930f560"
                "22327fba64ca16ce.key\"\n"},
};

/* Without an opening and a pending key, the sealing one three times. */
static const char padded[] =
    "tfcclq9UP8mwTpBmLCsLwH9jK/D1S/kaXBENuyhxZbFNffhCEKLTcsSNq+Oz"
    "/u3PZd5nYM/P7dhqWmisVORUM+Z7okkQUBCY8KfrtsCBbGU=\n"
    "tfcclq9UP8mwTpBmLCsLwH9jK/D1S/kaXBENuyhxZbFNffhCEKLTcsSNq+Oz"
    "/u3PZd5nYM/P7dhqWmisVORUM+Z7okkQUBCY8KfrtsCBbGU=\n"
    "tfcclq9UP8mwTpBmLCsLwH9jK/D1S/kaXBENuyhxZbFNffhCEKLTcsSNq+Oz"
    "/u3PZd5nYM/P7dhqWmisVORUM+Z7okkQUBCY8KfrtsCBbGU=\n";
static const char padded_short[] =
    "tfcclq9UP8mwTpBmLCsLwAXKBlM1v6gqTfdOGaMX3LanQgXHbns5NC886HbX"
    "uWgL\n"
    "tfcclq9UP8mwTpBmLCsLwAXKBlM1v6gqTfdOGaMX3LanQgXHbns5NC886HbX"
    "uWgL\n"
    "tfcclq9UP8mwTpBmLCsLwAXKBlM1v6gqTfdOGaMX3LanQgXHbns5NC886HbX"
    "uWgL\n";

/* Write, and expect this text in the last file, which has this name. */
static void
expect_text(const char *format, const struct stek_set *set, const char *name,
    const char *text)
{
	const struct format_file *file;
	struct format_out out;

	assert_int_equal(
	    format_write(format_find(format), set, NOW, "/run/stek/web", &out),
	    STEK_OK);
	file = &out.files[out.count - 1];
	assert_string_equal(file->name, name);
	assert_int_equal(file->len, strlen(text));
	assert_memory_equal(file->bytes, text, file->len);
	format_out_free(&out);
}

static void
every_character_is_as_its_server_reads_it(void **state)
{
	const struct golden *golden = *state;
	struct stek_set *set = farm_new();

	expect_text(golden->format, set, "", golden->text);
	stek_set_free(set);
}

static void
the_list_names_the_sealing_key_first(void **state)
{
	const struct golden *golden = *state;
	struct stek_set *set = farm_new();

	expect_text(golden->format, set, "keys.conf", golden->text);
	stek_set_free(set);
}

static void
the_list_is_read_in_its_order(void **state)
{
	static const struct known *const order[] = {
	    &sealing, &pending, &opening, &oldest};
	const struct golden *golden = *state;
	struct format_list list;
	struct format_why why;
	char path[128];
	size_t i;

	assert_int_equal(format_list(format_find(golden->format),
	                     (const uint8_t *)golden->text,
	                     strlen(golden->text), &list, &why),
	    STEK_OK);
	assert_int_equal(list.count, 4);
	for (i = 0; i < 4; i++) {
		(void)snprintf(
		    path, sizeof(path), "/run/stek/web/%s.key", order[i]->name);
		assert_string_equal(list.paths[i], path);
	}
}

static void
a_lone_key_of_haproxy_is_padded_to_three_lines(void **state)
{
	struct stek_set *set = farm_of(&sealing);

	(void)state;
	expect_text("haproxy", set, "", padded);
	expect_text("haproxy48", set, "", padded_short);
	stek_set_free(set);
}

/* Version, activation and expiry in native order, name, HMAC, AES. */
static void
expect_lighttpd(const struct stek_set *set, const struct known *known)
{
	struct format_out out;
	uint8_t want[92] = {0};
	int32_t times[2];

	times[0] = (int32_t)known->seal_from;
	times[1] = (int32_t)known->open_until;
	memcpy(want + 4, times, 8);
	put(want + 12, known->name);
	put(want + 28, known->mac);
	put(want + 60, known->aes);
	assert_int_equal(
	    format_write(format_find("lighttpd"), set, NOW, NULL, &out),
	    STEK_OK);
	assert_int_equal(out.count, 1);
	assert_string_equal(out.files[0].name, "");
	assert_int_equal(out.files[0].len, sizeof(want));
	assert_memory_equal(out.files[0].bytes, want, sizeof(want));
	format_out_free(&out);
}

static void
lighttpd_gets_the_sealing_key_alone(void **state)
{
	struct stek_set *set = farm_new();

	(void)state;
	expect_lighttpd(set, &sealing);
	stek_set_free(set);
}

static void
lighttpd_has_no_time_after_2038(void **state)
{
	struct known late = sealing;
	struct format_out out;
	struct stek_set *set;

	(void)state;
	late.open_until = INT64_C(2147483648);
	set = farm_of(&late);
	assert_int_equal(
	    format_write(format_find("lighttpd"), set, NOW, NULL, &out),
	    STEK_ERR_FORMAT);
	assert_int_equal(out.count, 0);
	stek_set_free(set);
}

#define FILES (sizeof(files) / sizeof(files[0]))
#define LISTS (sizeof(lists) / sizeof(lists[0]))
#define ALL   (FILES + 2 * LISTS)

static const struct CMUnitTest singles[] = {
    cmocka_unit_test(a_lone_key_of_haproxy_is_padded_to_three_lines),
    cmocka_unit_test(lighttpd_gets_the_sealing_key_alone),
    cmocka_unit_test(lighttpd_has_no_time_after_2038),
};

/* One test a row, so that a wrong server fails by its name. */
static struct CMUnitTest
row_test(const struct golden *golden, const char *what, char name[64],
    CMUnitTestFunction function)
{
	union {
		const struct golden *in;
		void *out;
	} row = {golden};

	(void)snprintf(name, 64, "%s, %s", golden->format, what);
	return (struct CMUnitTest) {name, function, NULL, NULL, row.out};
}

int
main(void)
{
	struct CMUnitTest tests[ALL];
	char names[ALL][64];
	size_t i, n = 0;
	int failed;

	for (i = 0; i < FILES; i++, n++)
		tests[n] = row_test(&files[i], "written", names[n],
		    every_character_is_as_its_server_reads_it);
	for (i = 0; i < LISTS; i++, n++)
		tests[n] = row_test(&lists[i], "its list written", names[n],
		    the_list_names_the_sealing_key_first);
	for (i = 0; i < LISTS; i++, n++)
		tests[n] = row_test(&lists[i], "its list read", names[n],
		    the_list_is_read_in_its_order);
	failed = cmocka_run_group_tests_name(
	    "formats: rows of text", tests, NULL, NULL);
	return failed + cmocka_run_group_tests_name(
	                    "formats: text", singles, NULL, NULL);
}
