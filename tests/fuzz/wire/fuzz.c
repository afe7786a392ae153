/* SPDX-License-Identifier: ISC */
/*
 * What a main process that was taken over may send the monitor: as they are
 * ('w'), or cut and filled up to the length of a request to place keys ('p').
 * The second byte picks the format that the keys are then written in.
 *
 * Never here: the monitor's answer (tests/daemon).
 * Invariant: what is taken is a set as lib/set.c would have made it, and none
 * of it otherwise; and a format can write it, or says that it cannot.
 */
#include <string.h>

#include <daemon/wire.h>

#include "fuzz.h"

#define NOW       INT64_C(1000000)
#define WHOLE_LEN (sizeof(struct monitor_request) + sizeof(struct stek_set))

static const struct format *
pick(uint8_t byte)
{
	size_t count = 0;

	while (format_at(count) != NULL)
		count++;
	return format_at(byte % count);
}

static void
expect_set(const struct stek_set *set)
{
	static const struct stek_key zero;
	size_t i, k;

	FUZZ_EXPECT(set->count <= STEK_KEYS_MAX);
	for (i = 0; i < set->count; i++) {
		FUZZ_EXPECT(stek_key_check(&set->keys[i]) == STEK_OK);
		for (k = 0; k < i; k++) {
			FUZZ_EXPECT(memcmp(set->keys[i].name, set->keys[k].name,
			                4) != 0);
			FUZZ_EXPECT(
			    set->keys[k].seal_from <= set->keys[i].seal_from);
		}
	}
	for (; i < STEK_KEYS_MAX; i++)
		FUZZ_EXPECT(memcmp(&set->keys[i], &zero, sizeof(zero)) == 0);
}

static void
expect_written(const struct format *format, const struct stek_set *set)
{
	struct format_out out;

	if (format_write(format, set, NOW, "/run/stek/web", &out) == STEK_OK)
		FUZZ_EXPECT(
		    out.count > 0 && stek_set_sealing(set, NOW) != NULL);
	else
		FUZZ_EXPECT(out.count == 0);
	format_out_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct stek_set *set = stek_set_new();
	struct monitor_request request;
	size_t sent, filled;
	uint8_t *message;
	bool taken;

	FUZZ_EXPECT(set != NULL);
	if (len < 2)
		goto out;
	sent = len - 2;
	filled = bytes[0] == 'p' ? WHOLE_LEN : sent;
	message = calloc(1, filled > 0 ? filled : 1);
	FUZZ_EXPECT(message != NULL);
	memcpy(message, bytes + 2, sent < filled ? sent : filled);
	taken = wire_take_request(message, filled, &request);
	FUZZ_EXPECT(taken == (filled >= sizeof(request)));
	taken = taken && wire_take_set(message, filled, set);
	free(message);
	FUZZ_EXPECT(taken || set->count == 0);
	expect_set(set);
	if (taken)
		expect_written(pick(bytes[1]), set);
out:
	stek_set_free(set);
	return 0;
}
