/* SPDX-License-Identifier: ISC */
/*
 * The table of formats, and what is checked for all of them.
 *
 * Never here: how any server's file looks.
 * Invariant: nothing half-done leaves here: on error out is empty and `in`
 * is wiped.
 */
#include "format.h"
#include "servers.h"

#include <stdio.h>
#include <string.h>

static const struct format *const formats[] = {
    &format_nginx,
    &format_nginx48,
    &format_haproxy,
    &format_haproxy48,
    &format_lighttpd,
    &format_lighttpd_gnutls,
    &format_lighttpd_nss,
    &format_apache,
    &format_h2o,
    &format_trafficserver,
    &format_nghttpx,
    &format_nghttpx48,
    &format_dnsdist,
    &format_unbound,
    &format_envoy,
    &format_stunnel,
    &format_knot_resolver,
    &format_ring,
};

#define COUNT (sizeof(formats) / sizeof(formats[0]))

const struct format *
format_at(size_t i)
{
	return i < COUNT ? formats[i] : NULL;
}

const struct format *
format_find(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	return NULL;
}

bool
format_is_key_file(const char *name)
{
	return strspn(name, "0123456789abcdef") == 2 * STEK_NAME_LEN &&
	       strcmp(name + 2 * STEK_NAME_LEN, FORMAT_KEY_SUFFIX) == 0;
}

/* May the path stand in a list without its server reading it otherwise? */
static bool
path_is_plain(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "0123456789/._-+,@%=:~";

	return path != NULL && path[0] == '/' &&
	       path[strspn(path, plain)] == '\0' &&
	       strlen(path) < FORMAT_FOLDER_MAX;
}

bool
format_takes_path(const struct format *format, const char *path)
{
	return (format->flags & FORMAT_FOLDER) == 0 || path_is_plain(path);
}

enum stek_err
format_write(const struct format *format, const struct stek_set *set,
    int64_t now, const char *path, struct format_out *out)
{
	enum stek_err err;

	memset(out, 0, sizeof(*out));
	if (format->write == NULL)
		return STEK_ERR_FORMAT;
	if (!format_takes_path(format, path))
		return STEK_ERR_FORMAT;
	if (stek_set_sealing(set, now) == NULL)
		return STEK_ERR_TIMES;
	err = format->write(format, set, now, path, out);
	if (err != STEK_OK)
		format_out_free(out);
	return err;
}

static enum stek_err
refuse_unread(
    const struct format *format, size_t len, bool able, struct format_why *why)
{
	if (!able)
		return format_refuse(why, STEK_ERR_FORMAT, 0,
		    "%s has nothing of this kind to be read", format->server);
	if (len > FORMAT_BYTES_MAX)
		return format_refuse(why, STEK_ERR_FORMAT, 0,
		    "expected at most %d bytes, found %zu", FORMAT_BYTES_MAX,
		    len);
	return STEK_OK;
}

enum stek_err
format_read(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	enum stek_err err;

	memset(in, 0, sizeof(*in));
	memset(why, 0, sizeof(*why));
	err = refuse_unread(format, len, format->read != NULL, why);
	if (err == STEK_OK)
		err = format->read(format, bytes, len, now, in, why);
	if (err != STEK_OK)
		format_in_wipe(in);
	return err;
}

enum stek_err
format_list(const struct format *format, const uint8_t *bytes, size_t len,
    struct format_list *list, struct format_why *why)
{
	enum stek_err err;

	memset(list, 0, sizeof(*list));
	memset(why, 0, sizeof(*why));
	err = refuse_unread(format, len, format->list != NULL, why);
	if (err == STEK_OK)
		err = format->list(format, bytes, len, list, why);
	if (err != STEK_OK)
		memset(list, 0, sizeof(*list));
	return err;
}
