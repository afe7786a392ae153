/* SPDX-License-Identifier: ISC */
/*
 * The farm key that follows from a TLS private key: the keys of keys/, each
 * with the farm key that was computed by other means, and what is refused.
 *
 * Never here: how the farm key is computed (derived.py).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <daemon/farm_cert.h>

#include "../unit/given.h"

#define HEX_LEN  (2 * STEK_FARM_KEY_LEN + 1)
#define PATH_LEN 1024

static const char *keys;

/* What farm_cert_derive() says of a file in keys/. */
struct answer {
	uint8_t *key;
	char kind[FARM_KIND_LEN];
	char why[CONF_WHY_LEN];
};

static uint8_t *
read_key(const char *name, size_t *len)
{
	char path[PATH_LEN];
	uint8_t *bytes;

	(void)snprintf(path, sizeof(path), "%s/%s", keys, name);
	assert_int_equal(
	    stek_file_read(path, FARM_CERT_MAX, &bytes, len), STEK_OK);
	return bytes;
}

static struct answer
derive(const void *bytes, size_t len)
{
	struct answer answer = {.why = ""};

	answer.key = farm_cert_derive(bytes, len, answer.kind, answer.why);
	return answer;
}

static struct answer
derive_file(const char *name)
{
	struct answer answer;
	size_t len;
	uint8_t *bytes = read_key(name, &len);

	answer = derive(bytes, len);
	stek_file_free(bytes);
	return answer;
}

static void
refuses(const void *bytes, size_t len, const char *found)
{
	struct answer answer = derive(bytes, len);

	assert_null(answer.key);
	if (strstr(answer.why, found) == NULL)
		fail_msg("\"%s\" says nothing of \"%s\"", answer.why, found);
	assert_non_null(strstr(answer.why, "expected one private key"));
}

static void
each_key_gives_what_was_computed_by_other_means(void **state)
{
	char path[PATH_LEN], name[64], hex[HEX_LEN], got[HEX_LEN];
	struct answer answer;
	size_t count = 0;
	FILE *file;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/expected", keys);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fscanf(file, "%63s %64s", name, hex) == 2) {
		answer = derive_file(name);
		if (answer.key == NULL)
			fail_msg("%s: %s", name, answer.why);
		(void)sodium_bin2hex(
		    got, sizeof(got), answer.key, STEK_FARM_KEY_LEN);
		if (strcmp(got, hex) != 0)
			fail_msg("%s: another farm key", name);
		stek_file_free(answer.key);
		count++;
	}
	(void)fclose(file);
	assert_true(count >= 13);
}

static void
it_says_what_kind_of_key_it_is(void **state)
{
	static const struct {
		const char *name, *kind;
	} rows[] = {{"rsa.pem", "an RSA key of 2048 bits"},
	    {"ec-p384.pem", "an EC key on secp384r1"},
	    {"ed25519.pem", "an Ed25519 key"}, {"ed448.pem", "an Ed448 key"}};
	struct answer answer;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		answer = derive_file(rows[i].name);
		assert_string_equal(answer.kind, rows[i].kind);
		stek_file_free(answer.key);
	}
}

static void
nothing_is_no_key(void **state)
{
	(void)state;
	refuses("", 0, "an empty file");
	refuses("\n", 1, "neither PEM nor");
	refuses("\0\0\0\0", 4, "neither PEM nor");
}

static void
a_file_that_is_too_long_is_not_looked_at(void **state)
{
	uint8_t *bytes = stek_file_alloc(FARM_CERT_MAX + 1), *key;
	size_t len;

	(void)state;
	key = read_key("rsa.pem", &len);
	memset(bytes, '\n', FARM_CERT_MAX + 1);
	memcpy(bytes, key, len);
	refuses(bytes, FARM_CERT_MAX + 1, "65537 bytes, of at most 65536");
	stek_file_free(derive(bytes, FARM_CERT_MAX).key);
	stek_file_free(key);
	stek_file_free(bytes);
}

/* Whether it ends in the base64 or in a line of dashes. */
static void
a_file_that_is_cut_off_is_refused_wherever(void **state)
{
	static const char *const names[] = {
	    "rsa-pkcs1.pem", "ec-p256-scalar.pem", "ed25519.der", "rsa.der"};
	struct answer answer;
	uint8_t *bytes;
	size_t i, len, cut;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bytes = read_key(names[i], &len);
		/* A PEM's last dash and line feed may be missing. */
		for (cut = 0; cut<len - 2; cut += len> 500 ? 37 : 1) {
			answer = derive(bytes, cut);
			if (answer.key != NULL)
				fail_msg("%s: %zu bytes do", names[i], cut);
		}
		stek_file_free(bytes);
	}
}

static void
an_altered_rsa_key_is_refused_and_not_another(void **state)
{
	size_t len, at;
	uint8_t *bytes = read_key("rsa.der", &len);
	struct answer good = derive(bytes, len), answer;

	(void)state;
	assert_non_null(good.key);
	for (at = 0; at < len; at += 7) {
		bytes[at] ^= 1;
		answer = derive(bytes, len);
		if (answer.key != NULL)
			assert_memory_equal(
			    answer.key, good.key, STEK_FARM_KEY_LEN);
		stek_file_free(answer.key);
		bytes[at] ^= 1;
	}
	stek_file_free(good.key);
	stek_file_free(bytes);
}

static void
an_altered_ec_key_is_refused_and_not_another(void **state)
{
	size_t len, at;
	uint8_t *bytes = read_key("ec-p256.der", &len);
	struct answer good = derive(bytes, len), answer;

	(void)state;
	assert_non_null(good.key);
	for (at = 0; at < len; at++) {
		bytes[at] ^= 1;
		answer = derive(bytes, len);
		if (answer.key != NULL)
			assert_memory_equal(
			    answer.key, good.key, STEK_FARM_KEY_LEN);
		stek_file_free(answer.key);
		bytes[at] ^= 1;
	}
	stek_file_free(good.key);
	stek_file_free(bytes);
}

static void
a_weak_seed_is_refused(void **state)
{
	size_t len;
	uint8_t *bytes = read_key("ed25519.der", &len);

	(void)state;
	memset(bytes + len - 32, 0, 32);
	refuses(bytes, len, "an Ed25519 key that is weak");
	stek_file_free(bytes);
}

/* --- what stays in memory ------------------------------------------------- */

/* Bytes of secrets, inverted so that this program does not hold them. */
struct needle {
	const char *file;
	uint8_t inverted[12];
};

/* The place of a needle in this process's memory; false: it has none. */
static bool
find(const uint8_t *bytes, size_t len, const struct needle *needle, bool back)
{
	size_t i, k, n = sizeof(needle->inverted);

	for (i = 0; i + n <= len; i++) {
		for (k = 0; k < n; k++)
			if (bytes[i + k] +
			        needle->inverted[back ? n - 1 - k : k] !=
			    0xff)
				break;
		if (k == n)
			return true;
	}
	return false;
}

static bool
in_memory(const struct needle *needle)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY);
	static uint8_t window[1 << 16];
	uintptr_t from, to;
	char line[512], may[5];
	bool found = false;
	ssize_t n;

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (!found && fgets(line, sizeof(line), maps) != NULL) {
		/* Nor the shadow of a sanitizer, which has no bytes of ours. */
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to,
		        may) != 3 ||
		    may[1] != 'w' || to - from > UINT32_MAX)
			continue;
		for (; from < to && !found; from += sizeof(window) - 32) {
			if ((uintptr_t)window < from + sizeof(window) &&
			    from < (uintptr_t)window + sizeof(window))
				continue;
			n = pread(mem, window,
			    to - from < sizeof(window) ? to - from
			                               : sizeof(window),
			    (off_t)from);
			if (n > 0)
				found =
				    find(window, (size_t)n, needle, false) ||
				    find(window, (size_t)n, needle, true);
		}
	}
	memset(window, 0, sizeof(window));
	(void)close(mem);
	(void)fclose(maps);
	return found;
}

static const struct needle needles[] = {
    {"ed25519.der", {0x58, 0xfd, 0xd0, 0x9f, 0x85, 0x5f, 0x93, 0xac, 0xee, 0x73,
                        0x6a, 0x5c}},
    {"ed448.pem", {0x64, 0x7f, 0x1d, 0x72, 0xaa, 0x40, 0x1b, 0x84, 0x2a, 0x3c,
                      0xf7, 0x93}},
    {"ec-p521.der", {0x33, 0x7f, 0xea, 0x9d, 0x61, 0xf8, 0x51, 0x66, 0x71, 0x75,
                        0xa6, 0x73}},
    {"ec-p256.pem", {0x59, 0x9b, 0x28, 0x8e, 0x54, 0x2b, 0x9d, 0x9d, 0xc5, 0x2b,
                        0xde, 0xb2}},
    {"rsa.pem", {0x40, 0xb8, 0x54, 0x0f, 0xa4, 0xda, 0x8d, 0x5b, 0x3e, 0xe8,
                    0x91, 0x63}},
    {"rsa.pem", {0x0b, 0xad, 0x37, 0x28, 0x67, 0xc8, 0xa6, 0xa8, 0x68, 0xbc,
                    0xdf, 0x0b}},
    {"rsa-pkcs1.pem", {0x68, 0xbc, 0xdf, 0x0b, 0xc9, 0x47, 0x37, 0x4c, 0x6a,
                          0x25, 0xa3, 0x77}},
    {"rsa.pem", {0x78, 0x19, 0xdb, 0x32, 0xec, 0xcb, 0x52, 0xc2, 0x32, 0x3a,
                    0xf1, 0x42}},
    {"chain.pem", {0xc4, 0x32, 0xb5, 0x5b, 0x90, 0x9e, 0x13, 0x6b, 0x89, 0x1c,
                      0xcf, 0x25}},
};

static void
a_secret_in_memory_is_found(void **state)
{
	size_t len;
	uint8_t *bytes = read_key("ed25519.der", &len);

	(void)state;
	assert_true(in_memory(&needles[0]));
	stek_file_free(bytes);
}

static void
nothing_of_a_private_key_is_left_in_memory(void **state)
{
	struct answer answer;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(needles) / sizeof(needles[0]); i++) {
		answer = derive_file(needles[i].file);
		assert_non_null(answer.key);
		if (in_memory(&needles[i]))
			fail_msg("%s: it is", needles[i].file);
		stek_file_free(answer.key);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_key_gives_what_was_computed_by_other_means),
	    cmocka_unit_test(it_says_what_kind_of_key_it_is),
	    cmocka_unit_test(nothing_is_no_key),
	    cmocka_unit_test(a_file_that_is_too_long_is_not_looked_at),
	    cmocka_unit_test(a_file_that_is_cut_off_is_refused_wherever),
	    cmocka_unit_test(an_altered_rsa_key_is_refused_and_not_another),
	    cmocka_unit_test(an_altered_ec_key_is_refused_and_not_another),
	    cmocka_unit_test(a_weak_seed_is_refused),
	    cmocka_unit_test(a_secret_in_memory_is_found),
	    cmocka_unit_test(nothing_of_a_private_key_is_left_in_memory),
	};

	if (argc != 2 || sodium_init() < 0)
		return 2;
	keys = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
