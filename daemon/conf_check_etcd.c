/* SPDX-License-Identifier: ISC */
/* What belongs to a store in etcd; see conf_check.h. */
#include <stdio.h>
#include <string.h>

#include "conf_check.h"

/* "https://HOST:PORT", the first `len` bytes. */
static bool
is_endpoint(const char *s, size_t len)
{
	char text[CONF_ADDRESS_MAX];
	size_t skip = strncmp(s, "https://", 8) == 0  ? 8
	              : strncmp(s, "http://", 7) == 0 ? 7
	                                              : 0;

	if (skip == 0 || len - skip >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(len - skip), s + skip);
	return conf_is_address(text) && strpbrk(text, "/@?#") == NULL;
}

bool
conf_check_endpoints(const char *s, char why[CONF_WHY_LEN])
{
	size_t len, count = 0;

	do {
		len = strcspn(s, ",");
		if (!is_endpoint(s, len) || ++count > CONF_ENDPOINTS) {
			(void)snprintf(why, CONF_WHY_LEN,
			    "expected \"etcd:\" and 1 to %d addresses such as "
			    "https://etcd1:2379, with a comma between two; "
			    "found \"%.*s\"",
			    CONF_ENDPOINTS, (int)(len < 64 ? len : 64), s);
			return false;
		}
		s += len;
	} while (*s++ == ',');
	return true;
}

bool
conf_check_prefix(const char *s, char why[CONF_WHY_LEN])
{
	size_t len = strlen(s);

	if (len == 0 || (len > 1 && len < CONF_ADDRESS_MAX && s[0] == '/' &&
	                    s[len - 1] == '/' && strstr(s, "//") == NULL))
		return true;
	(void)snprintf(why, CONF_WHY_LEN,
	    "expected a prefix that begins and ends with /, such as "
	    "\"/stek/farm/\", of less than %d characters",
	    CONF_ADDRESS_MAX);
	return false;
}
