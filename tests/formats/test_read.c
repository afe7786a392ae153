/* SPDX-License-Identifier: ISC */
/*
 * Reading back: what was written comes back as the same keys, and what
 * operators wrote themselves is understood.
 *
 * Never here: whole files as expectations (test_raw.c, test_text.c); what is
 * refused (test_refuse_raw.c, test_refuse_text.c).
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

static const struct format_file *
named(const struct format_out *out, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t i;

	assert_non_null(base);
	for (i = 0; i < out->count; i++)
		if (strcmp(out->files[i].name, base + 1) == 0)
			return &out->files[i];
	fail_msg("no file %s was written", path);
	return NULL;
}

/* A folder as its server sees it: by its list. */
static void
read_folder(const struct format *format, const struct format_out *out,
    struct format_in *in)
{
	const struct format_file *file = &out->files[out->count - 1];
	struct format_list list;
	struct format_why why;
	struct format_in one;
	size_t i;

	memset(in, 0, sizeof(*in));
	assert_int_equal(
	    format_list(format, file->bytes, file->len, &list, &why), STEK_OK);
	assert_int_equal(list.count, out->count - 1);
	for (i = 0; i < list.count; i++) {
		file = named(out, list.paths[i]);
		assert_int_equal(format_read(format, file->bytes, file->len,
		                     NOW, &one, &why),
		    STEK_OK);
		assert_int_equal(
		    format_in_add(in, &one.keys[0], one.is_short, 0, &why),
		    STEK_OK);
	}
}

static void
read_back(const struct format *format, const struct stek_set *set,
    struct format_in *in)
{
	struct format_out out;
	struct format_why why;

	assert_int_equal(
	    format_write(format, set, NOW, "/run/stek/web", &out), STEK_OK);
	if (format->flags & FORMAT_FOLDER)
		read_folder(format, &out, in);
	else
		assert_int_equal(format_read(format, out.files[0].bytes,
		                     out.files[0].len, NOW, in, &why),
		    STEK_OK);
	format_out_free(&out);
}

static void
every_format_reads_back_the_keys_it_wrote(void **state)
{
	struct stek_set *set = farm_new();
	const struct format *format;
	const struct stek_key *key;
	struct format_in in;
	size_t i, j;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (format->write == NULL)
			continue;
		read_back(format, set, &in);
		assert_int_equal(
		    in.is_short, (format->flags & FORMAT_SHORT) != 0);
		for (j = 0; j < in.count; j++) {
			key = stek_set_find(set, in.keys[j].name);
			assert_non_null(key);
			expect_same(&in.keys[j], key, in.is_short);
		}
	}
	stek_set_free(set);
}

static void
every_format_knows_which_key_it_wrote_to_seal(void **state)
{
	struct stek_set *set = farm_of(&sealing);
	const struct format *format;
	struct format_in in;
	size_t i;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (format->write == NULL)
			continue;
		read_back(format, set, &in);
		assert_true(in.sealing < in.count);
		expect_same(&in.keys[in.sealing], &set->keys[0], in.is_short);
	}
	stek_set_free(set);
}

/* Sixteen keys of a farm: the newest but one seals, one is pending. */
static struct stek_set *
full_farm(void)
{
	struct stek_set *set = stek_set_new();
	struct stek_key key;
	size_t i;

	assert_non_null(set);
	for (i = 0; i < STEK_KEYS_MAX; i++) {
		assert_int_equal(stek_key_mint(&key), STEK_OK);
		key.seal_from = NOW + 100 * ((int64_t)i - STEK_KEYS_MAX + 2);
		key.seal_from -= 50;
		key.seal_until = key.seal_from + 200;
		key.open_until = key.seal_until + 10000;
		assert_int_equal(stek_set_add(set, &key), STEK_OK);
	}
	return set;
}

static void
a_full_set_fits_into_every_format(void **state)
{
	struct stek_set *set = full_farm();
	const struct format *format;
	struct format_in in;
	size_t i, most;

	(void)state;
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (format->write == NULL)
			continue;
		read_back(format, set, &in);
		most = format->keys == 0 ? STEK_KEYS_MAX : format->keys;
		if (format->flags & FORMAT_REMEMBERS)
			most = 1;
		assert_int_equal(in.count, most);
	}
	stek_set_free(set);
}

/* Of sixteen the sealing key is the last but one, behind fourteen older. */
static void
dnsdist_gets_the_newest_five_with_the_sealing_one_last(void **state)
{
	static const size_t order[] = {11, 12, 13, 15, 14};
	struct stek_set *set = full_farm();
	struct format_in in;
	size_t i;

	(void)state;
	read_back(format_find("dnsdist"), set, &in);
	assert_int_equal(in.sealing, 4);
	for (i = 0; i < 5; i++)
		expect_same(&in.keys[i], &set->keys[order[i]], false);
	stek_set_free(set);
}

static void
haproxy_gets_the_newest_opening_key(void **state)
{
	static const size_t order[] = {13, 14, 15};
	struct stek_set *set = full_farm();
	struct format_in in;
	size_t i;

	(void)state;
	read_back(format_find("haproxy"), set, &in);
	for (i = 0; i < 3; i++)
		expect_same(&in.keys[i], &set->keys[order[i]], false);
	stek_set_free(set);
}

static void
a_lone_key_of_haproxy_is_read_once(void **state)
{
	struct stek_set *set = full_farm();
	struct format_in in;

	(void)state;
	while (set->count > 15)
		assert_true(stek_set_remove(set, set->keys[15].name));
	while (set->count > 1)
		assert_true(stek_set_remove(set, set->keys[0].name));
	read_back(format_find("haproxy"), set, &in);
	assert_int_equal(in.count, 1);
	assert_int_equal(in.sealing, 0);
	expect_same(&in.keys[0], &set->keys[0], false);
	stek_set_free(set);
}

static void
of_two_pending_keys_the_sooner_comes_first(void **state)
{
	struct stek_set *set = full_farm();
	const int64_t before = set->keys[13].seal_from + 1;
	struct format_out out;
	struct format_why why;
	struct format_in in;

	(void)state;
	assert_int_equal(
	    format_write(format_find("envoy"), set, before, NULL, &out),
	    STEK_OK);
	assert_int_equal(format_read(format_find("envoy"), out.files[0].bytes,
	                     out.files[0].len, before, &in, &why),
	    STEK_OK);
	expect_same(&in.keys[0], &set->keys[13], false);
	expect_same(&in.keys[1], &set->keys[14], false);
	expect_same(&in.keys[2], &set->keys[15], false);
	expect_same(&in.keys[3], &set->keys[12], false);
	format_out_free(&out);
	stek_set_free(set);
}

static void
lighttpd_reads_its_times(void **state)
{
	struct stek_set *set = farm_of(&sealing);
	struct format_in in;

	(void)state;
	read_back(format_find("lighttpd"), set, &in);
	assert_int_equal(in.keys[0].seal_from, sealing.seal_from);
	assert_int_equal(in.keys[0].seal_until, 0);
	assert_int_equal(in.keys[0].open_until, sealing.open_until);
	stek_set_free(set);
}

/* As its operator may have written it by hand. */
static void
a_key_of_lighttpd_before_its_time_does_not_seal(void **state)
{
	const struct format *format = format_find("lighttpd");
	struct stek_set *set = farm_new();
	struct format_out out;
	struct format_in in;
	struct format_why why;

	(void)state;
	assert_int_equal(format_write(format, set, NOW, NULL, &out), STEK_OK);
	assert_int_equal(
	    format_read(format, out.files[0].bytes, out.files[0].len,
	        sealing.seal_from - 1, &in, &why),
	    STEK_OK);
	assert_int_equal(in.count, 1);
	assert_int_equal(in.sealing, 1);
	format_in_wipe(&in);
	format_out_free(&out);
	stek_set_free(set);
}

static void
h2o_reads_its_times_and_the_newest_begun_seals(void **state)
{
	struct stek_set *set = farm_new();
	struct format_in in;
	uint8_t name[16];

	(void)state;
	read_back(format_find("h2o"), set, &in);
	put(name, sealing.name);
	assert_memory_equal(in.keys[in.sealing].name, name, 16);
	assert_int_equal(in.keys[in.sealing].seal_from, sealing.seal_from);
	assert_int_equal(in.keys[in.sealing].open_until, sealing.open_until);
	stek_set_free(set);
}

static void
expect_read(const char *format, const char *text, struct format_in *in)
{
	struct format_why why;

	if (format_read(format_find(format), (const uint8_t *)text,
	        strlen(text), NOW, in, &why) != STEK_OK)
		fail_msg("line %zu: %s", why.line, why.text);
}

/* As after two rotations by hand in one second. */
static void
of_two_keys_that_began_at_once_h2o_takes_the_sealing_one(void **state)
{
	struct known twin = opening;
	const struct stek_key *seals;
	struct stek_set *set;
	struct stek_key key;
	struct format_in in;

	(void)state;
	twin.seal_from = sealing.seal_from;
	twin.seal_until = sealing.seal_until;
	set = farm_of(&sealing);
	known_key(&twin, &key);
	assert_int_equal(stek_set_add(set, &key), STEK_OK);
	seals = stek_set_sealing(set, NOW);
	read_back(format_find("h2o"), set, &in);
	assert_int_equal(in.sealing, 1);
	assert_memory_equal(in.keys[1].name, seals->name, 16);
	stek_set_free(set);
}

static void
an_h2o_file_may_have_comments_quotes_and_any_order(void **state)
{
	static const char text[] =
	    "---\r\n# two keys\r\n\r\n"
	    "-   not_before: 1699990000 # begun\n"
	    "    name: '68ed9063fa06d3e7a04e0436351254a1'\n"
	    "    key: 999ef3d534792dc7302467c8d282e340"
	    "618ef89db12054f6501aaad0c79b6565"
	    "4befcd85dd481ddd458f93f778529b3d"
	    "3fd116a3cdc3e6b9a8ff4cf0f65d10cf"
	    "00000000000000000000000000000000"
	    "00000000000000000000000000000000\n"
	    "    not_after: 1700000001\n"
	    "    cipher: aes-256-cbc\n"
	    "    hash: \"sha256\"";
	uint8_t aes[32], mac[32];
	struct format_in in;

	(void)state;
	expect_read("h2o", text, &in);
	put(aes, opening.aes);
	put(mac, opening.mac);
	assert_int_equal(in.count, 1);
	assert_int_equal(in.sealing, 0);
	assert_memory_equal(in.keys[0].aes, aes, 32);
	assert_memory_equal(in.keys[0].mac, mac, 32);
	assert_int_equal(in.keys[0].open_until, 1700000001);
}

static void
a_stunnel_key_without_a_name_gets_always_the_same(void **state)
{
	static const char text[] =
	    "# mine\nTICKETKEYSECRET=05ca065335bfa82a4df74e19a317dcb6\n\n"
	    "  ticketMacSecret =  A74205C76E7B39342F3CE876D7B9680B \n";
	struct format_in in, again;
	uint8_t part[16];

	(void)state;
	expect_read("stunnel", text, &in);
	expect_read("stunnel", text, &again);
	assert_int_equal(in.count, 1);
	assert_true(in.is_short);
	put(part, sealing.short_aes);
	assert_memory_equal(in.keys[0].aes, part, 16);
	put(part, sealing.short_mac);
	assert_memory_equal(in.keys[0].mac, part, 16);
	assert_memory_equal(in.keys[0].name, again.keys[0].name, 16);
	assert_false(stek_key_weak(in.keys[0].name, 16));
}

static void
more_lines_of_haproxy_count_from_the_last(void **state)
{
	static const char text[] =
	    "Yv/la0kw9WAiMn+6ZMoWzrhb0j54bw3FVPc3SP4jju3uXMHCFPV7fuc1uJ0E"
	    "RT5C\n"
	    "aO2QY/oG0+egTgQ2NRJUocHpsd22wneom8UO0yB313zxdZpR8OwWMA+SvVtZ"
	    "YF/l\n"
	    "tfcclq9UP8mwTpBmLCsLwAXKBlM1v6gqTfdOGaMX3LanQgXHbns5NC886HbX"
	    "uWgL\r\n"
	    "/zlkhOgVgjLQlW7pmC7N3mbcnj87Uxzvz1mVY+xWHVCw82xfDDE5BfzTJ6w/"
	    "jgia";
	struct format_in in;
	uint8_t name[16];

	(void)state;
	expect_read("haproxy48", text, &in);
	put(name, sealing.name);
	assert_int_equal(in.count, 4);
	assert_memory_equal(in.keys[in.sealing].name, name, 16);
}

static void
an_envoy_file_may_leave_out_its_version(void **state)
{
	static const char text[] =
	    "# by hand\nresources:\n"
	    "  - '@type': type.googleapis.com/"
	    "envoy.extensions.transport_sockets.tls.v3.Secret\n"
	    "    name: mine\n    session_ticket_keys:\n      keys:\n"
	    "      - inline_bytes: "
	    "tfcclq9UP8mwTpBmLCsLwGXeZ2DPz+3YalporFTkVDPme6JJEFAQmPCn67bA"
	    "gWxlf2Mr8PVL+RpcEQ27KHFlsU19+EIQotNyxI2r47P+7c8=\n";
	struct format_in in;
	uint8_t aes[32];

	(void)state;
	expect_read("envoy", text, &in);
	put(aes, sealing.aes);
	assert_int_equal(in.count, 1);
	assert_memory_equal(in.keys[0].aes, aes, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_format_reads_back_the_keys_it_wrote),
	    cmocka_unit_test(every_format_knows_which_key_it_wrote_to_seal),
	    cmocka_unit_test(a_full_set_fits_into_every_format),
	    cmocka_unit_test(
	        dnsdist_gets_the_newest_five_with_the_sealing_one_last),
	    cmocka_unit_test(haproxy_gets_the_newest_opening_key),
	    cmocka_unit_test(a_lone_key_of_haproxy_is_read_once),
	    cmocka_unit_test(of_two_pending_keys_the_sooner_comes_first),
	    cmocka_unit_test(lighttpd_reads_its_times),
	    cmocka_unit_test(a_key_of_lighttpd_before_its_time_does_not_seal),
	    cmocka_unit_test(h2o_reads_its_times_and_the_newest_begun_seals),
	    cmocka_unit_test(
	        of_two_keys_that_began_at_once_h2o_takes_the_sealing_one),
	    cmocka_unit_test(
	        an_h2o_file_may_have_comments_quotes_and_any_order),
	    cmocka_unit_test(a_stunnel_key_without_a_name_gets_always_the_same),
	    cmocka_unit_test(more_lines_of_haproxy_count_from_the_last),
	    cmocka_unit_test(an_envoy_file_may_leave_out_its_version),
	};

	return cmocka_run_group_tests_name(
	    "formats: reading", tests, NULL, NULL);
}
