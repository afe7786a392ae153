/* SPDX-License-Identifier: ISC */
/* See utf8.h. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

struct json_t *
utf8_json(const char *text)
{
	json_t *string = json_string(text);
	char *copy, *c;

	if (string != NULL)
		return string;
	copy = strdup(text);
	for (c = copy; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	string = json_string(copy == NULL ? "" : copy);
	free(copy);
	return string;
}
