/* SPDX-License-Identifier: ISC */
/* See store_etcd_conn.h. */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "store_etcd_conn.h"

#define URL_MAX   1024
#define SYN_TRIES 1 /* after the first; in vain after three seconds */

bool
conn_is_tls(const char *endpoint)
{
	return strncmp(endpoint, "https:", 6) == 0;
}

/*
 * libcurl 7.88 breaks a connection that it is to use again with prior
 * knowledge; but then it knows already what the connection speaks.
 */
long
conn_version(const char *endpoint, bool used)
{
	if (conn_is_tls(endpoint))
		return CURL_HTTP_VERSION_2TLS;
	return used ? CURL_HTTP_VERSION_2_0
	            : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

/*
 * Patience is for an etcd that answers slowly.  Where nothing answers at all,
 * the kernel would try after longer and longer pauses, and find a way that is
 * there again as late; a new connection finds it sooner.  One that cannot be
 * told so is used all the same.
 */
static int
on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int tries = SYN_TRIES;

	(void)arg;
	(void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof(tries));
	return CURL_SOCKOPT_OK;
}

#define SET(option, value) \
	(curl_easy_setopt(easy, CURLOPT_##option, value) == CURLE_OK)

bool
conn_set(CURL *easy, const struct link_conf *conf, const char *path,
    struct cert_seen *seen)
{
	char url[URL_MAX];
	int len;

	len = snprintf(url, sizeof(url), "%s%s", conf->endpoint, path);
	if (len < 0 || (size_t)len >= sizeof(url))
		return false;
	/* QUICK_EXIT: else it waits for a name's resolver to give up. */
	return SET(URL, url) && SET(NOSIGNAL, 1L) && SET(QUICK_EXIT, 1L) &&
	       SET(PROXY, "") && SET(PROTOCOLS_STR, "http,https") &&
	       SET(PIPEWAIT, 1L) && SET(USERAGENT, "stek/" STEK_VERSION) &&
	       SET(SOCKOPTFUNCTION, on_socket) &&
	       SET(SSLVERSION, conf->tls12
	                           ? (long)CURL_SSLVERSION_TLSv1_2 |
	                                 (long)CURL_SSLVERSION_MAX_TLSv1_2
	                           : (long)CURL_SSLVERSION_TLSv1_2) &&
	       (conf->ca[0] == '\0' || SET(CAINFO, conf->ca)) &&
	       (conf->ca[0] == '\0' || SET(CAPATH, NULL)) &&
	       cert_watch(easy, seen) &&
	       (conf->cert[0] == '\0' || SET(SSLCERT, conf->cert)) &&
	       (conf->key[0] == '\0' || SET(SSLKEY, conf->key));
}
