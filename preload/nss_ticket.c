/* SPDX-License-Identifier: ISC */
/*
 * The plaintext of NSS's tickets: ssl3_EncodeSessionTicket() in its
 * lib/ssl/ssl3exthandle.c, the same from 3.53 to 3.124.
 *
 *	2 version 0x010a		2 TLS version		2 suite
 *	1 auth type			4 its bits
 *	1 key exchange			4 its bits		4 group
 *	4 signature scheme		1 curve
 *	4 wrapping mechanism		2+n wrapped secret
 *	1 client: 0, or 1 and 2+n its certificate
 *	8 time				2+n server name
 *	1 extended master secret	4 flags			1+n ALPN
 *	4 early data			4 age			2+n token
 *
 * Never here: keys, or any call.
 * Invariant: nothing is read past the end, whatever the bytes are.
 */
#include "nss_preload.h"

#define VERSION_HIGH 0x01
#define VERSION_LOW  0x0a
#define COOKIE       0xff /* the first byte of what is no ticket */
#define AUTH_AT      6
#define MECHANISM_AT 25
#define SECRET_AT    31
#define CLIENT_NONE  0
#define CLIENT_CERT  1

struct reader {
	const uint8_t *at;
	size_t left;
};

static bool
skip(struct reader *r, size_t len)
{
	if (len > r->left)
		return false;
	r->at += len;
	r->left -= len;
	return true;
}

/* A length of so many bytes, and what it counts. */
static bool
skip_variable(struct reader *r, size_t width, size_t *len)
{
	const uint8_t *at = r->at;
	size_t i;

	*len = 0;
	if (!skip(r, width))
		return false;
	for (i = 0; i < width; i++)
		*len = *len << 8 | at[i];
	return skip(r, *len);
}

static bool
skip_client(struct reader *r)
{
	const uint8_t *kind = r->at;
	size_t len;

	if (!skip(r, 1))
		return false;
	if (*kind == CLIENT_CERT)
		return skip_variable(r, 2, &len);
	return *kind == CLIENT_NONE;
}

bool
nss_ticket_parse(const uint8_t *bytes, size_t len, struct nss_ticket *out)
{
	struct reader r = {bytes, len};
	size_t any;

	if (len < SECRET_AT || bytes[0] != VERSION_HIGH ||
	    bytes[1] != VERSION_LOW)
		return false;
	out->auth = bytes[AUTH_AT];
	out->mechanism = MECHANISM_AT;
	out->secret = SECRET_AT;
	return skip(&r, SECRET_AT - 2) &&
	       skip_variable(&r, 2, &out->secret_len) && out->secret_len > 0 &&
	       out->secret_len <= NSS_SECRET_MAX && skip_client(&r) &&
	       skip(&r, 8) && skip_variable(&r, 2, &any) && skip(&r, 1 + 4) &&
	       skip_variable(&r, 1, &any) && skip(&r, 4 + 4) &&
	       skip_variable(&r, 2, &any) && r.left == 0;
}

bool
nss_ticket_is_cookie(const uint8_t *bytes, size_t len)
{
	return len > 0 && bytes[0] == COOKIE;
}
