/* SPDX-License-Identifier: ISC */
/*
 * See host.h.
 *
 * Never here: where a TLS library keeps the name.
 */
#include "host.h"

bool
host_scope(char scope[STEK_SCOPE_MAX + 1], const uint8_t *name, size_t len)
{
	size_t i;

	if (len == 0 || len > STEK_SCOPE_MAX || name[0] == '.')
		return false;
	for (i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] == 0x7f)
			return false;
		scope[i] =
		    (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 32
		                                            : name[i]);
	}
	scope[len] = '\0';
	return true;
}
