/* SPDX-License-Identifier: ISC */
/*
 * stek.h: session ticket encryption keys (STEKs) of a TLS server farm.
 *
 *	key	a value: name, AES key, HMAC key and three times
 *	set	the ordered keys of a farm at one version
 *	plan	(set, policy, now) -> (next set, when to wake)
 *	ring	a set published to running servers, read without locks
 *
 * A server needs only stek_ring_open() and its TLS library's adapter, such as
 * stek_openssl_use() of <stek/openssl.h>.
 *
 * Times are Unix seconds; no function reads a clock: `now` is always a
 * parameter.  Lengths are in bytes.  No function prints, keeps global state
 * or allocates unless it says so; what it allocates for secrets is guarded,
 * locked as far as the system allows, and wiped when freed.
 * Threads: a set belongs to one thread at a time; a ring is read by any
 * number of threads and processes and written by one.
 * Terms: RFC 5077 (ticket, key name, STEK), RFC 8446, RFC 9325 section 3.4.
 */
#ifndef STEK_H
#define STEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)
#define STEK_NAME_LEN	16	/* key name, the first bytes of a ticket */
#define STEK_AES_LEN	32	/* AES-256 key */
#define STEK_MAC_LEN	32	/* HMAC-SHA256 key */
#define STEK_KEYS_MAX	16	/* keys in a set */
#define STEK_NAME_HEX	33	/* a key name as text, with its NUL */
#define STEK_SCOPE_MAX	255	/* length of a scope, without its NUL */
#define STEK_CHECKED	__attribute__((warn_unused_result))

/* error.  "No such key" is an ordinary result and not among these. */
enum stek_err {
	STEK_OK = 0,
	STEK_ERR_SYSTEM,	/* a system call failed: see errno */
	STEK_ERR_MEMORY,	/* no (guarded) memory to be had */
	STEK_ERR_FORMAT,	/* not of the expected form, length or magic */
	STEK_ERR_AUTH,		/* wrong farm key or farm, or altered bytes */
	STEK_ERR_WEAK,		/* key bytes are zero, patterned or text */
	STEK_ERR_DUPLICATE,	/* a name that begins like another's */
	STEK_ERR_FULL,		/* more than STEK_KEYS_MAX keys */
	STEK_ERR_TIMES,		/* a key's times are out of order or range */
	STEK_ERR_POLICY,	/* a policy out of bounds */
	STEK_ERR_UNSAFE,	/* a secret that others can read or replace */
	STEK_ERR_BUSY,		/* another writer has it */
	STEK_ERR_LIBRARY,	/* this TLS library cannot be given keys */
};
/* A sentence fragment in English, never NULL; static. */
const char *stek_strerror(enum stek_err);

/*
 * key.  seal_from <= seal_until <= open_until, all > 0.  It opens also before
 * seal_from, so that clock skew and the order of reloads do no harm.
 */
struct stek_key {
	uint8_t name[STEK_NAME_LEN];
	uint8_t aes[STEK_AES_LEN];
	uint8_t mac[STEK_MAC_LEN];
	int64_t seal_from;	/* from here on it may seal */
	int64_t seal_until;	/* from here on it seals no more */
	int64_t open_until;	/* from here on it opens nothing */
};

enum stek_state {
	STEK_PENDING,		/* before seal_from: opens */
	STEK_SEALING,		/* seals and opens */
	STEK_OPENING,		/* opens, and its tickets are renewed */
	STEK_DEAD,		/* at or after open_until: to be wiped */
};

/* By its times alone; see stek_set_state() for its place in a set. */
enum stek_state stek_key_state(const struct stek_key *, int64_t now);
/* Fill name, AES and HMAC key with random bytes; the times become 0. */
STEK_CHECKED enum stek_err stek_key_mint(struct stek_key *);
/* STEK_OK, or WEAK, or TIMES (which end with the year 9999). */
STEK_CHECKED enum stek_err stek_key_check(const struct stek_key *);

/*
 * Is it what is found in the wild instead of keys: all zero, one byte or a
 * pattern repeated, counting, 24 bytes of text, an example, under 8 bytes?
 */
bool stek_key_weak(const uint8_t *bytes, size_t len);
/* As 32 lower-case hex digits and a NUL. */
void stek_key_hex(const uint8_t name[STEK_NAME_LEN], char hex[STEK_NAME_HEX]);
void stek_key_wipe(struct stek_key *);	/* which no compiler leaves out */
/* struct stek_key STEK_WIPED key; is wiped on every way out of its block. */
#define STEK_WIPED	__attribute__((cleanup(stek_key_wipe)))

/*
 * set.  Ordered by seal_from, oldest first; names differ in their first 4
 * bytes (some servers compare no more).  Only the functions below change it.
 */
struct stek_set {
	uint64_t version;	/* grows by one with each change at the farm */
	size_t count;
	struct stek_key keys[STEK_KEYS_MAX];
};

/* An empty set of version 0 in guarded memory; NULL if there is none. */
struct stek_set *stek_set_new(void);
void stek_set_free(struct stek_set *);	/* wipes; NULL is allowed */
void stek_set_copy(struct stek_set *to, const struct stek_set *from);
void stek_set_clear(struct stek_set *);	/* the version stays */
/* Put a key in its place. WEAK, TIMES, DUPLICATE, FULL: nothing changed. */
STEK_CHECKED enum stek_err stek_set_add(struct stek_set *,
    const struct stek_key *);
/* Remove and wipe; false if there was no such key. */
bool stek_set_remove(struct stek_set *, const uint8_t name[STEK_NAME_LEN]);
/* NULL if there is no such key. Compares the whole name. */
const struct stek_key *stek_set_find(const struct stek_set *,
    const uint8_t name[STEK_NAME_LEN]);

/* The greatest seal_from <= now whose seal_until > now; NULL: no tickets. */
const struct stek_key *stek_set_sealing(const struct stek_set *, int64_t now);
/* As stek_key_state(), but SEALING only for the one key that seals. */
enum stek_state stek_set_state(const struct stek_set *,
    const struct stek_key *one_of_them, int64_t now);
/* The next time > now at which a key changes its state; INT64_MAX: never. */
int64_t stek_set_wake(const struct stek_set *, int64_t now);

/* plan */
struct stek_policy {
	int64_t rotate;		/* a key seals for so many seconds */
	int64_t tickets;	/* a ticket opens so long after sealing */
	int64_t lead;		/* a key is published so long before sealing */
};

/* 6 h, 12 h, 10 min. */
void stek_policy_default(struct stek_policy *);
/* How many keys a set may hold at once under a policy that is valid. */
size_t stek_policy_keys(const struct stek_policy *);
/*
 * POLICY unless 1 s <= rotate <= 30 days, 1 s <= tickets <= 7 days (RFC 8446
 * section 4.6.1), 0 <= lead <= rotate, and STEK_KEYS_MAX keys suffice.
 */
STEK_CHECKED enum stek_err stek_policy_check(const struct stek_policy *);

/*
 * What the set should be at `now`: dead keys gone, a key whose successor
 * seals cut short, the next key minted when due (pure but for its random
 * bytes).  `next`, which may be `set`, has its version if nothing changed, or
 * else the one after it.  *wake: when to ask again at the latest.
 * POLICY, TIMES (now is before 1970 or after 9998), MEMORY: next is unchanged.
 */
STEK_CHECKED enum stek_err stek_plan(const struct stek_set *set,
    const struct stek_policy *, int64_t now, struct stek_set *next,
    int64_t *wake);
/*
 * Rotate ahead of time: the pending key, or else a new one, seals from
 * `from`, or from now if that is past; never later than stek_plan() would
 * have it.  Version and errors as stek_plan().
 */
STEK_CHECKED enum stek_err stek_plan_rotate(const struct stek_set *set,
    const struct stek_policy *, int64_t now, int64_t from,
    struct stek_set *next);

/*
 * Revoke the key of that name, or all if name is NULL, and mint what is then
 * missing to seal.  No such key: next has set's version.  Errors as above.
 */
STEK_CHECKED enum stek_err stek_plan_revoke(const struct stek_set *set,
    const struct stek_policy *, int64_t now, const uint8_t *name,
    struct stek_set *next);

/*
 * scope.  The key of a virtual host, or any other part of a farm: HKDF-SHA256
 * (RFC 5869) with secret = AES key || HMAC key, salt = name, info = "stek
 * scope v1" || scope gives name, AES and HMAC key; the times stay.  A ticket
 * of one scope is an unknown name in another.  "" is the key itself.
 * FORMAT: the scope is longer than STEK_SCOPE_MAX.
 */
STEK_CHECKED enum stek_err stek_scope_key(const struct stek_key *,
    const char *scope, struct stek_key *out);
/* All keys of a set; set and out may be the same. */
STEK_CHECKED enum stek_err stek_scope_set(const struct stek_set *,
    const char *scope, struct stek_set *out);

/*
 * The AES-128 key and the 16-byte HMAC key for servers whose keys have 48
 * bytes: as above with info = "stek aes-128 v1"; the name stays.
 */
void stek_scope_short(const struct stek_key *, uint8_t aes[16],
    uint8_t mac[16]);

/* ring.  Its readers need no locks and are async-signal-safe. */
struct stek_ring;
enum stek_open {
	STEK_OPEN_NO = 0,	/* unknown or expired: a full handshake */
	STEK_OPEN_USE,		/* resume */
	STEK_OPEN_RENEW,	/* resume, and issue a ticket of a newer key */
};

/* A ring without a file, for this process and those it forks later. */
STEK_CHECKED enum stek_err stek_ring_new(struct stek_ring **);

/*
 * As its one writer: create the file with exactly that mode, or take over
 * the existing one, whose readers go on.  A regular file that is no ring is
 * replaced.  BUSY, SYSTEM, MEMORY; FORMAT: not a regular file.
 */
STEK_CHECKED enum stek_err stek_ring_create(const char *path, mode_t mode,
    struct stek_ring **);

/*
 * As a reader.  FORMAT: not a ring of this version.  UNSAFE: its group can
 * write it, or others can do anything with it.  SYSTEM, MEMORY.
 */
STEK_CHECKED enum stek_err stek_ring_open(const char *path,
    struct stek_ring **);
/*
 * A reader goes on with what is at the path now, also while other threads
 * read; with path NULL it has no keys.  One call at a time.  Errors as
 * stek_ring_open(): nothing has changed.
 */
STEK_CHECKED enum stek_err stek_ring_follow(struct stek_ring *,
    const char *path);
/* Unmap; NULL is allowed. No other thread may be using the ring. */
void stek_ring_close(struct stek_ring *);

/*
 * Writer only.  Once this returns every reader sees the new set, and no
 * removed key is left in memory; killed at any point, they see either set.
 */
STEK_CHECKED enum stek_err stek_ring_publish(struct stek_ring *,
    const struct stek_set *);

/* Changes with each publish: then drop what was derived.  Atomic loads. */
uint64_t stek_ring_turn(const struct stek_ring *);
/* The key to seal with at `now`; false if there is none. */
bool stek_ring_sealing(const struct stek_ring *, int64_t now,
    struct stek_key *);
/* May a ticket of this key name be opened at `now`, and with which key? */
enum stek_open stek_ring_opening(const struct stek_ring *,
    const uint8_t name[STEK_NAME_LEN], int64_t now, struct stek_key *);
/* All keys of one moment, dead ones too. */
void stek_ring_read(const struct stek_ring *, struct stek_set *);

/* codec */
#define STEK_FARM_KEY_LEN	32
#define STEK_FARM_MAX		64	/* length of a farm's name, from 1 */
#define STEK_CODEC_LEN		1722	/* every encoded set has this length */

/*
 * A set as a store keeps it: encrypted with the farm key (XChaCha20-Poly1305,
 * draft-irtf-cfrg-xchacha-03), bound to the farm's name and the version, the
 * same on every machine.  FORMAT: the name is too long or empty.  MEMORY.
 */
STEK_CHECKED enum stek_err stek_codec_encode(const struct stek_set *,
    const char *farm, const uint8_t farm_key[STEK_FARM_KEY_LEN],
    uint8_t out[STEK_CODEC_LEN]);

/* FORMAT, AUTH, MEMORY, or as stek_set_add(): the set is then unchanged. */
STEK_CHECKED enum stek_err stek_codec_decode(const uint8_t *bytes,
    size_t len, const char *farm, const uint8_t farm_key[STEK_FARM_KEY_LEN],
    struct stek_set *);
/* The version that an encoded set claims, unproven. FORMAT. */
STEK_CHECKED enum stek_err stek_codec_version(const uint8_t *bytes,
    size_t len, uint64_t *version);

/*
 * file.  Replace a file whole or not at all: a temporary file beside it gets
 * its owner and mode (uid or gid -1: as it is) before the first byte, and is
 * synced, then renamed.  SYSTEM: the old file stands, or, if only the folder
 * could not be synced in the end, the new one does.
 */
STEK_CHECKED enum stek_err stek_file_write(const char *path,
    const uint8_t *bytes, size_t len, mode_t mode, uid_t uid, gid_t gid);

/*
 * A whole file into guarded memory, to be freed by stek_file_free().
 * FORMAT: longer than max or not a regular file.  SYSTEM, MEMORY.
 */
STEK_CHECKED enum stek_err stek_file_read(const char *path, size_t max,
    uint8_t **bytes, size_t *len);
void stek_file_free(uint8_t *bytes);
/* Guarded, zeroed, for stek_file_free(); NULL if there is none. */
uint8_t *stek_file_alloc(size_t len);

/*
 * UNSAFE if its group can write a file, or others can do anything with it, or
 * its owner is neither root nor the caller.  SYSTEM.
 */
STEK_CHECKED enum stek_err stek_file_private(const char *path);
/* Does the path's file system live in memory (tmpfs, ramfs)? SYSTEM. */
STEK_CHECKED enum stek_err stek_file_in_memory(const char *path, bool *yes);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
