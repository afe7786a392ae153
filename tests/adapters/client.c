/* SPDX-License-Identifier: ISC */
/*
 * The client of the adapter contract.
 *
 * Never here: expectations.
 * Invariant: a visit is filled in whole, whatever the server does.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define TICKET_TAG 0xaa /* [10] in OpenSSL's encoding of a session */

static size_t
get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* RFC 5077, section 3.3, and RFC 8446, section 4.6.1. */
static void
note_ticket(struct visit *visit, bool tls13, const uint8_t *body, size_t len)
{
	size_t at = 4;

	if (tls13 && len > 9)
		at = 9 + body[8];
	if (len < at + 2 || len - at - 2 < get16(body + at))
		return;
	len = get16(body + at);
	if (len == 0 || len > TICKET_MAX)
		return;
	visit->tickets++;
	visit->ticket_len = len;
	memcpy(visit->ticket, body + at + 2, len);
}

static void
on_message(int sent, int version, int type, const void *message, size_t len,
    SSL *ssl, void *visit)
{
	const uint8_t *bytes = message;

	(void)version;
	if (!sent && type == SSL3_RT_HANDSHAKE && len > 4 &&
	    bytes[0] == SSL3_MT_NEWSESSION_TICKET)
		note_ticket(visit, SSL_version(ssl) == TLS1_3_VERSION,
		    bytes + 4, len - 4);
}

static void
on_info(const SSL *ssl, int where, int value)
{
	struct visit *visit = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    value >> 8 == SSL3_AL_FATAL)
		visit->alert = value & 0xff;
}

SSL_CTX *
client_new(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_info_callback(ctx, on_info);
	return ctx;
}

static void
talk(SSL *ssl, struct visit *visit)
{
	uint8_t byte;

	if (SSL_connect(ssl) <= 0)
		return;
	visit->connected = SSL_read(ssl, &byte, 1) == 1;
	visit->resumed = SSL_session_reused(ssl);
	visit->session = SSL_get1_session(ssl);
	if (visit->session != NULL && !SSL_SESSION_has_ticket(visit->session)) {
		SSL_SESSION_free(visit->session);
		visit->session = NULL;
	}
	(void)SSL_shutdown(ssl);
}

void
client_visit(SSL_CTX *ctx, int fd, const SSL_SESSION *session, const char *host,
    struct visit *visit)
{
	SSL_SESSION *mine = NULL;
	SSL *ssl = SSL_new(ctx);

	memset(visit, 0, sizeof(*visit));
	visit->alert = -1;
	if (ssl == NULL || !SSL_set_fd(ssl, fd))
		goto out;
	(void)SSL_set_app_data(ssl, visit);
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, visit);
	if (host != NULL && !SSL_set_tlsext_host_name(ssl, host))
		goto out;
	if (session != NULL) {
		/* A session must not be used by two connections at once. */
		mine = SSL_SESSION_dup(session);
		if (mine == NULL || !SSL_set_session(ssl, mine))
			goto out;
	}
	talk(ssl, visit);
out:
	SSL_SESSION_free(mine);
	SSL_free(ssl);
	(void)close(fd);
}

void
visit_free(struct visit *visit)
{
	SSL_SESSION_free(visit->session);
	visit->session = NULL;
}

/* The length of a DER element's header; its contents' length in *len. */
static size_t
der_header(const uint8_t *p, size_t *len)
{
	size_t i, bytes;

	if (p[1] < 0x80) {
		*len = p[1];
		return 2;
	}
	bytes = p[1] & 0x7f;
	for (*len = 0, i = 0; i < bytes; i++)
		*len = *len << 8 | p[2 + i];
	return 2 + bytes;
}

static uint8_t *
der_put(uint8_t *to, uint8_t tag, size_t len)
{
	*to++ = tag;
	*to++ = 0x82;
	*to++ = (uint8_t)(len >> 8);
	*to++ = (uint8_t)len;
	return to;
}

/* DER to DER; returns the new length. */
static size_t
replace_ticket(
    const uint8_t *from, uint8_t *to, const uint8_t *ticket, size_t ticket_len)
{
	const uint8_t *end;
	uint8_t *p = to + 4;
	size_t head, len;

	from += der_header(from, &len);
	for (end = from + len; from < end; from += head + len) {
		head = der_header(from, &len);
		if (from[0] != TICKET_TAG) {
			memcpy(p, from, head + len);
			p += head + len;
			continue;
		}
		p = der_put(p, TICKET_TAG, ticket_len + 4);
		p = der_put(p, 0x04, ticket_len);
		memcpy(p, ticket, ticket_len);
		p += ticket_len;
	}
	(void)der_put(to, 0x30, (size_t)(p - to - 4));
	return (size_t)(p - to);
}

SSL_SESSION *
session_with_ticket(
    const SSL_SESSION *session, const uint8_t *ticket, size_t ticket_len)
{
	uint8_t *old = NULL, *new = NULL;
	SSL_SESSION *made = NULL;
	const uint8_t *p;
	int len;

	len = i2d_SSL_SESSION(session, &old);
	if (len <= 0)
		return NULL;
	new = malloc((size_t)len + ticket_len + 16);
	if (new != NULL) {
		p = new;
		len = (int)replace_ticket(old, new, ticket, ticket_len);
		made = d2i_SSL_SESSION(NULL, &p, len);
	}
	free(new);
	OPENSSL_free(old);
	return made;
}
