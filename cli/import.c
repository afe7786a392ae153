/* SPDX-License-Identifier: ISC */
/*
 * stek import: another tool's keys become the farm's, so that servers can be
 * handed over to stek without a lost ticket.
 *
 * Never here: telling stekd, which sees the store change by itself.
 * Invariant: all of the file's keys come in, or nothing changes.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "farm.h"
#include "keyfile.h"
#include "say.h"

struct import {
	const struct format *format;
	const char *path;
	struct farm farm;
	struct keyfile *file;
	struct stek_set *next;
	int64_t now;
};

static bool
refuse(const char *path, const char *reason)
{
	say_error("%s: %s; nothing was changed", path, reason);
	return false;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * The encrypting key seals from now on, whatever sealed before; one with a
 * later time of its own, from then on.  Either may have an end of its own.
 */
static void
place_sealing(
    struct stek_key *key, const struct stek_policy *policy, int64_t now)
{
	int64_t end = key->open_until;

	if (key->seal_from < now)
		key->seal_from = now;
	key->seal_until = key->seal_from + 2 * policy->rotate;
	key->open_until = key->seal_until + policy->tickets;
	if (end != 0) {
		key->seal_until = sooner(key->seal_until, end);
		key->open_until = end;
	}
}

/*
 * Any other key has sealed before now.  Just before, and one after another:
 * a plan cuts a key short by its successor's beginning.
 */
static void
place_opening(struct stek_key *key, const struct stek_policy *policy,
    int64_t now, size_t before)
{
	key->seal_from = now - (int64_t)before;
	key->seal_until = key->seal_from;
	if (key->open_until == 0)
		key->open_until = now + policy->tickets;
}

static bool
add(struct import *import, size_t i)
{
	const struct format_in *in = &import->file->in;
	const struct stek_policy *policy = &import->farm.conf->policy;
	struct stek_key STEK_WIPED key = in->keys[i];
	char hex[STEK_NAME_HEX];
	enum stek_err err;

	if (i == in->sealing || key.seal_from > import->now)
		place_sealing(&key, policy, import->now);
	else
		place_opening(&key, policy, import->now, in->count - i);
	err = stek_set_add(import->next, &key);
	if (err == STEK_OK)
		return true;
	stek_key_hex(key.name, hex);
	if (err == STEK_ERR_DUPLICATE)
		say_error("%s: the farm already has a key named like %s in "
		          "its first 4 bytes; nothing was changed",
		    import->path, hex);
	else if (err == STEK_ERR_FULL)
		say_error("%s: expected no more than %d keys in the farm, "
		          "with the %zu of this file there would be %zu; "
		          "nothing was changed",
		    import->path, STEK_KEYS_MAX, in->count,
		    import->next->count - i + in->count);
	else
		say_error("%s: key %s: %s; nothing was changed", import->path,
		    hex, stek_strerror(err));
	return false;
}

/* What the farm has now without the dead, and the file's keys. */
static bool
merge(struct import *import)
{
	struct stek_set *next = import->next;
	size_t i;

	stek_set_copy(next, import->farm.set);
	for (i = next->count; i > 0; i--)
		if (stek_key_state(&next->keys[i - 1], import->now) ==
		    STEK_DEAD)
			(void)stek_set_remove(next, next->keys[i - 1].name);
	for (i = 0; i < import->file->in.count; i++)
		if (!add(import, i))
			return false;
	if (next->version < import->farm.store.version)
		next->version = import->farm.store.version;
	next->version++;
	return true;
}

/* Keys that this host alone had would not be those of the farm. */
static bool
is_alone(const struct conf *conf)
{
	if (!conf_is_shared(conf))
		return true;
	say_error(
	    "the farm's store is etcd; import into a folder (store = "
	    "\"dir:%s\") before the farm has one, and start stekd on etcd "
	    "then: it takes the folder's keys there.  Nothing was changed",
	    conf->store_dir);
	return false;
}

static bool
read_file(struct import *import)
{
	if (keyfile_read(import->file, import->format, import->path,
	        import->now) != STEK_OK) {
		say_error("%s; nothing was changed", import->file->why);
		return false;
	}
	if (import->file->in.is_short)
		return refuse(import->path,
		    "its keys are for AES-128, which cannot become the "
		    "AES-256 keys that a farm has");
	if (import->file->in.count == 0)
		return refuse(import->path, "it holds no key");
	return true;
}

static bool
save(struct import *import)
{
	const struct farm *farm = &import->farm;
	struct store *store = &import->farm.store;
	uint8_t bytes[STEK_CODEC_LEN];
	enum stek_err err;

	err = stek_codec_encode(
	    import->next, farm->conf->farm, farm->keys.now, bytes);
	if (err != STEK_OK)
		return refuse(store->set, stek_strerror(err));
	switch (store_swap(store, farm->set->version, bytes)) {
	case STORE_OK:
		return true;
	case STORE_CONFLICT:
		return refuse(store->set,
		    "somebody else has just changed the farm's keys: try "
		    "again");
	default:
		say_error("%s; nothing was changed", store->why);
		return false;
	}
}

static void
report(const struct import *import)
{
	const struct format_in *in = &import->file->in;
	char hex[STEK_NAME_HEX], text[SAY_TIME_LEN];
	const struct stek_key *key;
	size_t i;

	(void)printf("farm %s, version %" PRIu64 ": %zu key%s imported\n",
	    import->farm.conf->farm, import->next->version, in->count,
	    in->count == 1 ? "" : "s");
	for (i = 0; i < in->count; i++) {
		key = stek_set_find(import->next, in->keys[i].name);
		if (key == NULL)
			continue;
		stek_key_hex(key->name, hex);
		if (i == in->sealing)
			(void)printf("  %s  seals from now on\n", hex);
		else if (key->seal_from > import->now)
			(void)printf("  %s  seals from %s\n", hex,
			    say_time(key->seal_from, import->now, text));
		else
			(void)printf("  %s  opens until %s\n", hex,
			    say_time(key->open_until, import->now, text));
	}
	(void)printf("A running stekd takes them up by itself.\n");
}

static int
run(struct import *import)
{
	struct farm *farm = &import->farm;

	if (!farm->conf->mint) {
		say_error("this host only follows its store (mint = false): "
		          "import on the host that makes the farm's keys");
		return CLI_FAILED;
	}
	import->now = time(NULL);
	import->file = keyfile_new();
	import->next = stek_set_new();
	if (import->file == NULL || import->next == NULL) {
		say_error("no guarded memory to be had (see \"ulimit -l\")");
		return CLI_FAILED;
	}
	if (!farm_read(farm)) {
		say_error("%s; nothing was changed", farm->why);
		return CLI_FAILED;
	}
	if (!read_file(import) || !merge(import) || !save(import))
		return CLI_FAILED;
	report(import);
	return say_flush();
}

int
verb_import(const struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"format", required_argument, NULL, 'f'},
	    {NULL, 0, NULL, 0},
	};
	struct import import = {.file = NULL};
	const char *format = NULL;
	int c, status;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'f')
			return CLI_USAGE;
		format = optarg;
	}
	if (format == NULL || optind + 1 != argc)
		return say_usage("import needs a --format and one file or "
		                 "folder");
	import.path = argv[optind];
	import.format = keyfile_format(format);
	if (import.format == NULL)
		return CLI_USAGE;
	if (!farm_open(&import.farm, cli))
		return CLI_FAILED;
	status = is_alone(import.farm.conf) ? run(&import) : CLI_FAILED;
	keyfile_free(import.file);
	stek_set_free(import.next);
	farm_close(&import.farm);
	return status;
}
