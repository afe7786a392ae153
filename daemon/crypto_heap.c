/* SPDX-License-Identifier: ISC */
/*
 * See crypto_heap.h.
 *
 * Blocks have sizes of powers of two, each with its own list of free ones,
 * and are cut from slabs, of which none is ever given back.
 */
#include <openssl/crypto.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stek.h>

#include "crypto_heap.h"

#define SLAB_LEN  ((size_t)256 * 1024)
#define SLABS_MAX 16
#define SMALLEST  6 /* as a power of two */
#define LARGEST   18
#define SIZES     (LARGEST - SMALLEST + 1)

struct block {
	struct block *next; /* while it is free */
	size_t size; /* of the whole, as an index */
};

_Static_assert(sizeof(struct block) % 16 == 0, "blocks are aligned");

/* libcrypto's functions for memory take no argument of ours. */
static struct {
	uint8_t *slabs[SLABS_MAX];
	size_t count;
	size_t used; /* of the last slab */
	struct block *free[SIZES];
	bool hooked;
	bool on;
} heap;

static bool
is_ours(const void *p)
{
	const uint8_t *byte = p;
	size_t i;

	for (i = 0; i < heap.count; i++)
		if (byte >= heap.slabs[i] && byte < heap.slabs[i] + SLAB_LEN)
			return true;
	return false;
}

static size_t
room(const struct block *block)
{
	return ((size_t)1 << (block->size + SMALLEST)) - sizeof(*block);
}

/* The rest of the slab before is not used: it is a few blocks at most. */
static struct block *
cut(size_t size)
{
	size_t len = (size_t)1 << (size + SMALLEST);
	struct block *block;

	if (heap.count == 0 || SLAB_LEN - heap.used < len) {
		if (heap.count == SLABS_MAX)
			return NULL;
		heap.slabs[heap.count] = stek_file_alloc(SLAB_LEN);
		if (heap.slabs[heap.count] == NULL)
			return NULL;
		heap.count++;
		heap.used = 0;
	}
	block = (void *)(heap.slabs[heap.count - 1] + heap.used);
	block->size = size;
	heap.used += len;
	return block;
}

static void *
take(size_t len)
{
	struct block *block;
	size_t size = 0;

	while (size < SIZES &&
	       ((size_t)1 << (size + SMALLEST)) < sizeof(struct block) + len)
		size++;
	if (size == SIZES || len > SLAB_LEN)
		return NULL;
	block = heap.free[size];
	if (block != NULL)
		heap.free[size] = block->next;
	else
		block = cut(size);
	return block == NULL ? NULL : block + 1;
}

static void
give(void *p)
{
	struct block *block = (struct block *)p - 1;

	sodium_memzero(p, room(block));
	block->next = heap.free[block->size];
	heap.free[block->size] = block;
}

static void *
on_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return heap.on ? take(len) : malloc(len);
}

static void
on_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p != NULL && is_ours(p))
		give(p);
	else
		free(p);
}

/* A block stays where it was made, on whichever side that is. */
static void *
on_realloc(void *p, size_t len, const char *file, int line)
{
	struct block *block;
	void *new;

	if (p == NULL)
		return on_malloc(len, file, line);
	if (!is_ours(p))
		return realloc(p, len);
	block = (struct block *)p - 1;
	if (len <= room(block))
		return p;
	new = take(len);
	if (new != NULL) {
		memcpy(new, p, room(block));
		give(p);
	}
	return new;
}

bool
crypto_heap_begin(void)
{
	if (!heap.hooked)
		heap.hooked = CRYPTO_set_mem_functions(
		                  on_malloc, on_realloc, on_free) == 1;
	heap.on = heap.hooked;
	return heap.hooked;
}

void
crypto_heap_end(void)
{
	heap.on = false;
}
