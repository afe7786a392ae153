/* SPDX-License-Identifier: ISC */
/*
 * A private key's file: farm_cert_derive() on any bytes.
 *
 * Never here: what a good file gives (tests/daemon, tests/cli).
 * Invariants: a reason or a farm key comes out, and a second time the same;
 * libcrypto's memory does not run out, however often it is asked.
 */
#include <sodium.h>
#include <string.h>

#include <daemon/farm_cert.h>

#include "fuzz.h"

static void
expect_reason(const char why[CONF_WHY_LEN])
{
	FUZZ_EXPECT(memchr(why, '\0', CONF_WHY_LEN) != NULL);
	FUZZ_EXPECT(strncmp(why, "found ", 6) == 0);
	FUZZ_EXPECT(strstr(why, "; expected one private key") != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char kind[FARM_KIND_LEN], why[CONF_WHY_LEN];
	uint8_t *key, *again;

	memset(kind, 'x', sizeof(kind));
	memset(why, 'x', sizeof(why));
	key = farm_cert_derive(bytes, len, kind, why);
	if (key == NULL) {
		expect_reason(why);
		return 0;
	}
	FUZZ_EXPECT(memchr(kind, '\0', sizeof(kind)) != NULL);
	again = farm_cert_derive(bytes, len, kind, why);
	FUZZ_EXPECT(again != NULL);
	FUZZ_EXPECT(sodium_memcmp(key, again, STEK_FARM_KEY_LEN) == 0);
	stek_file_free(key);
	stek_file_free(again);
	return 0;
}
