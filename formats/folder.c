/* SPDX-License-Identifier: ISC */
/*
 * Folders of one raw key a file; see folder.h.
 *
 * Never here: a server's words.
 * Invariant: folder_list() takes what folder_write() gives, comments, blank
 * lines and spaces around a line besides, and nothing else.
 */
#include "folder.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static enum stek_err
write_key(const struct layout *layout, const struct stek_key *key,
    struct format_out *out)
{
	char hex[STEK_NAME_HEX], name[sizeof(out->files[0].name)];
	enum stek_err err;
	uint8_t *bytes;

	stek_key_hex(key->name, hex);
	(void)snprintf(name, sizeof(name), "%s%s", hex, FORMAT_KEY_SUFFIX);
	err = format_out_add(out, name, layout->len, &bytes);
	if (err == STEK_OK)
		layout_pack(layout, key, bytes);
	return err;
}

/* Out holds the key files, in order, and nothing else. */
static enum stek_err
write_list(
    const struct folder *folder, const char *path, struct format_out *out)
{
	const size_t keys = out->count;
	struct text_out list;
	enum stek_err err;
	size_t i;

	err = text_open(out, FORMAT_LIST, FORMAT_BYTES_MAX, &list);
	if (err != STEK_OK)
		return err;
	if (folder->head != NULL) {
		text_put(&list, folder->head);
		text_put(&list, "\n");
	}
	for (i = 0; i < keys; i++) {
		text_put(&list, folder->before);
		text_put(&list, path);
		text_put(&list, "/");
		text_put(&list, out->files[i].name);
		text_put(&list, folder->after);
		text_put(&list, "\n");
	}
	return text_close(&list);
}

enum stek_err
folder_write(const struct format *format, const struct stek_set *set,
    int64_t now, const char *path, struct format_out *out)
{
	struct order order;
	enum stek_err err;
	size_t i;

	order_first(set, now, STEK_KEYS_MAX, &order);
	for (i = 0; i < order.count; i++) {
		err = write_key(format->layout, order.keys[i], out);
		if (err != STEK_OK)
			return err;
	}
	return write_list(format->folder, path, out);
}

static enum stek_err
add_path(
    const struct text *path, struct format_list *list, struct format_why *why)
{
	if (list->count >= STEK_KEYS_MAX)
		return format_refuse(why, STEK_ERR_FULL, path->line,
		    "expected at most %d key files, found more", STEK_KEYS_MAX);
	if (path->len == 0 || path->chars[0] != '/')
		return format_refuse(why, STEK_ERR_FORMAT, path->line,
		    "expected the key file's absolute path, found another");
	if (path->len >= FORMAT_PATH_MAX ||
	    memchr(path->chars, '\0', path->len) != NULL)
		return format_refuse(why, STEK_ERR_FORMAT, path->line,
		    "expected a path of less than %d characters, found %zu or "
		    "a NUL",
		    FORMAT_PATH_MAX, path->len);
	memcpy(list->paths[list->count], path->chars, path->len);
	list->paths[list->count++][path->len] = '\0';
	return STEK_OK;
}

static bool
is_skipped(const struct text *line)
{
	return line->len == 0 || line->chars[0] == '#';
}

enum stek_err
folder_list(const struct format *format, const uint8_t *bytes, size_t len,
    struct format_list *list, struct format_why *why)
{
	const struct folder *folder = format->folder;
	struct text_in in = {bytes, len, 0, 0};
	bool headless = folder->head != NULL;
	enum stek_err err;
	struct text line;

	while (text_next(&in, &line)) {
		text_trim(&line);
		if (is_skipped(&line))
			continue;
		if (headless && text_is(&line, folder->head)) {
			headless = false;
			continue;
		}
		if (headless)
			return format_refuse(why, STEK_ERR_FORMAT, line.line,
			    "expected \"%s\"", folder->head);
		if (!text_cut_front(
		        &line, folder->before + strspn(folder->before, "\t")) ||
		    !text_cut_back(&line, folder->after))
			return format_refuse(why, STEK_ERR_FORMAT, line.line,
			    "expected \"%sPATH%s\"", folder->before,
			    folder->after);
		err = add_path(&line, list, why);
		if (err != STEK_OK)
			return err;
	}
	if (list->count == 0)
		return format_refuse(why, STEK_ERR_FORMAT, in.line,
		    "expected \"%sPATH%s\", found the end", folder->before,
		    folder->after);
	return STEK_OK;
}
