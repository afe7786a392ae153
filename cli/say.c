/* SPDX-License-Identifier: ISC */
/*
 * See say.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "say.h"

static void __attribute__((format(printf, 1, 0)))
say(const char *fmt, va_list ap)
{
	(void)fflush(stdout);
	(void)fputs("stek: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
}

void
say_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int
say_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return CLI_USAGE;
}

const char *
say_span(int64_t seconds, char text[SAY_SPAN_LEN])
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t big, small;
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (i < 3 && seconds < units[i].seconds)
		i++;
	big = seconds / units[i].seconds;
	small = i < 3 ? seconds % units[i].seconds / units[i + 1].seconds : 0;
	if (small > 0)
		(void)snprintf(text, SAY_SPAN_LEN, "%" PRId64 "%c%" PRId64 "%c",
		    big, units[i].unit, small, units[i + 1].unit);
	else
		(void)snprintf(
		    text, SAY_SPAN_LEN, "%" PRId64 "%c", big, units[i].unit);
	return text;
}

const char *
say_time(int64_t when, int64_t now, char text[SAY_TIME_LEN])
{
	char date[32] = "?", span[SAY_SPAN_LEN];
	time_t t = (time_t)when;
	struct tm tm;

	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	if (when > now)
		(void)snprintf(text, SAY_TIME_LEN, "%s (in %s)", date,
		    say_span(when - now, span));
	else
		(void)snprintf(text, SAY_TIME_LEN, "%s (%s ago)", date,
		    say_span(now - when, span));
	return text;
}

void
say_wrapped(const char *text, int indent)
{
	int column = 0, len;

	for (; *text != '\0'; text += len, text += strspn(text, " ")) {
		len = (int)strcspn(text, " ");
		if (column > 0 && column + 1 + len <= 79) {
			(void)printf(" %.*s", len, text);
			column += 1 + len;
			continue;
		}
		(void)printf(
		    "%s%*s%.*s", column > 0 ? "\n" : "", indent, "", len, text);
		column = indent + len;
	}
	(void)putchar('\n');
}

void
say_clean(const char *text)
{
	for (; *text != '\0'; text++)
		(void)putchar(
		    (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

int
say_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_DONE;
	say_error("standard output: %s", strerror(errno));
	return CLI_FAILED;
}
