/* SPDX-License-Identifier: ISC */
/*
 * What a probe printed: verify_reply() on any text, for each format.  The
 * first byte picks the format, the rest is the text.
 *
 * Never here: real tickets (tests/formats, tests/servers).
 * Invariant: nobody proves to have a key that he has not, and whatever is
 * not taken has a reason.
 */
#include <stdio.h>
#include <string.h>

#include <daemon/verify.h>

#include "fuzz.h"

#define NOW INT64_C(1000000)

static char path[] = "/run/stek/web", address[] = "127.0.0.1:443";

/* The same two keys each time; the second one seals. */
static struct stek_set *
make_set(void)
{
	struct stek_set *set = stek_set_new();
	struct stek_key key;
	size_t i, n;

	FUZZ_EXPECT(set != NULL);
	for (n = 0; n < 2; n++) {
		for (i = 0; i < STEK_NAME_LEN; i++)
			key.name[i] = (uint8_t)(i * i * 37 + n * 101 + 11);
		for (i = 0; i < STEK_AES_LEN; i++)
			key.aes[i] = (uint8_t)(i * i * 57 + n * 89 + 5);
		for (i = 0; i < STEK_MAC_LEN; i++)
			key.mac[i] = (uint8_t)(i * i * 77 + n * 71 + 3);
		key.seal_from = NOW - 100 + (int64_t)n * 50;
		key.seal_until = NOW + 100;
		key.open_until = NOW + 1000;
		FUZZ_EXPECT(stek_set_add(set, &key) == STEK_OK);
	}
	return set;
}

static const struct format *
pick(uint8_t byte)
{
	size_t count = 0;

	while (format_at(count) != NULL)
		count++;
	return format_at(byte % count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct stek_set *set;
	struct conf_target target = {.path = path, .verify = address};
	struct verify verify = {&target, NULL, NOW};
	char why[CONF_WHY_LEN] = "";
	enum format_ticket verdict;
	char *text;

	if (len == 0)
		return 0;
	if (set == NULL)
		set = make_set();
	verify.wanted = set;
	target.format = pick(bytes[0]);
	text = malloc(len);
	FUZZ_EXPECT(text != NULL);
	memcpy(text, bytes + 1, len - 1);
	text[len - 1] = '\0';
	verdict = verify_reply(&verify, text, why);
	free(text);
	FUZZ_EXPECT(verdict != FORMAT_TICKET_PROVEN);
	FUZZ_EXPECT(memchr(why, '\0', sizeof(why)) != NULL);
	FUZZ_EXPECT((why[0] == '\0') == (verdict == FORMAT_TICKET_NAMED));
	return 0;
}
