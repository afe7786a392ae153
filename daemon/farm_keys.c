/* SPDX-License-Identifier: ISC */
/* See farm_keys.h. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "farm_keys.h"

#define NEXT  ".next"
#define ABOUT "stek: which farm key is it?"

void
farm_keys_next_from(const struct conf *conf, char *text, size_t size)
{
	struct farm_key_from from = farm_key_from(conf->farm_key);

	if (conf->farm_key_next[0] != '\0')
		(void)snprintf(text, size, "%s", conf->farm_key_next);
	else if (from.path != NULL && !from.cert)
		(void)snprintf(text, size, "%s" NEXT, from.path);
	else
		text[0] = '\0';
}

bool
farm_keys_load(struct farm_keys *keys, const struct conf *conf,
    farm_key_derive *derive, char why[CONF_WHY_LEN])
{
	char text[PATH_MAX], kind[FARM_KIND_LEN];

	memset(keys, 0, sizeof(*keys));
	keys->now = farm_key_read(conf->farm_key, derive, kind, why);
	if (keys->now == NULL)
		return false;
	why[0] = '\0';
	farm_keys_next_from(conf, text, sizeof(text));
	/* Unless it is named, it need not be there. */
	if (text[0] == '\0' ||
	    (conf->farm_key_next[0] == '\0' && access(text, F_OK) != 0))
		return true;
	keys->next = farm_key_read(text, derive, kind, keys->next_why);
	if (keys->next == NULL)
		return true;
	keys->next_why[0] = '\0';
	if (sodium_memcmp(keys->now, keys->next, STEK_FARM_KEY_LEN) == 0) {
		stek_file_free(keys->next);
		keys->next = NULL;
	}
	return true;
}

void
farm_keys_free(struct farm_keys *keys)
{
	stek_file_free(keys->now);
	stek_file_free(keys->next);
	keys->now = keys->next = NULL;
}

void
farm_keys_move_on(struct farm_keys *keys)
{
	if (keys->next == NULL)
		return;
	stek_file_free(keys->now);
	keys->now = keys->next;
	keys->next = NULL;
}

enum stek_err
farm_keys_decode(const struct farm_keys *keys, const uint8_t *bytes, size_t len,
    const char *farm, struct stek_set *set, bool *next)
{
	enum stek_err err;

	*next = false;
	err = stek_codec_decode(bytes, len, farm, keys->now, set);
	if (err != STEK_ERR_AUTH || keys->next == NULL)
		return err;
	err = stek_codec_decode(bytes, len, farm, keys->next, set);
	*next = err == STEK_OK;
	return err;
}

void
farm_keys_print(const uint8_t *farm_key, char print[FARM_PRINT_LEN])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	print[0] = '\0';
	if (farm_key == NULL)
		return;
	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)ABOUT,
	    sizeof(ABOUT) - 1, farm_key, STEK_FARM_KEY_LEN);
	(void)sodium_bin2hex(
	    print, FARM_PRINT_LEN, hash, (FARM_PRINT_LEN - 1) / 2);
}
