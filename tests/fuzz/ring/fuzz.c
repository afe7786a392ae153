/* SPDX-License-Identifier: ISC */
/*
 * A file opened as a ring, whatever is in it: 'r' and the file's bytes, or
 * 'h' and the bytes behind a right header, for a file of the right length.
 *
 * Invariant: readers stay inside the map and come back, and a writer can take
 * the file over or replace it.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stek.h>

#include "fuzz.h"

#define RING_SIZE 3424

static char folder[] = "/dev/shm/stek-fuzz.XXXXXX";
static char path[sizeof(folder) + 8];

static void
tidy(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

static void
put_file(const uint8_t *bytes, size_t len)
{
	int fd;

	if (path[0] == '\0') {
		FUZZ_EXPECT(mkdtemp(folder) != NULL);
		(void)snprintf(path, sizeof(path), "%s/ring", folder);
		FUZZ_EXPECT(atexit(tidy) == 0);
	}
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	FUZZ_EXPECT(fd >= 0);
	FUZZ_EXPECT(write(fd, bytes, len) == (ssize_t)len);
	FUZZ_EXPECT(close(fd) == 0);
}

static void
read_all_ways(struct stek_ring *ring, struct stek_set *set)
{
	static const int64_t nows[] = {
	    INT64_MIN, -1, 0, 1, 1700000000, INT64_MAX};
	static const uint8_t unknown[STEK_NAME_LEN] = "unknown";
	struct stek_key key;
	size_t i, j;

	(void)stek_ring_turn(ring);
	stek_ring_read(ring, set);
	FUZZ_EXPECT(set->count <= STEK_KEYS_MAX);
	for (i = 0; i < sizeof(nows) / sizeof(nows[0]); i++) {
		if (stek_ring_sealing(ring, nows[i], &key))
			FUZZ_EXPECT(
			    stek_key_state(&key, nows[i]) == STEK_SEALING);
		(void)stek_ring_opening(ring, unknown, nows[i], &key);
		for (j = 0; j < set->count; j++)
			if (stek_ring_opening(ring, set->keys[j].name, nows[i],
			        &key) != STEK_OPEN_NO)
				FUZZ_EXPECT(key.open_until > nows[i]);
		(void)stek_set_wake(set, nows[i]);
	}
}

static void
take_over(struct stek_set *set)
{
	struct stek_set *empty = stek_set_new();
	struct stek_ring *ring;

	FUZZ_EXPECT(empty != NULL);
	FUZZ_EXPECT(stek_ring_create(path, 0600, &ring) == STEK_OK);
	read_all_ways(ring, set);
	FUZZ_EXPECT(stek_ring_publish(ring, empty) == STEK_OK);
	stek_ring_read(ring, set);
	FUZZ_EXPECT(set->count == 0);
	stek_ring_close(ring);
	stek_set_free(empty);
}

static void
use(const uint8_t *bytes, size_t len)
{
	struct stek_set *set = stek_set_new();
	struct stek_ring *ring;
	enum stek_err err;

	FUZZ_EXPECT(set != NULL);
	put_file(bytes, len);
	err = stek_ring_open(path, &ring);
	if (err == STEK_OK) {
		read_all_ways(ring, set);
		stek_ring_close(ring);
	} else {
		FUZZ_EXPECT(err == STEK_ERR_FORMAT);
	}
	take_over(set);
	stek_set_free(set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	uint8_t file[RING_SIZE] = "steking1";
	const uint64_t size = RING_SIZE;

	if (len == 0)
		return 0;
	if (bytes[0] != 'h') {
		use(bytes + 1, len - 1);
		return 0;
	}
	memcpy(file + 8, &size, sizeof(size));
	len = len - 1 < RING_SIZE - 16 ? len - 1 : RING_SIZE - 16;
	memcpy(file + 16, bytes + 1, len);
	use(file, sizeof(file));
	return 0;
}
