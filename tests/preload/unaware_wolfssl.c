/* SPDX-License-Identifier: ISC */
/*
 * The calls of a server on wolfSSL to stek: to do without.  In a file of its
 * own, since wolfSSL's headers and OpenSSL's do not go together.
 */
#include <stek/wolfssl.h>

enum stek_err
stek_wolfssl_use(
    WOLFSSL_CTX *ctx, const struct stek_ring *ring, struct stek_wolfssl **keys)
{
	(void)ctx;
	(void)ring;
	*keys = NULL;
	return STEK_OK;
}

enum stek_err
stek_wolfssl_use_hosts(
    WOLFSSL_CTX *ctx, const struct stek_ring *ring, struct stek_wolfssl **keys)
{
	return stek_wolfssl_use(ctx, ring, keys);
}

enum stek_err
stek_wolfssl_use_scope(WOLFSSL_CTX *ctx, const struct stek_ring *ring,
    const char *scope, struct stek_wolfssl **keys)
{
	(void)scope;
	return stek_wolfssl_use(ctx, ring, keys);
}

void
stek_wolfssl_free(struct stek_wolfssl *keys)
{
	(void)keys;
}
