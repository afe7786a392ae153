/* SPDX-License-Identifier: ISC */
/*
 * gRPC's messages: a length-prefixed frame each, and protobuf inside.
 *
 * Never here: a connection, what a message means.
 * Invariants: no answer, whatever its bytes, makes a frame longer than its
 * limit be kept, or its message take more than a small multiple of its length
 * of memory.  A request's bytes are wiped, since one holds a password.
 */
#ifndef STEK_STORE_ETCD_FRAME_H
#define STEK_STORE_ETCD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#define FRAME_HEAD 5 /* compressed or not (1), length (4) */

/* What was received and not taken yet; all zero: nothing. */
struct frame_buf {
	uint8_t *bytes;
	size_t len, size;
	size_t at; /* taken up to here */
};

enum frame_found {
	FRAME_NONE, /* not whole yet */
	FRAME_ONE,
	FRAME_LONG, /* longer than the limit */
	FRAME_BAD, /* compressed, which nobody asked for: no gRPC */
};

/* False: no memory. */
bool frame_add(struct frame_buf *, const uint8_t *bytes, size_t len);
/* The next message; valid until the next frame_add(). */
enum frame_found frame_take(
    struct frame_buf *, size_t limit, const uint8_t **bytes, size_t *len);
/* As frame_take(), which takes nothing. */
enum frame_found frame_look(const struct frame_buf *, size_t limit);
void frame_clear(struct frame_buf *);

/* A message in its frame; NULL: no memory.  frame_free() wipes it. */
uint8_t *frame_pack(const ProtobufCMessage *, size_t *len);
void frame_free(uint8_t *frame, size_t len);

/* NULL: it is none of these.  frame_message_free(). */
void *frame_unpack(const ProtobufCMessageDescriptor *, const uint8_t *bytes,
    size_t len);
void frame_message_free(void *message); /* may be NULL */

/* For requests: nothing is ever written through it. */
ProtobufCBinaryData frame_binary(const void *bytes, size_t len);

#endif
