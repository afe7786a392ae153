/* SPDX-License-Identifier: ISC */
/* See worker.h. */
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "worker.h"

#define LOOK_NS (10 * 1000 * 1000) /* between two looks at those that end */

static void
close_others(const int keep[2])
{
	int low = keep[0] < keep[1] ? keep[0] : keep[1];
	int high = keep[0] < keep[1] ? keep[1] : keep[0];
	unsigned int from = STDERR_FILENO + 1;

	if (low > (int)from)
		(void)close_range(from, (unsigned int)low - 1, 0);
	if (low >= (int)from)
		from = (unsigned int)low + 1;
	if (high > (int)from)
		(void)close_range(from, (unsigned int)high - 1, 0);
	(void)close_range((unsigned int)high + 1, ~0U, 0);
}

static void
reset_signals(void)
{
	sigset_t none;
	int number;

	for (number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static struct worker *
find(struct workers *workers, pid_t pid)
{
	size_t i;

	for (i = 0; i < WORKERS_MAX; i++)
		if (workers->all[i].pid == pid)
			return &workers->all[i];
	return NULL;
}

pid_t
worker_fork(struct workers *workers, const struct monitor_request *request,
    unsigned int seconds, const int keep[2])
{
	struct worker *worker = find(workers, 0);
	pid_t pid;

	if (worker == NULL) {
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		close_others(keep);
		reset_signals();
	}
	if (pid > 0) {
		worker->pid = pid;
		worker->deadline = clock_ms() + (int64_t)seconds * 1000;
		worker->request = *request;
	}
	return pid;
}

bool
worker_reap(struct workers *workers, struct worker_end *end)
{
	struct worker *worker;
	pid_t pid;

	while ((pid = waitpid(-1, &end->status, WNOHANG)) > 0) {
		worker = find(workers, pid);
		if (worker == NULL)
			continue;
		worker->pid = 0;
		end->request = worker->request;
		end->given_up = worker->deadline == 0;
		return true;
	}
	return false;
}

bool
worker_overdue(struct workers *workers, struct monitor_request *request)
{
	struct worker *worker;
	int64_t now = clock_ms();
	size_t i;

	for (i = 0; i < WORKERS_MAX; i++) {
		worker = &workers->all[i];
		if (worker->pid == 0 || worker->deadline == 0 ||
		    worker->deadline > now)
			continue;
		(void)kill(worker->pid, SIGKILL);
		worker->deadline = 0;
		*request = worker->request;
		return true;
	}
	return false;
}

int
worker_patience(const struct workers *workers)
{
	const struct worker *worker;
	int64_t left, least = INT_MAX, now = clock_ms();
	size_t i;

	for (i = 0; i < WORKERS_MAX; i++) {
		worker = &workers->all[i];
		left = worker->deadline > now ? worker->deadline - now : 0;
		if (worker->pid != 0 && worker->deadline != 0 && left < least)
			least = left;
	}
	return least == INT_MAX ? -1 : (int)least;
}

bool
worker_places(const struct workers *workers, uint32_t index, bool in_time)
{
	const struct worker *worker;
	size_t i;

	for (i = 0; i < WORKERS_MAX; i++) {
		worker = &workers->all[i];
		if (worker->pid != 0 && worker->request.op == MONITOR_PLACE &&
		    worker->request.index == index &&
		    (!in_time || worker->deadline != 0))
			return true;
	}
	return false;
}

void
worker_renumber(struct workers *workers, const uint32_t *map)
{
	struct worker *worker;
	size_t i;

	for (i = 0; i < WORKERS_MAX; i++) {
		worker = &workers->all[i];
		if (worker->pid != 0 &&
		    worker->request.index < CONF_TARGETS_MAX)
			worker->request.index = map[worker->request.index];
	}
}

void
worker_end_all(struct workers *workers, unsigned int ms)
{
	int64_t deadline = clock_ms() + ms;
	struct timespec pause = {0, LOOK_NS};
	struct worker_end end;
	bool busy = true;
	size_t i;

	while (busy && clock_ms() < deadline) {
		while (worker_reap(workers, &end))
			continue;
		for (busy = false, i = 0; i < WORKERS_MAX; i++)
			busy |= workers->all[i].pid != 0 &&
			        workers->all[i].deadline != 0 &&
			        workers->all[i].request.op == MONITOR_PLACE;
		if (busy)
			(void)nanosleep(&pause, NULL);
	}
	for (i = 0; i < WORKERS_MAX; i++)
		if (workers->all[i].pid != 0 &&
		    workers->all[i].request.op == MONITOR_PLACE)
			(void)kill(workers->all[i].pid, SIGKILL);
}
