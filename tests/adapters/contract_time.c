/* SPDX-License-Identifier: ISC */
/*
 * Keys that change by the clock alone, with nothing published: they do so in
 * a second or two, and a test asks until they have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "expect.h"

/* Seconds after which what the clock should do counts as not done. */
#define PATIENCE 60

/* time() lags behind the clock that some libraries read, by up to a tick. */
static time_t
now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_REALTIME, &at);
	return at.tv_sec;
}

static void
a_key_expires_by_the_clock_alone(void **state)
{
	const struct farm *farm = *state;
	time_t end = now() + PATIENCE;
	struct stek_key key;
	struct visit v, w;

	do { /* a slow machine may be too late for the first key */
		assert_true(now() < end);
		key = farm_key(-60, 2, 2);
		PUBLISH(farm->ring, &key);
		farm_visit(farm, farm->server, NULL, NULL, &v);
	} while (!is_ticket_of(farm, &v, &key));
	do {
		assert_true(now() < end);
		return_visit(farm, farm->server, NULL, &v, &w);
		visit_free(&w);
	} while (w.resumed);
	assert_true(now() >= key.open_until);
	expect_full(&w);
	visit_free(&v);
}

static void
a_key_stops_sealing_by_the_clock_alone(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key(-60, 2, 7200);
	time_t end = now() + PATIENCE;
	struct visit v;

	PUBLISH(farm->ring, &key);
	do {
		assert_true(now() < end);
		farm_visit(farm, farm->server, NULL, NULL, &v);
		visit_free(&v);
	} while (is_ticket_of(farm, &v, &key));
	assert_true(now() >= key.seal_until);
	expect_full(&v);
	expect_no_ticket(farm, &v);
}

static void
a_pending_key_seals_by_the_clock_alone(void **state)
{
	const struct farm *farm = *state;
	struct stek_key current = farm_key_good();
	struct stek_key next = farm_key(2, 3600, 7200);
	time_t end = now() + PATIENCE;
	struct visit v;

	PUBLISH(farm->ring, &current, &next);
	do {
		assert_true(now() < end);
		farm_visit(farm, farm->server, NULL, NULL, &v);
		visit_free(&v);
	} while (is_ticket_of(farm, &v, &current));
	assert_true(now() >= next.seal_from);
	expect_ticket_of(farm, &v, &next);
}

const struct point time_points[] = {
    POINT(a_key_expires_by_the_clock_alone),
    POINT(a_key_stops_sealing_by_the_clock_alone),
    POINT(a_pending_key_seals_by_the_clock_alone),
    END_OF_POINTS,
};
