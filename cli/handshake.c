/* SPDX-License-Identifier: ISC */
/*
 * handshake.c: a TLS client that wants nothing but a ticket.
 *
 * Never here: a blocking call without a deadline, or anything that is sent
 * besides the handshake and its close.
 * In TLS 1.3 the ticket follows the handshake.  The client closes its side at
 * once and reads on until the server has closed too: a server that issues
 * none is known at once, and one that holds its tickets back until it first
 * writes sends them with its close.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "handshake.h"

/* In ms: how long a server may take to answer the close of TLS... */
#define TICKET_SOON   200
/* ...and that of TCP; then it has no ticket to send... */
#define TICKET_WAIT   2000
/* ...and how long to let it finish once a ticket has come. */
#define TICKET_LINGER 100

struct attempt {
	SSL *ssl;
	int fd;
	int64_t deadline;
	struct handshake *out;
};

__attribute__((format(printf, 3, 4))) static void
end_with(struct handshake *out, enum handshake_end end, const char *fmt, ...)
{
	va_list ap;

	out->end = end;
	va_start(ap, fmt);
	(void)vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
}

/* In TLS 1.3: a ticket has come. The first one is kept. */
static int
ticket_came(SSL *ssl, SSL_SESSION *session)
{
	struct attempt *try = SSL_get_app_data(ssl);
	int64_t soon = reach_now() + TICKET_LINGER;

	if (SSL_version(ssl) != TLS1_3_VERSION || try->out->session != NULL)
		return 0;
	try->out->session = session;
	if (soon < try->deadline)
		try->deadline = soon;
	return 1;
}

/*
 * Asked for TLS 1.3 alone, a server without it says "handshake failure", like
 * one that has other reasons; with 1.2 on offer too it answers in 1.2.
 */
SSL_CTX *
handshake_ctx(int version)
{
	SSL_CTX *ctx;

	/* A system's openssl.cnf must not decide what can be probed. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return NULL;
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_ALL | SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, ticket_came);
	if (SSL_CTX_set_cipher_list(ctx, "ALL:!aNULL:@SECLEVEL=0") != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/*
 * One SSL call until it ends or the deadline passes; SSL_ERROR_WANT_* then
 * means that it did.
 */
static int
drive(struct attempt *try, int (*step)(SSL *))
{
	int err, n;

	for (;;) {
		ERR_clear_error();
		errno = 0;
		n = step(try->ssl);
		if (n > 0)
			return SSL_ERROR_NONE;
		err = SSL_get_error(try->ssl, n);
		if (err != SSL_ERROR_WANT_READ && err != SSL_ERROR_WANT_WRITE)
			return err;
		if (!reach_ready(try->fd,
		        err == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT,
		        try->deadline))
			return err;
	}
}

static int
discard(SSL *ssl)
{
	char bytes[4096];

	return SSL_read(ssl, bytes, sizeof(bytes));
}

static void
explain_alert(struct handshake *out, int alert)
{
	const char *hint = "";

	if (alert == SSL_AD_PROTOCOL_VERSION) {
		end_with(out, HANDSHAKE_VERSION, "refuses this version of TLS");
		return;
	}
	if (alert == SSL_AD_UNRECOGNIZED_NAME)
		hint = "; name a virtual host of it with --sni";
	else if (alert == TLS13_AD_CERTIFICATE_REQUIRED)
		hint = "; it wants a client certificate, and a probe has none";
	end_with(out, HANDSHAKE_ALERT, "fatal alert \"%s\"%s",
	    SSL_alert_desc_string_long(alert), hint);
}

/* Err is from drive() and not SSL_ERROR_NONE. */
static void
explain(struct handshake *out, int err, int timeout)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_REASON(code);

	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		end_with(out, HANDSHAKE_SILENT,
		    "accepts the connection, but does not finish a TLS "
		    "handshake within %g s",
		    timeout / 1000.0);
	else if (err == SSL_ERROR_ZERO_RETURN || err == SSL_ERROR_SYSCALL ||
	         reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		end_with(out, HANDSHAKE_CLOSED,
		    "closes the connection in the midst of the handshake");
	else if (reason > SSL_AD_REASON_OFFSET)
		explain_alert(out, reason - SSL_AD_REASON_OFFSET);
	else if (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	         reason == SSL_R_WRONG_SSL_VERSION)
		end_with(out, HANDSHAKE_VERSION, "answers in another version");
	else if (reason == SSL_R_WRONG_VERSION_NUMBER ||
	         reason == SSL_R_HTTP_REQUEST)
		end_with(out, HANDSHAKE_FOREIGN,
		    "what it answers is not TLS: plain text, or a service "
		    "that wants STARTTLS");
	else
		end_with(out, HANDSHAKE_FOREIGN,
		    "its answer cannot be used: %s",
		    code != 0 ? ERR_reason_error_string(code)
		              : "unknown error");
}

static void
take_leaf(const SSL *ssl, struct handshake *out)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	unsigned int len;

	if (cert != NULL &&
	    X509_digest(cert, EVP_sha256(), out->leaf, &len) == 1)
		out->has_leaf = true;
}

static int
read_on(struct attempt *try, int wait)
{
	int err;

	try->deadline = reach_now() + wait;
	do
		err = drive(try, discard);
	while (err == SSL_ERROR_NONE && reach_now() < try->deadline);
	return err;
}

/*
 * The server's close ends the wait; so does its alert, if it has one.  Some
 * servers go on after the close of TLS until that of TCP.
 */
static void
await_ticket(struct attempt *try, int timeout)
{
	int wait = timeout < TICKET_WAIT ? timeout : TICKET_WAIT;
	int soon = wait < TICKET_SOON ? wait : TICKET_SOON, err;

	(void)SSL_shutdown(try->ssl);
	err = read_on(try, soon);
	if (err == SSL_ERROR_WANT_READ && try->out->session == NULL &&
	    wait > soon && shutdown(try->fd, SHUT_WR) == 0)
		err = read_on(try, wait - soon);
	if (err == SSL_ERROR_SSL && try->out->session == NULL &&
	    ERR_GET_REASON(ERR_peek_error()) > SSL_AD_REASON_OFFSET)
		explain(try->out, err, timeout);
}

/* In TLS 1.2 a resumed session that got no new ticket has the offered one. */
static void
take_ticket(const struct attempt *try, SSL_SESSION *offer)
{
	struct handshake *out = try->out;
	const uint8_t *old = NULL;
	size_t old_len = 0;

	if (out->session == NULL && SSL_version(try->ssl) == TLS1_2_VERSION)
		out->session = SSL_get1_session(try->ssl);
	if (out->session == NULL)
		return;
	SSL_SESSION_get0_ticket(out->session, &out->ticket, &out->ticket_len);
	if (offer != NULL)
		SSL_SESSION_get0_ticket(offer, &old, &old_len);
	out->lifetime = SSL_SESSION_get_ticket_lifetime_hint(out->session);
	out->issued =
	    out->ticket_len > 0 && (old_len != out->ticket_len ||
	                               memcmp(old, out->ticket, old_len) != 0);
	if (out->issued)
		return;
	SSL_SESSION_free(out->session);
	out->session = NULL;
	out->ticket = NULL;
	out->ticket_len = 0;
}

static bool
prepare(struct attempt *try, SSL_CTX *ctx, const char *sni, SSL_SESSION *offer)
{
	SSL_SESSION *copy = NULL;
	bool done;

	try->ssl = SSL_new(ctx);
	if (try->ssl == NULL)
		return false;
	/* A 1.3 session is marked as used after one handshake: offer a copy. */
	if (offer != NULL && (copy = SSL_SESSION_dup(offer)) == NULL)
		return false;
	done = SSL_set_app_data(try->ssl, try) == 1 &&
	       SSL_set_fd(try->ssl, try->fd) == 1 &&
	       (sni == NULL || SSL_set_tlsext_host_name(try->ssl, sni) == 1) &&
	       (copy == NULL || (SSL_SESSION_is_resumable(copy) == 1 &&
	                            SSL_set_session(try->ssl, copy) == 1));
	SSL_SESSION_free(copy);
	return done;
}

void
handshake_run(SSL_CTX *ctx, struct reach_server *server, SSL_SESSION *offer,
    int timeout, struct handshake *out)
{
	struct attempt try = {.fd = -1, .out = out};
	int err;

	memset(out, 0, sizeof(*out));
	out->end = HANDSHAKE_UNREACHED;
	try.fd = reach_connect(server, timeout, out->why);
	if (try.fd == -1)
		return;
	out->end = HANDSHAKE_DONE;
	out->why[0] = '\0';
	if (!prepare(&try, ctx, server->sni, offer)) {
		end_with(out, HANDSHAKE_LOCAL, "OpenSSL: %s",
		    ERR_reason_error_string(ERR_peek_error()));
		goto out;
	}
	try.deadline = reach_now() + timeout;
	err = drive(&try, SSL_connect);
	if (err != SSL_ERROR_NONE) {
		explain(out, err, timeout);
		goto out;
	}
	if (SSL_version(try.ssl) != SSL_CTX_get_max_proto_version(ctx)) {
		end_with(out, HANDSHAKE_VERSION, "answers in %s",
		    SSL_get_version(try.ssl));
		goto out;
	}
	out->resumed = SSL_session_reused(try.ssl) == 1;
	out->cipher = SSL_get_cipher_name(try.ssl);
	take_leaf(try.ssl, out);
	if (SSL_version(try.ssl) == TLS1_3_VERSION)
		await_ticket(&try, timeout);
	else
		(void)SSL_shutdown(try.ssl);
	take_ticket(&try, offer);
out:
	SSL_free(try.ssl);
	(void)close(try.fd);
}

void
handshake_free(struct handshake *out)
{
	SSL_SESSION_free(out->session);
	memset(out, 0, sizeof(*out));
}
