/* SPDX-License-Identifier: ISC */
/*
 * The bytes that most servers share: a key as 48 or 80 raw bytes in one of
 * two orders, one key or several in a row, and the ticket that OpenSSL makes
 * with such a key.
 *
 * Never here: text, lists, a server's name.
 * Invariant: the name comes first; unpack undoes pack.
 */
#ifndef STEK_LAYOUT_H
#define STEK_LAYOUT_H

#include "format.h"
#include "order.h"

#define LAYOUT_MAX	80	/* length of a key */
#define LAYOUT_MAC_LEN	32	/* length of a ticket's HMAC-SHA256 */

struct layout {
	size_t len;	/* of one key */
	size_t part;	/* of its AES key, and of its HMAC key */
	size_t aes;	/* where the AES key begins */
	size_t mac;	/* where the HMAC key begins */
};

extern const struct layout layout_a48, layout_h48, layout_a80, layout_h80;

/* The bytes of one key on their way to or from a text form. */
struct layout_raw {
	uint8_t bytes[LAYOUT_MAX];
};

void layout_raw_wipe(struct layout_raw *);

/* As STEK_WIPED. */
#define LAYOUT_WIPED	__attribute__((cleanup(layout_raw_wipe)))

/* A 48-byte layout takes its keys from stek_scope_short(). */
void layout_pack(const struct layout *, const struct stek_key *,
    uint8_t *bytes);

/* The times become 0; see struct format_in for a short key. */
void layout_unpack(const struct layout *, const uint8_t *bytes,
    struct stek_key *);

/* format_in_add() of a key in these bytes. */
STEK_CHECKED enum stek_err layout_add(const struct layout *,
    const uint8_t *bytes, size_t line, struct format_in *,
    struct format_why *);

/* One file of these keys in a row. */
STEK_CHECKED enum stek_err layout_put(const struct layout *,
    const struct order *, struct format_out *);

/*
 * The write() and read() of a struct format with a layout whose file is keys
 * in a row, as many as it uses, the first encrypting.  What read() takes is
 * one or more; layout_read_one() takes exactly one.
 */
STEK_CHECKED enum stek_err layout_write(const struct format *,
    const struct stek_set *, int64_t now, const char *path,
    struct format_out *);
STEK_CHECKED enum stek_err layout_read(const struct format *,
    const uint8_t *, size_t, int64_t now, struct format_in *,
    struct format_why *);
STEK_CHECKED enum stek_err layout_read_one(const struct format *,
    const uint8_t *, size_t, int64_t now, struct format_in *,
    struct format_why *);

/*
 * OpenSSL's ticket, of RFC 5077 section 4: name, IV, AES-CBC ciphertext and
 * HMAC-SHA256 of all before it.  The second is for 48-byte keys.
 */
enum format_ticket layout_ticket(const struct stek_key *, const uint8_t *,
    size_t);
enum format_ticket layout_ticket_short(const struct stek_key *,
    const uint8_t *, size_t);

/* That ticket's MAC alone, whatever its name. */
bool layout_ticket_mac(const uint8_t *mac_key, size_t mac_key_len,
    const uint8_t *, size_t);

/* Is it the HMAC-SHA256 of these bytes? */
bool layout_mac(const uint8_t *mac_key, size_t mac_key_len,
    const uint8_t *, size_t, const uint8_t mac[LAYOUT_MAC_LEN]);

#endif
