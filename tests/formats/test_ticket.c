/* SPDX-License-Identifier: ISC */
/*
 * What a ticket on the wire proves.  The tickets are put together here, as
 * RFC 5077 section 4 and the servers' own libraries lay them out.
 *
 * Never here: a ticket made by the code under test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "farm.h"

#define SEALED_LEN 64

/* With room for every layout; len is what was filled. */
struct ticket {
	uint8_t bytes[16 + 16 + 2 + SEALED_LEN + 32];
	size_t len;
};

static void
hmac(const uint8_t *mac_key, size_t mac_key_len, const uint8_t *bytes,
    size_t len, uint8_t mac[32])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, mac_key, mac_key_len);
	crypto_auth_hmacsha256_update(&state, bytes, len);
	crypto_auth_hmacsha256_final(&state, mac);
}

/* name16, iv16, ciphertext, HMAC of all of these */
static void
openssl_ticket(const char *name, const char *mac_key, struct ticket *ticket)
{
	uint8_t key[64];

	randombytes_buf(ticket->bytes, sizeof(ticket->bytes));
	put(ticket->bytes, name);
	put(key, mac_key);
	ticket->len = 16 + 16 + SEALED_LEN + 32;
	hmac(key, strlen(mac_key) / 2, ticket->bytes, ticket->len - 32,
	    ticket->bytes + ticket->len - 32);
}

/* name16, iv16, length of the ciphertext, ciphertext, HMAC of that alone */
static void
wolfssl_ticket(const char *name, const char *mac_key, struct ticket *ticket)
{
	uint8_t key[32];

	randombytes_buf(ticket->bytes, sizeof(ticket->bytes));
	put(ticket->bytes, name);
	put(key, mac_key);
	ticket->bytes[32] = 0;
	ticket->bytes[33] = SEALED_LEN;
	ticket->len = 16 + 16 + 2 + SEALED_LEN + 32;
	hmac(key, 32, ticket->bytes + 34, SEALED_LEN, ticket->bytes + 98);
}

static enum format_ticket
judge(const char *format, const struct ticket *ticket)
{
	struct stek_key key;

	known_key(&sealing, &key);
	return format_find(format)->ticket(&key, ticket->bytes, ticket->len);
}

static const char *const long_formats[] = {"nginx", "haproxy", "lighttpd",
    "h2o", "nghttpx", "dnsdist", "unbound", "envoy", "ring"};
static const char *const short_formats[] = {
    "nginx48", "haproxy48", "apache", "trafficserver", "nghttpx48"};

#define LONG  (sizeof(long_formats) / sizeof(long_formats[0]))
#define SHORT (sizeof(short_formats) / sizeof(short_formats[0]))

static void
name_and_mac_prove_a_ticket(void **state)
{
	struct ticket ticket;
	size_t i;

	(void)state;
	openssl_ticket(sealing.name, sealing.mac, &ticket);
	for (i = 0; i < LONG; i++)
		assert_int_equal(
		    judge(long_formats[i], &ticket), FORMAT_TICKET_PROVEN);
	openssl_ticket(sealing.name, sealing.short_mac, &ticket);
	for (i = 0; i < SHORT; i++)
		assert_int_equal(
		    judge(short_formats[i], &ticket), FORMAT_TICKET_PROVEN);
}

static void
another_name_is_another_ticket(void **state)
{
	struct ticket ticket;
	size_t i;

	(void)state;
	openssl_ticket(opening.name, sealing.mac, &ticket);
	for (i = 0; i < LONG; i++)
		assert_int_equal(
		    judge(long_formats[i], &ticket), FORMAT_TICKET_OTHER);
	openssl_ticket(opening.name, sealing.short_mac, &ticket);
	for (i = 0; i < SHORT; i++)
		assert_int_equal(
		    judge(short_formats[i], &ticket), FORMAT_TICKET_OTHER);
}

static void
another_mac_key_forges(void **state)
{
	struct ticket ticket;
	size_t i;

	(void)state;
	openssl_ticket(sealing.name, opening.mac, &ticket);
	for (i = 0; i < LONG - 1; i++)
		assert_int_equal(
		    judge(long_formats[i], &ticket), FORMAT_TICKET_FORGED);
	openssl_ticket(sealing.name, opening.short_mac, &ticket);
	for (i = 0; i < SHORT; i++)
		assert_int_equal(
		    judge(short_formats[i], &ticket), FORMAT_TICKET_FORGED);
}

/* Apache httpd 2.4.71 with OpenSSL 3. */
static void
a_mac_under_a_zero_key_forges(void **state)
{
	struct ticket ticket;

	(void)state;
	openssl_ticket(
	    sealing.name, "00000000000000000000000000000000", &ticket);
	assert_int_equal(judge("apache", &ticket), FORMAT_TICKET_FORGED);
}

static void
a_flipped_bit_anywhere_behind_the_name_forges(void **state)
{
	struct ticket ticket;
	size_t i;

	(void)state;
	openssl_ticket(sealing.name, sealing.mac, &ticket);
	for (i = 16; i < ticket.len; i++) {
		ticket.bytes[i] ^= 0x40;
		assert_int_equal(judge("nginx", &ticket), FORMAT_TICKET_FORGED);
		ticket.bytes[i] ^= 0x40;
	}
	assert_int_equal(judge("nginx", &ticket), FORMAT_TICKET_PROVEN);
}

/* AES-CBC gives whole blocks, and at least one. */
static void
a_mac_of_no_whole_blocks_forges(void **state)
{
	static const size_t lens[] = {0, 1, 15, 17, 63};
	struct ticket ticket;
	uint8_t key[32];
	size_t i;

	(void)state;
	put(key, sealing.mac);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		openssl_ticket(sealing.name, sealing.mac, &ticket);
		ticket.len = 32 + lens[i] + 32;
		hmac(key, 32, ticket.bytes, 32 + lens[i],
		    ticket.bytes + 32 + lens[i]);
		assert_int_equal(judge("nginx", &ticket), FORMAT_TICKET_FORGED);
	}
}

/* Every format at every length: memory tools see reads beyond the end. */
static void
a_ticket_cut_short_is_never_proven(void **state)
{
	struct ticket whole, *cut;
	const struct format *format;
	struct stek_key key;
	size_t i, len;

	(void)state;
	known_key(&sealing, &key);
	openssl_ticket(sealing.name, sealing.mac, &whole);
	for (i = 0; (format = format_at(i)) != NULL; i++) {
		if (format->ticket == NULL)
			continue;
		for (len = 0; len < whole.len; len++) {
			cut = test_malloc(len + 1);
			memcpy(cut, whole.bytes, len);
			assert_int_not_equal(
			    format->ticket(&key, (uint8_t *)cut, len),
			    FORMAT_TICKET_PROVEN);
			test_free(cut);
		}
	}
}

static void
a_whole_mac_key_of_h2o_has_zeroes_behind(void **state)
{
	struct ticket ticket;
	char block[129];

	(void)state;
	memset(block, '0', 128);
	memcpy(block, sealing.mac, 64);
	block[128] = '\0';
	openssl_ticket(sealing.name, block, &ticket);
	assert_int_equal(judge("h2o", &ticket), FORMAT_TICKET_PROVEN);
}

static void
wolfssl_proves_by_the_ciphertext_alone(void **state)
{
	struct ticket ticket;

	(void)state;
	wolfssl_ticket(sealing.name, sealing.mac, &ticket);
	assert_int_equal(judge("lighttpd", &ticket), FORMAT_TICKET_PROVEN);
	ticket.bytes[40] ^= 1;
	assert_int_equal(judge("lighttpd", &ticket), FORMAT_TICKET_FORGED);
}

static void
wolfssl_with_a_length_beyond_the_ticket_forges(void **state)
{
	struct ticket ticket;

	(void)state;
	wolfssl_ticket(sealing.name, sealing.mac, &ticket);
	ticket.bytes[32] = 0xff;
	assert_int_equal(judge("lighttpd", &ticket), FORMAT_TICKET_FORGED);
}

/*
 * NSS has a length before the ciphertext, and its MAC covers all of it.  By
 * preload the name is the same for all keys, by the interface the key's.
 */
static void
a_ring_knows_tickets_of_nss_by_their_mac(void **state)
{
	struct ticket ticket;
	uint8_t mac[32];

	(void)state;
	put(mac, sealing.mac);
	wolfssl_ticket(opening.name, sealing.mac, &ticket);
	hmac(mac, 32, ticket.bytes, ticket.len - 32,
	    ticket.bytes + ticket.len - 32);
	assert_int_equal(judge("ring", &ticket), FORMAT_TICKET_PROVEN);
	ticket.bytes[40] ^= 1;
	assert_int_equal(judge("ring", &ticket), FORMAT_TICKET_OTHER);
	put(ticket.bytes, sealing.name);
	assert_int_equal(judge("ring", &ticket), FORMAT_TICKET_NAMED);
	hmac(mac, 32, ticket.bytes, ticket.len - 32,
	    ticket.bytes + ticket.len - 32);
	assert_int_equal(judge("ring", &ticket), FORMAT_TICKET_PROVEN);
}

static void
mbedtls_shows_four_bytes_of_the_name(void **state)
{
	struct ticket ticket;

	(void)state;
	openssl_ticket(opening.name, opening.mac, &ticket);
	put(ticket.bytes, "b5f71c96");
	assert_int_equal(judge("lighttpd", &ticket), FORMAT_TICKET_NAMED);
	assert_int_equal(judge("nginx", &ticket), FORMAT_TICKET_OTHER);
	put(ticket.bytes, "b5f71c97");
	assert_int_equal(judge("lighttpd", &ticket), FORMAT_TICKET_OTHER);
}

static void
stunnel_proves_by_the_mac_under_any_name(void **state)
{
	struct ticket ticket;

	(void)state;
	openssl_ticket(dead.name, sealing.mac, &ticket);
	assert_int_equal(judge("stunnel", &ticket), FORMAT_TICKET_PROVEN);
	openssl_ticket(sealing.name, opening.mac, &ticket);
	assert_int_equal(judge("stunnel", &ticket), FORMAT_TICKET_OTHER);
}

/* Other TLS libraries have other layouts behind the name. */
static void
a_ring_shows_the_name_without_openssls_mac(void **state)
{
	struct ticket ticket;

	(void)state;
	openssl_ticket(sealing.name, opening.mac, &ticket);
	assert_int_equal(judge("ring", &ticket), FORMAT_TICKET_NAMED);
}

static void
knot_resolver_shows_nothing(void **state)
{
	(void)state;
	assert_null(format_find("knot-resolver")->ticket);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(name_and_mac_prove_a_ticket),
	    cmocka_unit_test(another_name_is_another_ticket),
	    cmocka_unit_test(another_mac_key_forges),
	    cmocka_unit_test(a_mac_under_a_zero_key_forges),
	    cmocka_unit_test(a_flipped_bit_anywhere_behind_the_name_forges),
	    cmocka_unit_test(a_mac_of_no_whole_blocks_forges),
	    cmocka_unit_test(a_ticket_cut_short_is_never_proven),
	    cmocka_unit_test(a_whole_mac_key_of_h2o_has_zeroes_behind),
	    cmocka_unit_test(wolfssl_proves_by_the_ciphertext_alone),
	    cmocka_unit_test(wolfssl_with_a_length_beyond_the_ticket_forges),
	    cmocka_unit_test(a_ring_knows_tickets_of_nss_by_their_mac),
	    cmocka_unit_test(mbedtls_shows_four_bytes_of_the_name),
	    cmocka_unit_test(stunnel_proves_by_the_mac_under_any_name),
	    cmocka_unit_test(a_ring_shows_the_name_without_openssls_mac),
	    cmocka_unit_test(knot_resolver_shows_nothing),
	};

	return cmocka_run_group_tests_name(
	    "formats: tickets", tests, NULL, NULL);
}
