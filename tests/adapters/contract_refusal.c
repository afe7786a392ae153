/* SPDX-License-Identifier: ISC */
/*
 * Tickets that must be refused: each gets a full handshake, never an alert.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

static void
an_expired_ticket_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), dead = key;
	struct stek_key new = farm_key_good();
	struct visit v, w;

	dead.seal_from -= 7200;
	dead.seal_until = dead.seal_from + 1800;
	dead.open_until = dead.seal_from + 3600;
	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &dead, &new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_refused(farm, &w, &new);
	visit_free(&v);
	visit_free(&w);
}

static void
an_unknown_ticket_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key ours = farm_key_good(), theirs = farm_key_good();
	struct stek_ring *ring;
	struct visit v, w;
	void *stranger;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	stranger = farm_server(farm, ring, false);
	PUBLISH(farm->ring, &ours);
	PUBLISH(ring, &theirs);
	first_visit(farm, stranger, NULL, &v);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_refused(farm, &w, &ours);
	visit_free(&v);
	visit_free(&w);
	farm->library->server_free(stranger);
	stek_ring_close(ring);
}

static void
a_revoked_ticket_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), new = farm_key_good();
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_resumed(&w);
	visit_free(&w);
	PUBLISH(farm->ring, &new);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_refused(farm, &w, &new);
	visit_free(&v);
	visit_free(&w);
}

static void
a_forged_ticket_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good(), forger = farm_key_good();
	struct visit v, w;

	memcpy(forger.name, key.name, STEK_NAME_LEN);
	PUBLISH(farm->ring, &forger);
	first_visit(farm, farm->server, NULL, &v);
	PUBLISH(farm->ring, &key);
	return_visit(farm, farm->server, NULL, &v, &w);
	expect_full(&w);
	visit_free(&v);
	visit_free(&w);
}

static void
present(const struct farm *farm, const struct visit *v, const uint8_t *ticket,
    size_t len, struct visit *w)
{
	SSL_SESSION *session = session_with_ticket(v->session, ticket, len);

	assert_non_null(session);
	farm_visit(farm, farm->server, session, NULL, w);
	SSL_SESSION_free(session);
}

static void
a_ticket_with_any_byte_altered_gets_a_full_handshake(void **state)
{
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	uint8_t ticket[TICKET_MAX];
	struct visit v, w;
	size_t i;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	memcpy(ticket, v.ticket, v.ticket_len);
	present(farm, &v, ticket, v.ticket_len, &w);
	expect_resumed(&w); /* unaltered, it is a good one */
	visit_free(&w);
	for (i = 0; i < v.ticket_len; i += farm_times(1, 11)) {
		ticket[i] ^= (uint8_t)(1 << i % 8);
		present(farm, &v, ticket, v.ticket_len, &w);
		expect_full(&w);
		visit_free(&w);
		ticket[i] = v.ticket[i];
	}
	visit_free(&v);
}

/* Cut, or with zeroes behind it. */
static void
present_other_lengths(const struct farm *farm, size_t longer)
{
	struct stek_key key = farm_key_good();
	uint8_t ticket[TICKET_MAX + 64] = {0};
	struct visit v, w;
	size_t len;

	PUBLISH(farm->ring, &key);
	first_visit(farm, farm->server, NULL, &v);
	memcpy(ticket, v.ticket, v.ticket_len);
	for (len = 1; len < v.ticket_len + longer; len += farm_times(1, 11)) {
		if (len == v.ticket_len)
			continue;
		present(farm, &v, ticket, len, &w);
		expect_full(&w);
		visit_free(&w);
	}
	visit_free(&v);
}

static void
a_ticket_of_any_other_length_gets_a_full_handshake(void **state)
{
	present_other_lengths(*state, 64);
}

static void
a_ticket_cut_anywhere_gets_a_full_handshake(void **state)
{
	present_other_lengths(*state, 0);
}

const struct point refusal_points[] = {
    POINT(an_expired_ticket_gets_a_full_handshake),
    POINT(an_unknown_ticket_gets_a_full_handshake),
    POINT(a_revoked_ticket_gets_a_full_handshake),
    POINT(a_forged_ticket_gets_a_full_handshake),
    POINT(a_ticket_with_any_byte_altered_gets_a_full_handshake),
    POINT_UNLESS(
        CONTRACT_LOOSE_END, a_ticket_of_any_other_length_gets_a_full_handshake),
    POINT_ONLY_IF(
        CONTRACT_LOOSE_END, a_ticket_cut_anywhere_gets_a_full_handshake),
    END_OF_POINTS,
};
