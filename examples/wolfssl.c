/* SPDX-License-Identifier: ISC */
/*
 * An echo server on wolfSSL, whose session tickets have the keys of a ring.
 * usage: wolfssl PORT CERT KEY RING
 *
 * It listens on 127.0.0.1 and sends back the first line of each connection,
 * behind "resumed " or "full ".  What stek adds is marked.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stek/wolfssl.h>

#include <wolfssl/wolfcrypt/ecc.h>

struct connection {
	WOLFSSL *ssl;
	int fd;
};

static WOLFSSL_CTX *
make_context(const char *cert, const char *key, const char *path)
{
	WOLFSSL_CTX *ctx;
	struct stek_ring *ring; /* stek: these three and the if below */
	struct stek_wolfssl *keys;
	enum stek_err err;

	if (wolfSSL_Init() != WOLFSSL_SUCCESS)
		errx(1, "wolfSSL does not start");
	ctx = wolfSSL_CTX_new(wolfTLS_server_method());
	if (ctx == NULL ||
	    wolfSSL_CTX_use_certificate_chain_file(ctx, cert) !=
	        WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_use_PrivateKey_file(ctx, key, WOLFSSL_FILETYPE_PEM) !=
	        WOLFSSL_SUCCESS)
		errx(1, "cannot use %s and %s", cert, key);
	if ((err = stek_ring_open(path, &ring)) != STEK_OK ||
	    (err = stek_wolfssl_use(ctx, ring, &keys)) != STEK_OK)
		errx(1, "%s: %s", path, stek_strerror(err));
	/* Else tickets are refused after 500 seconds, whatever their key. */
	(void)wolfSSL_CTX_set_timeout(ctx, 12 * 3600);
	(void)wolfSSL_CTX_set_TicketHint(ctx, 12 * 3600);
	return ctx;
}

static int
listen_at(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

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
echo(WOLFSSL *ssl)
{
	char line[512], answer[sizeof(line) + 16];
	int len = 0, got;

	do {
		got =
		    wolfSSL_read(ssl, line + len, (int)sizeof(line) - 1 - len);
		len += got > 0 ? got : 0;
	} while (
	    got > 0 && len < (int)sizeof(line) - 1 && line[len - 1] != '\n');
	line[len] = '\0';
	len = snprintf(answer, sizeof(answer), "%s %s",
	    wolfSSL_session_reused(ssl) ? "resumed" : "full", line);
	(void)wolfSSL_write(ssl, answer, len);
}

static void *
serve(void *arg)
{
	struct connection *c = arg;

	if (wolfSSL_set_fd(c->ssl, c->fd) == WOLFSSL_SUCCESS &&
	    wolfSSL_accept(c->ssl) == WOLFSSL_SUCCESS) {
		echo(c->ssl);
		(void)wolfSSL_shutdown(c->ssl);
	}
	wolfSSL_free(c->ssl);
	(void)close(c->fd);
	free(c);
	wc_ecc_fp_free(); /* which wolfSSL leaves to each thread that ends */
	return NULL;
}

static void
take(WOLFSSL_CTX *ctx, int listening)
{
	struct connection *c = malloc(sizeof(*c));
	pthread_t thread;

	if (c == NULL)
		err(1, NULL);
	c->fd = accept(listening, NULL, NULL);
	c->ssl = wolfSSL_new(ctx);
	if (c->fd < 0 || c->ssl == NULL ||
	    pthread_create(&thread, NULL, serve, c) != 0)
		errx(1, "cannot serve");
	(void)pthread_detach(thread);
}

int
main(int argc, char **argv)
{
	WOLFSSL_CTX *ctx;
	int listening;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: wolfssl PORT CERT KEY RING\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	ctx = make_context(argv[2], argv[3], argv[4]);
	listening = listen_at(argv[1]);
	for (;;)
		take(ctx, listening);
}
