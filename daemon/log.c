/* SPDX-License-Identifier: ISC */
/* See log.h. */
#include <sys/stat.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define LINE_BYTES 2048

static bool to_stderr = true;

void
log_to_syslog(void)
{
	to_stderr = false;
	openlog("stekd", LOG_PID, LOG_DAEMON);
}

/* Is standard error the journal, as systemd says it was for its child? */
static bool
is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char text[64];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return strcmp(stream, text) == 0;
}

const char *
log_number(char buf[LOG_NUMBER_LEN], int64_t number)
{
	(void)snprintf(buf, LOG_NUMBER_LEN, "%" PRId64, number);
	return buf;
}

struct line {
	char text[LINE_BYTES];
	size_t len;
};

static void
put(struct line *line, char c)
{
	if (line->len + 1 < sizeof(line->text))
		line->text[line->len++] = c;
	line->text[line->len] = '\0';
}

/* Quoted where a reader could not tell where it ends otherwise. */
static void
put_value(struct line *line, const char *value)
{
	bool quote = value[0] == '\0' || strpbrk(value, " \"=\t") != NULL;

	if (quote)
		put(line, '"');
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			put(line, '\\');
		put(line, (unsigned char)*value < 0x20 || *value == 0x7f
		              ? ' '
		              : *value);
	}
	if (quote)
		put(line, '"');
}

static void
put_field(struct line *line, const char *name, const char *value)
{
	if (line->len > 0)
		put(line, ' ');
	for (; *name != '\0'; name++)
		put(line, *name);
	put(line, '=');
	put_value(line, value);
}

static const char *
level(int priority)
{
	switch (priority) {
	case LOG_ERR:
		return "error";
	case LOG_WARNING:
		return "warning";
	default:
		return "info";
	}
}

static void
emit(int priority, const struct line *line)
{
	char stamp[32];
	struct tm tm;
	time_t now = clock_now();

	if (!to_stderr) {
		syslog(priority, "%s", line->text);
	} else if (is_journal()) {
		(void)fprintf(stderr, "<%d>%s\n", priority, line->text);
	} else if (localtime_r(&now, &tm) != NULL &&
	           strftime(stamp, sizeof(stamp), "%FT%T%z", &tm) > 0) {
		(void)fprintf(stderr, "%s %s\n", stamp, line->text);
	}
}

void
log_line(int priority, const char *msg, ...)
{
	struct line line = {.len = 0};
	const char *name, *value;
	va_list ap;

	put_field(&line, "level", level(priority));
	put_field(&line, "msg", msg);
	va_start(ap, msg);
	while ((name = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (value != NULL)
			put_field(&line, name, value);
	}
	va_end(ap);
	emit(priority, &line);
}
