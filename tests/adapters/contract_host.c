/* SPDX-License-Identifier: ISC */
/*
 * Scopes by host name: a ticket stays with the host that gave it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

#define HOSTS 40 /* more than an adapter keeps the keys of */

static void *
hosts_server(const struct farm *farm)
{
	return farm_server(farm, farm->ring, true);
}

/* Given at one host, presented at another. */
static void
carry(const struct farm *farm, const char *from, const char *to, bool resumes)
{
	struct stek_key key = farm_key_good();
	void *server = hosts_server(farm);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, server, from, &v);
	return_visit(farm, server, to, &v, &w);
	if (resumes)
		expect_resumed(&w);
	else
		expect_full(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(server);
}

static void
a_ticket_of_a_host_resumes_at_that_host(void **state)
{
	carry(*state, "a.example", "a.example", true);
}

static void
a_ticket_of_a_host_does_not_resume_at_another(void **state)
{
	carry(*state, "a.example", "b.example", false);
}

static void
a_ticket_of_a_host_does_not_resume_without_a_host(void **state)
{
	carry(*state, "a.example", NULL, false);
}

static void
a_ticket_without_a_host_does_not_resume_at_a_host(void **state)
{
	carry(*state, NULL, "a.example", false);
}

static void
a_ticket_without_a_host_resumes_without_a_host(void **state)
{
	carry(*state, NULL, NULL, true);
}

static void
a_ticket_without_a_host_does_not_resume_even_there(void **state)
{
	carry(*state, NULL, NULL, false);
}

/* RFC 6066, section 3: host names are compared without regard to case. */
static void
a_host_in_capitals_is_the_same_host(void **state)
{
	carry(*state, "a.example", "A.EXAMPLE", true);
}

/* Nor could it be asked for under that name. */
static void
a_name_that_is_none_of_a_host_is_not_as_no_host(void **state)
{
	carry(*state, NULL, ".", false);
}

static void
a_ticket_of_a_host_resumes_at_another_server(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *one = hosts_server(farm), *two = hosts_server(farm);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, one, "a.example", &v);
	return_visit(farm, two, "a.example", &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(one);
	farm->library->server_free(two);
}

static void
a_ticket_of_a_host_has_a_name_of_its_own(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), scoped;
	void *server = hosts_server(farm);
	struct visit v;

	assert_int_equal(stek_scope_key(&key, "a.example", &scoped), STEK_OK);
	PUBLISH(farm->ring, &key);
	first_visit(farm, server, "a.example", &v);
	expect_ticket_of(farm, &v, &scoped);
	visit_free(&v);
	farm->library->server_free(server);
}

/* What a server without scopes gave is of no host. */
static void
a_ticket_without_scope_does_not_resume_at_a_host(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *server = hosts_server(farm);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, "a.example", &v);
	return_visit(farm, server, "a.example", &v, &w);
	expect_full(&w);
	visit_free(&w);
	return_visit(farm, server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(server);
}

static void
a_renewed_ticket_stays_with_its_host(void **state)
{
	const struct farm *farm = *state;
	struct stek_key old = farm_key(-120, 3600, 7200);
	struct stek_key new = farm_key(-60, 3600, 7200);
	void *server = hosts_server(farm);
	struct visit v, w, x;

	PUBLISH(farm->ring, &old);
	first_visit(farm, server, "a.example", &v);
	PUBLISH(farm->ring, &old, &new);
	return_visit(farm, server, "a.example", &v, &w);
	expect_resumed(&w);
	assert_true(w.tickets > 0);
	PUBLISH(farm->ring, &new);
	return_visit(farm, server, "a.example", &w, &x);
	expect_resumed(&x);
	visit_free(&x);
	return_visit(farm, server, "b.example", &w, &x);
	expect_full(&x);
	visit_free(&x);
	return_visit(farm, server, NULL, &w, &x);
	expect_full(&x);
	visit_free(&v);
	visit_free(&w);
	visit_free(&x);
	farm->library->server_free(server);
}

static void
a_revoked_ticket_of_a_host_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), new = farm_key_good();
	void *server = hosts_server(farm);
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, server, "a.example", &v);
	PUBLISH(farm->ring, &new);
	return_visit(farm, server, "a.example", &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(server);
}

static void
tickets_of_very_many_hosts_resume_each_at_its_own(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	void *server = hosts_server(farm);
	struct visit v[HOSTS], w;
	char host[32];
	size_t i;

	PUBLISH(farm->ring, &key);
	for (i = 0; i < HOSTS; i++) {
		(void)snprintf(host, sizeof(host), "host%zu.example", i);
		first_visit(farm, server, host, &v[i]);
	}
	for (i = 0; i < HOSTS; i++) {
		(void)snprintf(host, sizeof(host), "host%zu.example", i);
		return_visit(farm, server, host, &v[i], &w);
		expect_resumed(&w);
		visit_free(&w);
		visit_free(&v[i]);
	}
	farm->library->server_free(server);
}

static void
a_ticket_of_a_host_resumes_at_any_other(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, "a.example", &v);
	return_visit(farm, farm->server, "b.example", &v, &w);
	expect_resumed(&w);
	visit_free(&v);
	visit_free(&w);
}

const struct point host_points[] = {
    POINT_UNLESS(CONTRACT_NO_HOSTS, a_ticket_of_a_host_resumes_at_that_host),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_ticket_of_a_host_resumes_at_another_server),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_ticket_of_a_host_does_not_resume_at_another),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_ticket_of_a_host_does_not_resume_without_a_host),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_ticket_without_a_host_does_not_resume_at_a_host),
    POINT_UNLESS(CONTRACT_NO_HOSTS | CONTRACT_NO_NAMELESS_12,
        a_ticket_without_a_host_resumes_without_a_host),
    POINT_ONLY_IF(CONTRACT_NO_NAMELESS_12,
        a_ticket_without_a_host_does_not_resume_even_there),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_name_that_is_none_of_a_host_is_not_as_no_host),
    POINT_UNLESS(CONTRACT_NO_HOSTS | CONTRACT_SPELT_12,
        a_host_in_capitals_is_the_same_host),
    POINT_UNLESS(CONTRACT_NO_HOSTS, a_ticket_of_a_host_has_a_name_of_its_own),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_ticket_without_scope_does_not_resume_at_a_host),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS | CONTRACT_NO_RENEWAL_12 | CONTRACT_NO_RENEWAL_13,
        a_renewed_ticket_stays_with_its_host),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, a_revoked_ticket_of_a_host_gets_a_full_handshake),
    POINT_UNLESS(
        CONTRACT_NO_HOSTS, tickets_of_very_many_hosts_resume_each_at_its_own),
    POINT_ONLY_IF(CONTRACT_NO_HOSTS, a_ticket_of_a_host_resumes_at_any_other),
    END_OF_POINTS,
};
