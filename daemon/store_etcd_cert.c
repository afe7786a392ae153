/* SPDX-License-Identifier: ISC */
/* See store_etcd_cert.h. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store_etcd_cert.h"

static void
on_info(const SSL *ssl, int where, int what)
{
	struct cert_seen *seen = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (seen == NULL)
		return;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		seen->alert = what & 0xff;
	if ((where & SSL_CB_HANDSHAKE_DONE) != 0)
		seen->done = true;
}

static CURLcode
on_context(CURL *easy, void *context, void *arg)
{
	(void)easy;
	SSL_CTX_set_info_callback(context, on_info);
	return SSL_CTX_set_app_data(context, arg) == 1 ? CURLE_OK
	                                               : CURLE_OUT_OF_MEMORY;
}

static bool
is_openssl(void)
{
	const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

	return tls != NULL && strncmp(tls, "OpenSSL/3.", 10) == 0;
}

bool
cert_watch(CURL *easy, struct cert_seen *seen)
{
	if (!is_openssl())
		return true;
	return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) ==
	           CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, seen) == CURLE_OK;
}

bool
cert_is_refused(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

const char *
cert_alert_name(int alert)
{
	return SSL_alert_desc_string_long(alert);
}

bool
cert_has_expired(const char *path, int64_t now, int64_t *since)
{
	FILE *file = fopen(path, "re");
	X509 *cert = NULL;
	struct tm until;
	bool known = false;

	if (file == NULL)
		return false;
	cert = PEM_read_X509(file, NULL, NULL, NULL);
	if (cert != NULL &&
	    ASN1_TIME_to_tm(X509_get0_notAfter(cert), &until) == 1) {
		*since = timegm(&until);
		known = true;
	}
	X509_free(cert);
	ERR_clear_error(); /* libcurl's are its own */
	(void)fclose(file);
	return known && *since < now;
}
