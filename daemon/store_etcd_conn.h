/* SPDX-License-Identifier: ISC */
/*
 * How libcurl is to connect to an endpoint, and what it is to speak there.
 *
 * Never here: a call.
 * Invariant: no proxy, no other protocol and no other CA than are configured,
 * whatever the environment says.
 */
#ifndef STEK_STORE_ETCD_CONN_H
#define STEK_STORE_ETCD_CONN_H

#include "store_etcd_call.h"
#include "store_etcd_cert.h"

/* cert_seen: as for cert_watch().  False: no memory, or too long. */
STEK_CHECKED bool conn_set(
    CURL *, const struct link_conf *, const char *path, struct cert_seen *);

bool conn_is_tls(const char *endpoint);

/* As libcurl has them; used: the connection has had a call. */
long conn_version(const char *endpoint, bool used);

#endif
