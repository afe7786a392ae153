/* SPDX-License-Identifier: ISC */
/*
 * Who else may have had a hand in the configuration's file and in the farm
 * key's: see conf.h.
 *
 * Never here: what the configuration says.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "safe.h"

/*
 * The way to the file first: once nobody else can put another file there, what
 * is looked at here is what conf_load() opens.
 */
bool
conf_is_safe(const char *path, char why[CONF_WHY_LEN])
{
	char reason[CONF_WHY_LEN];
	struct stat st;

	if (geteuid() != 0)
		return true;
	if (!safe_file(path, reason)) {
		if (stat(path, &st) < 0)
			(void)snprintf(why, CONF_WHY_LEN, "%.200s: %s%s", path,
			    strerror(errno),
			    errno == ENOENT ? "; write one with \"stek init\""
			                    : "");
		else
			(void)snprintf(why, CONF_WHY_LEN,
			    "%.200s: others can put another file there, and "
			    "with it what root runs: %.700s",
			    path, reason);
		return false;
	}
	if (stat(path, &st) < 0 || (st.st_uid == 0 && (st.st_mode & 022) == 0))
		return true;
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.200s: others can change this file, and with it what root runs; "
	    "expected owner root and no write permission for group and "
	    "others, found uid %u and mode %04o",
	    path, (unsigned int)st.st_uid, (unsigned int)(st.st_mode & 07777));
	return false;
}

uint8_t *
conf_farm_key(const struct conf *conf, char why[CONF_WHY_LEN])
{
	char reason[CONF_WHY_LEN];
	uint8_t *bytes = NULL;
	enum stek_err err;
	size_t len = 0;

	if (safe_file(conf->farm_key, reason)) {
		err = stek_file_private(conf->farm_key);
	} else if (access(conf->farm_key, F_OK) < 0) {
		err = STEK_ERR_SYSTEM;
	} else {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.200s: others can read or replace the farm key: %.700s",
		    conf->farm_key, reason);
		return NULL;
	}
	if (err == STEK_ERR_UNSAFE) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.200s: others can read or replace the farm key; "
		    "expected mode 0600 or 0640 and owner root or uid %u",
		    conf->farm_key, (unsigned int)geteuid());
		return NULL;
	}
	if (err == STEK_OK)
		err = stek_file_read(
		    conf->farm_key, STEK_FARM_KEY_LEN, &bytes, &len);
	if (err == STEK_ERR_SYSTEM) {
		(void)snprintf(why, CONF_WHY_LEN, "%.200s: %s%s",
		    conf->farm_key, strerror(errno),
		    errno == ENOENT ? "; \"stek init\" makes a farm key" : "");
		return NULL;
	}
	if (err == STEK_OK && len == STEK_FARM_KEY_LEN &&
	    !stek_key_weak(bytes, len))
		return bytes;
	stek_file_free(bytes);
	(void)snprintf(why, CONF_WHY_LEN,
	    "%.200s: expected exactly %d random bytes (\"stek init\" makes "
	    "them); found %s",
	    conf->farm_key, STEK_FARM_KEY_LEN,
	    err == STEK_OK && len == STEK_FARM_KEY_LEN
	        ? "bytes that are not random"
	        : "another length");
	return NULL;
}
