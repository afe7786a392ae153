/* SPDX-License-Identifier: ISC */
/*
 * What a node says of itself to its farm, sealed with the farm key: an
 * entry under its name in the store.
 *
 * Never here: keys; when an entry is written.
 * Invariant: an entry that opens was made by a host that has the farm key, for
 * that farm and that node.  It may be an old one.
 */
#ifndef STEK_ENTRY_H
#define STEK_ENTRY_H

#include <stek.h>

#define ENTRY_MAX        1024
#define ENTRY_FAILED_MAX 512
#define ENTRY_STEK_MAX   32
#define ENTRY_NEXT_MAX   17

struct entry {
	uint64_t has; /* version of the set that the node goes by */
	uint64_t confirmed; /* all its targets have this version */
	int64_t print; /* of the set that it goes by; see entry_print() */
	int64_t at; /* when it said so, by its own clock */
	int64_t offset; /* of its clock against the store's, s */
	bool offset_known;
	bool stale; /* it was cut off for too long, and uses no keys */
	bool unkept; /* it could not keep a copy of the set */
	char failed[ENTRY_FAILED_MAX]; /* names of targets that fail, or "" */
	char stek[ENTRY_STEK_MAX]; /* its version of stek */
	char next[ENTRY_NEXT_MAX]; /* which next farm key it has, or "" */
	int64_t instance; /* of this run of its stekd, drawn at random */
};

/* By which two sets of one version are told apart, within a farm. */
int64_t entry_print(
    const struct stek_set *, const uint8_t farm_key[STEK_FARM_KEY_LEN]);

/* The length; 0: no memory. */
size_t entry_seal(const struct entry *, const char *farm, const char *node,
    const uint8_t farm_key[STEK_FARM_KEY_LEN], uint8_t out[ENTRY_MAX]);

/* False: it is none of that farm and node, or of another farm key. */
STEK_CHECKED bool entry_open(const uint8_t *bytes, size_t len,
    const char *farm, const char *node,
    const uint8_t farm_key[STEK_FARM_KEY_LEN], struct entry *);

#endif
