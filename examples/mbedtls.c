/* SPDX-License-Identifier: ISC */
/*
 * An echo server on Mbed TLS that takes its ticket keys from a ring.
 *
 * usage: mbedtls PORT CERT KEY RING
 *
 * Listens on 127.0.0.1 and forks for each connection.  What the ring needs of
 * it are the three lines marked with "stek".
 */
#include <sys/random.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include <stek/mbedtls.h>

static mbedtls_ssl_config conf;
static mbedtls_x509_crt cert;
static mbedtls_pk_context key;

static int
on_random(void *unused, unsigned char *bytes, size_t len)
{
	(void)unused;
	return getrandom(bytes, len, 0) == (ssize_t)len ? 0 : -1;
}

static int
on_send(void *fd, const unsigned char *bytes, size_t len)
{
	return (int)write(*(const int *)fd, bytes, len);
}

static int
on_receive(void *fd, unsigned char *bytes, size_t len)
{
	return (int)read(*(const int *)fd, bytes, len);
}

static int
load_key(const char *path)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
	if (psa_crypto_init() != PSA_SUCCESS)
		errx(1, "psa_crypto_init");
	return mbedtls_pk_parse_keyfile(&key, path, NULL, on_random, NULL);
#else
	return mbedtls_pk_parse_keyfile(&key, path, NULL);
#endif
}

static void
configure(char **argv)
{
	struct stek_mbedtls *tickets; /* for as long as conf */
	struct stek_ring *ring; /* and this too */

	mbedtls_ssl_config_init(&conf);
	mbedtls_x509_crt_init(&cert);
	mbedtls_pk_init(&key);
	if (mbedtls_x509_crt_parse_file(&cert, argv[2]) != 0 ||
	    load_key(argv[3]) != 0)
		errx(1, "no certificate or no key");
	if (mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_SERVER,
	        MBEDTLS_SSL_TRANSPORT_STREAM,
	        MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
	    mbedtls_ssl_conf_own_cert(&conf, &cert, &key) != 0)
		errx(1, "Mbed TLS cannot be configured");
	mbedtls_ssl_conf_rng(&conf, on_random, NULL);

	if (stek_ring_open(argv[4], &ring) != STEK_OK || /* stek */
	    stek_mbedtls_use(&conf, ring, &tickets) != STEK_OK) /* stek */
		errx(1, "no ticket keys in %s", argv[4]); /* stek */
}

static void
echo(int fd)
{
	unsigned char bytes[4096];
	mbedtls_ssl_context ssl;
	int len;

	mbedtls_ssl_init(&ssl);
	if (mbedtls_ssl_setup(&ssl, &conf) != 0)
		errx(1, "out of memory");
	mbedtls_ssl_set_bio(&ssl, &fd, on_send, on_receive, NULL);
	if (mbedtls_ssl_handshake(&ssl) == 0) {
		while ((len = mbedtls_ssl_read(&ssl, bytes, sizeof(bytes))) > 0)
			if (mbedtls_ssl_write(&ssl, bytes, (size_t)len) != len)
				break;
		(void)mbedtls_ssl_close_notify(&ssl);
	}
	mbedtls_ssl_free(&ssl);
}

static int
listen_on(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	at.sin_port = htons((uint16_t)atoi(port));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 16) < 0)
		err(1, "port %s", port);
	return fd;
}

int
main(int argc, char **argv)
{
	int listening, fd;

	if (argc != 5)
		errx(2, "usage: mbedtls PORT CERT KEY RING");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN);
	configure(argv);
	listening = listen_on(argv[1]);
	for (;;) {
		fd = accept(listening, NULL, NULL);
		if (fd < 0)
			continue;
		if (fork() == 0) {
			echo(fd);
			_exit(0);
		}
		(void)close(fd);
	}
}
