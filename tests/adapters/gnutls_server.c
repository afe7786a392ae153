/* SPDX-License-Identifier: ISC */
/*
 * GnuTLS's side of the contract.
 *
 * Never here: what is expected.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "gnutls_server.h"

#define STEP_LEN (3 * 6 * 3600) /* of GnuTLS's time, by default */

static int
set_up(struct gnutls_server *server, const struct contract_server *options)
{
	const char *speak = options->version == CONTRACT_TLS12
	                        ? "NORMAL:-VERS-ALL:+VERS-TLS1.2"
	                        : "NORMAL:-VERS-ALL:+VERS-TLS1.3";
	enum stek_err err;

	err = options->hosts
	          ? stek_gnutls_new_hosts(options->ring, &server->tickets)
	          : stek_gnutls_new(options->ring, &server->tickets);
	if (err != STEK_OK ||
	    gnutls_priority_init(&server->priority, speak, NULL) < 0 ||
	    gnutls_certificate_allocate_credentials(&server->cert) < 0 ||
	    gnutls_certificate_set_x509_key_file(server->cert, options->cert,
	        options->key, GNUTLS_X509_FMT_PEM) < 0)
		return -1;
	return 0;
}

void *
gnutls_server_new(const struct contract_server *options)
{
	struct gnutls_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	if (set_up(server, options) < 0) {
		gnutls_server_free(server);
		return NULL;
	}
	return server;
}

void
gnutls_server_free(void *p)
{
	struct gnutls_server *server = p;

	stek_gnutls_free(server->tickets);
	if (server->cert != NULL)
		gnutls_certificate_free_credentials(server->cert);
	if (server->priority != NULL)
		gnutls_priority_deinit(server->priority);
	free(server);
}

gnutls_session_t
gnutls_server_session(const struct gnutls_server *server, int fd)
{
	gnutls_session_t session;

	if (gnutls_init(&session, GNUTLS_SERVER) < 0 ||
	    gnutls_priority_set(session, server->priority) < 0 ||
	    gnutls_credentials_set(
	        session, GNUTLS_CRD_CERTIFICATE, server->cert) < 0 ||
	    stek_gnutls_use(session, server->tickets) != STEK_OK)
		abort();
	gnutls_transport_set_int(session, fd);
	return session;
}

bool
gnutls_serve_session(gnutls_session_t session)
{
	char byte = '!';
	int ret;

	do
		ret = gnutls_handshake(session);
	while (ret < 0 && !gnutls_error_is_fatal(ret));
	if (ret < 0) {
		(void)gnutls_alert_send_appropriate(session, ret);
		return false;
	}
	if (gnutls_record_send(session, &byte, 1) == 1) {
		while (gnutls_record_recv(session, &byte, 1) > 0)
			continue;
		(void)gnutls_bye(session, GNUTLS_SHUT_WR);
	}
	return gnutls_session_is_resumed(session) != 0;
}

void
gnutls_serve(void *server, int fd)
{
	gnutls_session_t session = gnutls_server_session(server, fd);

	(void)gnutls_serve_session(session);
	gnutls_deinit(session);
}

/* SHA3-512 of the step of time and the 64 bytes that GnuTLS is given. */
void
gnutls_wire_name(const struct stek_key *key, uint8_t name[STEK_NAME_LEN])
{
	uint64_t step = (uint64_t)time(NULL) / STEP_LEN;
	uint8_t in[8 + STEK_AES_LEN + STEK_MAC_LEN], out[64];
	struct stek_key own;
	size_t i;

	if (stek_scope_key(key, "\001gnutls", &own) != STEK_OK)
		abort();
	for (i = 0; i < 8; i++)
		in[i] = (uint8_t)(step >> (56 - 8 * i));
	memcpy(in + 8, own.aes, STEK_AES_LEN);
	memcpy(in + 8 + STEK_AES_LEN, own.mac, STEK_MAC_LEN);
	if (!EVP_Digest(in, sizeof(in), out, NULL, EVP_sha3_512(), NULL))
		abort();
	memcpy(name, out, STEK_NAME_LEN);
}

const struct contract_library gnutls_library = {
    .name = "GnuTLS",
    .cannot = CONTRACT_NO_RENEWAL_12 | CONTRACT_NO_RENEWAL_13 |
              CONTRACT_ALWAYS_NEW_13 | CONTRACT_SPELT_12,
    .wire_name = gnutls_wire_name,
    .server_new = gnutls_server_new,
    .server_free = gnutls_server_free,
    .serve = gnutls_serve,
};
