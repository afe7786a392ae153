/* SPDX-License-Identifier: ISC */
/*
 * What passes between the main process and the store's: each message is a
 * struct store_message and what its `len` says, in one packet.  Nodes come in
 * several, a run of packed entries each.
 *
 * Never here: what is done about a message.
 * Invariant: any bytes are values of these types.
 */
#ifndef STEK_STORE_WIRE_H
#define STEK_STORE_WIRE_H

#include "store_etcd.h"

#define STORE_WIRE_MAX (STORE_VALUE_MAX + 1024)

enum store_op {
	/* to the store */
	STORE_READ,
	STORE_SWAP,
	STORE_TELL,
	STORE_LIST,
	STORE_ASK,
	STORE_FORGET,
	/* from it */
	STORE_FOUND,
	STORE_STATE,
	STORE_ALIVE,
	STORE_SWAP_END,
	STORE_UNTOLD,
	STORE_NODES,
	STORE_NODES_END,
	STORE_ASKED,
	STORE_RIGHTS,
	STORE_CLOCK,
};

struct store_message {
	uint32_t op; /* enum store_op */
	uint32_t flag; /* there is a value; rollback; what was asked is known */
	int64_t number; /* a revision, a time, or of an enum, or live */
	uint64_t len; /* of what follows */
};

/* A node in a packet: this, its name, its entry. */
struct store_packed {
	uint8_t live;
	uint8_t name_len;
	uint16_t len;
};

/* As sendmsg(2); false: there is no room now, or nobody is there. */
bool store_wire_put(
    int fd, int flags, const struct store_message *, const void *bytes);

/*
 * The next message, and its bytes in buf.  False: none, with errno, which is
 * 0 at the end.
 */
bool store_wire_take(int fd, uint8_t buf[STORE_WIRE_MAX],
    struct store_message *, const uint8_t **bytes);

/* Text is sent with its zero byte; "" if that is missing. */
const char *store_wire_text(const struct store_message *, const uint8_t *);

#endif
