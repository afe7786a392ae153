/* SPDX-License-Identifier: ISC */
/*
 * The words that the contract's tests are written in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"

void
expect_full(const struct visit *v)
{
	assert_int_equal(v->alert, -1);
	assert_true(v->connected);
	assert_false(v->resumed);
}

void
expect_resumed(const struct visit *v)
{
	assert_int_equal(v->alert, -1);
	assert_true(v->connected);
	assert_true(v->resumed);
}

bool
is_ticket_of(
    const struct farm *farm, const struct visit *v, const struct stek_key *key)
{
	uint8_t name[STEK_NAME_LEN];

	memcpy(name, key->name, STEK_NAME_LEN);
	if (farm->library->wire_name != NULL)
		farm->library->wire_name(key, name);
	return v->ticket_len > STEK_NAME_LEN &&
	       memcmp(v->ticket, name, STEK_NAME_LEN) == 0;
}

void
expect_ticket_of(
    const struct farm *farm, const struct visit *v, const struct stek_key *key)
{
	assert_true(v->tickets > 0);
	assert_true(is_ticket_of(farm, v, key));
}

void
expect_no_ticket(const struct farm *farm, const struct visit *v)
{
	struct stek_set *set = stek_set_new();
	size_t i;

	if (!cannot(farm, CONTRACT_OWN_KEYS | CONTRACT_VOID_13))
		assert_int_equal(v->tickets, 0);
	assert_non_null(set);
	stek_ring_read(farm->ring, set);
	for (i = 0; i < set->count; i++)
		assert_false(is_ticket_of(farm, v, &set->keys[i]));
	stek_set_free(set);
}

bool
cannot(const struct farm *farm, unsigned int what)
{
	unsigned int of_others = farm->version == CONTRACT_TLS12
	                             ? CONTRACT_NO_RENEWAL_13 |
	                                   CONTRACT_ALWAYS_NEW_13 |
	                                   CONTRACT_VOID_13
	                             : CONTRACT_NO_RENEWAL_12;

	return (farm->library->cannot & what & ~of_others) != 0;
}

void
first_visit(
    const struct farm *farm, void *server, const char *host, struct visit *v)
{
	farm_visit(farm, server, NULL, host, v);
	expect_full(v);
	assert_non_null(v->session);
	assert_true(v->tickets > 0);
}

void
return_visit(const struct farm *farm, void *server, const char *host,
    const struct visit *v, struct visit *w)
{
	farm_visit(farm, server, v->session, host, w);
}
