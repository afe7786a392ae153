/* SPDX-License-Identifier: ISC */
/*
 * What a node may say of itself under the farm key: entry_open() on any text
 * that was sealed, and on any bytes.
 *
 * Never here: what is done about it.
 * Invariant: what was read can be said again, and reads the same.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <daemon/entry.h>

#include "fuzz.h"

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES

static const uint8_t farm_key[STEK_FARM_KEY_LEN] = {1};

static void
say_again(const struct entry *entry)
{
	uint8_t sealed[ENTRY_MAX];
	struct entry again;
	size_t len = entry_seal(entry, "farm", "node", farm_key, sealed);

	/* Unless it has no room, with all that is to be escaped. */
	if (len == 0)
		return;
	FUZZ_EXPECT(entry_open(sealed, len, "farm", "node", farm_key, &again));
	FUZZ_EXPECT(again.has == entry->has && again.at == entry->at);
	FUZZ_EXPECT(again.confirmed == entry->confirmed);
	FUZZ_EXPECT(strcmp(again.failed, entry->failed) == 0);
	FUZZ_EXPECT(strcmp(again.stek, entry->stek) == 0);
	FUZZ_EXPECT(again.stale == entry->stale);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char ad[] = "steknode/farm/node";
	uint8_t sealed[ENTRY_MAX];
	struct entry entry;

	FUZZ_EXPECT(!entry_open(bytes, len, "farm", "node", farm_key, &entry));
	if (len > ENTRY_MAX - NONCE - TAG)
		return 0;
	memset(sealed, 0, NONCE);
	FUZZ_EXPECT(crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE,
	                NULL, bytes, len, (const uint8_t *)ad, sizeof(ad) - 1,
	                NULL, sealed, farm_key) == 0);
	if (entry_open(
	        sealed, NONCE + len + TAG, "farm", "node", farm_key, &entry))
		say_again(&entry);
	return 0;
}
