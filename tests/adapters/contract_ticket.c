/* SPDX-License-Identifier: ISC */
/*
 * Which tickets are given, which resume, and which are replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

static void
a_ticket_resumes_at_the_server_that_gave_it(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
a_ticket_resumes_at_another_server_of_the_ring(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *sibling = farm_server(farm, farm->ring, false);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	return_visit(farm, sibling, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(sibling);
}

static void
a_ticket_resumes_in_a_second_process_and_back(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct remote remote;
	struct visit v, w, back;

	PUBLISH(farm->ring, &key);
	farm_exec(farm, &remote);
	first_visit(farm, farm->server, NULL, &v);
	remote_visit(farm, &remote, v.session, &w);
	expect_resumed(&w);
	visit_free(&w);
	remote_visit(farm, &remote, NULL, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &key);
	return_visit(farm, farm->server, NULL, &w, &back);
	expect_resumed(&back);
	remote_stop(&remote);
	visit_free(&v);
	visit_free(&w);
	visit_free(&back);
}

static void
a_publish_reaches_a_second_process(void **state)
{
	const struct farm *farm = *state;
	struct stek_key old = farm_key_good(), new = farm_key_good();
	struct remote remote;
	struct visit v, w;

	PUBLISH(farm->ring, &old);
	farm_exec(farm, &remote);
	remote_visit(farm, &remote, NULL, &v);
	expect_ticket_of(farm, &v, &old);
	PUBLISH(farm->ring, &new);
	remote_visit(farm, &remote, v.session, &w);
	expect_full(&w);
	expect_ticket_of(farm, &w, &new);
	remote_stop(&remote);
	visit_free(&v);
	visit_free(&w);
}

static void
a_ticket_resumes_in_workers_forked_before_it_was_given(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct remote one, two;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	farm_fork(farm, farm->server, &one);
	farm_fork(farm, farm->server, &two);
	remote_visit(farm, &one, NULL, &v);
	expect_full(&v);
	remote_visit(farm, &two, v.session, &w);
	expect_resumed(&w);
	remote_stop(&one);
	remote_stop(&two);
	visit_free(&v);
	visit_free(&w);
}

static void
workers_never_repeat_an_iv(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct remote one, two;
	struct visit v[3];
	size_t i;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v[0]);
	visit_free(&v[0]);
	farm_fork(farm, farm->server, &one);
	farm_fork(farm, farm->server, &two);
	first_visit(farm, farm->server, NULL, &v[0]);
	remote_visit(farm, &one, NULL, &v[1]);
	remote_visit(farm, &two, NULL, &v[2]);
	for (i = 0; i < 3; i++)
		assert_true(v[i].ticket_len > STEK_NAME_LEN + 16);
	for (i = 0; i < 3; i++)
		assert_memory_not_equal(v[i].ticket + STEK_NAME_LEN,
		    v[(i + 1) % 3].ticket + STEK_NAME_LEN, 16);
	remote_stop(&one);
	remote_stop(&two);
	for (i = 0; i < 3; i++)
		visit_free(&v[i]);
}

static void
a_current_ticket_is_not_replaced(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	expect_no_ticket(farm, &w);
	visit_free(&v);
	visit_free(&w);
}

static void
after_a_rotation_an_old_ticket_resumes(void **state)
{
	const struct farm *farm = *state;
	struct stek_key old = farm_key(-120, 3600, 7200);
	struct stek_key new = farm_key(-60, 3600, 7200);
	struct visit v, w;

	PUBLISH(farm->ring, &old);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &old, &new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
an_old_ticket_is_renewed(void **state)
{
	const struct farm *farm = *state;
	struct stek_key old = farm_key(-120, 3600, 7200);
	struct stek_key new = farm_key(-60, 3600, 7200);
	struct visit v, w, again;

	PUBLISH(farm->ring, &old);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &old, &new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	expect_ticket_of(farm, &w, &new);
	PUBLISH(farm->ring, &new);
	return_visit(farm, farm->server, NULL, &w, &again);
	expect_resumed(&again);
	visit_free(&v);
	visit_free(&w);
	visit_free(&again);
}

static void
a_pending_key_opens(void **state)
{
	const struct farm *farm = *state;
	struct stek_key current = farm_key_good();
	struct stek_key next = farm_key(600, 3600, 7200), ahead = next;
	struct stek_ring *ring;
	struct visit v, w;
	void *sibling;

	ahead.seal_from = current.seal_from + 1;
	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	sibling = farm_server(farm, ring, false);
	PUBLISH(ring, &current, &ahead);
	PUBLISH(farm->ring, &current, &next);
	first_visit(farm, sibling, NULL, &v);
	expect_ticket_of(farm, &v, &next);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(sibling);
	stek_ring_close(ring);
}

static void
a_pending_key_seals_nothing(void **state)
{
	const struct farm *farm = *state;
	struct stek_key current = farm_key_good();
	struct stek_key next = farm_key(600, 3600, 7200);
	struct visit v;

	PUBLISH(farm->ring, &current, &next);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &current);
	visit_free(&v);
}

static void
without_any_key_connections_work_and_get_no_ticket(void **state)
{
	const struct farm *farm = *state;
	struct visit v;

	farm_visit(farm, farm->server, NULL, NULL, &v);
	expect_full(&v);
	expect_no_ticket(farm, &v);
	assert_null(v.session);
	visit_free(&v);
}

static void
without_any_key_the_librarys_own_tickets_resume_in_the_process(void **state)
{
	const struct farm *farm = *state;
	struct remote remote;
	struct visit v, w;

	farm_exec(farm, &remote);
	first_visit(farm, farm->server, NULL, &v);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	remote_visit(farm, &remote, v.session, &w);
	expect_full(&w);
	remote_stop(&remote);
	visit_free(&v);
	visit_free(&w);
}

static void
without_a_sealing_key_old_tickets_resume_and_none_is_given(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), past = key;
	struct visit v, w, fresh;

	past.seal_until = past.seal_from + 1;
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &past);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	expect_no_ticket(farm, &w);
	farm_visit(farm, farm->server, NULL, NULL, &fresh);
	expect_full(&fresh);
	expect_no_ticket(farm, &fresh);
	visit_free(&v);
	visit_free(&w);
	visit_free(&fresh);
}

static void
keys_that_appear_later_are_used_without_a_restart(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v;

	farm_visit(farm, farm->server, NULL, NULL, &v);
	expect_no_ticket(farm, &v);
	visit_free(&v);
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	expect_ticket_of(farm, &v, &key);
	visit_free(&v);
}

static void
a_ticket_resumes_once_its_key_appears(void **state)
{
	const struct farm *farm = *state;
	struct stek_key ours = farm_key(-120, 3600, 7200);
	struct stek_key theirs = farm_key(-60, 3600, 7200);
	struct stek_ring *ring;
	struct visit v, w;
	void *sibling;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	sibling = farm_server(farm, ring, false);
	PUBLISH(farm->ring, &ours);
	PUBLISH(ring, &theirs);
	first_visit(farm, sibling, NULL, &v);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&w);
	PUBLISH(farm->ring, &ours, &theirs);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(sibling);
	stek_ring_close(ring);
}

const struct point ticket_points[] = {
    POINT(a_ticket_resumes_at_the_server_that_gave_it),
    POINT(a_ticket_resumes_at_another_server_of_the_ring),
    POINT(a_ticket_resumes_in_a_second_process_and_back),
    POINT(a_publish_reaches_a_second_process),
    POINT(a_ticket_resumes_in_workers_forked_before_it_was_given),
    POINT(workers_never_repeat_an_iv),
    POINT_UNLESS(CONTRACT_ALWAYS_NEW_13, a_current_ticket_is_not_replaced),
    POINT(after_a_rotation_an_old_ticket_resumes),
    POINT_UNLESS(CONTRACT_NO_RENEWAL_12 | CONTRACT_NO_RENEWAL_13,
        an_old_ticket_is_renewed),
    POINT(a_pending_key_opens),
    POINT(a_pending_key_seals_nothing),
    POINT_UNLESS(CONTRACT_OWN_KEYS | CONTRACT_VOID_13,
        without_any_key_connections_work_and_get_no_ticket),
    POINT_ONLY_IF(CONTRACT_OWN_KEYS,
        without_any_key_the_librarys_own_tickets_resume_in_the_process),
    POINT(without_a_sealing_key_old_tickets_resume_and_none_is_given),
    POINT(keys_that_appear_later_are_used_without_a_restart),
    POINT(a_ticket_resumes_once_its_key_appears),
    END_OF_POINTS,
};
