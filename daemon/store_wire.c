/* SPDX-License-Identifier: ISC */
/* See store_wire.h. */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "store_wire.h"

bool
store_wire_put(
    int fd, int flags, const struct store_message *message, const void *bytes)
{
	struct iovec parts[2] = {{(void *)(uintptr_t)message, sizeof(*message)},
	    {(void *)(uintptr_t)bytes, message->len}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};

	return sendmsg(fd, &header, flags | MSG_NOSIGNAL) >= 0;
}

bool
store_wire_take(int fd, uint8_t buf[STORE_WIRE_MAX],
    struct store_message *message, const uint8_t **bytes)
{
	ssize_t len = recv(fd, buf, STORE_WIRE_MAX, MSG_DONTWAIT);

	if (len == 0)
		errno = 0;
	if (len < (ssize_t)sizeof(*message))
		return false;
	memcpy(message, buf, sizeof(*message));
	*bytes = buf + sizeof(*message);
	if (message->len == (size_t)len - sizeof(*message))
		return true;
	errno = EBADMSG;
	return false;
}

const char *
store_wire_text(const struct store_message *message, const uint8_t *bytes)
{
	return message->len > 0 && bytes[message->len - 1] == '\0'
	           ? (const char *)bytes
	           : "";
}
