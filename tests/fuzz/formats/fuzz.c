/* SPDX-License-Identifier: ISC */
/*
 * Every format's read(), list() and ticket() on the same bytes.
 *
 * Never here: what a good file looks like (tests/formats).
 * Invariant: whatever the bytes, a reason or sound keys come out.
 */
#include <string.h>

#include "format.h"
#include "fuzz.h"

#define NOW INT64_C(1700000000)

/* Under which the tickets of the corpus were sealed. */
static const struct stek_key known = {
    .name = {0xb5, 0xf7, 0x1c, 0x96, 0xaf, 0x54, 0x3f, 0xc9, 0xb0, 0x4e, 0x90,
        0x66, 0x2c, 0x2b, 0x0b, 0xc0},
    .aes = {0x7f, 0x63, 0x2b, 0xf0, 0xf5, 0x4b, 0xf9, 0x1a, 0x5c, 0x11, 0x0d,
        0xbb, 0x28, 0x71, 0x65, 0xb1, 0x4d, 0x7d, 0xf8, 0x42, 0x10, 0xa2, 0xd3,
        0x72, 0xc4, 0x8d, 0xab, 0xe3, 0xb3, 0xfe, 0xed, 0xcf},
    .mac = {0x65, 0xde, 0x67, 0x60, 0xcf, 0xcf, 0xed, 0xd8, 0x6a, 0x5a, 0x68,
        0xac, 0x54, 0xe4, 0x54, 0x33, 0xe6, 0x7b, 0xa2, 0x49, 0x10, 0x50, 0x10,
        0x98, 0xf0, 0xa7, 0xeb, 0xb6, 0xc0, 0x81, 0x6c, 0x65},
};

static bool
is_whole(const struct format_why *why)
{
	return memchr(why->text, '\0', sizeof(why->text)) != NULL &&
	       why->text[0] != '\0';
}

static void
expect_sound(const struct format_in *in)
{
	const size_t part = in->is_short ? 16 : 32;
	size_t i, j;

	FUZZ_EXPECT(in->count > 0 && in->count <= STEK_KEYS_MAX);
	FUZZ_EXPECT(in->sealing <= in->count);
	for (i = 0; i < in->count; i++) {
		FUZZ_EXPECT(!stek_key_weak(in->keys[i].name, 16));
		FUZZ_EXPECT(!stek_key_weak(in->keys[i].aes, part));
		FUZZ_EXPECT(!stek_key_weak(in->keys[i].mac, part));
		for (j = 0; j < i; j++)
			FUZZ_EXPECT(
			    memcmp(in->keys[i].name, in->keys[j].name, 4) != 0);
	}
}

static void
read_file(const struct format *format, const uint8_t *bytes, size_t len)
{
	static const struct format_in empty;
	struct format_why why;
	struct format_in in;

	if (format_read(format, bytes, len, NOW, &in, &why) == STEK_OK) {
		expect_sound(&in);
		return;
	}
	FUZZ_EXPECT(is_whole(&why));
	FUZZ_EXPECT(memcmp(&in, &empty, sizeof(in)) == 0);
}

static void
read_list(const struct format *format, const uint8_t *bytes, size_t len)
{
	static struct format_list list;
	struct format_why why;
	size_t i;

	if (format_list(format, bytes, len, &list, &why) != STEK_OK) {
		FUZZ_EXPECT(is_whole(&why));
		FUZZ_EXPECT(list.count == 0);
		return;
	}
	FUZZ_EXPECT(list.count > 0 && list.count <= STEK_KEYS_MAX);
	for (i = 0; i < list.count; i++) {
		FUZZ_EXPECT(list.paths[i][0] == '/');
		FUZZ_EXPECT(
		    memchr(list.paths[i], '\0', FORMAT_PATH_MAX) != NULL);
	}
}

static void
judge_ticket(const struct format *format, const uint8_t *bytes, size_t len)
{
	if (format->ticket != NULL)
		FUZZ_EXPECT(
		    format->ticket(&known, bytes, len) <= FORMAT_TICKET_PROVEN);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct format *format;
	size_t i;

	for (i = 0; (format = format_at(i)) != NULL; i++) {
		read_file(format, bytes, len);
		read_list(format, bytes, len);
		judge_ticket(format, bytes, len);
	}
	return 0;
}
