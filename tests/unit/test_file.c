/* SPDX-License-Identifier: ISC */
/*
 * Files for secrets: written whole or not at all, read in full or refused,
 * judged by who can get at them.
 *
 * Never here: system calls that fail at the wrong moment (tests/fault).
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "given.h"

#define KEEP ((uid_t)-1), ((gid_t)-1)

struct scene {
	char folder[32];
	char path[64];
	char temp[64]; /* what a killed writer leaves */
};

static int
set_up(void **state)
{
	static struct scene scene;

	strcpy(scene.folder, "/dev/shm/stek-file.XXXXXX");
	if (mkdtemp(scene.folder) == NULL)
		return -1;
	(void)snprintf(scene.path, sizeof(scene.path), "%s/keys", scene.folder);
	(void)snprintf(
	    scene.temp, sizeof(scene.temp), "%s/.keys.stek-new", scene.folder);
	*state = &scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;

	(void)unlink(scene->path);
	(void)rmdir(scene->path);
	(void)unlink(scene->temp);
	(void)rmdir(scene->temp);
	return rmdir(scene->folder);
}

static enum stek_err
write_file(const char *path, const char *text, mode_t mode)
{
	return stek_file_write(
	    path, (const uint8_t *)text, strlen(text), mode, KEEP);
}

static void
assert_holds(const char *path, const char *text)
{
	uint8_t *bytes = NULL;
	size_t len = 0;

	assert_int_equal(stek_file_read(path, 1000, &bytes, &len), STEK_OK);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(bytes, text, len);
	stek_file_free(bytes);
}

static void
assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | mode);
}

static enum stek_err
read_err(const char *path, size_t max)
{
	uint8_t *bytes;
	enum stek_err err;
	size_t len;

	errno = 0;
	err = stek_file_read(path, max, &bytes, &len);
	if (err == STEK_OK)
		stek_file_free(bytes);
	return err;
}

static void
a_written_file_has_the_bytes_and_exactly_the_mode(void **state)
{
	struct scene *scene = *state;
	mode_t umasked = umask(0);

	assert_int_equal(write_file(scene->path, "one", 0640), STEK_OK);
	assert_holds(scene->path, "one");
	assert_mode(scene->path, 0640);
	(void)umask(0777);
	assert_int_equal(write_file(scene->path, "two", 0604), STEK_OK);
	(void)umask(umasked);
	assert_holds(scene->path, "two");
	assert_mode(scene->path, 0604);
	assert_int_equal(access(scene->temp, F_OK), -1);
}

static void
an_empty_file_can_be_written_and_read(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(write_file(scene->path, "", 0600), STEK_OK);
	assert_holds(scene->path, "");
	assert_int_equal(read_err(scene->path, 0), STEK_OK);
}

static void
assert_given_to(
    struct scene *scene, uid_t uid, gid_t gid, uid_t has_uid, gid_t has_gid)
{
	struct stat st;

	assert_int_equal(stek_file_write(scene->path, (const uint8_t *)"x", 1,
	                     0600, uid, gid),
	    STEK_OK);
	assert_int_equal(stat(scene->path, &st), 0);
	assert_int_equal(st.st_uid, has_uid);
	assert_int_equal(st.st_gid, has_gid);
}

static void
a_written_file_has_the_owner(void **state)
{
	struct scene *scene = *state;

	if (geteuid() != 0) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	assert_given_to(scene, 12345, 23456, 12345, 23456);
	assert_given_to(scene, (uid_t)-1, 23456, 0, 23456);
	assert_given_to(scene, 12345, (gid_t)-1, 12345, getegid());
}

static void
a_path_may_have_no_folder_in_it(void **state)
{
	struct scene *scene = *state;
	int here = open(".", O_RDONLY | O_DIRECTORY);

	assert_true(here >= 0);
	assert_int_equal(chdir(scene->folder), 0);
	assert_int_equal(write_file("keys", "bare", 0600), STEK_OK);
	assert_int_equal(fchdir(here), 0);
	(void)close(here);
	assert_holds(scene->path, "bare");
}

static void
a_symlink_is_replaced_and_not_followed(void **state)
{
	struct scene *scene = *state;
	char aim[80];

	(void)snprintf(aim, sizeof(aim), "%s-aim", scene->path);
	assert_int_equal(write_file(aim, "untouched", 0600), STEK_OK);
	assert_int_equal(symlink(aim, scene->path), 0);
	assert_int_equal(symlink(aim, scene->temp), 0);
	assert_int_equal(write_file(scene->path, "new", 0600), STEK_OK);
	assert_mode(scene->path, 0600);
	assert_holds(scene->path, "new");
	assert_holds(aim, "untouched");
	assert_int_equal(access(scene->temp, F_OK), -1);
	assert_int_equal(unlink(aim), 0);
}

static void
what_a_killed_writer_left_is_replaced(void **state)
{
	struct scene *scene = *state;
	int fd = open(scene->temp, O_WRONLY | O_CREAT, 0666);

	assert_int_equal(write(fd, "half a ke", 9), 9);
	assert_int_equal(write_file(scene->path, "whole", 0600), STEK_OK);
	assert_holds(scene->path, "whole");
	assert_int_equal(access(scene->temp, F_OK), -1);
	/* Whoever held the old one open sees nothing of the new one. */
	assert_int_equal(lseek(fd, 0, SEEK_END), 9);
	(void)close(fd);
}

static void
a_folder_in_the_way_is_an_error_and_stays(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(mkdir(scene->path, 0700), 0);
	assert_int_equal(write_file(scene->path, "x", 0600), STEK_ERR_SYSTEM);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(access(scene->temp, F_OK), -1);
	assert_int_equal(rmdir(scene->path), 0);
	assert_int_equal(write_file(scene->path, "old", 0600), STEK_OK);
	assert_int_equal(mkdir(scene->temp, 0700), 0);
	assert_int_equal(write_file(scene->path, "x", 0600), STEK_ERR_SYSTEM);
	assert_int_equal(errno, EISDIR);
	assert_holds(scene->path, "old");
}

static void
a_path_that_leads_nowhere_says_so(void **state)
{
	struct scene *scene = *state;
	char path[5000];

	(void)snprintf(path, sizeof(path), "%s/no/keys", scene->folder);
	assert_int_equal(write_file(path, "x", 0600), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(read_err(path, 10), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(write_file(path, "x", 0600), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENAMETOOLONG);
	(void)snprintf(path, sizeof(path), "%s/%0250d", scene->folder, 0);
	assert_int_equal(write_file(path, "x", 0600), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(access(path, F_OK), -1);
}

/* As a user whom modes bind; 0 if all went as expected. */
static int
write_as_nobody(struct scene *scene)
{
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 77;
	if (write_file(scene->path, "new", 0600) != STEK_ERR_SYSTEM ||
	    errno != EACCES)
		return 1;
	return 0;
}

static void
assert_nobody_fails(struct scene *scene)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(write_as_nobody(scene));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_folder_without_permission_leaves_the_file_as_it_was(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(write_file(scene->path, "old", 0600), STEK_OK);
	/* To write into but not to read, so not to sync. */
	assert_int_equal(chmod(scene->folder, 0333), 0);
	assert_nobody_fails(scene);
	assert_int_equal(chmod(scene->folder, 0555), 0);
	assert_nobody_fails(scene);
	assert_int_equal(chmod(scene->folder, 0700), 0);
	assert_holds(scene->path, "old");
	assert_int_equal(access(scene->temp, F_OK), -1);
}

struct watcher {
	const char *path;
	_Atomic bool over;
	_Atomic unsigned int reads;
	const char *wrong;
};

static void *
watch(void *arg)
{
	struct watcher *watcher = arg;
	uint8_t bytes[8193];
	ssize_t n, i;
	int fd;

	while (!atomic_load(&watcher->over)) {
		fd = open(watcher->path, O_RDONLY);
		n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
		if (n != 8192)
			watcher->wrong = "a file that is not whole";
		for (i = 1; i < n; i++)
			if (bytes[i] != bytes[0])
				watcher->wrong = "a file of two writes";
		(void)close(fd);
		atomic_fetch_add(&watcher->reads, 1);
	}
	return NULL;
}

static void
a_reader_sees_the_old_file_or_the_new_one(void **state)
{
	struct scene *scene = *state;
	struct watcher watcher = {.path = scene->path};
	uint8_t bytes[8192] = {0};
	pthread_t thread;
	unsigned int i;

	assert_int_equal(
	    stek_file_write(scene->path, bytes, sizeof(bytes), 0600, KEEP),
	    STEK_OK);
	assert_int_equal(pthread_create(&thread, NULL, watch, &watcher), 0);
	for (i = 0; i < 2000 || atomic_load(&watcher.reads) < 100; i++) {
		memset(bytes, (int)(i & 0xff), sizeof(bytes));
		assert_int_equal(stek_file_write(scene->path, bytes,
		                     sizeof(bytes), 0600, KEEP),
		    STEK_OK);
	}
	atomic_store(&watcher.over, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (watcher.wrong != NULL)
		fail_msg("a reader saw %s", watcher.wrong);
}

static void
a_file_longer_than_allowed_is_refused(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(write_file(scene->path, "12345", 0600), STEK_OK);
	assert_int_equal(read_err(scene->path, 5), STEK_OK);
	assert_int_equal(read_err(scene->path, 4), STEK_ERR_FORMAT);
	assert_int_equal(truncate(scene->path, INT64_C(1) << 40), 0);
	assert_int_equal(read_err(scene->path, 65536), STEK_ERR_FORMAT);
	/* Claims to be empty, and is not. */
	assert_int_equal(read_err("/proc/self/status", 65536), STEK_ERR_FORMAT);
}

static void
only_regular_files_are_read(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(read_err(scene->folder, 100), STEK_ERR_FORMAT);
	assert_int_equal(read_err("/dev/zero", 100), STEK_ERR_FORMAT);
	assert_int_equal(mkfifo(scene->path, 0600), 0);
	assert_int_equal(read_err(scene->path, 100), STEK_ERR_FORMAT);
}

static void
a_device_has_no_room_beside_it_to_write_to(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(read_err("/dev/full", 100), STEK_ERR_FORMAT);
	assert_int_equal(
	    write_file("/dev/full/keys", "x", 0600), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(stat("/dev/full", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void
guarded_memory_starts_as_zeroes(void **state)
{
	static const size_t lens[] = {0, 1, 15, 4096, 100000};
	uint8_t *bytes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		bytes = stek_file_alloc(lens[i]);
		assert_non_null(bytes);
		assert_true(sodium_is_zero(bytes, lens[i]));
		memset(bytes, 0xff, lens[i]);
		stek_file_free(bytes);
	}
	stek_file_free(NULL);
}

static void
a_file_is_private_if_no_one_else_can_get_at_it(void **state)
{
	static const mode_t safe[] = {0400, 0600, 0640, 0440, 0700};
	static const mode_t unsafe[] = {
	    0601, 0602, 0604, 0620, 0660, 0644, 0666, 0777};
	struct scene *scene = *state;
	size_t i;

	assert_int_equal(stek_file_private(scene->path), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(write_file(scene->path, "x", 0600), STEK_OK);
	for (i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
		assert_int_equal(chmod(scene->path, safe[i]), 0);
		assert_int_equal(stek_file_private(scene->path), STEK_OK);
	}
	for (i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		assert_int_equal(chmod(scene->path, unsafe[i]), 0);
		assert_int_equal(
		    stek_file_private(scene->path), STEK_ERR_UNSAFE);
	}
}

static void
a_file_of_a_stranger_is_not_private(void **state)
{
	struct scene *scene = *state;

	if (geteuid() != 0) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	assert_int_equal(write_file(scene->path, "x", 0600), STEK_OK);
	assert_int_equal(chown(scene->path, 12345, 0), 0);
	assert_int_equal(stek_file_private(scene->path), STEK_ERR_UNSAFE);
}

static void
memory_and_disk_are_told_apart(void **state)
{
	bool yes = false;

	(void)state;
	assert_int_equal(stek_file_in_memory("/dev/shm", &yes), STEK_OK);
	assert_true(yes);
	assert_int_equal(stek_file_in_memory("/proc", &yes), STEK_OK);
	assert_false(yes);
	assert_int_equal(
	    stek_file_in_memory("/no/such/folder", &yes), STEK_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_written_file_has_the_bytes_and_exactly_the_mode),
	    CASE(an_empty_file_can_be_written_and_read),
	    CASE(a_written_file_has_the_owner),
	    CASE(a_path_may_have_no_folder_in_it),
	    CASE(a_symlink_is_replaced_and_not_followed),
	    CASE(what_a_killed_writer_left_is_replaced),
	    CASE(a_folder_in_the_way_is_an_error_and_stays),
	    CASE(a_path_that_leads_nowhere_says_so),
	    CASE(a_folder_without_permission_leaves_the_file_as_it_was),
	    CASE(a_reader_sees_the_old_file_or_the_new_one),
	    CASE(a_file_longer_than_allowed_is_refused),
	    CASE(only_regular_files_are_read),
	    CASE(a_device_has_no_room_beside_it_to_write_to),
	    CASE(guarded_memory_starts_as_zeroes),
	    CASE(a_file_is_private_if_no_one_else_can_get_at_it),
	    CASE(a_file_of_a_stranger_is_not_private),
	    CASE(memory_and_disk_are_told_apart),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
