/* SPDX-License-Identifier: ISC */
/*
 * The little of YAML that key files are made of; see yaml.h.
 *
 * Never here: what keys mean.
 * Invariant: key and value point into the line.
 */
#include "yaml.h"

#include <string.h>

static enum stek_err
refuse(const struct text *line, struct format_why *why)
{
	return format_refuse(why, STEK_ERR_FORMAT, line->line,
	    "expected \"key: value\", indented by spaces, found another line");
}

static size_t
cut_spaces(struct text *line)
{
	size_t before = line->len;

	while (text_cut_front(line, " "))
		continue;
	return before - line->len;
}

/* Only a space, or the line's begin, makes a # a comment. */
static void
cut_comment(struct text *line)
{
	size_t i;

	for (i = 0; i < line->len; i++)
		if (line->chars[i] == '#' &&
		    (i == 0 || line->chars[i - 1] == ' ' ||
		        line->chars[i - 1] == '\t'))
			line->len = i;
	while (text_cut_back(line, " ") || text_cut_back(line, "\t"))
		continue;
}

/* Take off quotes; false if they do not match or hold something odd. */
static bool
unquote(struct text *text)
{
	const char *quote = NULL;

	if (text->len > 0 && text->chars[0] == '"')
		quote = "\"";
	else if (text->len > 0 && text->chars[0] == '\'')
		quote = "'";
	if (quote == NULL)
		return true;
	return text_cut_front(text, quote) && text_cut_back(text, quote) &&
	       memchr(text->chars, quote[0], text->len) == NULL &&
	       memchr(text->chars, '\\', text->len) == NULL;
}

/* The line without its indentation. */
static bool
split(const struct text *line, struct yaml *yaml)
{
	const char *colon = memchr(line->chars, ':', line->len);

	if (colon == NULL || line->chars[0] == '\t')
		return false;
	yaml->key = yaml->value = *line;
	yaml->key.len = (size_t)(colon - line->chars);
	yaml->value.chars = colon + 1;
	yaml->value.len = line->len - yaml->key.len - 1;
	if (yaml->value.len > 0 && yaml->value.chars[0] != ' ')
		return false;
	text_trim(&yaml->value);
	return yaml->key.len > 0 && unquote(&yaml->key) &&
	       unquote(&yaml->value);
}

enum stek_err
yaml_next(struct text_in *in, struct yaml *yaml, struct format_why *why)
{
	struct text line;

	memset(yaml, 0, sizeof(*yaml));
	do {
		if (!text_next(in, &line)) {
			yaml->end = true;
			return STEK_OK;
		}
		cut_comment(&line);
	} while (line.len == 0 || text_is(&line, "---"));
	yaml->column = cut_spaces(&line);
	if (text_cut_front(&line, "- ")) {
		yaml->is_item = true;
		yaml->column += 2 + cut_spaces(&line);
	}
	return split(&line, yaml) ? STEK_OK : refuse(&line, why);
}
