/* SPDX-License-Identifier: ISC */
/* See store_etcd_frame.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "store_etcd_frame.h"

#define KEEP_MAX ((size_t)16 * 1024) /* of a buffer that is empty */

/* Of a message's memory: its structures are larger than its bytes. */
#define BUDGET_TIMES 8
#define BUDGET_LEAST 4096

static size_t
frame_length(const uint8_t head[FRAME_HEAD])
{
	return (size_t)head[1] << 24 | (size_t)head[2] << 16 |
	       (size_t)head[3] << 8 | (size_t)head[4];
}

static void
make_room(struct frame_buf *buf)
{
	if (buf->at == 0)
		return;
	memmove(buf->bytes, buf->bytes + buf->at, buf->len - buf->at);
	buf->len -= buf->at;
	buf->at = 0;
}

bool
frame_add(struct frame_buf *buf, const uint8_t *bytes, size_t len)
{
	uint8_t *grown;
	size_t size;

	if (len == 0)
		return true;
	make_room(buf);
	if (len > SIZE_MAX / 2 - buf->len)
		return false;
	if (buf->size - buf->len < len) {
		size = buf->size * 2;
		if (size < buf->len + len)
			size = buf->len + len;
		grown = realloc(buf->bytes, size);
		if (grown == NULL)
			return false;
		buf->bytes = grown;
		buf->size = size;
	}
	memcpy(buf->bytes + buf->len, bytes, len);
	buf->len += len;
	return true;
}

enum frame_found
frame_look(const struct frame_buf *buf, size_t limit)
{
	size_t left = buf->len - buf->at;
	const uint8_t *head;

	if (left == 0)
		return FRAME_NONE;
	head = buf->bytes + buf->at;
	if (head[0] != 0)
		return FRAME_BAD;
	if (left < FRAME_HEAD)
		return FRAME_NONE;
	if (frame_length(head) > limit)
		return FRAME_LONG;
	return left - FRAME_HEAD < frame_length(head) ? FRAME_NONE : FRAME_ONE;
}

enum frame_found
frame_take(
    struct frame_buf *buf, size_t limit, const uint8_t **bytes, size_t *len)
{
	enum frame_found found = frame_look(buf, limit);

	if (found == FRAME_NONE && buf->at == buf->len && buf->size > KEEP_MAX)
		frame_clear(buf);
	if (found != FRAME_ONE)
		return found;
	*len = frame_length(buf->bytes + buf->at);
	*bytes = buf->bytes + buf->at + FRAME_HEAD;
	buf->at += FRAME_HEAD + *len;
	return FRAME_ONE;
}

void
frame_clear(struct frame_buf *buf)
{
	if (buf->bytes != NULL)
		sodium_memzero(buf->bytes, buf->len);
	free(buf->bytes);
	memset(buf, 0, sizeof(*buf));
}

uint8_t *
frame_pack(const ProtobufCMessage *message, size_t *len)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *frame;

	if (size > UINT32_MAX)
		return NULL;
	frame = malloc(FRAME_HEAD + size);
	if (frame == NULL)
		return NULL;
	frame[0] = 0;
	frame[1] = (uint8_t)(size >> 24);
	frame[2] = (uint8_t)(size >> 16);
	frame[3] = (uint8_t)(size >> 8);
	frame[4] = (uint8_t)size;
	*len =
	    FRAME_HEAD + protobuf_c_message_pack(message, frame + FRAME_HEAD);
	return frame;
}

void
frame_free(uint8_t *frame, size_t len)
{
	if (frame != NULL)
		sodium_memzero(frame, len);
	free(frame);
}

static void *
budget_alloc(void *arg, size_t size)
{
	size_t *left = arg;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void
budget_free(void *arg, void *memory)
{
	(void)arg;
	free(memory);
}

void *
frame_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
    size_t len)
{
	size_t left = len * BUDGET_TIMES + BUDGET_LEAST;
	ProtobufCAllocator allocator = {budget_alloc, budget_free, &left};

	return protobuf_c_message_unpack(descriptor, &allocator, len, bytes);
}

void
frame_message_free(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

ProtobufCBinaryData
frame_binary(const void *bytes, size_t len)
{
	ProtobufCBinaryData binary = {len, NULL};

	memcpy(&binary.data, &bytes, sizeof(bytes));
	return binary;
}
