/* SPDX-License-Identifier: ISC */
/* See conf_build.h. */
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_build.h"
#include "conf_check.h"
#include "farm.h"
#include "farm_key.h"

#define DAY INT64_C(86400)

static void say(char *why, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
say(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, CONF_WHY_LEN, fmt, ap);
	va_end(ap);
}

static char *
copy(const char *s)
{
	return strdup(s == NULL ? "" : s);
}

static bool
build_target(cfg_t *sec, struct conf_target *target, char *why)
{
	const char *format = cfg_getstr(sec, "format");
	const char *path = cfg_getstr(sec, "path");
	const char *owner = cfg_getstr(sec, "owner");

	if (!conf_is_name(cfg_title(sec), 64)) {
		say(why,
		    "target \"%.64s\": expected a name of A-Z a-z 0-9 _ . -",
		    cfg_title(sec));
		return false;
	}
	if (format == NULL || path == NULL) {
		say(why, "target %s: it has no %s, which has no default",
		    cfg_title(sec), format == NULL ? "format" : "path");
		return false;
	}
	target->uid = geteuid();
	target->gid = getegid();
	if (owner[0] != '\0' &&
	    !conf_parse_owner(owner, &target->uid, &target->gid))
		return false;
	if (!conf_parse_mode(cfg_getstr(sec, "mode"), &target->mode))
		return false;
	target->format = format_find(format);
	if (!format_takes_path(target->format, path)) {
		say(why,
		    "target %s: path = \"%.64s\": expected less than %d of "
		    "%s, since the list in that folder quotes it",
		    cfg_title(sec), path, FORMAT_FOLDER_MAX,
		    FORMAT_FOLDER_CHARS);
		return false;
	}
	target->name = copy(cfg_title(sec));
	target->path = copy(path);
	target->reload = copy(cfg_getstr(sec, "reload"));
	target->verify = copy(cfg_getstr(sec, "verify"));
	target->scope = copy(cfg_getstr(sec, "scope"));
	return target->name != NULL && target->path != NULL &&
	       target->reload != NULL && target->verify != NULL &&
	       target->scope != NULL;
}

/* Nothing that stekd needs itself lies there. */
static bool
is_free(const struct conf *conf, const struct conf_target *target, char *why)
{
	char set[FORMAT_PATH_MAX + STEK_FARM_MAX + 16], owed[CONF_OWED_LEN];
	const char *key = farm_key_from(conf->farm_key).path;
	const char *others[] = {set, owed, conf->store_dir, conf->control, key,
	    conf->etcd.ca, conf->etcd.cert, conf->etcd.key,
	    conf->etcd.password};
	size_t i;

	conf_set_path(conf, set, sizeof(set));
	conf_owed_path(conf, owed, sizeof(owed));
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i] == NULL || strcmp(others[i], target->path) != 0)
			continue;
		say(why,
		    "target %s: its path %s is that of the store, the farm "
		    "key, a file for etcd, the control socket or the folder "
		    "beside that",
		    target->name, target->path);
		return false;
	}
	return true;
}

static bool
build_targets(cfg_t *cfg, struct conf *conf, char *why)
{
	unsigned int i, j, n = cfg_size(cfg, "target");

	if (n > CONF_TARGETS_MAX) {
		say(why, "%u targets; at most %d are possible", n,
		    CONF_TARGETS_MAX);
		return false;
	}
	conf->targets = calloc(n > 0 ? n : 1, sizeof(*conf->targets));
	if (conf->targets == NULL)
		return false;
	for (i = 0; i < n; i++) {
		conf->count = i + 1;
		if (!build_target(
		        cfg_getnsec(cfg, "target", i), &conf->targets[i], why))
			return false;
		if (!is_free(conf, &conf->targets[i], why))
			return false;
		for (j = 0; j < i; j++) {
			if (strcmp(conf->targets[i].path,
			        conf->targets[j].path) != 0)
				continue;
			say(why, "targets %s and %s have the same path %s",
			    conf->targets[j].name, conf->targets[i].name,
			    conf->targets[i].path);
			return false;
		}
	}
	return true;
}

static bool
build_bounds(cfg_t *sec, struct conf *conf, char *why)
{
	if (!conf_parse_span(cfg_getstr(sec, "postpone"), "wait", FARM_WAIT,
	        &conf->postpone) ||
	    !conf_parse_span(
	        cfg_getstr(sec, "stale_after"), "off", 0, &conf->stale_after))
		return false;
	if (conf->postpone > conf->policy.rotate)
		conf->postpone = conf->policy.rotate;
	if (conf->stale_after == 0 || conf->stale_after >= CONF_STALE_MIN)
		return true;
	say(why,
	    "policy: stale_after = \"%s\": expected \"off\", or %d seconds or "
	    "more, as it takes a few to find a lost connection again",
	    cfg_getstr(sec, "stale_after"), CONF_STALE_MIN);
	return false;
}

static bool
build_policy(cfg_t *sec, struct conf *conf, char *why)
{
	struct stek_policy *policy = &conf->policy;

	if (!conf_parse_time(cfg_getstr(sec, "rotate"), &policy->rotate) ||
	    !conf_parse_time(cfg_getstr(sec, "tickets"), &policy->tickets) ||
	    !conf_parse_time(cfg_getstr(sec, "lead"), &policy->lead))
		return false;
	if (stek_policy_check(policy) == STEK_OK)
		return build_bounds(sec, conf, why);
	if (policy->rotate < 1 || policy->rotate > 30 * DAY)
		say(why, "policy: rotate: expected 1s to 30d, found \"%.32s\"",
		    cfg_getstr(sec, "rotate"));
	else if (policy->tickets < 1 || policy->tickets > 7 * DAY)
		say(why, "policy: tickets: expected 1s to 7d, found \"%.32s\"",
		    cfg_getstr(sec, "tickets"));
	else if (policy->lead > policy->rotate)
		say(why,
		    "policy: lead: expected no more than rotate (\"%.32s\"), "
		    "found \"%.32s\"",
		    cfg_getstr(sec, "rotate"), cfg_getstr(sec, "lead"));
	else
		say(why,
		    "policy: expected 2 + tickets / rotate to be at most %d "
		    "keys, found %zu",
		    STEK_KEYS_MAX, stek_policy_keys(policy));
	return false;
}

static bool
build_user(cfg_t *cfg, struct conf *conf, char *why)
{
	struct passwd *pw;

	conf->uid = geteuid();
	conf->gid = getegid();
	conf->user = copy(cfg_getstr(cfg, "user"));
	if (conf->user == NULL)
		return false;
	if (geteuid() != 0)
		return true;
	pw = getpwnam(conf->user);
	if (pw == NULL) {
		say(why,
		    "user \"%.32s\": there is no such user; create it "
		    "(\"useradd --system %.32s\"), or name another "
		    "unprivileged user",
		    conf->user, conf->user);
		return false;
	}
	conf->uid = pw->pw_uid;
	conf->gid = pw->pw_gid;
	return true;
}

/* "etcd:A,B" as its parts. */
static bool
build_endpoints(const char *list, struct conf_etcd *etcd)
{
	size_t len;

	etcd->endpoints = calloc(CONF_ENDPOINTS, sizeof(*etcd->endpoints));
	while (etcd->endpoints != NULL && *list != '\0') {
		len = strcspn(list, ",");
		etcd->endpoints[etcd->count] = strndup(list, len);
		if (etcd->endpoints[etcd->count] == NULL)
			return false;
		etcd->count++;
		list += len + (list[len] == ',');
	}
	return etcd->endpoints != NULL;
}

static bool
build_etcd(cfg_t *sec, struct conf *conf, char *why)
{
	struct conf_etcd *etcd = &conf->etcd;
	const char *prefix = cfg_getstr(sec, "prefix");

	if (prefix[0] != '\0')
		etcd->prefix = copy(prefix);
	else if (asprintf(&etcd->prefix, "/stek/%s/", conf->farm) < 0)
		etcd->prefix = NULL;
	etcd->ca = copy(cfg_getstr(sec, "ca"));
	etcd->cert = copy(cfg_getstr(sec, "cert"));
	etcd->key = copy(cfg_getstr(sec, "key"));
	etcd->user = copy(cfg_getstr(sec, "user"));
	etcd->password = copy(cfg_getstr(sec, "password"));
	if (etcd->prefix == NULL || etcd->ca == NULL || etcd->cert == NULL ||
	    etcd->key == NULL || etcd->user == NULL || etcd->password == NULL)
		return false;
	if ((etcd->cert[0] == '\0') != (etcd->key[0] == '\0'))
		say(why, "etcd: cert and key belong together; there is only %s",
		    etcd->cert[0] == '\0' ? "key" : "cert");
	else if ((etcd->user[0] == '\0') != (etcd->password[0] == '\0'))
		say(why,
		    "etcd: user and password belong together; there is only %s",
		    etcd->user[0] == '\0' ? "password" : "user");
	else
		return true;
	return false;
}

static bool
build_node(const char *name, struct conf *conf, char *why)
{
	char host[CONF_NODE_MAX + 1] = "";

	if (name[0] == '\0' && gethostname(host, sizeof(host) - 1) == 0)
		name = host;
	conf->node = copy(name);
	if (conf->node == NULL || conf_is_name(conf->node, CONF_NODE_MAX))
		return conf->node != NULL;
	say(why,
	    "node: this host's name \"%s\" will not do for it; expected 1 to "
	    "%d "
	    "of A-Z a-z 0-9 _ - and . (not first)",
	    conf->node, CONF_NODE_MAX);
	return false;
}

static bool
build_store(cfg_t *cfg, struct conf *conf, char *why)
{
	const char *store = cfg_getstr(cfg, "store");
	const char *state = cfg_getstr(cfg, "state");
	bool shared = strncmp(store, "etcd:", 5) == 0;

	if (!shared && state[0] != '\0') {
		say(why,
		    "state is for a store in etcd; in \"%s\" there is but one "
		    "folder",
		    store);
		return false;
	}
	if (shared && state[0] == '\0')
		state = &CONF_BUILD_STORE[strlen("dir:")];
	conf->store_dir = copy(shared ? state : store + strlen("dir:"));
	return conf->store_dir != NULL &&
	       (!shared || build_endpoints(store + 5, &conf->etcd)) &&
	       build_etcd(cfg_getsec(cfg, "etcd"), conf, why) &&
	       build_node(cfg_getstr(cfg, "node"), conf, why);
}

bool
conf_build(cfg_t *cfg, struct conf *conf, char why[CONF_WHY_LEN])
{
	unsigned int i;

	conf->farm = copy(cfg_getstr(cfg, "farm"));
	conf->farm_key = copy(cfg_getstr(cfg, "farm_key"));
	conf->farm_key_next = copy(cfg_getstr(cfg, "farm_key_next"));
	conf->control = copy(cfg_getstr(cfg, "control"));
	conf->metrics = copy(cfg_getstr(cfg, "metrics"));
	conf->mint = cfg_getbool(cfg, "mint") == cfg_true;
	if (conf->farm == NULL || conf->farm_key == NULL ||
	    conf->farm_key_next == NULL || conf->control == NULL ||
	    conf->metrics == NULL)
		return false;
	for (i = 0; i < cfg_size(cfg, "allow"); i++) {
		if (strcmp(cfg_getnstr(cfg, "allow", i), "disk") == 0)
			conf->allow_disk = true;
		else
			conf->allow_unlocked = true;
	}
	return build_store(cfg, conf, why) && build_user(cfg, conf, why) &&
	       build_policy(cfg_getsec(cfg, "policy"), conf, why) &&
	       build_targets(cfg, conf, why);
}
