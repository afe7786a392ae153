/* SPDX-License-Identifier: ISC */
/*
 * An echo server on OpenSSL whose session tickets are a farm's: what stek
 * adds are three lines, each marked so.
 *
 * usage: openssl PORT CERT KEY RING
 *
 * Try it, with a ring that stekd keeps:
 *	openssl 4433 cert.pem key.pem /run/stek/web.ring
 *	openssl s_client -connect 127.0.0.1:4433 -sess_out s
 *	openssl s_client -connect 127.0.0.1:4433 -sess_in s
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <stek/openssl.h>

static SSL_CTX *
make_context(const char *cert, const char *key, const char *path)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct stek_ring *ring; /* stek: as long as the process */

	if (ctx == NULL || !SSL_CTX_use_certificate_chain_file(ctx, cert) ||
	    !SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM))
		errx(1, "%s, %s: no certificate and its key", cert, key);
	if (stek_ring_open(path, &ring) != STEK_OK || /* stek */
	    stek_openssl_use(ctx, ring) != STEK_OK) /* stek */
		errx(1, "%s: no ring", path);
	return ctx;
}

static int
listen_at(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	at.sin_port = htons((uint16_t)atoi(port));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 64) < 0)
		err(1, "port %s", port);
	return fd;
}

static void
echo(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	char bytes[1024];
	int len;

	if (ssl == NULL || !SSL_set_fd(ssl, fd))
		errx(1, "out of memory");
	if (SSL_accept(ssl) == 1) {
		while ((len = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
			if (SSL_write(ssl, bytes, len) != len)
				break;
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
}

int
main(int argc, char **argv)
{
	SSL_CTX *ctx;
	int listening, fd;
	pid_t pid;

	if (argc != 5)
		errx(2, "usage: openssl PORT CERT KEY RING");
	ctx = make_context(argv[2], argv[3], argv[4]);
	listening = listen_at(argv[1]);
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		fd = accept(listening, NULL, NULL);
		if (fd < 0)
			err(1, "accept");
		pid = fork();
		if (pid < 0)
			warn("fork");
		if (pid == 0) {
			(void)close(listening);
			echo(ctx, fd);
			_exit(0);
		}
		(void)close(fd);
	}
}
