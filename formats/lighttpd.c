/* SPDX-License-Identifier: ISC */
/*
 * lighttpd: ssl.stek-file, 92 bytes: version 0, activation and expiry as
 * native int32, then one key as name, HMAC, AES.  It polls the file and keeps
 * the last three keys it has seen, so the sealing key alone is written.
 *
 * A pending key is not: a lighttpd that is restarted has only the one key of
 * the file, and with one that may not seal yet mod_wolfssl fails every TLS
 * 1.3 handshake.  All lighttpds of a farm look at their files in the same
 * second (when the epoch divides by 64), so they change keys together.
 *
 * Never here: the time between two writes, which the target keeps.
 * Invariant: no time is written that an int32 cannot hold.
 */
#include "layout.h"
#include "servers.h"

#include <endian.h>
#include <string.h>

#define HEAD_LEN  12
#define FILE_LEN  (HEAD_LEN + LAYOUT_MAX)
#define IV_LEN    16
#define SIZE_LEN  2
#define AHEAD_MAX INT64_C(5184000) /* 60 days */
#define YEAR      31557600

/*
 * It looks each 64 s, in one certain second.  Now and then its loop passes over
 * a second, and if it is that one, over a look.
 */
#define LOOK 64

/* What mod_mbedtls shows of a key's name. */
#define PREFIX_LEN 4

static enum stek_err
write_sealing(const struct format *format, const struct stek_set *set,
    int64_t now, const char *path, struct format_out *out)
{
	const struct stek_key *key = stek_set_sealing(set, now);
	int32_t head[3] = {0};
	enum stek_err err;
	uint8_t *bytes;

	(void)format;
	(void)path;
	if (key->open_until > INT32_MAX)
		return STEK_ERR_FORMAT;
	head[1] = (int32_t)key->seal_from;
	head[2] = (int32_t)key->open_until;
	err = format_out_add(out, "", FILE_LEN, &bytes);
	if (err != STEK_OK)
		return err;
	memcpy(bytes, head, HEAD_LEN);
	layout_pack(&layout_h80, key, bytes + HEAD_LEN);
	return STEK_OK;
}

static bool
are_times(int32_t from, int32_t until, int64_t now)
{
	return from > 0 && from <= until && until > now;
}

/* Bytes in the other order mostly give a time many years away. */
static bool
is_far(int32_t time, int64_t now)
{
	return time < now - YEAR || time > now + YEAR;
}

static int32_t
swapped(int32_t time)
{
	return (int32_t)__builtin_bswap32((uint32_t)time);
}

/*
 * The other order can read as times by chance, far ahead as a rule: no tool
 * makes keys so early.
 */
static bool
are_swapped(const int32_t head[3], int64_t now)
{
	return head[1] > now + AHEAD_MAX && swapped(head[1]) <= now &&
	       are_times(swapped(head[1]), swapped(head[2]), now);
}

static enum stek_err
refuse_times(const int32_t head[3], int64_t now, struct format_why *why)
{
	if (is_far(head[2], now) &&
	    are_times(swapped(head[1]), swapped(head[2]), now))
		return format_refuse(why, STEK_ERR_TIMES, 0,
		    "expected times in this machine's byte order, found them "
		    "in the other");
	if (head[1] <= 0 || head[1] > head[2])
		return format_refuse(why, STEK_ERR_TIMES, 0,
		    "expected an activation time before the expiry time, found "
		    "%ld and %ld",
		    (long)head[1], (long)head[2]);
	return format_refuse(why, STEK_ERR_TIMES, 0,
	    "expected a key that opens tickets, found one that expired at %ld",
	    (long)head[2]);
}

static enum stek_err
read_file(const struct format *format, const uint8_t *bytes, size_t len,
    int64_t now, struct format_in *in, struct format_why *why)
{
	int32_t head[3];
	enum stek_err err;

	(void)format;
	if (len != FILE_LEN)
		return format_refuse(why, STEK_ERR_FORMAT, 0,
		    "expected %d bytes, found %zu", FILE_LEN, len);
	memcpy(head, bytes, HEAD_LEN);
	if (head[0] != 0)
		return format_refuse(why, STEK_ERR_FORMAT, 0,
		    "expected version 0, found %ld", (long)head[0]);
	if (!are_times(head[1], head[2], now) || are_swapped(head, now))
		return refuse_times(head, now, why);
	err = layout_add(&layout_h80, bytes + HEAD_LEN, 0, in, why);
	if (err != STEK_OK)
		return err;
	in->keys[0].seal_from = head[1];
	in->keys[0].open_until = head[2];
	in->sealing = head[1] <= now ? 0 : 1;
	return STEK_OK;
}

/*
 * mod_wolfssl: name, IV, big-endian length of the ciphertext, ciphertext, and
 * HMAC-SHA256 of the ciphertext alone.
 */
static bool
is_of_wolfssl(const struct stek_key *key, const uint8_t *ticket, size_t len)
{
	const size_t at = STEK_NAME_LEN + IV_LEN;
	const uint8_t *sealed = ticket + at + SIZE_LEN;
	uint16_t size;

	if (len < at + SIZE_LEN)
		return false;
	memcpy(&size, ticket + at, SIZE_LEN);
	size = be16toh(size);
	if (len != at + SIZE_LEN + size + LAYOUT_MAC_LEN)
		return false;
	return layout_mac(key->mac, STEK_MAC_LEN, sealed, size, sealed + size);
}

/* mod_mbedtls: 4 bytes of the name, then AES-GCM, which has no MAC key. */
static bool
is_of_mbedtls(const struct stek_key *key, const uint8_t *ticket, size_t len)
{
	return len >= STEK_NAME_LEN &&
	       memcmp(ticket, key->name, PREFIX_LEN) == 0 &&
	       memcmp(ticket, key->name, STEK_NAME_LEN) != 0;
}

static enum format_ticket
ticket(const struct stek_key *key, const uint8_t *bytes, size_t len)
{
	enum format_ticket found = layout_ticket(key, bytes, len);

	if (found == FORMAT_TICKET_FORGED && is_of_wolfssl(key, bytes, len))
		return FORMAT_TICKET_PROVEN;
	if (found == FORMAT_TICKET_OTHER && is_of_mbedtls(key, bytes, len))
		return FORMAT_TICKET_NAMED;
	return found;
}

const struct format format_lighttpd = {
    .name = "lighttpd",
    .server = "lighttpd (mod_openssl, mod_wolfssl, mod_mbedtls)",
    .flags = FORMAT_REMEMBERS,
    .keys = 3,
    .opening = 2,
    .tick = 2 * LOOK + 2,
    .spacing = LOOK + 2,
    .hint = 7200,
    .trap = "mod_gnutls and mod_nss do not take its keys; "
            "the file must belong to the user it runs as, or new keys are "
            "missed in silence; restarted it knows the sealing key only; "
            "mod_mbedtls opens with two keys only",
    .write = write_sealing,
    .read = read_file,
    .ticket = ticket,
};

const struct format format_lighttpd_gnutls = {
    .name = "lighttpd-gnutls",
    .server = "lighttpd (mod_gnutls)",
    .flags = FORMAT_REFUSED,
    .trap = "mod_gnutls overwrites its key with zeroes within about two "
            "minutes of reading a file: anyone can then read its sessions; "
            "use mod_openssl",
};

const struct format format_lighttpd_nss = {
    .name = "lighttpd-nss",
    .server = "lighttpd (mod_nss)",
    .flags = FORMAT_REFUSED,
    .trap = "mod_nss ignores ssl.stek-file, so its tickets are never "
            "understood elsewhere; use mod_openssl",
};
