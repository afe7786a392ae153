/* SPDX-License-Identifier: ISC */
/*
 * GnuTLS's side of the contract: a server that does nothing but tickets.
 */
#ifndef TESTS_GNUTLS_SERVER_H
#define TESTS_GNUTLS_SERVER_H

#include <gnutls/gnutls.h>

#include <stek/gnutls.h>

#include "contract.h"

struct gnutls_server {
	struct stek_gnutls *tickets;
	gnutls_certificate_credentials_t cert;
	gnutls_priority_t priority;
};

/* As struct contract_library has them. */
void *gnutls_server_new(const struct contract_server *);
void gnutls_server_free(void *);
void gnutls_serve(void *, int fd);
void gnutls_wire_name(const struct stek_key *, uint8_t name[STEK_NAME_LEN]);

/* A new session of that server with its tickets, for the caller to free. */
gnutls_session_t gnutls_server_session(const struct gnutls_server *, int fd);

/* The rest of gnutls_serve(), on such a session; says whether it resumed. */
bool gnutls_serve_session(gnutls_session_t);

/* The library's name and functions, and what it cannot do. */
extern const struct contract_library gnutls_library;

#endif
