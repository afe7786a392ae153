/* SPDX-License-Identifier: ISC */
/*
 * The plaintext of NSS's tickets, put together here from the description in
 * NSS's own source, of 3.53 to 3.124.
 *
 * Never here: NSS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../preload/nss_preload.h"

#define ECDSA 4

struct plain {
	uint8_t bytes[4096];
	size_t len;
};

static void
put_number(struct plain *p, uint64_t value, size_t width)
{
	while (width-- > 0)
		p->bytes[p->len++] = (uint8_t)(value >> (8 * width));
}

static void
put_variable(struct plain *p, size_t width, size_t len, uint8_t fill)
{
	put_number(p, len, width);
	memset(p->bytes + p->len, fill, len);
	p->len += len;
}

/* With so long a secret, client certificate, server name, ALPN and token. */
static struct plain
ticket_of(size_t secret, size_t client, size_t name, size_t alpn, size_t token)
{
	struct plain p = {.len = 0};

	put_number(&p, 0x010a, 2);
	put_number(&p, 0x0303, 2);
	put_number(&p, 0xc02b, 2);
	put_number(&p, ECDSA, 1);
	put_number(&p, 256, 4);
	put_number(&p, 4, 1);
	put_number(&p, 255, 4);
	put_number(&p, 29, 4);
	put_number(&p, 0x0403, 4);
	put_number(&p, 23, 1);
	put_number(&p, 0x132, 4); /* CKM_DES3_ECB */
	put_variable(&p, 2, secret, 0x53);
	put_number(&p, client > 0, 1);
	if (client > 0)
		put_variable(&p, 2, client, 0xce);
	put_number(&p, 1795000000000000, 8);
	put_variable(&p, 2, name, 'a');
	put_number(&p, 1, 1);
	put_number(&p, 0, 4);
	put_variable(&p, 1, alpn, 'h');
	put_number(&p, 0, 4);
	put_number(&p, 0x12345678, 4);
	put_variable(&p, 2, token, 't');
	return p;
}

static void
every_part_may_be_there_or_not(void **state)
{
	static const size_t secrets[] = {32, 48};
	struct nss_ticket ticket;
	struct plain p;
	unsigned int i;

	(void)state;
	for (i = 0; i < 32; i++) {
		p = ticket_of(secrets[i & 1], (i & 2) * 500, (i & 4) * 10,
		    (i & 8) / 4, (i & 16) * 3);
		assert_true(nss_ticket_parse(p.bytes, p.len, &ticket));
		assert_int_equal(ticket.auth, ECDSA);
		assert_int_equal(ticket.secret_len, secrets[i & 1]);
		assert_int_equal(p.bytes[ticket.secret], 0x53);
		assert_int_equal(p.bytes[ticket.secret - 1], secrets[i & 1]);
		assert_int_equal(p.bytes[ticket.mechanism + 3], 0x32);
	}
}

/* Memory tools see reads beyond the end. */
static void
a_ticket_cut_short_is_none(void **state)
{
	struct plain p = ticket_of(48, 100, 9, 2, 5);
	struct nss_ticket ticket;
	uint8_t *cut;
	size_t len;

	(void)state;
	for (len = 0; len < p.len; len++) {
		cut = test_malloc(len + 1);
		memcpy(cut + 1, p.bytes, len);
		assert_false(nss_ticket_parse(cut + 1, len, &ticket));
		test_free(cut);
	}
}

static void
a_byte_too_many_makes_it_none(void **state)
{
	struct plain p = ticket_of(48, 0, 9, 0, 0);
	struct nss_ticket ticket;

	(void)state;
	assert_false(nss_ticket_parse(p.bytes, p.len + 1, &ticket));
}

static void
a_secret_of_no_length_or_too_long_makes_it_none(void **state)
{
	struct nss_ticket ticket;
	struct plain p;

	(void)state;
	p = ticket_of(0, 0, 9, 0, 0);
	assert_false(nss_ticket_parse(p.bytes, p.len, &ticket));
	p = ticket_of(49, 0, 9, 0, 0);
	assert_false(nss_ticket_parse(p.bytes, p.len, &ticket));
}

static void
another_version_is_another_form(void **state)
{
	struct plain p = ticket_of(48, 0, 9, 0, 0);
	struct nss_ticket ticket;

	(void)state;
	p.bytes[1] = 0x09;
	assert_false(nss_ticket_parse(p.bytes, p.len, &ticket));
	p.bytes[1] = 0x0b;
	assert_false(nss_ticket_parse(p.bytes, p.len, &ticket));
}

static void
another_kind_of_client_is_another_form(void **state)
{
	struct plain p = ticket_of(48, 0, 9, 0, 0);
	struct nss_ticket ticket;

	(void)state;
	p.bytes[31 + 48] = 2;
	assert_false(nss_ticket_parse(p.bytes, p.len, &ticket));
}

static void
a_cookie_is_no_ticket(void **state)
{
	const uint8_t cookie[64] = {0xff, 0x13, 0x01};
	struct nss_ticket ticket;

	(void)state;
	assert_true(nss_ticket_is_cookie(cookie, sizeof(cookie)));
	assert_false(nss_ticket_parse(cookie, sizeof(cookie), &ticket));
	assert_false(nss_ticket_is_cookie(cookie, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_part_may_be_there_or_not),
	    cmocka_unit_test(a_ticket_cut_short_is_none),
	    cmocka_unit_test(a_byte_too_many_makes_it_none),
	    cmocka_unit_test(a_secret_of_no_length_or_too_long_makes_it_none),
	    cmocka_unit_test(another_version_is_another_form),
	    cmocka_unit_test(another_kind_of_client_is_another_form),
	    cmocka_unit_test(a_cookie_is_no_ticket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
