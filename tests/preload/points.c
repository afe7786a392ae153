/* SPDX-License-Identifier: ISC */
/*
 * What holds for a preloaded server on any TLS library.
 *
 * Never here: a TLS library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "preloaded.h"

static void
it_has_the_rings_keys(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), next = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	PUBLISH(farm->ring, &next);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_refused(farm, &w, &next);
	visit_free(&v);
	visit_free(&w);
}

/* --- the ring's file ------------------------------------------------------ */

/* Then one in its place is looked for once a second. */
static void
a_ring_that_is_cut_off_is_let_go(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct stek_ring *ring;
	struct visit v, w;
	int tries;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(truncate(farm->path, 0), 0);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	if (!cannot(farm, CONTRACT_DEAD_TICKETS))
		assert_int_equal(w.tickets, 0);
	visit_free(&w);
	assert_int_equal(unlink(farm->path), 0);
	assert_int_equal(stek_ring_create(farm->path, 0600, &ring), STEK_OK);
	PUBLISH(ring, &key);
	for (tries = 0; tries < 100; tries++) {
		(void)usleep(100000);
		return_visit(farm, farm->server, NULL, &v, &w);
		visit_free(&w);
		if (w.resumed)
			break;
	}
	expect_resumed(&w);
	stek_ring_close(ring);
	visit_free(&v);
}

static void
a_ring_that_is_removed_stays(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(unlink(farm->path), 0);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
a_ring_in_its_place_is_followed(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), next = farm_key_good();
	struct stek_ring *ring;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	assert_int_equal(unlink(farm->path), 0);
	assert_int_equal(stek_ring_create(farm->path, 0600, &ring), STEK_OK);
	PUBLISH(ring, &next);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_refused(farm, &w, &next);
	stek_ring_close(ring);
	visit_free(&v);
	visit_free(&w);
}

const struct point preloaded_points[] = {
    POINT(it_has_the_rings_keys),
    POINT(a_ring_that_is_cut_off_is_let_go),
    POINT(a_ring_that_is_removed_stays),
    POINT(a_ring_in_its_place_is_followed),
    END_OF_POINTS,
};
