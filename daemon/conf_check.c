/* SPDX-License-Identifier: ISC */
/* See conf_check.h. */
#include <sys/un.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_check.h"
#include "farm_key.h"
#include "reload.h"

static void say(char why[CONF_WHY_LEN], const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
say(char why[CONF_WHY_LEN], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, CONF_WHY_LEN, fmt, ap);
	va_end(ap);
}

bool
conf_is_name(const char *s, size_t max)
{
	return s[0] != '\0' && s[0] != '.' && strlen(s) <= max &&
	       s[strspn(s,
	           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	           "0123456789_.-")] == '\0';
}

bool
conf_parse_time(const char *s, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end;
	size_t i;
	long n;

	if (s[0] < '0' || s[0] > '9' || strlen(s) > 10)
		return false;
	n = strtol(s, &end, 10);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		*out = n * units[i].seconds;
		return true;
	}
	return false;
}

bool
conf_parse_span(
    const char *s, const char *word, int64_t stands_for, int64_t *out)
{
	if (strcmp(s, word) != 0)
		return conf_parse_time(s, out);
	*out = stands_for;
	return true;
}

bool
conf_parse_mode(const char *s, mode_t *out)
{
	char *end;
	unsigned long n = strtoul(s, &end, 8);

	if (s[0] == '\0' || *end != '\0' || n > 0777 || (n & 027) != 0)
		return false;
	*out = (mode_t)n;
	return true;
}

static bool
parse_id(const char *s, bool group, unsigned int *out)
{
	struct passwd *pw;
	struct group *gr;
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (s[0] >= '0' && s[0] <= '9' && *end == '\0' && n < UINT32_MAX) {
		*out = (unsigned int)n;
		return true;
	}
	if (group) {
		gr = getgrnam(s);
		if (gr != NULL)
			*out = gr->gr_gid;
		return gr != NULL;
	}
	pw = getpwnam(s);
	if (pw != NULL)
		*out = pw->pw_uid;
	return pw != NULL;
}

bool
conf_parse_owner(const char *s, uid_t *uid, gid_t *gid)
{
	const char *colon = strchr(s, ':');
	char user[64];

	if (colon == NULL || colon == s || colon[1] == '\0' ||
	    (size_t)(colon - s) >= sizeof(user))
		return false;
	memcpy(user, s, (size_t)(colon - s));
	user[colon - s] = '\0';
	return parse_id(user, false, uid) && parse_id(colon + 1, true, gid);
}

/* HOST:PORT[/SNI], with [::1] for IPv6. */
bool
conf_is_address(const char *s)
{
	const char *slash = strchr(s, '/'), *colon;
	char *end;
	unsigned long port;

	for (colon = slash == NULL ? s + strlen(s) : slash; colon > s; colon--)
		if (*colon == ':')
			break;
	if (colon == s || strpbrk(s, " \t\r\n") != NULL || s[0] == '-')
		return false;
	/* An IPv6 address stands in brackets, or its end would be the port. */
	if (s[0] == '[' ? colon[-1] != ']'
	                : memchr(s, ':', (size_t)(colon - s)) != NULL)
		return false;
	port = strtoul(colon + 1, &end, 10);
	return colon[1] >= '0' && colon[1] <= '9' && port >= 1 &&
	       port <= 65535 &&
	       (*end == '\0' || (*end == '/' && end[1] != '\0'));
}

/* One way to write each path, so that equal ones can be told. */
static bool
is_absolute(const char *s)
{
	const char *end = s + strlen(s);
	size_t len;

	if (s[0] != '/')
		return false;
	while (s < end) {
		len = strcspn(++s, "/");
		if (len == 0 || (len == 1 && s[0] == '.') ||
		    (len == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += len;
	}
	return true;
}

/* What a value of each option must be; false: say(why, ) has said why not. */

static bool
check_time(const char *s, char why[CONF_WHY_LEN])
{
	int64_t seconds;

	if (conf_parse_time(s, &seconds))
		return true;
	say(why, "expected a time such as \"90s\", \"10m\", \"6h\" or \"2d\"");
	return false;
}

static bool
check_span(const char *s, const char *word, char why[CONF_WHY_LEN])
{
	int64_t seconds;

	if (conf_parse_span(s, word, 0, &seconds))
		return true;
	say(why,
	    "expected a time such as \"90s\", \"10m\" or \"6h\", or \"%s\"",
	    word);
	return false;
}

static bool
check_postpone(const char *s, char why[CONF_WHY_LEN])
{
	return check_span(s, "wait", why);
}

static bool
check_stale_after(const char *s, char why[CONF_WHY_LEN])
{
	return check_span(s, "off", why);
}

static bool
is_shorter(const char *s, size_t max, char why[CONF_WHY_LEN])
{
	if (strlen(s) < max)
		return true;
	say(why, "expected a path of at most %zu characters, found %zu",
	    max - 1, strlen(s));
	return false;
}

static bool
check_path(const char *s, char why[CONF_WHY_LEN])
{
	if (is_absolute(s))
		return is_shorter(s, FORMAT_PATH_MAX, why);
	say(why, "expected an absolute path, without \".\", \"..\" or an empty "
	         "part");
	return false;
}

static bool
check_socket(const char *s, char why[CONF_WHY_LEN])
{
	return check_path(s, why) &&
	       is_shorter(s, sizeof(((struct sockaddr_un *)0)->sun_path), why);
}

static bool
check_farm(const char *s, char why[CONF_WHY_LEN])
{
	if (conf_is_name(s, STEK_FARM_MAX))
		return true;
	say(why, "expected 1 to %d of A-Z a-z 0-9 _ - and . (not first)",
	    STEK_FARM_MAX);
	return false;
}

static bool
check_store(const char *s, char why[CONF_WHY_LEN])
{
	if (strncmp(s, "dir:/", 5) == 0)
		return check_path(s + 4, why);
	if (strncmp(s, "etcd:", 5) == 0)
		return conf_check_endpoints(s + 5, why);
	say(why, "expected \"dir:\" and an absolute path, or \"etcd:\" and "
	         "addresses such as https://etcd1:2379");
	return false;
}

static bool
check_optional_path(const char *s, char why[CONF_WHY_LEN])
{
	return s[0] == '\0' || check_path(s, why);
}

static bool
check_node(const char *s, char why[CONF_WHY_LEN])
{
	if (s[0] == '\0' || conf_is_name(s, CONF_NODE_MAX))
		return true;
	say(why, "expected 1 to %d of A-Z a-z 0-9 _ - and . (not first)",
	    CONF_NODE_MAX);
	return false;
}

static bool
check_etcd_user(const char *s, char why[CONF_WHY_LEN])
{
	if (strlen(s) < CONF_ADDRESS_MAX)
		return true;
	say(why, "expected less than %d characters", CONF_ADDRESS_MAX);
	return false;
}

static bool
check_farm_key(const char *s, char why[CONF_WHY_LEN])
{
	struct farm_key_from from = farm_key_from(s);

	if (from.credential != NULL) {
		if (farm_key_is_name(from.credential))
			return true;
		say(why, "expected the name of a credential of systemd: up to "
		         "255 characters of ASCII without \"/\", \":\" and "
		         "control characters, not \".\" or \"..\"");
		return false;
	}
	if (from.path[0] == '/')
		return check_path(from.path, why);
	say(why,
	    "expected the absolute path of a file with %d random bytes "
	    "(\"stek init\" makes one), \"cert:\" and that of a TLS private "
	    "key, or \"credential:NAME\" instead of a path",
	    STEK_FARM_KEY_LEN);
	return false;
}

static bool
check_next_key(const char *s, char why[CONF_WHY_LEN])
{
	return s[0] == '\0' || check_farm_key(s, why);
}

static bool
check_user(const char *s, char why[CONF_WHY_LEN])
{
	/* Without privilege stekd stays who it is. */
	if (geteuid() != 0 || getpwnam(s) != NULL)
		return true;
	say(why,
	    "there is no such user; create it (\"useradd --system %.32s\"), "
	    "or name another unprivileged user",
	    s);
	return false;
}

static bool
check_metrics(const char *s, char why[CONF_WHY_LEN])
{
	if (s[0] == '\0' || (conf_is_address(s) && strchr(s, '/') == NULL))
		return true;
	say(why, "expected \"ADDRESS:PORT\" to listen at, or \"\" for none");
	return false;
}

static bool
check_format(const char *s, char why[CONF_WHY_LEN])
{
	const struct format *format = format_find(s);

	if (format != NULL && (format->flags & FORMAT_REFUSED) == 0)
		return true;
	if (format != NULL)
		say(why, "stek does not drive this server: %s", format->trap);
	else
		say(why,
		    "unknown format; \"stek show --format help\" lists them");
	return false;
}

static bool
check_owner(const char *s, char why[CONF_WHY_LEN])
{
	uid_t uid;
	gid_t gid;

	if (s[0] == '\0' || conf_parse_owner(s, &uid, &gid))
		return true;
	say(why, "expected \"USER:GROUP\", both known on this host");
	return false;
}

static bool
check_mode(const char *s, char why[CONF_WHY_LEN])
{
	mode_t mode;

	if (conf_parse_mode(s, &mode))
		return true;
	say(why, "expected an octal mode with nothing for others and no write "
	         "for the group, such as \"0600\" or \"0640\"");
	return false;
}

static bool
check_reload(const char *s, char why[CONF_WHY_LEN])
{
	const char *wrong = reload_check(s);

	if (wrong == NULL)
		return true;
	say(why, "%s", wrong);
	return false;
}

static bool
check_verify(const char *s, char why[CONF_WHY_LEN])
{
	if (s[0] == '\0' ||
	    (conf_is_address(s) && strlen(s) < CONF_ADDRESS_MAX))
		return true;
	say(why,
	    "expected \"HOST:PORT\" or \"HOST:PORT/SERVERNAME\", of less "
	    "than %d characters, with an IPv6 address in brackets",
	    CONF_ADDRESS_MAX);
	return false;
}

static bool
check_scope(const char *s, char why[CONF_WHY_LEN])
{
	size_t i;

	if (strlen(s) > STEK_SCOPE_MAX) {
		say(why, "a scope has at most %d bytes", STEK_SCOPE_MAX);
		return false;
	}
	/* A format's own scopes, such as haproxy's spare keys, begin so. */
	for (i = 0; s[i] != '\0'; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
			say(why,
			    "expected no control characters, found byte %zu "
			    "to be 0x%02x",
			    i + 1, (unsigned int)(unsigned char)s[i]);
			return false;
		}
	return true;
}

static bool
check_allow(const char *s, char why[CONF_WHY_LEN])
{
	if (strcmp(s, "disk") == 0 || strcmp(s, "unlocked") == 0)
		return true;
	say(why, "expected \"disk\" or \"unlocked\"");
	return false;
}

static const struct {
	const char *option;
	bool (*check)(const char *, char why[CONF_WHY_LEN]);
} checks[] = {
    {"farm", check_farm},
    {"store", check_store},
    {"state", check_optional_path},
    {"node", check_node},
    {"etcd|prefix", conf_check_prefix},
    {"etcd|ca", check_optional_path},
    {"etcd|cert", check_optional_path},
    {"etcd|key", check_optional_path},
    {"etcd|user", check_etcd_user},
    {"etcd|password", check_optional_path},
    {"farm_key", check_farm_key},
    {"farm_key_next", check_next_key},
    {"user", check_user},
    {"control", check_socket},
    {"metrics", check_metrics},
    {"allow", check_allow},
    {"policy|rotate", check_time},
    {"policy|tickets", check_time},
    {"policy|lead", check_time},
    {"policy|postpone", check_postpone},
    {"policy|stale_after", check_stale_after},
    {"target|format", check_format},
    {"target|path", check_path},
    {"target|owner", check_owner},
    {"target|mode", check_mode},
    {"target|reload", check_reload},
    {"target|verify", check_verify},
    {"target|scope", check_scope},
};

const char *
conf_check_option(size_t i)
{
	return i < sizeof(checks) / sizeof(checks[0]) ? checks[i].option : NULL;
}

bool
conf_check(const char *option, const char *value, char why[CONF_WHY_LEN])
{
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (strcmp(checks[i].option, option) == 0)
			return checks[i].check(value, why);
	return true;
}
