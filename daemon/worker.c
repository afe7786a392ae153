/* SPDX-License-Identifier: ISC */
/* See worker.h. */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "worker.h"

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
    const int keep[2])
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
		worker->request = *request;
	}
	return pid;
}

bool
worker_reap(
    struct workers *workers, struct monitor_request *request, int *number)
{
	struct worker *worker;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		worker = find(workers, pid);
		if (worker == NULL)
			continue;
		worker->pid = 0;
		if (!WIFSIGNALED(status))
			continue;
		*request = worker->request;
		*number = WTERMSIG(status);
		return true;
	}
	return false;
}
