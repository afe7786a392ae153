/* SPDX-License-Identifier: ISC */
/*
 * The headers of a gRPC call; what an HTTP answer says of it, and what is
 * wrong where it is none, in words for who has to mend it.
 *
 * Never here: a connection, a message's bytes.
 * Invariant: what a server has sent is in a sentence only where it is
 * printable, and cut to a bearable length.
 */
#ifndef STEK_STORE_ETCD_HTTP_H
#define STEK_STORE_ETCD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "conf.h"

#define HTTP_NO_ANSWER                                                       \
	"no answer in time: see whether etcd is overloaded, stopped or cut " \
	"off"

struct http_answer {
	bool plain; /* it is to be no gRPC: link_date() */
	int code; /* of HTTP; 0: none yet */
	bool grpc; /* by its content type */
	bool has_status;
	int status; /* gRPC's */
	char message[256]; /* gRPC's, decoded; or the content type */
	int64_t date; /* -1: none */
	bool too_long, garbled; /* of its frames */
	size_t limit; /* that it was too long for */
};

/* Of a request; ms 0: of a stream.  NULL: no memory.  They are wiped. */
struct curl_slist *http_headers(const char *token, unsigned int ms);
void http_headers_free(struct curl_slist *); /* may be NULL */

void http_begin(struct http_answer *, bool plain);
void http_header(struct http_answer *, const char *line, size_t len);
/* What is printable of a text, cut to size. */
void http_printable(char *to, size_t size, const char *text);
/* Is the body one of frames? */
bool http_has_frames(const struct http_answer *);

/* How it ended: enum of store_etcd_call.h; if not CALL_OK, why. */
int http_status(const struct http_answer *, CURL *, CURLcode, const char *error,
    char why[CONF_WHY_LEN]);

#endif
