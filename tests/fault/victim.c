/* SPDX-License-Identifier: ISC */
/*
 * What is put under faults: one call of the library's that writes, as a
 * program.  Says "ok", or the error's number and errno.
 *
 *	write PATH TEXT MODE UID GID
 *	publish PATH VERSION	create the ring, or take it over, and publish
 *	show PATH		the version in a ring, if all in it is whole
 *
 * Never here: faults (inject.c), expectations (the tests beside this).
 */
#include <sys/stat.h>

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stek.h>

static int
say(enum stek_err err)
{
	int saved = errno;

	if (err == STEK_OK)
		(void)puts("ok");
	else
		(void)printf("%d %d\n", (int)err, saved);
	return err == STEK_OK ? 0 : 1;
}

static int
write_file(char **argv)
{
	enum stek_err err;

	errno = 0;
	err = stek_file_write(argv[0], (const uint8_t *)argv[1],
	    strlen(argv[1]), (mode_t)strtoul(argv[2], NULL, 8),
	    (uid_t)strtol(argv[3], NULL, 10), (gid_t)strtol(argv[4], NULL, 10));
	return say(err);
}

/* Three keys, all of which follow from the version. */
static struct stek_set *
set_of(uint64_t version)
{
	uint8_t seed[randombytes_SEEDBYTES] = {1};
	struct stek_set *set = stek_set_new();
	struct stek_key key;
	uint8_t i;

	if (set == NULL)
		exit(3);
	set->version = version;
	memcpy(seed + 1, &version, sizeof(version));
	for (i = 0; i < 3; i++) {
		seed[20] = i;
		randombytes_buf_deterministic(&key, sizeof(key), seed);
		key.seal_from = 100 + i;
		key.seal_until = key.open_until = 200;
		if (stek_set_add(set, &key) != STEK_OK)
			exit(3);
	}
	return set;
}

static int
publish(char **argv)
{
	struct stek_set *set = set_of(strtoull(argv[1], NULL, 10));
	struct stek_ring *ring;
	enum stek_err err;

	errno = 0;
	err = stek_ring_create(argv[0], 0600, &ring);
	if (err == STEK_OK) {
		err = stek_ring_publish(ring, set);
		stek_ring_close(ring);
	}
	stek_set_free(set);
	return say(err);
}

static int
show(char **argv)
{
	struct stek_set *set = stek_set_new(), *right;
	struct stek_ring *ring;
	enum stek_err err;
	bool whole;

	errno = 0;
	err = stek_ring_open(argv[0], &ring);
	if (err != STEK_OK || set == NULL)
		return say(err);
	stek_ring_read(ring, set);
	stek_ring_close(ring);
	right = set_of(set->version);
	whole =
	    set->version == 0 || sodium_memcmp(set, right, sizeof(*set)) == 0;
	(void)printf("%llu\n", (unsigned long long)set->version);
	stek_set_free(right);
	stek_set_free(set);
	return whole ? 0 : 4;
}

int
main(int argc, char **argv)
{
	/* Modes must not rest on the caller's umask. */
	(void)umask(0);
	if (argc == 7 && strcmp(argv[1], "write") == 0)
		return write_file(argv + 2);
	if (argc == 4 && strcmp(argv[1], "publish") == 0)
		return publish(argv + 2);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return show(argv + 2);
	return 2;
}
