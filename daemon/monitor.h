/* SPDX-License-Identifier: ISC */
/*
 * The monitor: the small process that keeps the privilege stekd started
 * with.  The main process has none and asks it, by a target's index in the
 * configuration that both have read, to place files, to reload a server, or
 * to have a server probed.
 *
 * Never here: which keys are right, when to do what; a line of log.
 * Invariant: whatever the main process asks, the monitor writes only to the
 * paths, runs only the commands and probes only the addresses of its own
 * copy of the configuration.  It is sent keys and makes the bytes of files out
 * of them itself: servers read some of these as configuration, as root.  And
 * every request but DONE gets a reply within a time, whatever becomes of who
 * works on it.
 */
#ifndef STEK_MONITOR_H
#define STEK_MONITOR_H

#include "conf.h"

#define MONITOR_REQUEST_MAX (4 * 1024)
#define MONITOR_TEXT_MAX    (48 * 1024)

enum monitor_op {
	MONITOR_PLACE, /* write the target's files, or publish its ring */
	MONITOR_RELOAD, /* run the target's reload */
	MONITOR_PROBE, /* one handshake with its verify address */
	MONITOR_DONE, /* the server has taken what was placed; no reply */
	MONITOR_CONF, /* read the configuration again */
};

struct monitor_request {
	enum monitor_op op;
	uint32_t index; /* of the target */
	uint64_t serial; /* comes back with the reply */
	uint8_t hash[CONF_HASH_LEN]; /* of the sender's configuration */
	uint8_t revoking; /* PLACE: a key is taken away before its time */
	uint8_t renew; /* PLACE: what is there already gets a new time */
};

struct monitor_reply {
	enum monitor_op op;
	uint32_t index;
	uint64_t serial;
	bool ok;
	bool changed; /* PLACE: the files were not so already */
	bool owed; /* PLACE: the server has yet to take the files */
	bool revoking; /* PLACE: and among them a revocation */
	uint32_t wait; /* PLACE: not written; try in that many s */
	size_t len;
	/*
	 * PROBE: a JSON object; PLACE that is ok: what is left to do, or "";
	 * otherwise why it is not ok.  NUL-terminated.
	 */
	char text[MONITOR_TEXT_MAX];
};

/*
 * Fork the monitor; returns the main process's end of the socket, which does
 * not block, or -1 with errno.  Call before any privilege is dropped and any
 * secret is read.  The monitor keeps the descriptors that are open: a lock
 * lasts until both processes are gone.
 */
int monitor_start(const char *conf_path, struct conf *);

/*
 * Send; a set, in the target's scope, with PLACE and only then.  False with
 * errno; EAGAIN: try again later.
 */
bool monitor_send(
    int fd, const struct monitor_request *, const struct stek_set *);

/* 1: a reply; 0: none now; -1: the monitor is gone. */
int monitor_receive(int fd, struct monitor_reply *);

#endif
