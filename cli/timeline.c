/* SPDX-License-Identifier: ISC */
/*
 * See timeline.h.
 *
 * Invariant: a bar shows what a key will do unless it is changed: it seals
 * until its successor does, even where it would be allowed to seal longer, and
 * also before there is one, if one is to be made.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "say.h"
#include "timeline.h"

enum { WIDTH = 48, SHORT = 8 };

struct span {
	int64_t from;
	int64_t until;
};

static const struct {
	const char *name;
	const char *colour;
} states[] = {
    [STEK_PENDING] = {"pending", "\033[33m"},
    [STEK_SEALING] = {"sealing", "\033[32m"},
    [STEK_OPENING] = {"opening", "\033[36m"},
    [STEK_DEAD] = {"expired", "\033[2m"},
};

/* When it stops to seal: its successor may be before its time. */
static int64_t
seals_until(const struct timeline_key *keys, size_t count, size_t i,
    int64_t rotate, int64_t now)
{
	int64_t next = keys[i].seal_until;

	if (i + 1 < count)
		next = keys[i + 1].seal_from;
	else if (rotate > 0 && keys[i].seal_from + rotate > now)
		next = keys[i].seal_from + rotate;
	return next < keys[i].seal_until ? next : keys[i].seal_until;
}

static struct span
whole(const struct timeline_key *keys, size_t count, int64_t now)
{
	struct span span = {now, now};
	size_t i;

	for (i = 0; i < count; i++) {
		if (keys[i].seal_from < span.from)
			span.from = keys[i].seal_from;
		if (keys[i].open_until > span.until)
			span.until = keys[i].open_until;
	}
	if (span.until - span.from < WIDTH)
		span.until = span.from + WIDTH;
	return span;
}

static int64_t
column_time(const struct span *span, int column)
{
	return span->from + (span->until - span->from) * column / WIDTH;
}

static int
time_column(const struct span *span, int64_t when)
{
	int64_t column =
	    (when - span->from) * WIDTH / (span->until - span->from);

	return column < 0 ? 0 : column >= WIDTH ? WIDTH - 1 : (int)column;
}

/* A column stands for the moment in its middle; that of now, for now. */
static char
mark(const struct timeline_key *key, int64_t until, const struct span *span,
    int column, int64_t now)
{
	int64_t when = column_time(span, column);

	if (column == time_column(span, now))
		when = now;
	else
		when += (column_time(span, column + 1) - when) / 2;
	if (when >= key->open_until)
		return ' ';
	if (when < key->seal_from)
		return when >= now ? '.' : ' ';
	return when < until ? '#' : '-';
}

static void
put_header(const struct span *span, int64_t now)
{
	char from[32] = "", until[32] = "";
	int column = time_column(span, now);
	time_t t;
	struct tm tm;

	t = (time_t)span->from;
	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(from, sizeof(from), "%d %b %H:%M", &tm);
	t = (time_t)span->until;
	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(until, sizeof(until), "%d %b %H:%M", &tm);
	(void)printf("  %-*s  %-*s%*s  %-7s  %s\n", SHORT, "key", WIDTH / 2,
	    from, WIDTH / 2, until, "state", "left");
	if (column < 4)
		(void)printf("  %-*s  %*sv now\n", SHORT, "", column, "");
	else
		(void)printf("  %-*s  %*snow v\n", SHORT, "", column - 4, "");
}

static int64_t
left(const struct timeline_key *key, int64_t until, int64_t now)
{
	if (key->state == STEK_PENDING)
		return key->seal_from - now;
	return (key->state == STEK_SEALING ? until : key->open_until) - now;
}

void
timeline_put(const struct timeline_key *keys, size_t count, int64_t rotate,
    int64_t now, bool colour)
{
	const struct span span = whole(keys, count, now);
	char bar[WIDTH + 1], text[SAY_SPAN_LEN];
	int64_t until;
	size_t i;
	int column;

	if (count == 0) {
		(void)printf("  none\n");
		return;
	}
	put_header(&span, now);
	for (i = 0; i < count; i++) {
		until = seals_until(keys, count, i, rotate, now);
		for (column = 0; column < WIDTH; column++)
			bar[column] = mark(&keys[i], until, &span, column, now);
		bar[WIDTH] = '\0';
		(void)printf("  %.*s  %s%s%s  %-7s  %s\n", SHORT, keys[i].name,
		    colour ? states[keys[i].state].colour : "", bar,
		    colour ? "\033[0m" : "",
		    keys[i].label != NULL ? keys[i].label
		                          : states[keys[i].state].name,
		    say_span(left(&keys[i], until, now), text));
	}
	(void)printf("  %-*s  . known, opens   # seals   - opens\n", SHORT, "");
}
