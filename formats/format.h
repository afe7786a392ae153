/* SPDX-License-Identifier: ISC */
/*
 * What a format is: how one kind of server wants its keys written, and what
 * a ticket of that server looks like.  One file a server implements it; the
 * table in format.c lists them.
 *
 * Never here: reading clocks, touching files or processes (a format turns
 * keys into bytes and bytes into keys; the target writes and reloads).
 * Invariant: what write() gives, read() takes, with the same keys in the
 * same places.
 */
#ifndef STEK_FORMAT_H
#define STEK_FORMAT_H

#include <stek.h>

#define FORMAT_FILES_MAX	(STEK_KEYS_MAX + 1)
#define FORMAT_BYTES_MAX	65536	/* no key file is longer than this */
#define FORMAT_PATH_MAX		1024
#define FORMAT_FOLDER_MAX	896	/* room for a file's name behind it */
#define FORMAT_FOLDER_CHARS	"letters, digits and /._-+,@%=:~"
#define FORMAT_LIST		"keys.conf"	/* a folder's list */
#define FORMAT_KEY_SUFFIX	".key"	/* after a key's name in hex */

/*
 * One file to be written.  The name is "" for the target's path itself, or
 * a name inside the folder that the target's path then is.
 */
struct format_file {
	char name[64];
	uint8_t *bytes;		/* from stek_file_alloc() */
	size_t len;
};

/* Files in the order in which they must be written: a list comes last. */
struct format_out {
	size_t count;
	struct format_file files[FORMAT_FILES_MAX];
};

/*
 * The key files that a folder's list names, in its order: the first is the
 * key that encrypts.  Absolute paths.
 */
struct format_list {
	size_t count;
	char paths[STEK_KEYS_MAX][FORMAT_PATH_MAX];
};

/*
 * The keys that a file holds, in the file's order.  A short key (48-byte
 * formats) has its 16-byte keys at the start of aes and mac, zeroes behind.
 * Times that a format does not have are 0.
 */
struct format_in {
	size_t count;
	size_t sealing;		/* index of the encrypting key; count: none */
	bool is_short;
	struct stek_key keys[STEK_KEYS_MAX];
};

/* Why a file was refused; never holds a byte of key material. */
struct format_why {
	size_t line;		/* from 1; 0 where lines make no sense */
	char text[160];		/* what was expected, what was found */
};

/* What a ticket on the wire proves about the key it was sealed with. */
enum format_ticket {
	FORMAT_TICKET_OTHER,	/* not sealed with this key */
	FORMAT_TICKET_NAMED,	/* its name; the MAC cannot be checked */
	FORMAT_TICKET_FORGED,	/* its name, but another MAC key */
	FORMAT_TICKET_PROVEN,	/* its name where it has one, and its MAC */
};

enum {
	FORMAT_FOLDER = 1,	/* the path is a folder: one key a file */
	FORMAT_RING = 2,	/* published to a ring, not written */
	FORMAT_SHORT = 4,	/* 48-byte keys: stek_scope_short() */
	FORMAT_REMEMBERS = 8,	/* keeps keys that left the file: revoking
				   needs a reload though rotating does not */
	FORMAT_REFUSED = 16,	/* must not be driven; trap says why */
};

struct format {
	const char *name;	/* in the configuration: "nginx" */
	const char *server;	/* for people: "nginx (80-byte keys)" */
	unsigned int flags;
	size_t keys;		/* it uses at most so many at once; 0: any */
	size_t opening;		/* of which it opens, besides the sealing key
				   and a pending one, so many older; 16: any */
	unsigned int tick;	/* picks a new file up by itself within so many
				   seconds; 0: only by a reload */
	unsigned int spacing;	/* seconds between two writes at least */
	unsigned int hint;	/* lifetime hint of its tickets by default, s */
	const char *trap;	/* what its operator must know, or NULL */

	/* What a server's own file leaves to layout.c and folder.c. */
	const struct layout *layout;	/* a key's raw bytes, or NULL */
	const struct folder *folder;	/* the words of its list, or NULL */

	/*
	 * The set as files.  Path is the target's, for lists that name their
	 * files.  In a folder a key's file is called by the key's name in hex
	 * and FORMAT_KEY_SUFFIX, so that it never changes what it holds; the
	 * list FORMAT_LIST comes last.  Files of keys that the set has no
	 * more are the target's to remove, as soon as the list is in place:
	 * a server that fails to reload must not keep a revoked key there.
	 * TIMES: no key seals at `now`.  MEMORY, FORMAT (a time does not fit,
	 * a path that cannot be quoted).  Call it by format_write().
	 */
	enum stek_err (*write)(const struct format *, const struct stek_set *,
	    int64_t now, const char *path, struct format_out *);

	/*
	 * One file's bytes.  For a folder: the bytes of one key file.
	 * Now: which key encrypts can depend on it.  FORMAT, WEAK, DUPLICATE,
	 * FULL, TIMES (a key that has expired), with why.
	 * NULL where a file cannot be read back.  Call it by format_read().
	 */
	enum stek_err (*read)(const struct format *, const uint8_t *, size_t,
	    int64_t now, struct format_in *, struct format_why *);

	/*
	 * The bytes of a folder's list; only folders have it.  FORMAT, FULL,
	 * with why.  Call it by format_list().
	 */
	enum stek_err (*list)(const struct format *, const uint8_t *, size_t,
	    struct format_list *, struct format_why *);

	/* NULL where nothing on the wire tells. */
	enum format_ticket (*ticket)(const struct stek_key *,
	    const uint8_t *, size_t);
};

/* NULL if there is none of that name. */
const struct format *format_find(const char *name);

/* For listing them all: NULL past the last. */
const struct format *format_at(size_t);

/*
 * Can a target of this format have that path?  A folder's must be absolute,
 * shorter than FORMAT_FOLDER_MAX and of FORMAT_FOLDER_CHARS only, since its
 * list quotes it; elsewhere the path is not looked at and may be NULL.
 */
bool format_takes_path(const struct format *, const char *path);

/*
 * Write by a format; wipes and empties out on error.  Checks set and path, so
 * that no write() needs to: a key must seal at `now`, and the path be one that
 * the format takes.
 */
STEK_CHECKED enum stek_err format_write(const struct format *,
    const struct stek_set *, int64_t now, const char *path,
    struct format_out *);

/* Read by a format; a why for each error, `in` wiped on error. */
STEK_CHECKED enum stek_err format_read(const struct format *, const uint8_t *,
    size_t, int64_t now, struct format_in *, struct format_why *);

/*
 * Read a folder's list; then format_read() each file it names and gather
 * their keys with format_in_add(): that is the folder as its server sees it.
 */
STEK_CHECKED enum stek_err format_list(const struct format *, const uint8_t *,
    size_t, struct format_list *, struct format_why *);

/* Is a file of that name in a folder one of a key? */
bool format_is_key_file(const char *name);

void format_out_free(struct format_out *);
void format_in_wipe(struct format_in *);

/*
 * Append a key that stood on that line.  WEAK: its name, AES or HMAC key is
 * not random.  DUPLICATE: a name begins with the same 4 bytes.  FULL.
 * FORMAT: is_short differs from the keys before.
 */
STEK_CHECKED enum stek_err format_in_add(struct format_in *,
    const struct stek_key *, bool is_short, size_t line,
    struct format_why *);

/* --- for the formats' own use ------------------------------------------ */

/* One more file, of len zero bytes to be filled in. MEMORY, FULL. */
STEK_CHECKED enum stek_err format_out_add(struct format_out *,
    const char *name, size_t len, uint8_t **bytes);

/* Say why, and return that error. */
STEK_CHECKED enum stek_err format_refuse(struct format_why *, enum stek_err,
    size_t line, const char *text, ...)
    __attribute__((format(printf, 4, 5)));

#endif
