/* SPDX-License-Identifier: ISC */
/*
 * See keyfile.h.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keyfile.h"
#include "say.h"

struct keyfile *
keyfile_new(void)
{
	return (struct keyfile *)(void *)stek_file_alloc(
	    sizeof(struct keyfile));
}

void
keyfile_free(struct keyfile *file)
{
	stek_file_free((uint8_t *)file);
}

const struct format *
keyfile_format(const char *name)
{
	const struct format *format = format_find(name);

	if (format == NULL)
		say_error("no format \"%s\"; \"stek show --format help\" lists "
		          "them",
		    name);
	else if ((format->flags & FORMAT_REFUSED) != 0)
		say_error(
		    "stek does not drive %s: %s", format->server, format->trap);
	else
		return format;
	return NULL;
}

static enum stek_err
refuse(struct keyfile *file, enum stek_err err, const char *path,
    const struct format_why *why)
{
	format_in_wipe(&file->in);
	if (why == NULL || why->text[0] == '\0')
		(void)snprintf(file->why, sizeof(file->why), "%s: %s", path,
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err));
	else if (why->line > 0)
		(void)snprintf(file->why, sizeof(file->why), "%s: line %zu: %s",
		    path, why->line, why->text);
	else
		(void)snprintf(
		    file->why, sizeof(file->why), "%s: %s", path, why->text);
	return err;
}

static enum stek_err
read_one(struct keyfile *file, const struct format *format, const char *path,
    int64_t now, struct format_in *in)
{
	struct format_why why = {0};
	enum stek_err err;
	uint8_t *bytes;
	size_t len;

	err = stek_file_read(path, FORMAT_BYTES_MAX, &bytes, &len);
	if (err != STEK_OK)
		return refuse(file, err, path, NULL);
	err = format_read(format, bytes, len, now, in, &why);
	stek_file_free(bytes);
	return err == STEK_OK ? err : refuse(file, err, path, &why);
}

/* The key of one of a folder's files, after those of the files before. */
static enum stek_err
append(struct keyfile *file, const struct format *format, const char *path,
    int64_t now)
{
	struct keyfile *one = keyfile_new();
	struct format_why why = {0};
	enum stek_err err;

	if (one == NULL)
		return refuse(file, STEK_ERR_MEMORY, path, NULL);
	err = read_one(file, format, path, now, &one->in);
	if (err != STEK_OK)
		goto out;
	err = format_in_add(
	    &file->in, &one->in.keys[0], one->in.is_short, 0, &why);
	if (err != STEK_OK)
		(void)refuse(file, err, path, &why);
out:
	keyfile_free(one);
	return err;
}

static enum stek_err
read_list(struct keyfile *file, const struct format *format, const char *path,
    int64_t now)
{
	struct format_list list;
	struct format_why why = {0};
	enum stek_err err;
	uint8_t *bytes;
	size_t len, i;

	err = stek_file_read(path, FORMAT_BYTES_MAX, &bytes, &len);
	if (err != STEK_OK)
		return refuse(file, err, path, NULL);
	err = format_list(format, bytes, len, &list, &why);
	stek_file_free(bytes);
	if (err != STEK_OK)
		return refuse(file, err, path, &why);
	for (i = 0; i < list.count; i++) {
		err = append(file, format, list.paths[i], now);
		if (err != STEK_OK)
			return err;
	}
	file->in.sealing = 0;
	return STEK_OK;
}

static enum stek_err
read_ring(struct keyfile *file, const char *path, int64_t now)
{
	struct stek_set *set = stek_set_new();
	const struct stek_key *sealing;
	struct stek_ring *ring;
	enum stek_err err = STEK_ERR_MEMORY;

	if (set == NULL)
		return refuse(file, err, path, NULL);
	err = stek_ring_open(path, &ring);
	if (err != STEK_OK) {
		stek_set_free(set);
		return refuse(file, err, path, NULL);
	}
	stek_ring_read(ring, set);
	stek_ring_close(ring);
	sealing = stek_set_sealing(set, now);
	file->in.count = set->count;
	file->in.sealing =
	    sealing == NULL ? set->count : (size_t)(sealing - set->keys);
	memcpy(file->in.keys, set->keys, sizeof(set->keys));
	stek_set_free(set);
	return STEK_OK;
}

static bool
is_list(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash == NULL ? path : slash + 1, FORMAT_LIST) == 0;
}

enum stek_err
keyfile_read(struct keyfile *file, const struct format *format,
    const char *path, int64_t now)
{
	char list[FORMAT_PATH_MAX + sizeof(FORMAT_LIST)];
	struct stat st;

	memset(file, 0, sizeof(*file));
	if ((format->flags & FORMAT_RING) != 0)
		return read_ring(file, path, now);
	if ((format->flags & FORMAT_FOLDER) == 0)
		return read_one(file, format, path, now, &file->in);
	if (stat(path, &st) < 0)
		return refuse(file, STEK_ERR_SYSTEM, path, NULL);
	if (!S_ISDIR(st.st_mode) && !is_list(path))
		return read_one(file, format, path, now, &file->in);
	(void)snprintf(list, sizeof(list), "%.*s%s", FORMAT_PATH_MAX - 1, path,
	    S_ISDIR(st.st_mode) ? "/" FORMAT_LIST : "");
	return read_list(file, format, list, now);
}
