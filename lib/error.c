/* SPDX-License-Identifier: ISC */
/*
 * What each error is called.  Only words: nothing here prints.
 * Invariant: a fragment that reads well behind "path: ".
 */
#include <stek.h>

const char *
stek_strerror(enum stek_err err)
{
	switch (err) {
	case STEK_OK:
		return "no error";
	case STEK_ERR_SYSTEM:
		return "system call failed";
	case STEK_ERR_MEMORY:
		return "no guarded memory left";
	case STEK_ERR_FORMAT:
		return "not of the expected form";
	case STEK_ERR_AUTH:
		return "made with another farm key or farm name, or altered";
	case STEK_ERR_WEAK:
		return "key is weak: zero, patterned, counting, text or "
		       "published";
	case STEK_ERR_DUPLICATE:
		return "two keys have names with the same first 4 bytes";
	case STEK_ERR_FULL:
		return "more keys than a set can hold";
	case STEK_ERR_TIMES:
		return "times are out of order or out of range";
	case STEK_ERR_POLICY:
		return "policy is out of bounds";
	case STEK_ERR_UNSAFE:
		return "others can read or replace it";
	case STEK_ERR_BUSY:
		return "another process is its writer";
	case STEK_ERR_LIBRARY:
		return "this TLS library has no interface for ticket keys";
	}
	return "unknown error";
}
