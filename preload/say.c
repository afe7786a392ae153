/* SPDX-License-Identifier: ISC */
/*
 * What the operator must know, on the server's standard error.
 *
 * Never here: a secret; anything said twice.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "say.h"

void
say_once(bool *said, const char *text, ...)
{
	char line[1024];
	va_list ap;
	int len;

	if (__atomic_exchange_n(said, true, __ATOMIC_RELAXED))
		return;
	va_start(ap, text);
	len = vsnprintf(line, sizeof(line) - 1, text, ap);
	va_end(ap);
	if (len < 0)
		return;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* Not by stdio: its buffers are the server's. */
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return;
}
