/* SPDX-License-Identifier: ISC */
/*
 * NSS's side of the contract.
 *
 * NSS has one set of ticket keys a process: each server gives it those of
 * its own ring before it serves, so the servers of a test take turns.
 *
 * Never here: what is expected.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cert.h>
#include <keyhi.h>
#include <nss.h>
#include <pk11pub.h>
#include <prnetdb.h>
#include <private/pprio.h>
#include <sodium.h>
#include <ssl.h>

#include <stek/nss.h>

#include "nss_server.h"

#define PEM_MAX 4096

struct nss_server {
	PRFileDesc *model;
	const struct stek_ring *ring;
	const char *scope;
};

/* The DER in a file of one PEM block. */
static bool
read_pem(const char *path, uint8_t *der, size_t *len)
{
	char pem[PEM_MAX + 1], *from, *to;
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL)
		return false;
	n = fread(pem, 1, PEM_MAX, f);
	(void)fclose(f);
	pem[n] = '\0';
	from = strstr(pem, "-----\n");
	to = from == NULL ? NULL : strstr(from, "\n-----END");
	return to != NULL && sodium_base642bin(der, PEM_MAX, from + 6,
	                         (size_t)(to - from - 6), "\n", len, NULL,
	                         sodium_base64_VARIANT_ORIGINAL) == 0;
}

static CERTCertificate *
load_certificate(const char *path)
{
	uint8_t bytes[PEM_MAX];
	SECItem der = {siDERCertBuffer, bytes, 0};
	size_t len;

	if (!read_pem(path, bytes, &len))
		return NULL;
	der.len = (unsigned int)len;
	return CERT_NewTempCertificate(
	    CERT_GetDefaultCertDB(), &der, NULL, PR_FALSE, PR_TRUE);
}

static SECKEYPrivateKey *
load_key(const char *path)
{
	uint8_t bytes[PEM_MAX];
	SECItem der = {siBuffer, bytes, 0};
	PK11SlotInfo *slot = PK11_GetInternalKeySlot();
	SECKEYPrivateKey *key = NULL;
	size_t len;

	if (slot == NULL || !read_pem(path, bytes, &len))
		goto out;
	der.len = (unsigned int)len;
	if (PK11_ImportDERPrivateKeyInfoAndReturnKey(slot, &der, NULL, NULL,
	        PR_FALSE, PR_TRUE, KU_ALL, &key, NULL) != SECSuccess)
		key = NULL;
out:
	if (slot != NULL)
		PK11_FreeSlot(slot);
	return key;
}

static bool
set_options(PRFileDesc *model, int version)
{
	const SSLVersionRange only = {(PRUint16)version, (PRUint16)version};

	return SSL_OptionSet(model, SSL_SECURITY, PR_TRUE) == SECSuccess &&
	       SSL_OptionSet(model, SSL_HANDSHAKE_AS_SERVER, PR_TRUE) ==
	           SECSuccess &&
	       SSL_OptionSet(model, SSL_HANDSHAKE_AS_CLIENT, PR_FALSE) ==
	           SECSuccess &&
	       SSL_OptionSet(model, SSL_NO_CACHE, PR_TRUE) == SECSuccess &&
	       SSL_OptionSet(model, SSL_ENABLE_SESSION_TICKETS, PR_TRUE) ==
	           SECSuccess &&
	       SSL_VersionRangeSet(model, &only) == SECSuccess;
}

static bool
certify(PRFileDesc *model, const struct contract_server *options)
{
	CERTCertificate *cert;
	SECKEYPrivateKey *key;
	bool done;

	if (options->cert == NULL)
		return true;
	cert = load_certificate(options->cert);
	key = load_key(options->key);
	done = cert != NULL && key != NULL &&
	       SSL_ConfigServerCert(model, cert, key, NULL, 0) == SECSuccess;
	if (cert != NULL)
		CERT_DestroyCertificate(cert);
	if (key != NULL)
		SECKEY_DestroyPrivateKey(key);
	return done;
}

static PRFileDesc *
new_model(const struct contract_server *options)
{
	PRFileDesc *tcp = PR_NewTCPSocket(), *model = NULL;

	if (tcp != NULL)
		model = SSL_ImportFD(NULL, tcp);
	if (model != NULL && (!set_options(model, options->version) ||
	                         !certify(model, options))) {
		(void)PR_Close(model);
		model = NULL;
	}
	return model;
}

void *
nss_server_new(const struct contract_server *options)
{
	struct nss_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	if (!NSS_IsInitialized() && NSS_NoDB_Init(NULL) != SECSuccess)
		abort();
	server->ring = options->ring;
	server->scope = "";
	server->model = new_model(options);
	if (server->model != NULL && stek_nss_use(server->ring) == STEK_OK)
		return server;
	(void)fprintf(stderr, "NSS: %s\n", PR_ErrorToName(PR_GetError()));
	abort();
}

void
nss_server_free(void *arg)
{
	struct nss_server *server = arg;

	if (stek_nss_use(NULL) != STEK_OK)
		abort();
	(void)PR_Close(server->model);
	free(server);
}

void
nss_server_scope(void *arg, const char *scope)
{
	struct nss_server *server = arg;

	server->scope = scope;
}

void
nss_server_certify(void *arg, CERTCertificate *cert, SECKEYPrivateKey *key)
{
	struct nss_server *server = arg;

	if (SSL_ConfigServerCert(server->model, cert, key, NULL, 0) !=
	    SECSuccess)
		abort();
}

void
nss_server_keep_sessions(void *arg)
{
	struct nss_server *server = arg;

	if (SSL_OptionSet(server->model, SSL_NO_CACHE, PR_FALSE) != SECSuccess)
		abort();
}

/* NSS asks for the peer's address, and a socketpair has none. */
static PRStatus
some_peer(PRFileDesc *fd, PRNetAddr *addr)
{
	(void)fd;
	return PR_InitializeNetAddr(PR_IpAddrLoopback, 443, addr);
}

static PRFileDesc *
import_socket(int fd, PRIOMethods *methods)
{
	PRFileDesc *tcp = PR_ImportTCPSocket(dup(fd));

	if (tcp == NULL)
		return NULL;
	*methods = *tcp->methods;
	methods->getpeername = some_peer;
	tcp->methods = methods;
	return tcp;
}

void
nss_serve(void *arg, int fd)
{
	const struct nss_server *server = arg;
	PRIOMethods methods;
	PRFileDesc *tcp = import_socket(fd, &methods), *ssl;
	char byte = '!';

	ssl = tcp == NULL ? NULL : SSL_ImportFD(server->model, tcp);
	if (ssl == NULL || SSL_ResetHandshake(ssl, PR_TRUE) != SECSuccess ||
	    stek_nss_use_scope(server->ring, server->scope) != STEK_OK)
		abort();
	if (SSL_ForceHandshake(ssl) == SECSuccess &&
	    PR_Write(ssl, &byte, 1) == 1)
		while (PR_Read(ssl, &byte, 1) > 0)
			continue;
	(void)PR_Close(ssl);
}
