/* SPDX-License-Identifier: ISC */
/*
 * Servers that read raw keys: which bytes lie where, which key comes where,
 * and what their files are called.
 *
 * Never here: expectations from the code under test.  The table below is what
 * the servers themselves were seen to do with the bytes of their key files.
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
	size_t size; /* of a key */
	size_t aes; /* where its AES key begins */
	size_t mac; /* where its HMAC key begins */
	bool is_folder;
	const struct known *keys[STEK_KEYS_MAX]; /* in the server's order */
};

static const struct golden table[] = {
    {"nginx", 80, 48, 16, true, {&sealing, &pending, &opening, &oldest}},
    {"nginx48", 48, 16, 32, true, {&sealing, &pending, &opening, &oldest}},
    {"nghttpx", 80, 16, 48, true, {&sealing, &pending, &opening, &oldest}},
    {"nghttpx48", 48, 16, 32, true, {&sealing, &pending, &opening, &oldest}},
    {"unbound", 80, 16, 48, true, {&sealing, &pending, &opening, &oldest}},
    {"trafficserver", 48, 32, 16, false,
        {&sealing, &pending, &opening, &oldest}},
    {"dnsdist", 80, 16, 48, false, {&oldest, &opening, &pending, &sealing}},
    {"apache", 48, 32, 16, false, {&sealing}},
    {"knot-resolver", 80, 16, 48, false, {&sealing}},
};

struct written {
	struct stek_set *set;
	struct format_out out;
};

static void
write_farm(const struct golden *golden, struct written *written)
{
	written->set = farm_new();
	assert_int_equal(format_write(format_find(golden->format), written->set,
	                     NOW, "/run/stek/web", &written->out),
	    STEK_OK);
}

static void
end(struct written *written)
{
	format_out_free(&written->out);
	stek_set_free(written->set);
}

static size_t
count_keys(const struct golden *golden)
{
	size_t n = 0;

	while (n < STEK_KEYS_MAX && golden->keys[n] != NULL)
		n++;
	return n;
}

static void
expect_key(const struct golden *golden, const uint8_t *bytes,
    const struct known *known)
{
	const bool is_short = golden->size == 48;
	uint8_t want[80] = {0};

	put(want, known->name);
	put(want + golden->aes, is_short ? known->short_aes : known->aes);
	put(want + golden->mac, is_short ? known->short_mac : known->mac);
	assert_memory_equal(bytes, want, golden->size);
}

static void
expect_folder(const struct golden *golden, const struct format_out *out)
{
	const size_t keys = count_keys(golden);
	char name[64];
	size_t i;

	assert_int_equal(out->count, keys + 1);
	for (i = 0; i < keys; i++) {
		(void)snprintf(
		    name, sizeof(name), "%s.key", golden->keys[i]->name);
		assert_string_equal(out->files[i].name, name);
		assert_int_equal(out->files[i].len, golden->size);
		expect_key(golden, out->files[i].bytes, golden->keys[i]);
	}
	assert_string_equal(out->files[keys].name, "keys.conf");
}

static void
expect_row(const struct golden *golden, const struct format_out *out)
{
	const size_t keys = count_keys(golden);
	size_t i;

	assert_int_equal(out->count, 1);
	assert_string_equal(out->files[0].name, "");
	assert_int_equal(out->files[0].len, keys * golden->size);
	for (i = 0; i < keys; i++)
		expect_key(golden, out->files[0].bytes + i * golden->size,
		    golden->keys[i]);
}

/* One test a row, so that a wrong server fails by its name. */
static void
it_has_its_servers_bytes_in_its_servers_order(void **state)
{
	const struct golden *golden = *state;
	struct written written;

	write_farm(golden, &written);
	if (golden->is_folder)
		expect_folder(golden, &written.out);
	else
		expect_row(golden, &written.out);
	end(&written);
}

/* The bytes, built from the table, are read back as the keys they are. */
static void
its_servers_bytes_are_read_as_these_keys(void **state)
{
	const struct golden *golden = *state;
	const bool is_short = golden->size == 48;
	uint8_t bytes[80] = {0}, want[32];
	struct format_why why;
	struct format_in in;

	put(bytes, opening.name);
	put(bytes + golden->aes, is_short ? opening.short_aes : opening.aes);
	put(bytes + golden->mac, is_short ? opening.short_mac : opening.mac);
	assert_int_equal(format_read(format_find(golden->format), bytes,
	                     golden->size, NOW, &in, &why),
	    STEK_OK);
	assert_int_equal(in.count, 1);
	assert_int_equal(in.sealing, 0);
	assert_int_equal(in.is_short, is_short);
	assert_memory_equal(in.keys[0].name, bytes, 16);
	memset(want, 0, sizeof(want));
	put(want, is_short ? opening.short_aes : opening.aes);
	assert_memory_equal(in.keys[0].aes, want, 32);
	memset(want, 0, sizeof(want));
	put(want, is_short ? opening.short_mac : opening.mac);
	assert_memory_equal(in.keys[0].mac, want, 32);
}

#define ROWS (sizeof(table) / sizeof(table[0]))

int
main(void)
{
	struct CMUnitTest tests[2 * ROWS];
	char names[2 * ROWS][64];
	union {
		const struct golden *in;
		void *out;
	} row;
	size_t i;

	for (i = 0; i < ROWS; i++) {
		row.in = &table[i];
		(void)snprintf(
		    names[i], sizeof(names[i]), "%s, written", row.in->format);
		tests[i] = (struct CMUnitTest) {names[i],
		    it_has_its_servers_bytes_in_its_servers_order, NULL, NULL,
		    row.out};
		(void)snprintf(names[ROWS + i], sizeof(names[i]), "%s, read",
		    row.in->format);
		tests[ROWS + i] = (struct CMUnitTest) {names[ROWS + i],
		    its_servers_bytes_are_read_as_these_keys, NULL, NULL,
		    row.out};
	}
	return cmocka_run_group_tests_name(
	    "formats: raw keys", tests, NULL, NULL);
}
