/* SPDX-License-Identifier: ISC */
/*
 * reach.h: where a server is, and a connection to it.
 *
 * Never here: TLS, see handshake.h.
 * Nothing here waits longer than it is told to, for a name neither.
 */
#ifndef STEK_REACH_H
#define STEK_REACH_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

enum {
	REACH_HOST_MAX = 256,
	REACH_WHY_MAX = 160,
};

/* A server; its address is found once, so that all goes to the same one. */
struct reach_server {
	const char *address;	/* HOST:PORT as it was given */
	char host[REACH_HOST_MAX];
	char port[6];
	const char *sni;	/* to be sent; NULL: none */
	struct sockaddr_storage at;
	socklen_t at_len;	/* 0: not known yet */
};

/*
 * Take HOST:PORT or [IPV6]:PORT apart; a host that is a name becomes the
 * SNI.  False if it is not of that form.  Keeps the pointer.
 */
bool reach_parse(struct reach_server *, const char *address);

/*
 * A connected, non-blocking socket; -1: why tells.  Timeout in milliseconds,
 * for finding the name and for each of its addresses.
 */
int reach_connect(struct reach_server *, int timeout,
    char why[REACH_WHY_MAX]);

/* Milliseconds of a clock that is never set. */
int64_t reach_now(void);

/* Wait for events of poll(2) until reach_now() is at the deadline. */
bool reach_ready(int fd, short events, int64_t deadline);

#endif
