/* SPDX-License-Identifier: ISC */
/*
 * A ring's file: who may have it, what may be in it, what is left in it.
 *
 * Never here: what a ring says (test_ring.c).
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "given.h"

/* The file of this version of the ring, in eight-byte words. */
#define RING_SIZE 3424
#define MAGIC_AT  0
#define SIZE_AT   8
#define TURN_AT   16
#define HALF_AT   64
#define HALF_SIZE 1680
#define COUNT_AT  8

struct scene {
	char folder[32];
	char path[64];
	struct stek_ring *ring;
	struct stek_set *set;
};

static int
set_up(void **state)
{
	static struct scene scene;

	strcpy(scene.folder, "/dev/shm/stek-ring.XXXXXX");
	if (mkdtemp(scene.folder) == NULL)
		return -1;
	(void)snprintf(scene.path, sizeof(scene.path), "%s/ring", scene.folder);
	scene.ring = NULL;
	scene.set = given_set();
	given_add(scene.set, 1, 100, 200, 300);
	given_add(scene.set, 2, 200, 300, 400);
	scene.set->version = 7;
	*state = &scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;

	stek_ring_close(scene->ring);
	stek_set_free(scene->set);
	(void)unlink(scene->path);
	return rmdir(scene->folder);
}

static void
create(struct scene *scene, mode_t mode)
{
	assert_int_equal(
	    stek_ring_create(scene->path, mode, &scene->ring), STEK_OK);
}

static void
publish(struct scene *scene)
{
	assert_int_equal(stek_ring_publish(scene->ring, scene->set), STEK_OK);
}

static void
abandon(struct scene *scene)
{
	stek_ring_close(scene->ring);
	scene->ring = NULL;
}

static struct stat
stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void
patch(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	(void)close(fd);
}

static void
patch_word(const char *path, off_t at, uint64_t word)
{
	patch(path, at, &word, sizeof(word));
}

static size_t
slurp(const char *path, uint8_t *bytes, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, bytes, size);

	assert_true(n >= 0);
	(void)close(fd);
	return (size_t)n;
}

static enum stek_err
open_err(const char *path)
{
	struct stek_ring *ring;
	enum stek_err err = stek_ring_open(path, &ring);

	if (err == STEK_OK)
		stek_ring_close(ring);
	return err;
}

static void
the_file_is_laid_out_as_its_version_says(void **state)
{
	struct scene *scene = *state;
	uint8_t file[RING_SIZE + 1];
	const uint8_t *half;
	uint64_t word;

	create(scene, 0600);
	publish(scene);
	assert_int_equal(slurp(scene->path, file, sizeof(file)), RING_SIZE);
	assert_memory_equal(file + MAGIC_AT, "steking1", 8);
	memcpy(&word, file + SIZE_AT, 8);
	assert_int_equal(word, RING_SIZE);
	memcpy(&word, file + TURN_AT, 8);
	assert_int_equal(word, 2);
	for (half = file + HALF_AT; half < file + RING_SIZE;
	     half += HALF_SIZE) {
		memcpy(&word, half, 8);
		assert_int_equal(word, 7);
		memcpy(&word, half + COUNT_AT, 8);
		assert_int_equal(word, 2);
		assert_memory_equal(half + 16, scene->set->keys[0].name, 8);
		assert_memory_equal(
		    half + 16 + 16 * 8, scene->set->keys[0].name + 8, 8);
		assert_memory_equal(half + 16 + 5 * 16 * 8,
		    scene->set->keys[0].aes, STEK_AES_LEN);
		assert_memory_equal(half + 16 + 5 * 16 * 8 + 64 + 32,
		    scene->set->keys[1].mac, STEK_MAC_LEN);
	}
}

static void
the_file_has_exactly_the_mode_whatever_the_umask(void **state)
{
	struct scene *scene = *state;
	mode_t umasked = umask(0);

	create(scene, 0640);
	assert_int_equal(stat_of(scene->path).st_mode, S_IFREG | 0640);
	abandon(scene);
	(void)umask(0777);
	create(scene, 0600);
	assert_int_equal(stat_of(scene->path).st_mode, S_IFREG | 0600);
	abandon(scene);
	assert_int_equal(unlink(scene->path), 0);
	create(scene, 0640);
	assert_int_equal(stat_of(scene->path).st_mode, S_IFREG | 0640);
	(void)umask(umasked);
}

static void
a_second_writer_is_turned_away(void **state)
{
	struct scene *scene = *state;
	struct stek_ring *second;

	create(scene, 0600);
	assert_int_equal(
	    stek_ring_create(scene->path, 0600, &second), STEK_ERR_BUSY);
	publish(scene);
	assert_int_equal(open_err(scene->path), STEK_OK);
}

static void
the_next_writer_takes_over_the_file_and_what_is_in_it(void **state)
{
	struct scene *scene = *state;
	struct stek_set *read = given_set();
	struct stek_ring *reader;
	ino_t inode;

	create(scene, 0600);
	inode = stat_of(scene->path).st_ino;
	publish(scene);
	assert_int_equal(stek_ring_open(scene->path, &reader), STEK_OK);
	abandon(scene);
	create(scene, 0600);
	assert_int_equal(stat_of(scene->path).st_ino, inode);
	stek_ring_read(scene->ring, read);
	assert_memory_equal(read, scene->set, sizeof(*read));
	scene->set->version = 8;
	publish(scene);
	stek_ring_read(reader, read);
	assert_int_equal(read->version, 8);
	stek_ring_close(reader);
	stek_set_free(read);
}

static void
assert_none_of(const struct stek_key *key, const char *path)
{
	uint8_t file[RING_SIZE];
	size_t i;

	(void)slurp(path, file, sizeof(file));
	for (i = 0; i < STEK_AES_LEN; i += 8) {
		assert_null(memmem(file, sizeof(file), key->aes + i, 8));
		assert_null(memmem(file, sizeof(file), key->mac + i, 8));
	}
	assert_null(memmem(file, sizeof(file), key->name, 8));
}

static void
no_byte_of_a_removed_key_stays_in_the_file(void **state)
{
	struct scene *scene = *state;
	uint8_t file[RING_SIZE];
	struct stek_key key;

	create(scene, 0600);
	publish(scene);
	while (scene->set->count > 0) {
		key = scene->set->keys[scene->set->count - 1];
		(void)slurp(scene->path, file, sizeof(file));
		assert_non_null(memmem(file, sizeof(file), key.aes, 8));
		assert_true(stek_set_remove(scene->set, key.name));
		publish(scene);
		assert_none_of(&key, scene->path);
	}
}

static void
what_is_no_ring_cannot_be_opened_and_is_replaced(void **state)
{
	struct scene *scene = *state;
	int what;

	for (what = 0; what < 6; what++) {
		create(scene, 0600);
		publish(scene);
		abandon(scene);
		switch (what) {
		case 0:
			patch(scene->path, MAGIC_AT, "steking2", 8);
			break;
		case 1:
			patch_word(scene->path, SIZE_AT, RING_SIZE + 8);
			break;
		case 2:
			assert_int_equal(
			    truncate(scene->path, RING_SIZE - 1), 0);
			break;
		case 3:
			assert_int_equal(
			    truncate(scene->path, RING_SIZE + 1), 0);
			break;
		case 4:
			assert_int_equal(truncate(scene->path, 0), 0);
			break;
		default:
			assert_int_equal(truncate(scene->path, 5000000), 0);
			break;
		}
		assert_int_equal(open_err(scene->path), STEK_ERR_FORMAT);
		create(scene, 0600);
		publish(scene);
		assert_int_equal(open_err(scene->path), STEK_OK);
		abandon(scene);
	}
}

static void
an_absurd_count_reads_as_no_keys(void **state)
{
	static const uint64_t counts[] = {
	    STEK_KEYS_MAX + 1, 1000, UINT64_C(1) << 32, UINT64_MAX};
	struct scene *scene = *state;
	struct stek_ring *reader;
	struct stek_key key;
	size_t i;

	create(scene, 0600);
	publish(scene);
	key = scene->set->keys[0];
	assert_int_equal(stek_ring_open(scene->path, &reader), STEK_OK);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		patch_word(scene->path, HALF_AT + COUNT_AT, counts[i]);
		assert_false(stek_ring_sealing(reader, 150, &key));
		assert_int_equal(stek_ring_opening(reader,
		                     scene->set->keys[0].name, 150, &key),
		    STEK_OPEN_NO);
		stek_ring_read(reader, scene->set);
		assert_int_equal(scene->set->count, 0);
	}
	stek_ring_close(reader);
}

static void
any_turn_is_one_to_go_on_from(void **state)
{
	static const uint64_t turns[] = {
	    1, 12345, UINT64_MAX - 2, UINT64_MAX - 1, UINT64_MAX};
	struct scene *scene = *state;
	struct stek_key key;
	size_t i;

	create(scene, 0600);
	for (i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		patch_word(scene->path, TURN_AT, turns[i]);
		publish(scene);
		assert_true(stek_ring_sealing(scene->ring, 150, &key));
	}
}

static void
a_ring_that_others_can_read_or_write_is_not_opened(void **state)
{
	static const mode_t unsafe[] = {0601, 0602, 0604, 0620, 0660, 0666};
	struct scene *scene = *state;
	size_t i;

	create(scene, 0640);
	assert_int_equal(open_err(scene->path), STEK_OK);
	for (i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		assert_int_equal(chmod(scene->path, unsafe[i]), 0);
		assert_int_equal(open_err(scene->path), STEK_ERR_UNSAFE);
	}
}

static void
assert_fails(struct scene *scene, const char *path, int expected)
{
	errno = 0;
	assert_int_equal(
	    stek_ring_create(path, 0600, &scene->ring), STEK_ERR_SYSTEM);
	assert_int_equal(errno, expected);
	errno = 0;
	assert_int_equal(open_err(path), STEK_ERR_SYSTEM);
	assert_int_equal(errno, expected);
}

static void
a_path_that_leads_nowhere_says_so(void **state)
{
	struct scene *scene = *state;
	char path[5000];

	(void)snprintf(path, sizeof(path), "%s/no/ring", scene->folder);
	assert_fails(scene, path, ENOENT);
	patch(scene->path, 0, "x", 1);
	(void)snprintf(path, sizeof(path), "%s/ring", scene->path);
	assert_fails(scene, path, ENOTDIR);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_fails(scene, path, ENAMETOOLONG);
	memcpy(path, "/dev/shm/", 9);
	path[9 + 256] = '\0';
	assert_fails(scene, path, ENAMETOOLONG);
}

static void
only_a_regular_file_is_replaced(void **state)
{
	struct scene *scene = *state;
	char aim[80];

	assert_int_equal(mkfifo(scene->path, 0600), 0);
	assert_int_equal(open_err(scene->path), STEK_ERR_FORMAT);
	assert_int_equal(
	    stek_ring_create(scene->path, 0600, &scene->ring), STEK_ERR_FORMAT);
	assert_true(S_ISFIFO(stat_of(scene->path).st_mode));
	assert_int_equal(unlink(scene->path), 0);

	(void)snprintf(aim, sizeof(aim), "%s-aim", scene->path);
	patch(aim, 0, "x", 1);
	assert_int_equal(symlink(aim, scene->path), 0);
	assert_int_equal(
	    stek_ring_create(scene->path, 0600, &scene->ring), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ELOOP);
	assert_true(S_ISLNK(stat_of(scene->path).st_mode));
	assert_int_equal(stat_of(aim).st_size, 1);
	assert_int_equal(unlink(aim), 0);

	assert_int_equal(stek_ring_create(scene->folder, 0600, &scene->ring),
	    STEK_ERR_SYSTEM);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(open_err("/dev/zero"), STEK_ERR_UNSAFE);
}

/* In a child, for a file system of its own: what was wrong, or NULL. */
static const char *
fill_and_create(const char *folder)
{
	char path[64];
	struct stek_ring *ring;
	enum stek_err err;
	int fd;

	if (mount("stek", folder, "tmpfs", 0, "size=4k") < 0)
		return "no tmpfs";
	(void)snprintf(path, sizeof(path), "%s/full", folder);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0)
		return "cannot fill it";
	(void)snprintf(path, sizeof(path), "%s/ring", folder);
	err = stek_ring_create(path, 0600, &ring);
	if (err != STEK_ERR_SYSTEM || errno != ENOSPC)
		return "not told that the disk is full";
	if (access(path, F_OK) == 0)
		return "left a ring on the full disk";
	(void)snprintf(path, sizeof(path), "%s/full", folder);
	if (unlink(path) < 0)
		return "cannot make room";
	(void)snprintf(path, sizeof(path), "%s/ring", folder);
	err = stek_ring_create(path, 0600, &ring);
	return err == STEK_OK ? NULL : "no ring though there is room";
}

static void
a_full_disk_is_an_error_and_no_signal(void **state)
{
	struct scene *scene = *state;
	const char *wrong;
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: only root can make a small disk\n");
		skip();
	}
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		wrong = fill_and_create(scene->folder);
		if (wrong != NULL)
			print_error("%s\n", wrong);
		_exit(wrong == NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: no mounts allowed here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_file_is_laid_out_as_its_version_says),
	    CASE(the_file_has_exactly_the_mode_whatever_the_umask),
	    CASE(a_second_writer_is_turned_away),
	    CASE(the_next_writer_takes_over_the_file_and_what_is_in_it),
	    CASE(no_byte_of_a_removed_key_stays_in_the_file),
	    CASE(what_is_no_ring_cannot_be_opened_and_is_replaced),
	    CASE(an_absurd_count_reads_as_no_keys),
	    CASE(any_turn_is_one_to_go_on_from),
	    CASE(a_ring_that_others_can_read_or_write_is_not_opened),
	    CASE(a_path_that_leads_nowhere_says_so),
	    CASE(only_a_regular_file_is_replaced),
	    CASE(a_full_disk_is_an_error_and_no_signal),
	};

	return cmocka_run_group_tests_name("ring_file", tests, NULL, NULL);
}
