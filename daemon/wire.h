/* SPDX-License-Identifier: ISC */
/*
 * How requests and replies lie in the messages between the main process and
 * the monitor: a struct monitor_request and, with PLACE, a struct stek_set.
 *
 * Never here: what they mean; bytes that are to lie in a file.
 * Invariant: whatever a message holds, what is taken out of it lies in it, and
 * keys that are taken out of it are a set: checked, ordered and counted.
 */
#ifndef STEK_WIRE_H
#define STEK_WIRE_H

#include "monitor.h"

/* False if the message is too short to be one. */
STEK_CHECKED bool wire_take_request(
    const uint8_t *message, size_t len, struct monitor_request *);

/*
 * The keys of a PLACE, each of which stek_set_add() takes.  False if the
 * message is not what monitor_send() makes: the set is then empty.
 */
STEK_CHECKED bool wire_take_set(
    const uint8_t *message, size_t len, struct stek_set *);

size_t wire_reply_length(const struct monitor_reply *);

#endif
