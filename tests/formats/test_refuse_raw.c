/* SPDX-License-Identifier: ISC */
/*
 * Raw keys that are refused: of another length, not random, named alike, or
 * with times that make no sense.
 *
 * Never here: text.
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

static bool
is_raw(const struct format *format)
{
	return format->read != NULL && strcmp(format->name, "haproxy") != 0 &&
	       strcmp(format->name, "haproxy48") != 0 &&
	       strcmp(format->name, "h2o") != 0 &&
	       strcmp(format->name, "envoy") != 0 &&
	       strcmp(format->name, "stunnel") != 0;
}

/* The one key file, in room for a byte more. */
static size_t
raw_file(const struct format *format, uint8_t bytes[128])
{
	struct stek_set *set = farm_of(&sealing);
	struct format_out out;
	size_t len;

	assert_int_equal(format_write(format, set, NOW, "/x", &out), STEK_OK);
	len = out.files[0].len;
	memset(bytes, 0x5a, 128);
	memcpy(bytes, out.files[0].bytes, len);
	format_out_free(&out);
	stek_set_free(set);
	return len;
}

static void
a_raw_file_of_any_other_length_is_refused(void **state)
{
	const struct format *format;
	uint8_t bytes[128], *big;
	size_t i, cut, len;

	(void)state;
	big = test_calloc(1, FORMAT_BYTES_MAX + 1);
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (!is_raw(format))
			continue;
		len = raw_file(format, bytes);
		for (cut = 0; cut < len; cut++)
			expect_refusal(format, bytes, cut, STEK_ERR_FORMAT);
		expect_refusal(format, bytes, len + 1, STEK_ERR_FORMAT);
		expect_refusal(
		    format, big, FORMAT_BYTES_MAX + 1, STEK_ERR_FORMAT);
	}
	test_free(big);
}

static void
a_raw_key_with_a_zero_part_is_refused(void **state)
{
	const struct format *format;
	size_t i, at, part, len, head;
	uint8_t bytes[128];

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (!is_raw(format))
			continue;
		part = format->flags & FORMAT_SHORT ? 16 : 32;
		len = raw_file(format, bytes);
		head = len - 16 - 2 * part;
		memset(bytes + head, 0, 16);
		expect_refusal(format, bytes, len, STEK_ERR_WEAK);
		for (at = head + 16; at < len; at += part) {
			(void)raw_file(format, bytes);
			memset(bytes + at, 0, part);
			expect_refusal(format, bytes, len, STEK_ERR_WEAK);
		}
	}
}

static void
a_row_with_two_names_alike_is_refused(void **state)
{
	static const struct {
		const char *format;
		size_t size;
	} row[] = {{"trafficserver", 48}, {"dnsdist", 80}};
	struct stek_set *set = farm_new();
	struct format_out out;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(format_write(format_find(row[i].format), set,
		                     NOW, NULL, &out),
		    STEK_OK);
		memcpy(out.files[0].bytes + 2 * row[i].size, out.files[0].bytes,
		    4);
		expect_refusal(format_find(row[i].format), out.files[0].bytes,
		    out.files[0].len, STEK_ERR_DUPLICATE);
		format_out_free(&out);
	}
	stek_set_free(set);
}

static void
a_row_of_more_keys_than_a_set_holds_is_refused(void **state)
{
	uint8_t bytes[17 * 80];

	(void)state;
	randombytes_buf(bytes, sizeof(bytes));
	expect_refusal(
	    format_find("dnsdist"), bytes, sizeof(bytes), STEK_ERR_FULL);
}

static void
an_hmac_key_equal_to_the_aes_key_is_refused(void **state)
{
	uint8_t bytes[80];

	(void)state;
	put(bytes, sealing.name);
	put(bytes + 16, sealing.aes);
	put(bytes + 48, sealing.aes);
	expect_refusal(format_find("nginx"), bytes, 80, STEK_ERR_WEAK);
}

static void
set_lighttpd(uint8_t bytes[128], int32_t version, int64_t from, int64_t until)
{
	int32_t head[3] = {version, (int32_t)from, (int32_t)until};

	assert_int_equal(raw_file(format_find("lighttpd"), bytes), 92);
	memcpy(bytes, head, sizeof(head));
}

static void
a_short_key_of_text_is_refused(void **state)
{
	static const char text[] =
	    "k3n8sVq0zJ1yXw7TgB5uLhR2oCmPdE9fQ4aW6xN8vY2tK0cS";

	(void)state;
	expect_refusal(
	    format_find("nginx48"), (const uint8_t *)text, 48, STEK_ERR_WEAK);
}

static void
lighttpds_version_and_times_must_make_sense(void **state)
{
	const struct format *format = format_find("lighttpd");
	uint8_t bytes[128];

	(void)state;
	set_lighttpd(bytes, 1, NOW - 5, NOW + 5);
	expect_refusal(format, bytes, 92, STEK_ERR_FORMAT);
	set_lighttpd(bytes, 0, NOW - 5, NOW);
	expect_refusal(format, bytes, 92, STEK_ERR_TIMES);
	set_lighttpd(bytes, 0, NOW + 6, NOW + 5);
	expect_refusal(format, bytes, 92, STEK_ERR_TIMES);
	set_lighttpd(bytes, 0, -5, NOW + 5);
	expect_refusal(format, bytes, 92, STEK_ERR_TIMES);
}

static void
lighttpds_times_in_the_other_byte_order_are_recognised(void **state)
{
	const struct format *format = format_find("lighttpd");
	struct format_why why;
	uint8_t bytes[128];
	struct format_in in;

	(void)state;
	set_lighttpd(bytes, 0,
	    (int32_t)__builtin_bswap32((uint32_t)(NOW - 1000)),
	    (int32_t)__builtin_bswap32((uint32_t)(NOW + 85400)));
	assert_int_equal(
	    format_read(format, bytes, 92, NOW, &in, &why), STEK_ERR_TIMES);
	assert_non_null(strstr(why.text, "byte order"));
}

/* As when a folder's files are gathered. */
static void
keys_of_two_sizes_do_not_mix(void **state)
{
	struct format_in in = {0};
	struct format_why why;
	struct stek_key key;

	(void)state;
	known_key(&sealing, &key);
	assert_int_equal(format_in_add(&in, &key, false, 0, &why), STEK_OK);
	known_key(&opening, &key);
	assert_int_equal(
	    format_in_add(&in, &key, true, 0, &why), STEK_ERR_FORMAT);
	assert_int_equal(in.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_raw_file_of_any_other_length_is_refused),
	    cmocka_unit_test(a_raw_key_with_a_zero_part_is_refused),
	    cmocka_unit_test(a_row_with_two_names_alike_is_refused),
	    cmocka_unit_test(a_row_of_more_keys_than_a_set_holds_is_refused),
	    cmocka_unit_test(an_hmac_key_equal_to_the_aes_key_is_refused),
	    cmocka_unit_test(a_short_key_of_text_is_refused),
	    cmocka_unit_test(lighttpds_version_and_times_must_make_sense),
	    cmocka_unit_test(
	        lighttpds_times_in_the_other_byte_order_are_recognised),
	    cmocka_unit_test(keys_of_two_sizes_do_not_mix),
	};

	return cmocka_run_group_tests_name(
	    "formats: raw keys refused", tests, NULL, NULL);
}
