/* SPDX-License-Identifier: ISC */
/* See farm_key.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "farm_key.h"
#include "safe.h"

#define CERT       "cert:"
#define CREDENTIAL "credential:"
#define NAME_LEN   255 /* systemd's limit */

struct farm_key_from
farm_key_from(const char *text)
{
	struct farm_key_from from = {.cert = false};

	if (strncmp(text, CERT, strlen(CERT)) == 0) {
		from.cert = true;
		text += strlen(CERT);
	}
	if (strncmp(text, CREDENTIAL, strlen(CREDENTIAL)) == 0)
		from.credential = text + strlen(CREDENTIAL);
	else
		from.path = text;
	return from;
}

/* One that is both a file's name and, as a file descriptor's, has no ':'. */
bool
farm_key_is_name(const char *name)
{
	size_t i;

	if (name[0] == '\0' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (i = 0; name[i] != '\0'; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == '/' ||
		    name[i] == ':')
			return false;
	return i <= NAME_LEN;
}

static bool
credential_path(const char *name, char path[PATH_MAX], char why[CONF_WHY_LEN])
{
	const char *given = getenv("CREDENTIALS_DIRECTORY");
	const char *folder = given == NULL ? FARM_KEY_UNIT_DIR : given;

	if (access(folder, F_OK) < 0 && errno != ENOENT) {
		(void)snprintf(
		    why, CONF_WHY_LEN, "%.300s: %s", folder, strerror(errno));
		return false;
	}
	if (access(folder, F_OK) < 0) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.300s: %s; systemd makes this folder of credentials "
		    "while stekd.service runs, if the unit has "
		    "LoadCredential=%.255s:FILE",
		    folder, strerror(errno), name);
		return false;
	}
	if (folder[0] == '/' &&
	    snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX)
		return true;
	(void)snprintf(why, CONF_WHY_LEN,
	    "CREDENTIALS_DIRECTORY is \"%.300s\"; expected the absolute path "
	    "of a folder",
	    folder);
	return false;
}

bool
farm_key_path(const char *text, char path[PATH_MAX], char why[CONF_WHY_LEN])
{
	struct farm_key_from from = farm_key_from(text);

	if (from.credential != NULL)
		return credential_path(from.credential, path, why);
	if (snprintf(path, PATH_MAX, "%s", from.path) < PATH_MAX)
		return true;
	(void)snprintf(
	    why, CONF_WHY_LEN, "%.200s...: the path is too long", from.path);
	return false;
}

/* What to do about a file that is not there. */
static const char *
advice(const struct farm_key_from *from, int error)
{
	if (error != ENOENT)
		return "";
	if (from->credential != NULL)
		return "; expected LoadCredential= with that name in "
		       "stekd.service";
	if (from->cert)
		return "; expected the private key that all servers of the "
		       "farm have in common";
	return "; \"stek init\" makes a farm key";
}

/*
 * A group that only reads is allowed: Debian has TLS private keys root's and
 * group ssl-cert's, with mode 0640.
 */
static bool
is_private(
    const struct farm_key_from *from, const char *path, char why[CONF_WHY_LEN])
{
	char reason[CONF_WHY_LEN];
	enum stek_err err;

	if (safe_file(path, reason)) {
		err = stek_file_private(path);
	} else if (access(path, F_OK) < 0) {
		err = STEK_ERR_SYSTEM;
	} else {
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.200s: others can read or replace the farm key: %.700s",
		    path, reason);
		return false;
	}
	if (err == STEK_ERR_UNSAFE)
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.200s: others can read or replace the farm key; "
		    "expected mode 0600 or 0640 and owner root or uid %u",
		    path, (unsigned int)geteuid());
	else if (err != STEK_OK)
		(void)snprintf(why, CONF_WHY_LEN, "%.200s: %s%s", path,
		    strerror(errno), advice(from, errno));
	return err == STEK_OK;
}

static uint8_t *
read_bytes(const char *path, char kind[FARM_KIND_LEN], char why[CONF_WHY_LEN])
{
	uint8_t *bytes = NULL;
	enum stek_err err;
	size_t len = 0;

	err = stek_file_read(path, STEK_FARM_KEY_LEN, &bytes, &len);
	if (err == STEK_OK && len == STEK_FARM_KEY_LEN &&
	    !stek_key_weak(bytes, len)) {
		(void)snprintf(
		    kind, FARM_KIND_LEN, "%d random bytes", STEK_FARM_KEY_LEN);
		return bytes;
	}
	if (err == STEK_ERR_SYSTEM || err == STEK_ERR_MEMORY)
		(void)snprintf(why, CONF_WHY_LEN, "%.200s: %s", path,
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err));
	else
		(void)snprintf(why, CONF_WHY_LEN,
		    "%.200s: expected exactly %d random bytes (\"stek init\" "
		    "makes them); found %s",
		    path, STEK_FARM_KEY_LEN,
		    err == STEK_OK && len == STEK_FARM_KEY_LEN
		        ? "bytes that are not random"
		        : "another length");
	stek_file_free(bytes);
	return NULL;
}

static uint8_t *
read_cert(const char *path, farm_key_derive *derive, char kind[FARM_KIND_LEN],
    char why[CONF_WHY_LEN])
{
	char reason[CONF_WHY_LEN];
	uint8_t *bytes = NULL, *key;
	enum stek_err err;
	size_t len;

	err = stek_file_read(path, FARM_CERT_MAX, &bytes, &len);
	if (err != STEK_OK) {
		(void)snprintf(why, CONF_WHY_LEN, "%.200s: %s", path,
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		    : err == STEK_ERR_FORMAT
		        ? "expected a file of at most 64 KB with one private "
		          "key; found a larger one, or no file"
		        : stek_strerror(err));
		return NULL;
	}
	key = derive(bytes, len, kind, reason);
	stek_file_free(bytes);
	if (key == NULL)
		(void)snprintf(
		    why, CONF_WHY_LEN, "%.200s: %.700s", path, reason);
	return key;
}

uint8_t *
farm_key_read(const char *text, farm_key_derive *derive,
    char kind[FARM_KIND_LEN], char why[CONF_WHY_LEN])
{
	struct farm_key_from from = farm_key_from(text);
	char path[PATH_MAX];

	if (!farm_key_path(text, path, why) || !is_private(&from, path, why))
		return NULL;
	return from.cert ? read_cert(path, derive, kind, why)
	                 : read_bytes(path, kind, why);
}
