/* SPDX-License-Identifier: ISC */
/*
 * Having the farm key derived from a private key by a "stek derive" of its
 * own, so that stekd needs no libcrypto: that would be in memory for good,
 * and whatever it leaves there of the private key.
 *
 * Never here: the derivation (farm_cert.c), which the helper has.
 */
#ifndef STEK_FARM_HELPER_H
#define STEK_FARM_HELPER_H

#include "conf.h"
#include "farm_cert.h"

/* What the helper reads is the file's bytes; it writes this and ends. */
enum farm_helper_answer {
	FARM_HELPER_KEY = 'k', /* then the farm key, and kind without its NUL */
	FARM_HELPER_WHY = 'w', /* then why, without its NUL */
};

#define FARM_HELPER_SECONDS 60 /* one that takes longer is killed */

/* As farm_cert_derive(). */
uint8_t *farm_helper_derive(const uint8_t *bytes, size_t len,
    char kind[FARM_KIND_LEN], char why[CONF_WHY_LEN]);

#endif
