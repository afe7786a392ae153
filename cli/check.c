/* SPDX-License-Identifier: ISC */
/*
 * See check.h.  Here: the verb, the lines, and what a running stekd says.
 */
#include <sys/stat.h>

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <daemon/utf8.h>

#include "ask.h"
#include "check.h"
#include "say.h"

enum { LINE_LEN = 2048 };

static const char *const levels[] = {
    [CHECK_OK] = "ok",
    [CHECK_NOTE] = "note",
    [CHECK_WARN] = "warn",
    [CHECK_FAIL] = "fail",
};

void
check_say(struct check *check, enum check_level level, const char *subject,
    const char *todo, const char *fmt, ...)
{
	char text[LINE_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	check->counts[level]++;
	if (check->lines != NULL) {
		if (json_array_append_new(check->lines,
		        json_pack("{s:s, s:o, s:o, s:o}", "level",
		            levels[level], "subject", utf8_json(subject),
		            "text", utf8_json(text), "todo",
		            utf8_json(todo))) == 0)
			return;
		check->counts[CHECK_FAIL]++;
		say_error("no memory to tell all that was found");
		return;
	}
	(void)printf("%-4s  %s: ", levels[level], subject);
	say_clean(text);
	(void)printf("%s%s\n", todo[0] == '\0' ? "" : " -> ", todo);
}

static void
check_answer(struct check *check, const json_t *status)
{
	const json_t *targets = json_object_get(status, "targets"), *target;
	const json_t *store = json_object_get(status, "store");
	size_t i;

	if (strcmp(ask_text(store, "state"), "live") == 0)
		check_say(check, CHECK_OK, "stekd", "",
		    "it runs, and its store is live");
	else
		check_say(check, CHECK_FAIL, "stekd", "", "its store is %s: %s",
		    ask_text(store, "state"), ask_text(store, "error"));
	if (ask_text(status, "conf_error")[0] != '\0')
		check_say(check, CHECK_FAIL, check->conf_path, "",
		    "stekd refused it: %s", ask_text(status, "conf_error"));
	if (ask_text(status, "metrics_error")[0] != '\0')
		check_say(check, CHECK_FAIL, "metrics", "", "stekd says: %s",
		    ask_text(status, "metrics_error"));
	for (i = 0; i < json_array_size(targets); i++) {
		target = json_array_get(targets, i);
		if (strcmp(ask_text(target, "state"), "failed") == 0)
			check_say(check, CHECK_FAIL, ask_text(target, "name"),
			    "", "stekd says: %s", ask_text(target, "error"));
	}
	check_nodes(check, status);
}

void
check_stekd(struct check *check)
{
	char why[ASK_WHY_LEN];
	json_t *status = ask_once(
	    check->conf->control, json_pack("{s:s}", "do", "status"), why);

	if (status == NULL)
		check_say(check, CHECK_NOTE, "stekd", "", "%s", why);
	else
		check_answer(check, status);
	json_decref(status);
}

/*
 * Who is not root has a stekd of their own, unless the configuration is
 * root's: then it is looked at for the user that it names.
 */
static void
take_user(const char *path, struct conf *conf)
{
	const struct passwd *pw = getpwnam(conf->user);
	struct stat st;

	if (geteuid() == 0 || pw == NULL || stat(path, &st) < 0 ||
	    st.st_uid != 0)
		return;
	conf->uid = pw->pw_uid;
	conf->gid = pw->pw_gid;
}

/* The farm key that is to follow, or has. */
static void
check_next(struct check *check, const struct farm *farm)
{
	char path[PATH_MAX];

	farm_keys_next_from(farm->conf, path, sizeof(path));
	if (farm->keys.next_why[0] != '\0')
		check_say(check, CHECK_FAIL, path, "mend or remove it",
		    "the next farm key cannot be used: %s",
		    farm->keys.next_why);
	else if (farm->moved)
		check_say(check, CHECK_WARN, path,
		    "stek rekey --finish, once it is so on all hosts",
		    "it is the farm key in use, and stands in the place of the "
		    "next one still");
	else if (farm->keys.next != NULL)
		check_say(check, CHECK_NOTE, path, "",
		    "there is a next farm key, which \"stek rekey\" goes "
		    "over to");
}

static void
check_all(struct check *check, struct farm *farm)
{
	const struct stek_set *set = NULL;

	check_files(check);
	if (farm_read(farm))
		set = farm->set;
	else if (farm->keys.now != NULL)
		check_say(check, CHECK_FAIL, "store", "", "%s", farm->why);
	check_next(check, farm);
	if (set != NULL)
		check_keys(check, set);
	check_places(check, set);
	check_policy(check);
	check_etcd(check);
	check_host(check);
	check_stekd(check);
}

static bool
put_end(const struct check *check)
{
	const size_t *n = check->counts;
	bool good = n[CHECK_WARN] + n[CHECK_FAIL] == 0;

	if (check->lines == NULL) {
		(void)printf("%zu failure%s, %zu warning%s, %zu note%s\n",
		    n[CHECK_FAIL], n[CHECK_FAIL] == 1 ? "" : "s", n[CHECK_WARN],
		    n[CHECK_WARN] == 1 ? "" : "s", n[CHECK_NOTE],
		    n[CHECK_NOTE] == 1 ? "" : "s");
		return good;
	}
	(void)json_dumpf(check->lines, stdout, JSON_INDENT(2));
	(void)putchar('\n');
	json_decref(check->lines);
	return good;
}

int
verb_check(const struct cli *cli, int argc, char **argv)
{
	struct check check = {.conf_path = cli->conf, .now = time(NULL)};
	struct farm farm;
	bool json, good;

	if (!cli_take_json("check", argc, argv, &json))
		return CLI_USAGE;
	if (!farm_open(&farm, cli))
		return CLI_FAILED;
	if (json)
		check.lines = json_array();
	take_user(cli->conf, farm.conf);
	check.conf = farm.conf;
	check_all(&check, &farm);
	farm_close(&farm);
	good = put_end(&check);
	return say_flush() == CLI_DONE && good ? CLI_DONE : CLI_FAILED;
}
