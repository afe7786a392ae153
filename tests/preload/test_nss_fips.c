/* SPDX-License-Identifier: ISC */
/*
 * Stock NSS in FIPS mode, in which no key enters its token from outside: the
 * server goes on with tickets of its own, and says so.
 *
 *	preload-nss-fips 1.2|1.3 PRELOADED-OBJECT
 *
 * Never here: a call that gives NSS keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <cert.h>
#include <cryptohi.h>
#include <keyhi.h>
#include <nss.h>
#include <pk11pub.h>
#include <secmod.h>

#include "preloaded_nss.h"

/* P-256, as the parameters of a key. */
static uint8_t curve[] = {0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};

static bool
enter_fips_mode(void)
{
	SECMODModule *module;

	if (NSS_NoDB_Init(NULL) != SECSuccess)
		return false;
	module = SECMOD_GetInternalModule();
	return SECMOD_DeleteInternalModule(module->commonName) == SECSuccess &&
	       PK11_IsFIPS();
}

static CERTCertificate *
sign(SECKEYPublicKey *public, SECKEYPrivateKey *private)
{
	CERTSubjectPublicKeyInfo *info =
	    SECKEY_CreateSubjectPublicKeyInfo(public);
	CERTName *name = CERT_AsciiToName("CN=a.example");
	CERTValidity *validity = CERT_CreateValidity(
	    PR_Now() - PR_USEC_PER_SEC, PR_Now() + 3600 * PR_USEC_PER_SEC);
	CERTCertificateRequest *request =
	    CERT_CreateCertificateRequest(name, info, NULL);
	CERTCertificate *cert =
	                    CERT_CreateCertificate(1, name, validity, request),
	                *done = NULL;
	SECItem *plain, der;

	if (cert == NULL ||
	    SECOID_SetAlgorithmID(cert->arena, &cert->signature,
	        SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE, NULL) != SECSuccess)
		abort();
	*cert->version.data = 2;
	plain = SEC_ASN1EncodeItem(
	    cert->arena, NULL, cert, SEC_ASN1_GET(CERT_CertificateTemplate));
	if (plain != NULL &&
	    SEC_DerSignData(cert->arena, &der, plain->data, (int)plain->len,
	        private, SEC_OID_ANSIX962_ECDSA_SHA256_SIGNATURE) == SECSuccess)
		done = CERT_NewTempCertificate(
		    CERT_GetDefaultCertDB(), &der, NULL, PR_FALSE, PR_TRUE);
	CERT_DestroyCertificate(cert);
	CERT_DestroyCertificateRequest(request);
	CERT_DestroyValidity(validity);
	CERT_DestroyName(name);
	SECKEY_DestroySubjectPublicKeyInfo(info);
	return done;
}

/* A key that is made in the token, as none can be brought in. */
static void
certify(void *server)
{
	SECItem parameters = {siBuffer, curve, sizeof(curve)};
	PK11SlotInfo *slot = PK11_GetInternalKeySlot();
	SECKEYPublicKey *public;
	SECKEYPrivateKey *private = PK11_GenerateKeyPair(slot,
	    CKM_EC_KEY_PAIR_GEN, &parameters, &public, PR_FALSE, PR_TRUE, NULL);
	CERTCertificate *cert;

	if (private == NULL)
		abort();
	cert = sign(public, private);
	if (cert == NULL)
		abort();
	nss_server_certify(server, cert, private);
	CERT_DestroyCertificate(cert);
	SECKEY_DestroyPrivateKey(private);
	SECKEY_DestroyPublicKey(public);
	PK11_FreeSlot(slot);
}

static void *
server_new(const struct contract_server *options)
{
	struct contract_server uncertified = *options;
	void *server;

	if (!NSS_IsInitialized() && !enter_fips_mode()) {
		(void)printf("this softoken has no FIPS mode\n");
		exit(77);
	}
	preloaded_ring(options->cert);
	uncertified.cert = uncertified.key = NULL;
	server = nss_server_new(&uncertified);
	certify(server);
	return server;
}

/* Two visits, the second with the first's ticket, and what was said then. */
static void
visit_twice(const struct farm *farm, struct visit *v, struct visit *w,
    char *said, size_t size)
{
	FILE *heard = tmpfile();
	int kept = dup(STDERR_FILENO);
	size_t n;

	if (heard == NULL || dup2(fileno(heard), STDERR_FILENO) < 0)
		abort();
	farm_visit(farm, farm->server, NULL, NULL, v);
	farm_visit(farm, farm->server, v->session, NULL, w);
	(void)dup2(kept, STDERR_FILENO);
	(void)close(kept);
	rewind(heard);
	n = fread(said, 1, size - 1, heard);
	said[n] = '\0';
	(void)fclose(heard);
}

static void
in_fips_mode_tickets_are_nsss_own_and_that_is_said_once(void **state)
{
	static const char words[] = "NSS takes no key from outside";
	const struct farm *farm = *state;
	struct stek_key key = farm_key_good();
	char said[1024], *first;
	struct visit v, w;

	PUBLISH(farm->ring, &key);
	visit_twice(farm, &v, &w, said, sizeof(said));
	expect_full(&v);
	assert_false(is_preloaded_ticket_of(&v, &key));
	expect_resumed(&w);
	first = strstr(said, words);
	assert_non_null(first);
	assert_null(strstr(first + 1, words));
	visit_free(&v);
	visit_free(&w);
}

int
main(int argc, char **argv)
{
	static const struct point points[] = {
	    POINT(in_fips_mode_tickets_are_nsss_own_and_that_is_said_once),
	    END_OF_POINTS,
	};
	struct contract_library library = {
	    .name = "stock NSS in FIPS mode",
	    .server_new = server_new,
	    .server_free = nss_server_free,
	    .serve = nss_serve,
	};

	if (argc != 3)
		return 2;
	become_preloaded(argv, argv[2]);
	library.cannot =
	    strcmp(argv[1], "1.2") == 0 ? CONTRACT_NO_TLS13 : CONTRACT_NO_TLS12;
	return contract_points(&library, 1, points);
}
