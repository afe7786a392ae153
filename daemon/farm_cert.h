/* SPDX-License-Identifier: ISC */
/*
 * The farm key that follows from a TLS private key which all servers of a
 * farm have in common.
 *
 * Never here: where the file is and who can read it (farm_key.c); libssl.
 * Invariants: a key gives the same farm key in whatever encoding it comes.
 * The derivation is fixed for good: hosts of different versions of stek must
 * derive the same bytes.  The private key, and all that libcrypto makes of
 * it, lies in guarded memory and is wiped before the function returns.
 */
#ifndef STEK_FARM_CERT_H
#define STEK_FARM_CERT_H

#include "conf.h"

#define FARM_CERT_MAX 65536 /* bytes of a file */
#define FARM_KIND_LEN 96

/*
 * HKDF-SHA256 (RFC 5869) without a salt.  info = "stek farm key v1 " and the
 * type, secret = the key's canonical form:
 *
 *	RSA		both primes, the smaller one first, each big-endian and
 *			as long as the modulus; of a key for RSA-PSS too
 *	EC		the curve's name in OpenSSL, a zero byte, the scalar,
 *			big-endian and as long as the curve's order
 *	ED25519, ED448	the seed, of 32 or 57 bytes (RFC 8032)
 *
 * The farm key, for stek_file_free(), and in kind what it follows from: "an
 * RSA key of 2048 bits".  NULL: why has what was found and what was expected.
 */
uint8_t *farm_cert_derive(const uint8_t *bytes, size_t len,
    char kind[FARM_KIND_LEN], char why[CONF_WHY_LEN]);

#endif
