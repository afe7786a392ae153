/* SPDX-License-Identifier: ISC */
/*
 * Reads stek.conf(5) with libconfuse and checks every value while its line
 * is known.
 *
 * Never here: acting on the configuration.
 * Invariant: a value is checked (conf_check.c) as libconfuse reads it, when
 * its line is known, and parsed by the same functions when struct conf is
 * built from it (conf_build.c).
 */
#include <sys/stat.h>

#include <confuse.h>
#include <errno.h>
#include <pwd.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "conf_build.h"
#include "conf_check.h"

#define CONF_BYTES_MAX (1024 * 1024)
#define CONTROL        "/run/stek/control"

/* libconfuse's error callback takes no argument of ours. */
static char *why_now;

static void say(const char *, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why_now, CONF_WHY_LEN, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[CONF_WHY_LEN - 64];

	/* The first error is the one to mend. */
	if (why_now[0] != '\0')
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	say("line %d: %s", cfg->line, text);
}

static int
validate(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	bool is_root = strcmp(cfg_name(cfg), "root") == 0;
	char reason[CONF_WHY_LEN], shown[65], option[64], *c;

	(void)snprintf(option, sizeof(option), "%s%s%s",
	    is_root ? "" : cfg_name(cfg), is_root ? "" : "|",
	    cfg_opt_name(opt));
	if (conf_check(option, value, reason))
		return 0;
	/* A reason is one line, and no terminal obeys what stands in it. */
	(void)snprintf(shown, sizeof(shown), "%s", value);
	for (c = shown; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	cfg_error(cfg, "%s = \"%s\": %.800s", cfg_opt_name(opt), shown, reason);
	return -1;
}

/*
 * libconfuse takes the file's end for the end of any open section or comment,
 * so that half a file would do.  This option is put behind the file: it must
 * be found, and outside of all sections.
 */
#define LAST_OPTION "end_of_file"
#define LAST_LINE   LAST_OPTION " = true"

static int
refuse_end(cfg_t *cfg, cfg_opt_t *opt)
{
	(void)opt;
	cfg_error(cfg, "the file ends within { }; expected }");
	return -1;
}

static cfg_opt_t policy_opts[] = {
    CFG_STR("rotate", "6h", CFGF_NONE),
    CFG_STR("tickets", "12h", CFGF_NONE),
    CFG_STR("lead", "10m", CFGF_NONE),
    CFG_STR("postpone", "1h", CFGF_NONE),
    CFG_STR("stale_after", "off", CFGF_NONE),
    CFG_BOOL(LAST_OPTION, cfg_false, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t etcd_opts[] = {
    CFG_STR("prefix", "", CFGF_NONE),
    CFG_STR("ca", "", CFGF_NONE),
    CFG_STR("cert", "", CFGF_NONE),
    CFG_STR("key", "", CFGF_NONE),
    CFG_STR("user", "", CFGF_NONE),
    CFG_STR("password", "", CFGF_NONE),
    CFG_BOOL(LAST_OPTION, cfg_false, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t target_opts[] = {
    CFG_STR("format", NULL, CFGF_NODEFAULT),
    CFG_STR("path", NULL, CFGF_NODEFAULT),
    CFG_STR("owner", "", CFGF_NONE),
    CFG_STR("mode", "0600", CFGF_NONE),
    CFG_STR("reload", "", CFGF_NONE),
    CFG_STR("verify", "", CFGF_NONE),
    CFG_STR("scope", "", CFGF_NONE),
    CFG_BOOL(LAST_OPTION, cfg_false, CFGF_NONE),
    CFG_END(),
};

static char no_list[] = "{}";

static cfg_opt_t opts[] = {
    CFG_STR("farm", "farm", CFGF_NONE),
    CFG_STR("store", CONF_BUILD_STORE, CFGF_NONE),
    CFG_STR("state", "", CFGF_NONE),
    CFG_STR("node", "", CFGF_NONE),
    CFG_SEC("etcd", etcd_opts, CFGF_NONE),
    CFG_STR("farm_key", "/etc/stek/farm.key", CFGF_NONE),
    CFG_STR("farm_key_next", "", CFGF_NONE),
    CFG_STR("user", "_stek", CFGF_NONE),
    CFG_STR("control", CONTROL, CFGF_NONE),
    CFG_STR("metrics", "", CFGF_NONE),
    CFG_BOOL("mint", cfg_true, CFGF_NONE),
    CFG_STR_LIST("allow", no_list, CFGF_NONE),
    CFG_SEC("policy", policy_opts, CFGF_NONE),
    CFG_SEC(
        "target", target_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_BOOL(LAST_OPTION, cfg_false, CFGF_NONE),
    CFG_END(),
};

/* What begins here, in libconfuse's words, if it is a string or a comment. */
static char
begins(const char *text, char before)
{
	if (*text == '"' || *text == '\'')
		return *text;
	if (*text == '#')
		return '\n';
	if (*text == '/' && strchr("\n\t ={}(),\"'", before) != NULL) {
		if (text[1] == '/')
			return '\n';
		if (text[1] == '*')
			return '*';
	}
	return '\0';
}

/*
 * The line of the first ${NAME} in whose place libconfuse would put a variable
 * of the environment; 0: there is none.  stekd and an operator's stek have
 * other environments, and would read other values.
 */
static unsigned int
find_variable(const char *text)
{
	unsigned int line = 1;
	char in = '\0', before = '\n'; /* in: what ends it; '\0': plain text */

	for (; *text != '\0'; before = *text++) {
		if ((in == '\0' || in == '"') && strncmp(text, "${", 2) == 0)
			return line;
		if (in == '\0') {
			in = begins(text, before);
			text += in == '*';
		} else if (in == '*') {
			in = text[0] == '*' && text[1] == '/' ? '\0' : '*';
			text += in == '\0';
		} else if (in != '\n' && *text == '\\' && text[1] != '\0') {
			text++;
		} else if (*text == in) {
			in = '\0';
		}
		line += *text == '\n';
	}
	return 0;
}

/*
 * The file as text, and the last line.  Its hash tells two processes that they
 * read the same.
 */
static char *
read_text(const char *path, uint8_t hash[CONF_HASH_LEN])
{
	uint8_t *bytes;
	enum stek_err err;
	size_t len;
	char *text = NULL;

	err = stek_file_read(path, CONF_BYTES_MAX, &bytes, &len);
	if (err != STEK_OK) {
		say("%s%s",
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err),
		    err != STEK_ERR_SYSTEM ? ""
		    : errno == ENOENT      ? "; write one with \"stek init\""
		    : errno == EACCES ? "; stekd's user must be able to read it"
		                      : "");
		return NULL;
	}
	if (memchr(bytes, '\0', len) != NULL)
		say("it is no text: it holds a zero byte");
	else if (asprintf(&text, "%.*s%s" LAST_LINE, (int)len, bytes,
	             len > 0 && bytes[len - 1] == '\n' ? "" : "\n") < 0)
		text = NULL;
	(void)crypto_generichash(hash, CONF_HASH_LEN, bytes, len, NULL, 0);
	stek_file_free(bytes);
	return text;
}

static struct conf *
load(const char *path)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	cfg_t *cfg = NULL;
	unsigned int line;
	char *text = NULL;
	bool good = false;
	size_t i;

	if (conf == NULL)
		return NULL;
	text = read_text(path, conf->hash);
	if (text == NULL)
		goto out;
	cfg = cfg_init(opts, CFGF_NONE);
	if (cfg == NULL)
		goto out;
	(void)cfg_set_error_function(cfg, on_error);
	for (i = 0; conf_check_option(i) != NULL; i++)
		(void)cfg_set_validate_func(
		    cfg, conf_check_option(i), validate);
	(void)cfg_set_validate_func(cfg, "policy|" LAST_OPTION, refuse_end);
	(void)cfg_set_validate_func(cfg, "etcd|" LAST_OPTION, refuse_end);
	(void)cfg_set_validate_func(cfg, "target|" LAST_OPTION, refuse_end);
	line = find_variable(text);
	if (line > 0) {
		say("line %u: \"${\" stands for a variable of the environment, "
		    "which is another for stekd than for you; write the value, "
		    "or \"\\${\" for the characters themselves",
		    line);
		goto out;
	}
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS)
		goto out;
	if (cfg_getbool(cfg, LAST_OPTION))
		good = conf_build(cfg, conf, why_now);
	else
		say("the file ends within a comment; expected */");
out:
	if (cfg != NULL)
		(void)cfg_free(cfg);
	free(text);
	if (good)
		return conf;
	conf_free(conf);
	return NULL;
}

struct conf *
conf_load(const char *path, char why[CONF_WHY_LEN])
{
	char reason[CONF_WHY_LEN];
	struct conf *conf;

	reason[0] = '\0';
	why_now = reason;
	conf = load(path);
	why_now = NULL;
	if (conf == NULL)
		(void)snprintf(why, CONF_WHY_LEN, "%.200s: %.300s", path,
		    reason[0] != '\0' ? reason : "out of memory");
	return conf;
}

void
conf_free(struct conf *conf)
{
	size_t i;

	if (conf == NULL)
		return;
	for (i = 0; i < conf->count; i++) {
		free(conf->targets[i].name);
		free(conf->targets[i].path);
		free(conf->targets[i].reload);
		free(conf->targets[i].verify);
		free(conf->targets[i].scope);
	}
	for (i = 0; i < conf->etcd.count; i++)
		free(conf->etcd.endpoints[i]);
	free(conf->etcd.endpoints);
	free(conf->etcd.prefix);
	free(conf->etcd.ca);
	free(conf->etcd.cert);
	free(conf->etcd.key);
	free(conf->etcd.user);
	free(conf->etcd.password);
	free(conf->node);
	free(conf->targets);
	free(conf->farm);
	free(conf->store_dir);
	free(conf->farm_key);
	free(conf->farm_key_next);
	free(conf->user);
	free(conf->control);
	free(conf->metrics);
	free(conf);
}

bool
conf_is_shared(const struct conf *conf)
{
	return conf->etcd.count > 0;
}

void
conf_set_path(const struct conf *conf, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s.set", conf->store_dir, conf->farm);
}

void
conf_revoked_path(const struct conf *conf, char *path, size_t size)
{
	(void)snprintf(
	    path, size, "%s/%s.revoked", conf->store_dir, conf->farm);
}

/* The value of a line control = "...", by which all went well before. */
static char *
scan_control(const char *text)
{
	const char *line, *end;

	for (line = text; *line != '\0'; line += strcspn(line, "\n")) {
		line += strspn(line, " \t\n");
		if (strncmp(line, "control", 7) != 0)
			continue;
		line += 7 + strspn(line + 7, " \t=");
		end = *line == '"' ? strpbrk(line + 1, "\"\n") : NULL;
		if (end != NULL && *end == '"')
			return strndup(line + 1, (size_t)(end - line) - 1);
	}
	return NULL;
}

char *
conf_find_control(const char *path)
{
	char reason[CONF_WHY_LEN], *text, *control = NULL;
	uint8_t hash[CONF_HASH_LEN];
	struct stat st;

	why_now = reason;
	text = read_text(path, hash);
	why_now = NULL;
	if (text != NULL)
		control = scan_control(text);
	free(text);
	if (control == NULL)
		control = strdup(CONTROL);
	if (control != NULL && stat(control, &st) == 0 && S_ISSOCK(st.st_mode))
		return control;
	free(control);
	return NULL;
}

void
conf_owed_path(const struct conf *conf, char *path, size_t size)
{
	(void)snprintf(path, size, "%s.owed", conf->control);
}
