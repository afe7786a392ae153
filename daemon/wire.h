/* SPDX-License-Identifier: ISC */
/*
 * How requests and replies lie in the messages between the main process and
 * the monitor.
 *
 * Never here: what they mean.
 * Invariant: whatever a message holds, what is taken out of it lies in it.
 */
#ifndef STEK_WIRE_H
#define STEK_WIRE_H

#include "monitor.h"

/* A message begins with this; then come the files or the set. */
struct wire_request {
	struct monitor_request request;
	uint32_t is_ring;
	uint32_t count; /* of files */
};

struct wire_file {
	char name[sizeof(((struct format_file *)0)->name)];
	uint32_t len;
};

/*
 * The files of a request, in place: no second copy of any key.  False if the
 * message, of at least a struct wire_request, is not what monitor_send()
 * makes.
 */
STEK_CHECKED bool wire_unpack(
    uint8_t *message, size_t len, struct format_out *);

size_t wire_reply_length(const struct monitor_reply *);

#endif
