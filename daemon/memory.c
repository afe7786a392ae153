/* SPDX-License-Identifier: ISC */
/* See memory.h. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "memory.h"

void
memory_protect(void)
{
	struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_MEMLOCK, &all);
}

/*
 * Where there is a limit, memory to come is not locked as a whole: what has
 * nothing to do with keys would run into it, once privilege is gone.
 */
bool
memory_lock(void)
{
	struct rlimit limit;
	int flags = MCL_CURRENT | MCL_ONFAULT;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    limit.rlim_cur == RLIM_INFINITY)
		flags |= MCL_FUTURE;
	return mlockall(flags) == 0;
}

bool
memory_has_room(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool room;

	if (map == MAP_FAILED)
		return false;
	room = mlock2(map, bytes, MLOCK_ONFAULT) == 0;
	return munmap(map, bytes) == 0 && room;
}
