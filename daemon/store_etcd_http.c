/* SPDX-License-Identifier: ISC */
/* See store_etcd_http.h. */
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store_etcd_call.h"
#include "store_etcd_http.h"

#define STATUS_MAX 16 /* of gRPC */
#define TOKEN_MAX  4096

#define NO_CONNECTION                                                        \
	"no connection in time: see whether etcd runs there, and whether a " \
	"firewall is in between"

static bool
add_header(struct curl_slist **all, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*all, line);

	if (longer == NULL)
		return false;
	*all = longer;
	return true;
}

/* Without "hasleader", a member that is cut off keeps a watch, and silent. */
static bool
add_headers(struct curl_slist **all, const char *token, unsigned int ms)
{
	char line[TOKEN_MAX + 16] = "hasleader: true";
	bool done;

	if (ms != 0)
		(void)snprintf(line, sizeof(line), "grpc-timeout: %um", ms);
	if (!add_header(all, "content-type: application/grpc") ||
	    !add_header(all, "te: trailers") || !add_header(all, "accept:") ||
	    !add_header(all, "expect:") || !add_header(all, line))
		return false;
	if (token == NULL)
		return true;
	(void)snprintf(line, sizeof(line), "token: %s", token);
	done = add_header(all, line);
	sodium_memzero(line, sizeof(line));
	return done;
}

struct curl_slist *
http_headers(const char *token, unsigned int ms)
{
	struct curl_slist *all = NULL;

	if (add_headers(&all, token, ms))
		return all;
	http_headers_free(all);
	return NULL;
}

void
http_headers_free(struct curl_slist *all)
{
	struct curl_slist *one;

	for (one = all; one != NULL; one = one->next)
		sodium_memzero(one->data, strlen(one->data));
	curl_slist_free_all(all);
}

void
http_begin(struct http_answer *answer, bool plain)
{
	memset(answer, 0, sizeof(*answer));
	answer->plain = plain;
	answer->date = -1;
}

/* The value of a line of this name, without blanks; NULL: another name. */
static const char *
value_of(const char *line, size_t len, const char *name, size_t *value_len)
{
	size_t at = strlen(name);

	if (len <= at || strncasecmp(line, name, at) != 0 || line[at] != ':')
		return NULL;
	for (at++; at < len && line[at] == ' '; at++)
		continue;
	while (len > at && (line[len - 1] == '\r' || line[len - 1] == '\n' ||
	                       line[len - 1] == ' '))
		len--;
	*value_len = len - at;
	return line + at;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void
keep_printable(char *to, size_t size, const char *from, size_t len)
{
	size_t i, n = 0;
	char c;

	for (i = 0; i < len && n < size - 1; i++) {
		c = from[i];
		if (c == '%' && len - i > 2 && digit(from[i + 1]) >= 0 &&
		    digit(from[i + 2]) >= 0) {
			c = (char)(digit(from[i + 1]) * 16 +
			           digit(from[i + 2]));
			i += 2;
		}
		to[n++] = c >= ' ' && c <= '~' ? c : '?';
	}
	to[n] = '\0';
}

void
http_printable(char *to, size_t size, const char *text)
{
	keep_printable(to, size, text, strlen(text));
}

/* -1: no number of a status. */
static int
number_of(const char *text, size_t len, int most)
{
	int number = 0;
	size_t i;

	for (i = 0; i < len && isdigit((unsigned char)text[i]); i++) {
		number = number * 10 + (text[i] - '0');
		if (number > most)
			return -1;
	}
	return len > 0 && i == len ? number : -1;
}

static void
take_date(struct http_answer *answer, const char *text, size_t len)
{
	char date[64];

	if (len >= sizeof(date))
		return;
	memcpy(date, text, len);
	date[len] = '\0';
	answer->date = curl_getdate(date, NULL);
}

/* "HTTP/2 200": another answer begins. */
static bool
take_first(struct http_answer *answer, const char *line, size_t len)
{
	const char *code = memchr(line, ' ', len);
	size_t left;

	if (len < 5 || strncasecmp(line, "HTTP/", 5) != 0 || code == NULL)
		return false;
	code++;
	left = len - (size_t)(code - line);
	answer->code = left < 3 ? -1 : number_of(code, 3, 999);
	answer->grpc = answer->has_status = false;
	return true;
}

void
http_header(struct http_answer *answer, const char *line, size_t len)
{
	static const char type[] = "application/grpc";
	const char *value;
	size_t n;

	if (take_first(answer, line, len))
		return;
	value = value_of(line, len, "content-type", &n);
	if (value != NULL) {
		answer->grpc = n >= sizeof(type) - 1 &&
		               strncasecmp(value, type, sizeof(type) - 1) == 0;
		if (!answer->grpc)
			keep_printable(
			    answer->message, sizeof(answer->message), value, n);
	}
	value = value_of(line, len, "grpc-status", &n);
	if (value != NULL) {
		answer->status = number_of(value, n, STATUS_MAX);
		answer->has_status = answer->status >= 0;
	}
	value = value_of(line, len, "grpc-message", &n);
	if (value != NULL)
		keep_printable(
		    answer->message, sizeof(answer->message), value, n);
	value = value_of(line, len, "date", &n);
	if (value != NULL)
		take_date(answer, value, n);
}

bool
http_has_frames(const struct http_answer *answer)
{
	return !answer->plain && answer->code == 200 && answer->grpc;
}

/* --- what is wrong --- */

static bool
was_connected(CURL *easy)
{
	curl_off_t us = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &us);
	return us > 0;
}

static const char *
unconnected(CURL *easy)
{
	long error = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
	switch (error) {
	case ECONNREFUSED:
		return "nothing listens there: start etcd, or mend the address";
	case ENETUNREACH:
		return "no route leads there: mend the address, or the routes";
	default:
		return NO_CONNECTION;
	}
}

static const char *
advice(CURLcode code, CURL *easy)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "this name has no address: see to the name, or to DNS";
	case CURLE_COULDNT_CONNECT:
		return unconnected(easy);
	case CURLE_OPERATION_TIMEDOUT:
		return was_connected(easy) ? HTTP_NO_ANSWER : NO_CONNECTION;
	case CURLE_PEER_FAILED_VERIFICATION:
		return "its certificate is refused: see to the CA, and to the "
		       "names and dates of etcd's certificate";
	case CURLE_SSL_CACERT_BADFILE:
		return "the file of the CA cannot be used: see to it";
	case CURLE_SSL_CERTPROBLEM:
		return "this node's own certificate or key cannot be used: "
		       "see to these files";
	case CURLE_OUT_OF_MEMORY:
		return "no memory";
	default:
		return "the connection broke: see whether etcd runs there, "
		       "with TLS for https:// and without for http://, and "
		       "wants a certificate of this node";
	}
}

/* Is what libcurl says the matter itself, and the same each time? */
static bool
is_file(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_SSL_CACERT_BADFILE ||
	       code == CURLE_SSL_CERTPROBLEM;
}

static void
say_broken(CURL *easy, CURLcode code, const char *error, char *why)
{
	char found[CURL_ERROR_SIZE];

	/* What libcurl says of these differs from time to time. */
	if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
	    code == CURLE_COULDNT_RESOLVE_HOST) {
		(void)snprintf(why, CONF_WHY_LEN, "%s", advice(code, easy));
		return;
	}
	http_printable(found, sizeof(found),
	    error[0] != '\0' ? error : curl_easy_strerror(code));
	(void)snprintf(why, CONF_WHY_LEN, is_file(code) ? "%s: %s" : "%s (%s)",
	    advice(code, easy), found);
}

int
http_status(const struct http_answer *answer, CURL *easy, CURLcode code,
    const char *error, char why[CONF_WHY_LEN])
{
	bool is_grpc = answer->code == 200 && answer->grpc;

	why[0] = '\0';
	if (answer->too_long) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "its answer is longer than the %zu bytes that can be: see "
		    "who writes under this prefix",
		    answer->limit);
		return CALL_BROKEN;
	}
	if (is_grpc && answer->has_status && !answer->garbled) {
		(void)snprintf(why, CONF_WHY_LEN, "%s", answer->message);
		return answer->status;
	}
	if (answer->code != 0 && !is_grpc && !answer->plain) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "no etcd answers there, but another server (HTTP %d, "
		    "%.100s): mend the address",
		    answer->code,
		    answer->message[0] != '\0' ? answer->message : "no type");
		return CALL_BROKEN;
	}
	if (answer->garbled) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "its answer is no gRPC: see what is between this node and "
		    "etcd");
		return CALL_BROKEN;
	}
	/*
	 * Without a status, too: libcurl 7.88 loses trailers where several
	 * calls share a connection.  A server that refuses sends no message,
	 * which the caller looks for.
	 */
	if (code == CURLE_OK)
		return CALL_OK;
	say_broken(easy, code, error, why);
	return code == CURLE_OPERATION_TIMEDOUT ? CALL_LATE : CALL_BROKEN;
}
