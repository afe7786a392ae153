/* SPDX-License-Identifier: ISC */
/*
 * See pool.h.
 *
 * Never here: where random bytes come from, or a lock.
 * Invariant: a byte is given out once; `left` is of the same page as the
 * bytes, so that both are wiped in a forked process or neither is.
 */
#include <sys/mman.h>

#include <string.h>

#include "pool.h"

struct pool *
pools_new(size_t count)
{
#ifdef MADV_WIPEONFORK
	size_t len = count * sizeof(struct pool);
	void *at;

	at = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, len, MADV_WIPEONFORK) == 0)
		return at;
	(void)munmap(at, len);
#else
	(void)count;
#endif
	return NULL;
}

void
pools_free(struct pool *pools, size_t count)
{
	if (pools != NULL)
		(void)munmap(pools, count * sizeof(struct pool));
}

bool
pool_take(struct pool *pool, bool (*random)(uint8_t *, size_t), uint8_t *bytes,
    size_t len)
{
	size_t left;

	if (pool == NULL)
		return random(bytes, len);
	left = pool->left;
	if (left < len) {
		if (!random(pool->bytes, POOL_LEN))
			return false;
		left = POOL_LEN;
	}
	left -= len;
	memcpy(bytes, pool->bytes + left, len);
	pool->left = left;
	return true;
}
