/* SPDX-License-Identifier: ISC */
/*
 * stek export: the farm's keys as one kind of server wants them, from the
 * store, without stekd.
 *
 * Never here: reloading or verifying (the daemon's targets); key bytes in a
 * buffer of stdio, or on a terminal.
 * Invariant: a file is replaced whole or not at all; a folder's list is
 * written after every file that it names.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <daemon/conf_check.h>

#include "farm.h"
#include "keyfile.h"
#include "place.h"
#include "say.h"

struct options {
	const struct format *format;
	const char *scope;
	const char *path; /* NULL: standard output */
};

static int
fail(const char *path, enum stek_err err)
{
	say_error("%s: %s", path,
	    err == STEK_ERR_SYSTEM ? strerror(errno) : stek_strerror(err));
	return CLI_FAILED;
}

/* Not by stdio, whose buffers are not wiped. */
static int
put_stdout(const uint8_t *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail("standard output", STEK_ERR_SYSTEM);
		bytes += n;
		len -= (size_t)n;
	}
	return CLI_DONE;
}

/* What is replaced must be a file: never a device, never a link. */
static bool
is_replaceable(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return true;
	if (S_ISREG(st.st_mode))
		return true;
	say_error("%s: it exists and is no regular file, so it is not "
	          "replaced; name another",
	    path);
	return false;
}

static void
warn_of_disk(const char *path)
{
	bool in_memory;

	if (place_in_memory(path, &in_memory) && !in_memory)
		say_error("note: %s is on a disk, where keys can be found "
		          "after their time; /run and /dev/shm are in memory",
		    path);
}

static int
put_file(const char *path, const struct format_file *file)
{
	enum stek_err err;

	err = stek_file_write(
	    path, file->bytes, file->len, 0600, (uid_t)-1, (gid_t)-1);
	return err == STEK_OK ? CLI_DONE : fail(path, err);
}

static bool
is_in(const struct format_out *out, const char *name)
{
	size_t i;

	for (i = 0; i < out->count; i++)
		if (strcmp(out->files[i].name, name) == 0)
			return true;
	return false;
}

/* Files of keys that the farm has no more: they must not outlive them. */
static int
remove_old(const char *folder, const struct format_out *out)
{
	char path[PATH_MAX];
	int status = CLI_DONE;
	struct dirent *entry;
	DIR *dir;

	dir = opendir(folder);
	if (dir == NULL)
		return fail(folder, STEK_ERR_SYSTEM);
	while ((entry = readdir(dir)) != NULL) {
		if (!format_is_key_file(entry->d_name) ||
		    is_in(out, entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "%.3000s/%.200s", folder,
		    entry->d_name);
		if (unlink(path) < 0 && errno != ENOENT)
			status = fail(path, STEK_ERR_SYSTEM);
	}
	(void)closedir(dir);
	return status;
}

static int
put_folder(const char *folder, const struct format_out *out)
{
	char path[PATH_MAX];
	int status = CLI_DONE;
	size_t i;

	for (i = 0; i < out->count && status == CLI_DONE; i++) {
		(void)snprintf(path, sizeof(path), "%.3000s/%.200s", folder,
		    out->files[i].name);
		status = put_file(path, &out->files[i]);
	}
	return status == CLI_DONE ? remove_old(folder, out) : status;
}

/* The folder's absolute path; false: it has been said why there is none. */
static bool
make_folder(const char *path, char absolute[PATH_MAX])
{
	if ((mkdir(path, 0700) == 0 || errno == EEXIST) &&
	    realpath(path, absolute) != NULL)
		return true;
	(void)fail(path, STEK_ERR_SYSTEM);
	return false;
}

static int
put_ring(const struct stek_set *set, const char *path)
{
	struct stek_ring *ring;
	enum stek_err err;

	err = stek_ring_create(path, 0600, &ring);
	if (err != STEK_OK)
		return fail(path, err);
	err = stek_ring_publish(ring, set);
	stek_ring_close(ring);
	return err == STEK_OK ? CLI_DONE : fail(path, err);
}

static int
refuse_write(const struct options *opt, enum stek_err err)
{
	if (err == STEK_ERR_TIMES)
		say_error("no key of the farm seals now: is stekd running? "
		          "\"stek show\" tells their times");
	else if (err == STEK_ERR_FORMAT &&
	         (opt->format->flags & FORMAT_FOLDER) != 0)
		say_error("%s: expected a path of less than %d of %s, since "
		          "the list in it quotes it",
		    opt->path, FORMAT_FOLDER_MAX, FORMAT_FOLDER_CHARS);
	else
		say_error(
		    "format %s: %s", opt->format->name, stek_strerror(err));
	return CLI_FAILED;
}

static int
put(const struct stek_set *set, const struct options *opt, int64_t now)
{
	bool folder = (opt->format->flags & FORMAT_FOLDER) != 0;
	char absolute[PATH_MAX] = "/";
	struct format_out out;
	enum stek_err err;
	int status;

	if (opt->path != NULL && !folder && !is_replaceable(opt->path))
		return CLI_FAILED;
	if ((opt->format->flags & FORMAT_RING) != 0)
		return put_ring(set, opt->path);
	if (folder && !make_folder(opt->path, absolute))
		return CLI_FAILED;
	err = format_write(opt->format, set, now, absolute, &out);
	if (err != STEK_OK)
		return refuse_write(opt, err);
	if (opt->path == NULL)
		status = put_stdout(out.files[0].bytes, out.files[0].len);
	else if (folder)
		status = put_folder(absolute, &out);
	else
		status = put_file(opt->path, &out.files[0]);
	format_out_free(&out);
	return status;
}

static int
run(struct farm *farm, const struct options *opt)
{
	enum stek_err err;

	if (!farm_read(farm)) {
		say_error("%s", farm->why);
		return CLI_FAILED;
	}
	if (farm->set->version == 0) {
		say_error("%s: the farm has no keys yet; stekd makes them when "
		          "it starts",
		    farm->store.set);
		return CLI_FAILED;
	}
	err = stek_scope_set(farm->set, opt->scope, farm->set);
	if (err != STEK_OK)
		return fail("scope", err);
	if (opt->path != NULL && !farm->conf->allow_disk)
		warn_of_disk(opt->path);
	return put(farm->set, opt, time(NULL));
}

/* NULL, or what is wrong with these options. */
static const char *
wrong(const struct options *opt)
{
	if (opt->path != NULL)
		return opt->path[0] == '\0' ? "-o needs a path" : NULL;
	if ((opt->format->flags & FORMAT_FOLDER) != 0)
		return "this format is a folder of files: name it with -o";
	if ((opt->format->flags & FORMAT_RING) != 0)
		return "a ring is a file in memory: name it with -o";
	if (isatty(STDOUT_FILENO))
		return "keys are not shown on a terminal: name a file with -o";
	return NULL;
}

int
verb_export(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"format", required_argument, NULL, 'f'},
	    {"scope", required_argument, NULL, 's'},
	    {NULL, 0, NULL, 0},
	};
	struct options opt = {.scope = ""};
	const char *format = NULL;
	char why[CONF_WHY_LEN];
	struct farm farm;
	int c, status;

	while ((c = getopt_long(argc, argv, "o:", longs, NULL)) != -1) {
		if (c == 'f')
			format = optarg;
		else if (c == 's')
			opt.scope = optarg;
		else if (c == 'o')
			opt.path = optarg;
		else
			return CLI_USAGE;
	}
	if (format == NULL || optind != argc)
		return say_usage("export needs a --format and no further "
		                 "argument");
	opt.format = keyfile_format(format);
	if (opt.format == NULL)
		return CLI_USAGE;
	if (wrong(&opt) != NULL)
		return say_usage("%s", wrong(&opt));
	if (!conf_check("target|scope", opt.scope, why))
		return say_usage("--scope: %s", why);
	if (!farm_open(&farm, cli))
		return CLI_FAILED;
	status = run(&farm, &opt);
	farm_close(&farm);
	return status;
}
