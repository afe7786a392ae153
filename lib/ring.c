/* SPDX-License-Identifier: ISC */
/*
 * A set in shared memory: one writer, any number of readers, no locks.
 *
 * The map holds two halves, each room for a whole set, and a counter `turn`
 * whose lowest bit names the half that readers use.  The writer fills the
 * other half, then adds one to turn; then it does so once more, so that
 * neither half holds a removed key.  A reader copies what it wants out of its
 * half and takes the copy only if turn is still what it was.
 *
 * Every word is an atomic.  Each word of a half is stored with release and
 * loaded with acquire order: a reader that saw one new word in its half
 * therefore sees the turn that was written before it, and starts over.
 *
 * Never here: pointers in the map, what a key is derived for, clocks.
 * Invariant: the half that turn names is complete, at every instant, also if
 * the writer is killed.
 */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stek.h>

#define RING_MAGIC   UINT64_C(0x31676e696b657473) /* "steking1" */
#define NAME_WORDS   (STEK_NAME_LEN / 8)
#define SECRET_WORDS ((STEK_AES_LEN + STEK_MAC_LEN) / 8)

typedef _Atomic uint64_t word;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
    "readers map the ring read-only: 64-bit atomics must need no lock");

/* Columns: a search by name or time touches few cache lines. */
struct ring_half {
	word version;
	word count;
	word name[NAME_WORDS][STEK_KEYS_MAX];
	word seal_from[STEK_KEYS_MAX];
	word seal_until[STEK_KEYS_MAX];
	word open_until[STEK_KEYS_MAX];
	word secret[STEK_KEYS_MAX][SECRET_WORDS];
};

struct ring_map {
	word magic;
	word size;
	word turn;
	word reserved[5];
	struct ring_half half[2];
};

struct stek_ring {
	struct ring_map *map;
	int lock; /* the writer's descriptor, or -1 */
};

static uint64_t
get(const word *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

static void
put(word *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_release);
}

static void
get_bytes(uint8_t *to, const word *from, size_t stride, size_t words)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < words; i++) {
		value = get(&from[i * stride]);
		memcpy(to + i * 8, &value, 8);
	}
}

static void
put_bytes(word *to, size_t stride, const uint8_t *from, size_t words)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < words; i++) {
		memcpy(&value, from + i * 8, 8);
		put(&to[i * stride], value);
	}
	sodium_memzero(&value, sizeof(value));
}

static void
put_key(struct ring_half *half, size_t i, const struct stek_key *key)
{
	put_bytes(&half->name[0][i], STEK_KEYS_MAX, key->name, NAME_WORDS);
	put(&half->seal_from[i], (uint64_t)key->seal_from);
	put(&half->seal_until[i], (uint64_t)key->seal_until);
	put(&half->open_until[i], (uint64_t)key->open_until);
	put_bytes(half->secret[i], 1, key->aes, STEK_AES_LEN / 8);
	put_bytes(
	    half->secret[i] + STEK_AES_LEN / 8, 1, key->mac, STEK_MAC_LEN / 8);
}

static void
get_key(const struct ring_half *half, size_t i, struct stek_key *key)
{
	get_bytes(key->name, &half->name[0][i], STEK_KEYS_MAX, NAME_WORDS);
	key->seal_from = (int64_t)get(&half->seal_from[i]);
	key->seal_until = (int64_t)get(&half->seal_until[i]);
	key->open_until = (int64_t)get(&half->open_until[i]);
	get_bytes(key->aes, half->secret[i], 1, STEK_AES_LEN / 8);
	get_bytes(
	    key->mac, half->secret[i] + STEK_AES_LEN / 8, 1, STEK_MAC_LEN / 8);
}

/* A count that cannot be is read as none: no reader leaves the map. */
static size_t
get_count(const struct ring_half *half)
{
	uint64_t count = get(&half->count);

	return count <= STEK_KEYS_MAX ? (size_t)count : 0;
}

/* The index of the key that seals; STEK_KEYS_MAX if none does. */
static size_t
find_sealing(const struct ring_half *half, size_t count, int64_t now)
{
	size_t i;

	for (i = count; i > 0; i--)
		if ((int64_t)get(&half->seal_from[i - 1]) <= now &&
		    (int64_t)get(&half->seal_until[i - 1]) > now &&
		    (int64_t)get(&half->open_until[i - 1]) > now)
			return i - 1;
	return STEK_KEYS_MAX;
}

static size_t
find_name(const struct ring_half *half, size_t count, const uint8_t *name)
{
	uint64_t want[NAME_WORDS];
	size_t i;

	memcpy(want, name, sizeof(want));
	for (i = 0; i < count; i++)
		if (get(&half->name[0][i]) == want[0] &&
		    get(&half->name[1][i]) == want[1])
			return i;
	return STEK_KEYS_MAX;
}

static const struct ring_half *
current(const struct stek_ring *ring, uint64_t turn)
{
	return &ring->map->half[turn & 1];
}

uint64_t
stek_ring_turn(const struct stek_ring *ring)
{
	return get(&ring->map->turn);
}

bool
stek_ring_sealing(
    const struct stek_ring *ring, int64_t now, struct stek_key *key)
{
	const struct ring_half *half;
	uint64_t turn;
	size_t at;

	do {
		turn = stek_ring_turn(ring);
		half = current(ring, turn);
		at = find_sealing(half, get_count(half), now);
		if (at < STEK_KEYS_MAX)
			get_key(half, at, key);
	} while (stek_ring_turn(ring) != turn);
	if (at == STEK_KEYS_MAX)
		stek_key_wipe(key);
	return at < STEK_KEYS_MAX;
}

enum stek_open
stek_ring_opening(const struct stek_ring *ring,
    const uint8_t name[STEK_NAME_LEN], int64_t now, struct stek_key *key)
{
	const struct ring_half *half;
	size_t count, at, sealing;
	uint64_t turn;

	do {
		turn = stek_ring_turn(ring);
		half = current(ring, turn);
		count = get_count(half);
		at = find_name(half, count, name);
		sealing = find_sealing(half, count, now);
		if (at < STEK_KEYS_MAX)
			get_key(half, at, key);
	} while (stek_ring_turn(ring) != turn);
	if (at == STEK_KEYS_MAX || now >= key->open_until) {
		stek_key_wipe(key);
		return STEK_OPEN_NO;
	}
	/* The tickets of a pending key need no newer one. */
	if (sealing == STEK_KEYS_MAX || at == sealing || key->seal_from > now)
		return STEK_OPEN_USE;
	return STEK_OPEN_RENEW;
}

void
stek_ring_read(const struct stek_ring *ring, struct stek_set *set)
{
	const struct ring_half *half;
	uint64_t turn;
	size_t i;

	do {
		stek_set_clear(set);
		turn = stek_ring_turn(ring);
		half = current(ring, turn);
		set->version = get(&half->version);
		set->count = get_count(half);
		for (i = 0; i < set->count; i++)
			get_key(half, i, &set->keys[i]);
	} while (stek_ring_turn(ring) != turn);
}

static void
fill(struct ring_half *half, const struct stek_set *set)
{
	size_t i;

	put(&half->version, set->version);
	put(&half->count, set->count);
	for (i = 0; i < STEK_KEYS_MAX; i++)
		put_key(half, i, &set->keys[i]);
}

enum stek_err
stek_ring_publish(struct stek_ring *ring, const struct stek_set *set)
{
	struct ring_map *map = ring->map;
	uint64_t turn = get(&map->turn);
	int pass;

	if (set->count > STEK_KEYS_MAX)
		return STEK_ERR_FULL;
	for (pass = 0; pass < 2; pass++) {
		turn++;
		fill(&map->half[turn & 1], set);
		put(&map->turn, turn);
	}
	return STEK_OK;
}

static enum stek_err
wrap(void *map, int lock, struct stek_ring **out)
{
	struct stek_ring *ring = malloc(sizeof(*ring));

	if (ring == NULL) {
		(void)munmap(map, sizeof(struct ring_map));
		return STEK_ERR_MEMORY;
	}
	/* Hints: a kernel that knows neither still shares the ring. */
	(void)madvise(map, sizeof(struct ring_map), MADV_DONTDUMP);
	(void)mlock(map, sizeof(struct ring_map));
	ring->map = map;
	ring->lock = lock;
	*out = ring;
	return STEK_OK;
}

static bool
is_ring(const struct ring_map *map)
{
	return get(&map->magic) == RING_MAGIC &&
	       get(&map->size) == sizeof(*map);
}

enum stek_err
stek_ring_new(struct stek_ring **out)
{
	struct ring_map *map;

	map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return STEK_ERR_SYSTEM;
	put(&map->size, sizeof(*map));
	put(&map->magic, RING_MAGIC);
	return wrap(map, -1, out);
}

/* Give back what failed, and leave errno to say why. */
static void
give_up(struct ring_map *map, int fd)
{
	int saved = errno;

	if (map != NULL)
		(void)munmap(map, sizeof(*map));
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
}

/* Map an open file; FORMAT if it is no ring. */
static enum stek_err
map_file(int fd, int prot, struct ring_map **out)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0)
		return STEK_ERR_SYSTEM;
	if (!S_ISREG(st.st_mode) ||
	    st.st_size != (off_t)sizeof(struct ring_map))
		return STEK_ERR_FORMAT;
	map = mmap(NULL, sizeof(struct ring_map), prot, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return STEK_ERR_SYSTEM;
	if (!is_ring(map)) {
		give_up(map, -1);
		return STEK_ERR_FORMAT;
	}
	*out = map;
	return STEK_OK;
}

/* Give an empty file a whole ring's room now: a full disk shows here. */
static enum stek_err
format_file(int fd)
{
	const uint64_t header[] = {RING_MAGIC, sizeof(struct ring_map)};
	int err;

	err = posix_fallocate(fd, 0, sizeof(struct ring_map));
	if (err != 0)
		errno = err;
	if (err != 0 || pwrite(fd, header, sizeof(header), 0) < 0)
		return STEK_ERR_SYSTEM;
	return STEK_OK;
}

static bool
is_at(int fd, const char *path)
{
	struct stat opened, found;

	return fstat(fd, &opened) == 0 && lstat(path, &found) == 0 &&
	       opened.st_dev == found.st_dev && opened.st_ino == found.st_ino;
}

/* A file that a writer may have: the one there is, or a new and empty one. */
static int
open_file(const char *path, bool *is_new)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd;

	*is_new = false;
	fd = open(path, flags);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	*is_new = true;
	return open(path, flags | O_CREAT | O_EXCL, 0600);
}

/*
 * Whoever holds the lock of the file that is at the path is its writer, and
 * alone may replace it.
 */
static enum stek_err
lock_file(const char *path, int *out, bool *is_new)
{
	int fd, tries;

	for (tries = 0; tries < 1000; tries++) {
		fd = open_file(path, is_new);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return STEK_ERR_SYSTEM;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			give_up(NULL, fd);
			return errno == EWOULDBLOCK ? STEK_ERR_BUSY
			                            : STEK_ERR_SYSTEM;
		}
		*out = fd;
		if (is_at(fd, path))
			return STEK_OK;
		(void)close(fd);
	}
	return STEK_ERR_BUSY;
}

static enum stek_err
become_writer(int fd, bool is_new, mode_t mode, struct stek_ring **out)
{
	struct ring_map *map;
	enum stek_err err;

	err = is_new ? format_file(fd) : STEK_OK;
	if (err == STEK_OK)
		err = map_file(fd, PROT_READ | PROT_WRITE, &map);
	if (err != STEK_OK)
		return err;
	if (fchmod(fd, mode) < 0) {
		give_up(map, -1);
		return STEK_ERR_SYSTEM;
	}
	return wrap(map, fd, out);
}

static bool
is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

enum stek_err
stek_ring_create(const char *path, mode_t mode, struct stek_ring **out)
{
	enum stek_err err;
	bool is_new, again;
	int fd;

	do {
		err = lock_file(path, &fd, &is_new);
		if (err != STEK_OK)
			return err;
		err = become_writer(fd, is_new, mode, out);
		if (err == STEK_OK)
			return STEK_OK;
		again = err == STEK_ERR_FORMAT && !is_new && is_regular(fd);
		if ((again || is_new) && unlink(path) < 0)
			err = STEK_ERR_SYSTEM;
		give_up(NULL, fd);
	} while (again && err == STEK_ERR_FORMAT);
	return err;
}

enum stek_err
stek_ring_open(const char *path, struct stek_ring **out)
{
	struct ring_map *map;
	enum stek_err err;
	struct stat st;
	int fd;

	/* A fifo must not keep us waiting. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return STEK_ERR_SYSTEM;
	err = STEK_ERR_SYSTEM;
	if (fstat(fd, &st) < 0)
		goto out;
	err = STEK_ERR_UNSAFE;
	if ((st.st_mode & 027) != 0)
		goto out;
	err = map_file(fd, PROT_READ, &map);
	if (err == STEK_OK)
		err = wrap(map, -1, out);
out:
	give_up(NULL, fd);
	return err;
}

void
stek_ring_close(struct stek_ring *ring)
{
	if (ring == NULL)
		return;
	(void)munmap(ring->map, sizeof(*ring->map));
	if (ring->lock >= 0)
		(void)close(ring->lock);
	free(ring);
}
