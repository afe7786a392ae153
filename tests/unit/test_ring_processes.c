/* SPDX-License-Identifier: ISC */
/*
 * Processes that read a ring whose writer is killed at random moments, over
 * and over, and taken over by the next.
 *
 * Never here: threads (test_ring_threads.c).
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "storm.h"

#define READERS 2
#define MURDERS 300
#define RACERS  4

/* In memory that all processes of a test share. */
struct scene {
	struct storm storm;
	struct {
		_Atomic uint64_t reads;
		char wrong[80];
		_Atomic bool failed;
	} reader[READERS];
	char folder[32];
	char path[64];
};

static int
set_up(void **state)
{
	struct scene *scene;

	scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (scene == MAP_FAILED)
		return -1;
	strcpy(scene->folder, "/dev/shm/stek-kill.XXXXXX");
	if (mkdtemp(scene->folder) == NULL)
		return -1;
	(void)snprintf(
	    scene->path, sizeof(scene->path), "%s/ring", scene->folder);
	*state = scene;
	return 0;
}

static int
tear_down(void **state)
{
	struct scene *scene = *state;

	(void)unlink(scene->path);
	(void)rmdir(scene->folder);
	return munmap(scene, sizeof(*scene));
}

static void
read_on(struct scene *scene, struct stek_ring *ring, size_t me)
{
	struct stek_set *set = stek_set_new();
	const char *wrong = set == NULL ? "no memory" : NULL;
	uint64_t dice = me;

	while (wrong == NULL && !atomic_load(&scene->storm.over)) {
		dice = dice * 6364136223846793005u + 1;
		wrong = storm_read(&scene->storm, ring, set, dice >> 33);
		atomic_fetch_add(&scene->reader[me].reads, 1);
	}
	if (wrong != NULL) {
		(void)snprintf(scene->reader[me].wrong,
		    sizeof(scene->reader[me].wrong), "%s", wrong);
		atomic_store(&scene->reader[me].failed, true);
	}
	stek_set_free(set);
}

static pid_t
start_reader(struct scene *scene, struct stek_ring *ring, size_t me)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (ring == NULL &&
		    stek_ring_open(scene->path, &ring) != STEK_OK)
			_exit(1);
		read_on(scene, ring, me);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

/* Publish until killed, from where the last writer was stopped. */
static void
write_on(struct scene *scene)
{
	struct stek_set *set = stek_set_new();
	struct stek_ring *ring;

	if (set == NULL ||
	    stek_ring_create(scene->path, 0600, &ring) != STEK_OK)
		_exit(1);
	stek_ring_read(ring, set);
	if (storm_check(set) != NULL ||
	    set->version < atomic_load(&scene->storm.published))
		_exit(2);
	for (;;)
		storm_publish(&scene->storm, ring, set);
}

/* Until the counter has grown by so much, or the process that counts ends. */
static void
await(_Atomic uint64_t *counter, uint64_t more, pid_t by)
{
	const uint64_t goal = atomic_load(counter) + more;
	siginfo_t info;

	while (atomic_load(counter) < goal) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)by, &info,
		        WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == by)
			return;
		(void)poll(NULL, 0, 1);
	}
}

static void
end_by(pid_t pid, int signal)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (signal == 0)
		assert_int_equal(status, 0);
	else
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signal);
}

static void
murder_a_writer(struct scene *scene)
{
	const struct timespec moment = {
	    .tv_nsec = (long)randombytes_uniform(1000000)};
	pid_t writer = fork();

	if (writer == 0)
		write_on(scene);
	assert_true(writer > 0);
	await(&scene->storm.published, 1, writer);
	(void)nanosleep(&moment, NULL);
	assert_int_equal(kill(writer, SIGKILL), 0);
	end_by(writer, SIGKILL);
}

static ino_t
inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void
start_ring(struct scene *scene)
{
	struct stek_ring *ring;

	assert_int_equal(stek_ring_create(scene->path, 0600, &ring), STEK_OK);
	stek_ring_close(ring);
}

static void
killed_writers_leave_readers_a_whole_ring(void **state)
{
	struct scene *scene = *state;
	pid_t readers[READERS];
	ino_t inode;
	size_t i, n;

	start_ring(scene);
	inode = inode_of(scene->path);
	for (i = 0; i < READERS; i++)
		readers[i] = start_reader(scene, NULL, i);
	for (n = 0; n < MURDERS; n++) {
		murder_a_writer(scene);
		for (i = 0; i < READERS; i++)
			await(&scene->reader[i].reads, 2, readers[i]);
		assert_int_equal(inode_of(scene->path), inode);
	}
	atomic_store(&scene->storm.over, true);
	for (i = 0; i < READERS; i++) {
		end_by(readers[i], 0);
		if (atomic_load(&scene->reader[i].failed))
			fail_msg("a reader saw %s", scene->reader[i].wrong);
	}
	assert_true(atomic_load(&scene->storm.published) > MURDERS);
}

static size_t
find_bytes(const char *path, const void *bytes, size_t len)
{
	uint8_t file[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, file, sizeof(file));

	assert_true(n > 0 && n < (ssize_t)sizeof(file));
	(void)close(fd);
	return memmem(file, (size_t)n, bytes, len) != NULL;
}

static void
the_next_writer_wipes_what_a_killed_one_left(void **state)
{
	struct scene *scene = *state;
	struct stek_set *set = given_set();
	struct stek_key old, new;
	struct stek_ring *ring;
	int n;

	start_ring(scene);
	for (n = 0; n < 50; n++) {
		murder_a_writer(scene);
		assert_int_equal(
		    stek_ring_create(scene->path, 0600, &ring), STEK_OK);
		stek_ring_read(ring, set);
		old = set->keys[0];
		storm_publish(&scene->storm, ring, set);
		new = set->keys[0];
		stek_ring_close(ring);
		assert_true(find_bytes(scene->path, new.aes, 8));
		assert_false(find_bytes(scene->path, old.name, 8));
		assert_false(find_bytes(scene->path, old.aes, 8));
		assert_false(find_bytes(scene->path, old.mac, 8));
	}
	stek_set_free(set);
}

static void
a_forked_process_shares_an_anonymous_ring(void **state)
{
	struct scene *scene = *state;
	struct stek_set *set = given_set();
	struct stek_ring *ring;
	pid_t reader;

	assert_int_equal(stek_ring_new(&ring), STEK_OK);
	reader = start_reader(scene, ring, 0);
	while (atomic_load(&scene->reader[0].reads) < 1000 &&
	       !atomic_load(&scene->reader[0].failed))
		storm_publish(&scene->storm, ring, set);
	atomic_store(&scene->storm.over, true);
	end_by(reader, 0);
	if (atomic_load(&scene->reader[0].failed))
		fail_msg("a reader saw %s", scene->reader[0].wrong);
	stek_ring_close(ring);
	stek_set_free(set);
}

/* Report how it went, and stay the writer until all have. */
static void
compete(const char *path, int start, int report, int done)
{
	struct stek_ring *ring;
	char how = 'X', byte;
	enum stek_err err;

	(void)read(start, &byte, 1);
	err = stek_ring_create(path, 0600, &ring);
	if (err == STEK_OK)
		how = 'W';
	else if (err == STEK_ERR_BUSY)
		how = 'B';
	if (write(report, &how, 1) != 1 || read(done, &byte, 1) != 0)
		_exit(1);
	_exit(0);
}

/* Let RACERS start at once; what they report, in any order. */
static void
race(const char *path, char reports[RACERS])
{
	int start[2], report[2], done[2], i;
	pid_t pids[RACERS];

	assert_int_equal(pipe(start), 0);
	assert_int_equal(pipe(report), 0);
	assert_int_equal(pipe(done), 0);
	for (i = 0; i < RACERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			(void)close(start[1]);
			(void)close(done[1]);
			compete(path, start[0], report[1], done[0]);
		}
		assert_true(pids[i] > 0);
	}
	(void)close(start[1]);
	for (i = 0; i < RACERS; i++)
		assert_int_equal(read(report[0], &reports[i], 1), 1);
	(void)close(done[1]);
	for (i = 0; i < RACERS; i++)
		end_by(pids[i], 0);
	(void)close(start[0]);
	(void)close(report[0]);
	(void)close(report[1]);
	(void)close(done[0]);
}

static size_t
count_of(char what, const char reports[RACERS])
{
	size_t i, n = 0;

	for (i = 0; i < RACERS; i++)
		n += reports[i] == what;
	return n;
}

static void
of_many_that_start_at_once_one_becomes_the_writer(void **state)
{
	struct scene *scene = *state;
	int n, fd;

	for (n = 0; n < 200; n++) {
		char reports[RACERS];

		(void)unlink(scene->path);
		if (n % 2 == 1) {
			fd = open(scene->path, O_WRONLY | O_CREAT, 0600);
			assert_int_equal(write(fd, "garbage", 7), 7);
			(void)close(fd);
		}
		race(scene->path, reports);
		assert_int_equal(count_of('W', reports), 1);
		assert_int_equal(count_of('B', reports), RACERS - 1);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(killed_writers_leave_readers_a_whole_ring),
	    CASE(the_next_writer_wipes_what_a_killed_one_left),
	    CASE(a_forked_process_shares_an_anonymous_ring),
	    CASE(of_many_that_start_at_once_one_becomes_the_writer),
	};

	return cmocka_run_group_tests_name("ring_processes", tests, NULL, NULL);
}
