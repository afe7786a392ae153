/* SPDX-License-Identifier: ISC */
/*
 * The configuration, parsed and checked: what stek.conf(5) describes.
 *
 * Never here: a secret; anything that changes while stekd runs.
 * Invariant: a struct conf that conf_load() gave is consistent: formats
 * exist, owners are known, the policy is in bounds, no two targets write to
 * one place.
 */
#ifndef STEK_CONF_H
#define STEK_CONF_H

#include <formats/format.h>
#include <stek.h>

#define CONF_REVOKED_MAX 64
#define CONF_DEFAULT     "/etc/stek/stek.conf"
#define CONF_HASH_LEN    32
#define CONF_WHY_LEN     1024
#define CONF_TARGETS_MAX 256
#define CONF_NODE_MAX    64
#define CONF_ENDPOINTS   16
#define CONF_STALE_MIN   10
#define CONF_OWED_LEN    (FORMAT_PATH_MAX + 8)

struct conf_target {
	char *name; /* its title; [A-Za-z0-9_.-] */
	const struct format *format;
	char *path; /* absolute */
	uid_t uid;
	gid_t gid;
	mode_t mode; /* others have no access, the group no write */
	char *reload; /* "": none */
	char *verify; /* "HOST:PORT[/SNI]"; "": none */
	char *scope; /* "": the farm's keys themselves */
};

/* A store = "etcd:…"; see stek.conf(5). */
struct conf_etcd {
	char **endpoints; /* "https://HOST:PORT"; of http, too */
	size_t count; /* 0: the store is a folder */
	char *prefix; /* begins and ends with '/' */
	char *ca, *cert, *key; /* paths, or "" */
	char *user, *password; /* ditto the second; both "": none */
};

struct conf {
	char *farm;
	char *store_dir; /* of store = "dir:…", or else of state */
	struct conf_etcd etcd;
	char *node; /* this host's name in its farm */
	char *farm_key; /* where it comes from: farm_key.h */
	char *farm_key_next; /* that of stek rekey; "": see farm_keys.h */
	char *user; /* whom stekd's main process runs as */
	uid_t uid;
	gid_t gid;
	char *control; /* path of the control socket */
	char *metrics; /* "ADDRESS:PORT"; "": none */
	bool mint; /* false: this host only follows its store */
	bool allow_disk; /* keys on file systems that are on a disk */
	bool allow_unlocked; /* memory that may be swapped out */
	struct stek_policy policy;
	int64_t postpone; /* s; FARM_WAIT of farm.h: no bound */
	int64_t stale_after; /* s; 0: never */
	struct conf_target *targets;
	size_t count;
	uint8_t hash[CONF_HASH_LEN]; /* of the file's bytes */
};

/*
 * NULL if it cannot be read or is wrong: why then says file, line, what was
 * found and what was expected.
 */
struct conf *conf_load(const char *path, char why[CONF_WHY_LEN]);
void conf_free(struct conf *);

/*
 * Before root obeys it: can only root change the file, or put another one in
 * its place by a folder or a link on the way?  False: why.
 */
STEK_CHECKED bool conf_is_safe(const char *path, char why[CONF_WHY_LEN]);

/* Does the farm's set lie where other hosts have it in common? */
bool conf_is_shared(const struct conf *);

/* "dir:/var/lib/stek" and farm "example": /var/lib/stek/example.set */
void conf_set_path(const struct conf *, char *path, size_t size);

/*
 * What was revoked on this host and etcd has not been told yet: names, at most
 * CONF_REVOKED_MAX.
 */
void conf_revoked_path(const struct conf *, char *path, size_t size);

/*
 * Where a running stekd may be asked if the configuration cannot be loaded any
 * more: as its text says, or the usual place.  free(3) it; NULL: nobody is
 * there.
 */
char *conf_find_control(const char *path);

/* The folder for what servers have yet to take: see owed.h. */
void conf_owed_path(const struct conf *, char *path, size_t size);

#endif
