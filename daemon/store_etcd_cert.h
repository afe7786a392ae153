/* SPDX-License-Identifier: ISC */
/*
 * What becomes of this node's certificate at etcd, of which libcurl tells only
 * that the connection broke, or not even that: with TLS 1.3 the refusal comes
 * after the handshake, and perhaps amid what is sent.
 *
 * Never here: the key; whether a certificate is to be trusted.
 */
#ifndef STEK_STORE_ETCD_CERT_H
#define STEK_STORE_ETCD_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

struct cert_seen {
	bool done; /* of its side, this node has ended a handshake */
	int alert; /* of TLS: the last that came; 0: none */
};

/*
 * From now on it is kept, and must outlive the connections.  True also where
 * libcurl's TLS is not OpenSSL's: then nothing is ever seen.
 */
bool cert_watch(CURL *, struct cert_seen *);
/* Does the other end take no such certificate, or want one? */
bool cert_is_refused(int alert);
const char *cert_alert_name(int alert);

/* Has the certificate in this file expired, as it seems?  Since when. */
bool cert_has_expired(const char *path, int64_t now, int64_t *since);

#endif
