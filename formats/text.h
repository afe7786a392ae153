/* SPDX-License-Identifier: ISC */
/*
 * Text files of keys: lines read one by one, and text put together in the
 * memory of a format_file.
 *
 * Never here: what the lines of any server mean.
 * Invariant: no byte is read past a line's end or written past a file's.
 */
#ifndef STEK_TEXT_H
#define STEK_TEXT_H

#include "format.h"

/* --- reading ----------------------------------------------------------- */

/* A file being read; start with {bytes, len, 0, 0}. */
struct text_in {
	const uint8_t *bytes;
	size_t len;
	size_t at;
	size_t line;
};

/* Some of a line's characters; no NUL behind them. */
struct text {
	const char *chars;
	size_t len;
	size_t line;
};

/* The next line without its LF or CR LF; false past the last. */
bool text_next(struct text_in *, struct text *);

/* Without spaces and tabs around it. */
void text_trim(struct text *);

bool text_is(const struct text *, const char *);
bool text_is_nocase(const struct text *, const char *);

/* Take this off its front or back; false, unchanged, if it is not there. */
bool text_cut_front(struct text *, const char *);
bool text_cut_back(struct text *, const char *);

/*
 * Decode the whole text into exactly len bytes, in time that does not depend
 * on them.  FORMAT: another length, or no hex or base64; bytes are then
 * wiped.
 */
STEK_CHECKED enum stek_err text_hex(const struct text *, uint8_t *bytes,
    size_t len);
STEK_CHECKED enum stek_err text_base64(const struct text *, uint8_t *bytes,
    size_t len);

/* A decimal number >= 0 of at most 18 digits. FORMAT. */
STEK_CHECKED enum stek_err text_number(const struct text *, int64_t *);

/* --- writing ----------------------------------------------------------- */

/* Text being put together in a file of `size` bytes. */
struct text_out {
	struct format_file *file;
	size_t size;
	bool full;
};

/* A new file of a format with room for size bytes. MEMORY, FULL. */
STEK_CHECKED enum stek_err text_open(struct format_out *, const char *name,
    size_t size, struct text_out *);

void text_put(struct text_out *, const char *);
void text_put_hex(struct text_out *, const uint8_t *, size_t);
void text_put_base64(struct text_out *, const uint8_t *, size_t);
void text_put_number(struct text_out *, int64_t);

/* FULL: it did not all fit. */
STEK_CHECKED enum stek_err text_close(struct text_out *);

#endif
