/* SPDX-License-Identifier: ISC */
/*
 * The little of YAML that key files are made of: a line each of "key: value",
 * perhaps the first of a "- " item; comments, blank lines and a leading "---".
 * Values stand alone or in quotes without escapes.
 *
 * Never here: what keys mean.
 * Invariant: whatever else YAML allows is refused, never guessed at.
 */
#ifndef STEK_YAML_H
#define STEK_YAML_H

#include "text.h"

struct yaml {
	bool end;		/* past the last line; the rest is not set */
	bool is_item;		/* begins with "- " */
	size_t column;		/* of the key, from 0 */
	struct text key;
	struct text value;	/* of length 0: none */
};

/* The next line that says something. FORMAT, with why. */
STEK_CHECKED enum stek_err yaml_next(struct text_in *, struct yaml *,
    struct format_why *);

#endif
