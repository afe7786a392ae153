/* SPDX-License-Identifier: ISC */
/*
 * The farm key in use, and the one that is to follow it (stek rekey).
 *
 * Never here: where they come from (farm_key.h).
 * Invariant: once anything was found to be sealed with the next key, that is
 * the one in use, and the old one is wiped: who was evicted has it still.
 */
#ifndef STEK_FARM_KEYS_H
#define STEK_FARM_KEYS_H

#include "farm_key.h"

#define FARM_PRINT_LEN 17

struct farm_keys {
	uint8_t *now; /* guarded, as the other */
	uint8_t *next; /* or NULL */
	char next_why[CONF_WHY_LEN]; /* why that cannot be used, or "" */
};

/* Those of the configuration.  False: why there is none in use. */
STEK_CHECKED bool farm_keys_load(struct farm_keys *, const struct conf *,
    farm_key_derive *, char why[CONF_WHY_LEN]);
void farm_keys_free(struct farm_keys *);

/* Where the next one comes from (farm_key.h); "": nowhere. */
void farm_keys_next_from(const struct conf *, char *text, size_t size);

/* As stek_codec_decode(), by either; *next: it was the next. */
STEK_CHECKED enum stek_err farm_keys_decode(const struct farm_keys *,
    const uint8_t *bytes, size_t len, const char *farm, struct stek_set *,
    bool *next);

/* The next one is in use now, if there is one. */
void farm_keys_move_on(struct farm_keys *);

/* By which hosts can tell whether theirs are the same; NULL: "". */
void farm_keys_print(const uint8_t *farm_key, char print[FARM_PRINT_LEN]);

#endif
