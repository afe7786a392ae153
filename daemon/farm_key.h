/* SPDX-License-Identifier: ISC */
/*
 * Where the farm key comes from, what a configuration's farm_key says:
 *
 *	/PATH			32 random bytes
 *	cert:/PATH		derived from a TLS private key (farm_cert.h)
 *	credential:NAME		the first, in a file that systemd hands over
 *	cert:credential:NAME	the second, likewise
 *
 * Never here: making or changing a farm key.
 * Invariant: nothing is read from a file that others can read or replace.
 */
#ifndef STEK_FARM_KEY_H
#define STEK_FARM_KEY_H

#include <limits.h>

#include "conf.h"
#include "farm_cert.h"

/* Where systemd keeps the credentials of stekd's unit, while that is active. */
#define FARM_KEY_UNIT_DIR "/run/credentials/stekd.service"

struct farm_key_from {
	bool cert;
	const char *credential; /* its name, or NULL */
	const char *path; /* or NULL */
};

/* Parts of the text; what they hold is checked by conf_check(). */
struct farm_key_from farm_key_from(const char *text);

/* May systemd have a credential of that name? */
STEK_CHECKED bool farm_key_is_name(const char *);

/*
 * The file, as of now: a credential's folder is $CREDENTIALS_DIRECTORY, or
 * else that of stekd's unit.  False: why there is no such folder.
 */
STEK_CHECKED bool farm_key_path(
    const char *text, char path[PATH_MAX], char why[CONF_WHY_LEN]);

/* farm_cert_derive(), or farm_helper_derive() where libcrypto is not wanted. */
typedef uint8_t *farm_key_derive(const uint8_t *bytes, size_t len,
    char kind[FARM_KIND_LEN], char why[CONF_WHY_LEN]);

/*
 * The farm key into guarded memory (stek_file_free()), and in kind what it
 * is.  NULL: why says what is wrong with the file.
 */
uint8_t *farm_key_read(const char *text, farm_key_derive *,
    char kind[FARM_KIND_LEN], char why[CONF_WHY_LEN]);

#endif
