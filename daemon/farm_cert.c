/* SPDX-License-Identifier: ISC */
/* See farm_cert.h. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto_heap.h"
#include "farm_cert.h"

#define EXPECTED                                                             \
	"expected one private key without a passphrase, PEM or DER: RSA of " \
	"2048 to 16384 bits, EC of 224 bits or more, Ed25519 or Ed448"

#define LABEL        "stek farm key v1 "
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
#define EC_BITS_MIN  224
#define GROUP_LEN    64
#define PEM_NAME_LEN 48
#define SECRET_MAX   (2 * RSA_BITS_MAX / 8)
#define HASH_LEN     crypto_auth_hmacsha256_BYTES
#define STACK_LEN    (32 * 1024)

_Static_assert(HASH_LEN == STEK_FARM_KEY_LEN, "one block of HKDF is enough");

/* What a file holds. */
struct found {
	size_t blocks; /* of PEM, of any kind */
	size_t keys; /* that are private */
	size_t certificates;
	size_t publics;
	bool encrypted;
	bool broken; /* a block that is no PEM after all */
	char name[PEM_NAME_LEN]; /* of the last private key's block */
	unsigned char *der; /* the first private key */
	size_t len;
};

/* Guarded, and all of it wiped at once. */
struct secret {
	const char *type; /* as in info */
	crypto_auth_hmacsha256_state mac;
	uint8_t prk[HASH_LEN];
	size_t len;
	uint8_t bytes[SECRET_MAX];
};

struct task {
	OSSL_LIB_CTX *lib; /* of our own: no openssl.cnf, no other provider */
	OSSL_PROVIDER *provider;
	struct found found;
	EVP_PKEY *key;
	struct secret *secret;
	char *kind;
	char *why;
};

static bool refuse(struct task *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static bool
refuse(struct task *task, const char *fmt, ...)
{
	char found[CONF_WHY_LEN / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
	(void)snprintf(task->why, CONF_WHY_LEN, "found %s; " EXPECTED, found);
	return false;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* True: the block's bytes are kept. */
static bool
take_block(struct found *found, const char *name, const char *header,
    unsigned char *der, long len)
{
	found->blocks++;
	if (ends_with(name, "CERTIFICATE"))
		found->certificates++;
	if (ends_with(name, "PUBLIC KEY"))
		found->publics++;
	if (!ends_with(name, "PRIVATE KEY"))
		return false;
	(void)snprintf(found->name, sizeof(found->name), "%s", name);
	found->keys++;
	found->encrypted |= strncmp(name, "ENCRYPTED", 9) == 0 ||
	                    strstr(header, "ENCRYPTED") != NULL;
	if (found->keys > 1)
		return false;
	found->der = der;
	found->len = (size_t)len;
	return true;
}

static bool
read_blocks(struct found *found, const uint8_t *bytes, size_t len)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	char *name, *header;
	unsigned char *der;
	long n;

	if (bio == NULL)
		return false;
	while (PEM_read_bio(bio, &name, &header, &der, &n) == 1) {
		if (!take_block(found, name, header, der, n))
			OPENSSL_clear_free(der, (size_t)n);
		OPENSSL_free(name);
		OPENSSL_free(header);
	}
	found->broken =
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
	(void)BIO_free(bio);
	return true;
}

/* Which keeps libcrypto from asking at the terminal. */
static int
no_passphrase(
    char *out, size_t size, size_t *len, const OSSL_PARAM params[], void *arg)
{
	struct found *found = arg;

	(void)out;
	(void)size;
	(void)params;
	*len = 0;
	found->encrypted = true;
	return 0;
}

/* NULL: it is no such thing, or has other bytes behind it. */
static EVP_PKEY *
decode(struct task *task, int selection, const uint8_t *der, size_t len)
{
	EVP_PKEY *key = NULL;
	OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(
	    &key, "DER", NULL, NULL, selection, task->lib, NULL);

	if (ctx == NULL)
		return NULL;
	if (OSSL_DECODER_CTX_set_passphrase_cb(
	        ctx, no_passphrase, &task->found) != 1 ||
	    OSSL_DECODER_from_data(ctx, &der, &len) != 1 || len != 0) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	OSSL_DECODER_CTX_free(ctx);
	return key;
}

/* What a file that is no PEM, and no private key, is. */
static bool
refuse_bytes(struct task *task, const uint8_t *bytes, size_t len)
{
	const unsigned char *at = bytes;
	EVP_PKEY *key;
	X509 *cert;

	if (len == 0)
		return refuse(task, "an empty file");
	if (task->found.encrypted)
		return refuse(task, "a private key with a passphrase");
	cert = d2i_X509(NULL, &at, (long)len);
	X509_free(cert);
	if (cert != NULL)
		return refuse(task, "a certificate and no private key");
	key = decode(task, EVP_PKEY_PUBLIC_KEY, bytes, len);
	EVP_PKEY_free(key);
	if (key != NULL)
		return refuse(task, "a public key and no private key");
	return refuse(task, "neither PEM nor just one key in DER");
}

static bool
decode_bytes(struct task *task, const uint8_t *bytes, size_t len)
{
	if (len > 0)
		task->key = decode(task, EVP_PKEY_KEYPAIR, bytes, len);
	return task->key != NULL ? true : refuse_bytes(task, bytes, len);
}

static bool
decode_block(struct task *task)
{
	struct found *found = &task->found;

	if (found->encrypted)
		return refuse(task, "a private key with a passphrase");
	if (found->keys > 1)
		return refuse(task, "%zu private keys", found->keys);
	if (found->broken)
		return refuse(task, "PEM that is damaged or cut off");
	if (found->keys == 0 && found->certificates > 0)
		return refuse(task, "%zu certificate%s and no private key",
		    found->certificates, found->certificates == 1 ? "" : "s");
	if (found->keys == 0 && found->publics > 0)
		return refuse(task, "a public key and no private key");
	if (found->keys == 0)
		return refuse(task, "PEM without a private key");
	task->key = decode(task, EVP_PKEY_KEYPAIR, found->der, found->len);
	if (task->key != NULL)
		return true;
	return refuse(
	    task, "a block \"%s\" that cannot be decoded", found->name);
}

/* Room for one more part of the secret; NULL: it would be too long. */
static uint8_t *
append(struct secret *secret, size_t len)
{
	uint8_t *at = secret->bytes + secret->len;

	if (len > sizeof(secret->bytes) - secret->len)
		return NULL;
	secret->len += len;
	return at;
}

static bool
put_number(struct secret *secret, const BIGNUM *n, size_t len)
{
	uint8_t *at = append(secret, len);

	return at != NULL && BN_bn2binpad(n, at, (int)len) == (int)len;
}

/* What d, or the order of the primes, is in a file differs between programs. */
static bool
put_primes(struct secret *secret, const BIGNUM *n, const BIGNUM *p,
    const BIGNUM *q, BIGNUM *product, BN_CTX *ctx)
{
	size_t len = (size_t)BN_num_bytes(n);
	bool swap = BN_cmp(p, q) > 0;

	/* A farm key must not follow from numbers that are known to all. */
	if (BN_num_bits(swap ? q : p) < BN_num_bits(n) / 4 ||
	    BN_mul(product, p, q, ctx) != 1 || BN_cmp(product, n) != 0)
		return false;
	/* As long as the modulus: primes need not have half its length. */
	return put_number(secret, swap ? q : p, len) &&
	       put_number(secret, swap ? p : q, len);
}

static bool
take_rsa(struct task *task, int bits)
{
	BIGNUM *n = NULL, *p = NULL, *q = NULL, *r = NULL, *product;
	BN_CTX *ctx = BN_CTX_secure_new_ex(task->lib);
	bool good = false;

	task->secret->type = "RSA";
	(void)snprintf(
	    task->kind, FARM_KIND_LEN, "an RSA key of %d bits", bits);
	product = BN_secure_new();
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		(void)refuse(task, "an RSA key of %d bits", bits);
	else if (EVP_PKEY_get_bn_param(
	             task->key, OSSL_PKEY_PARAM_RSA_FACTOR3, &r) == 1)
		(void)refuse(task, "an RSA key of more than two primes");
	else if (ctx == NULL || product == NULL ||
	         EVP_PKEY_get_bn_param(task->key, OSSL_PKEY_PARAM_RSA_N, &n) !=
	             1 ||
	         EVP_PKEY_get_bn_param(
	             task->key, OSSL_PKEY_PARAM_RSA_FACTOR1, &p) != 1 ||
	         EVP_PKEY_get_bn_param(
	             task->key, OSSL_PKEY_PARAM_RSA_FACTOR2, &q) != 1 ||
	         !put_primes(task->secret, n, p, q, product, ctx))
		(void)refuse(task,
		    "an RSA key whose modulus is not the product of its "
		    "primes");
	else
		good = true;
	BN_free(n);
	BN_clear_free(p);
	BN_clear_free(q);
	BN_clear_free(r);
	BN_clear_free(product);
	BN_CTX_free(ctx);
	return good;
}

/* 1 <= scalar < order, and it belongs to the public key. */
static bool
is_sound(struct task *task)
{
	EVP_PKEY_CTX *ctx =
	    EVP_PKEY_CTX_new_from_pkey(task->lib, task->key, NULL);
	bool sound = ctx != NULL && EVP_PKEY_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return sound;
}

static bool
put_scalar(struct task *task, const char *group, size_t len)
{
	struct secret *secret = task->secret;
	uint8_t *at = append(secret, strlen(group) + 1);
	BIGNUM *scalar = NULL;
	bool good;

	if (at == NULL)
		return false;
	memcpy(at, group, strlen(group) + 1);
	good = EVP_PKEY_get_bn_param(
	           task->key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
	       put_number(secret, scalar, len) &&
	       !stek_key_weak(secret->bytes + secret->len - len, len);
	BN_clear_free(scalar);
	return good;
}

static bool
take_ec(struct task *task, int bits)
{
	char group[GROUP_LEN];
	size_t len;

	task->secret->type = "EC";
	if (EVP_PKEY_get_group_name(task->key, group, sizeof(group), &len) != 1)
		return refuse(task, "an EC key on a curve without a name");
	(void)snprintf(task->kind, FARM_KIND_LEN, "an EC key on %s", group);
	if (bits < EC_BITS_MIN)
		return refuse(task, "an EC key of %d bits, on %s", bits, group);
	if (!is_sound(task) || !put_scalar(task, group, ((size_t)bits + 7) / 8))
		return refuse(
		    task, "an EC key that is weak or does not fit its curve");
	return true;
}

static bool
take_seed(struct task *task, const char *type, const char *name)
{
	struct secret *secret = task->secret;

	secret->type = type;
	(void)snprintf(task->kind, FARM_KIND_LEN, "an %s key", name);
	secret->len = sizeof(secret->bytes);
	if (EVP_PKEY_get_raw_private_key(
	        task->key, secret->bytes, &secret->len) == 1 &&
	    !stek_key_weak(secret->bytes, secret->len))
		return true;
	return refuse(task, "an %s key that is weak", name);
}

static bool
take_key(struct task *task)
{
	int bits = EVP_PKEY_get_bits(task->key);
	const char *type = EVP_PKEY_get0_type_name(task->key);

	if (EVP_PKEY_is_a(task->key, "RSA") ||
	    EVP_PKEY_is_a(task->key, "RSA-PSS"))
		return take_rsa(task, bits);
	if (EVP_PKEY_is_a(task->key, "EC"))
		return take_ec(task, bits);
	if (EVP_PKEY_is_a(task->key, "ED25519"))
		return take_seed(task, "ED25519", "Ed25519");
	if (EVP_PKEY_is_a(task->key, "ED448"))
		return take_seed(task, "ED448", "Ed448");
	return refuse(task, "a key of type %.32s", type == NULL ? "?" : type);
}

/* RFC 5869; libsodium's own HKDF came after 1.0.18. */
static void
hkdf(struct secret *secret, uint8_t out[STEK_FARM_KEY_LEN])
{
	static const uint8_t no_salt[HASH_LEN];
	uint8_t one = 1;

	crypto_auth_hmacsha256_init(&secret->mac, no_salt, sizeof(no_salt));
	crypto_auth_hmacsha256_update(&secret->mac, secret->bytes, secret->len);
	crypto_auth_hmacsha256_final(&secret->mac, secret->prk);
	crypto_auth_hmacsha256_init(&secret->mac, secret->prk, HASH_LEN);
	crypto_auth_hmacsha256_update(
	    &secret->mac, (const uint8_t *)LABEL, strlen(LABEL));
	crypto_auth_hmacsha256_update(
	    &secret->mac, (const uint8_t *)secret->type, strlen(secret->type));
	crypto_auth_hmacsha256_update(&secret->mac, &one, 1);
	crypto_auth_hmacsha256_final(&secret->mac, out);
}

static bool
open_library(struct task *task)
{
	task->lib = OSSL_LIB_CTX_new();
	if (task->lib != NULL)
		task->provider = OSSL_PROVIDER_load(task->lib, "default");
	return task->provider != NULL;
}

static void
close_task(struct task *task)
{
	if (task->found.der != NULL)
		OPENSSL_clear_free(task->found.der, task->found.len);
	EVP_PKEY_free(task->key);
	if (task->provider != NULL)
		(void)OSSL_PROVIDER_unload(task->provider);
	OSSL_LIB_CTX_free(task->lib);
	ERR_clear_error();
}

static bool
derive(struct task *task, const uint8_t *bytes, size_t len, uint8_t *out)
{
	bool good = false;

	if (!open_library(task) || !read_blocks(&task->found, bytes, len))
		(void)snprintf(task->why, CONF_WHY_LEN,
		    "libcrypto gets no guarded memory (see \"ulimit -l\")");
	else if (task->found.blocks == 0 && task->found.broken)
		(void)refuse(task, "PEM that is damaged or cut off");
	else if (task->found.blocks == 0)
		good = decode_bytes(task, bytes, len);
	else
		good = decode_block(task);
	good = good && take_key(task);
	if (good)
		hkdf(task->secret, out);
	close_task(task);
	return good;
}

uint8_t *
farm_cert_derive(const uint8_t *bytes, size_t len, char kind[FARM_KIND_LEN],
    char why[CONF_WHY_LEN])
{
	struct task task = {.kind = kind, .why = why};
	uint8_t *out = stek_file_alloc(STEK_FARM_KEY_LEN);
	bool good = false;

	task.secret = (void *)stek_file_alloc(sizeof(*task.secret));
	if (out == NULL || task.secret == NULL) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "no guarded memory to be had (see \"ulimit -l\")");
	} else if (len > FARM_CERT_MAX) {
		(void)refuse(
		    &task, "%zu bytes, of at most %d", len, FARM_CERT_MAX);
	} else if (!crypto_heap_begin()) {
		(void)snprintf(why, CONF_WHY_LEN,
		    "libcrypto was in use before the farm key was read, and "
		    "would keep copies of the private key");
	} else {
		/* No file of its own, and nothing to do when stekd ends. */
		(void)OPENSSL_init_crypto(
		    OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
		good = derive(&task, bytes, len, out);
		crypto_heap_end();
		/* What libcrypto left there. */
		sodium_stackzero(STACK_LEN);
	}
	stek_file_free((void *)task.secret);
	if (good)
		return out;
	stek_file_free(out);
	return NULL;
}
