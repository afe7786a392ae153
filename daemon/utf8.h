/* SPDX-License-Identifier: ISC */
/*
 * Text of any origin for JSON: a path or a server's words need not be UTF-8,
 * which JSON must be.
 *
 * Never here: JSON that is read.
 */
#ifndef STEK_UTF8_H
#define STEK_UTF8_H

struct json_t;

/*
 * A string, in which each byte beyond ASCII is a question mark if not all are
 * UTF-8; NULL: no memory.
 */
struct json_t *utf8_json(const char *);

#endif
