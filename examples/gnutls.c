/* SPDX-License-Identifier: ISC */
/*
 * An echo server on GnuTLS, with session tickets from a ring: the lines that
 * speak of stek are all that it takes.
 *
 * usage: gnutls PORT CERT KEY RING	(listens on 127.0.0.1)
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stek/gnutls.h>

static gnutls_certificate_credentials_t cert;
static gnutls_priority_t priority;
static struct stek_gnutls *tickets;

static int
listen_at(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)atoi(port));
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 64) < 0)
		err(1, "port %s", port);
	return fd;
}

static void
echo(gnutls_session_t session)
{
	char line[1024];
	ssize_t len;
	int ret;

	do
		ret = gnutls_handshake(session);
	while (ret < 0 && !gnutls_error_is_fatal(ret));
	if (ret < 0)
		return;
	while ((len = gnutls_record_recv(session, line, sizeof(line))) > 0)
		if (gnutls_record_send(session, line, (size_t)len) < 0)
			return;
	(void)gnutls_bye(session, GNUTLS_SHUT_WR);
}

static void *
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	gnutls_session_t session;

	if (gnutls_init(&session, GNUTLS_SERVER) < 0) {
		(void)close(fd);
		return NULL;
	}
	gnutls_transport_set_int(session, fd);
	if (gnutls_priority_set(session, priority) == 0 &&
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cert) ==
	        0 &&
	    stek_gnutls_use(session, tickets) == STEK_OK)
		echo(session);
	gnutls_deinit(session);
	(void)close(fd);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct stek_ring *ring;
	pthread_t thread;
	int listening, fd;

	if (argc != 5)
		errx(2, "usage: gnutls PORT CERT KEY RING");
	(void)signal(SIGPIPE, SIG_IGN);
	if (gnutls_certificate_allocate_credentials(&cert) < 0 ||
	    gnutls_certificate_set_x509_key_file(
	        cert, argv[2], argv[3], GNUTLS_X509_FMT_PEM) < 0 ||
	    gnutls_priority_init(&priority, NULL, NULL) < 0)
		errx(1, "%s, %s: no certificate and key", argv[2], argv[3]);
	if (stek_ring_open(argv[4], &ring) != STEK_OK ||
	    stek_gnutls_new(ring, &tickets) != STEK_OK)
		errx(1, "%s: no session ticket keys", argv[4]);
	listening = listen_at(argv[1]);
	while ((fd = accept(listening, NULL, NULL)) >= 0)
		if (pthread_create(
		        &thread, NULL, serve, (void *)(intptr_t)fd) != 0 ||
		    pthread_detach(thread) != 0)
			errx(1, "no thread");
	err(1, "accept");
}
