/* SPDX-License-Identifier: ISC */
/* See wire.h and monitor.h. */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "wire.h"

_Static_assert(sizeof(struct monitor_request) + sizeof(struct stek_set) <=
                   MONITOR_REQUEST_MAX,
    "the longest request has room in a message");

size_t
wire_reply_length(const struct monitor_reply *reply)
{
	return offsetof(struct monitor_reply, text) + reply->len + 1;
}

bool
wire_take_request(
    const uint8_t *message, size_t len, struct monitor_request *request)
{
	if (len < sizeof(*request))
		return false;
	memcpy(request, message, sizeof(*request));
	return true;
}

bool
wire_take_set(const uint8_t *message, size_t len, struct stek_set *set)
{
	const uint8_t *sent = message + sizeof(struct monitor_request);
	struct stek_key STEK_WIPED key;
	size_t i, count;

	stek_set_clear(set);
	if (len != sizeof(struct monitor_request) + sizeof(*set))
		return false;
	memcpy(&set->version, sent + offsetof(struct stek_set, version),
	    sizeof(set->version));
	memcpy(&count, sent + offsetof(struct stek_set, count), sizeof(count));
	if (count > STEK_KEYS_MAX)
		return false;
	sent += offsetof(struct stek_set, keys);
	for (i = 0; i < count; i++) {
		memcpy(&key, sent + i * sizeof(key), sizeof(key));
		if (stek_set_add(set, &key) == STEK_OK)
			continue;
		stek_set_clear(set);
		return false;
	}
	return true;
}

bool
monitor_send(
    int fd, const struct monitor_request *request, const struct stek_set *set)
{
	size_t len = sizeof(*request);
	uint8_t *message;
	ssize_t sent;
	int saved;

	/* No memory is needed to ask for what takes no keys. */
	if (set == NULL)
		return send(fd, request, len, MSG_NOSIGNAL) >= 0;
	message = stek_file_alloc(len + sizeof(*set));
	if (message == NULL) {
		errno = ENOMEM;
		return false;
	}
	memcpy(message, request, len);
	memcpy(message + len, set, sizeof(*set));
	len += sizeof(*set);
	sent = send(fd, message, len, MSG_NOSIGNAL);
	saved = errno;
	stek_file_free(message);
	errno = saved;
	return sent >= 0;
}

int
monitor_receive(int fd, struct monitor_reply *reply)
{
	ssize_t len = recv(fd, reply, sizeof(*reply), 0);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len < (ssize_t)offsetof(struct monitor_reply, text) + 1 ||
	    (size_t)len != wire_reply_length(reply))
		return -1;
	reply->text[reply->len] = '\0';
	return 1;
}
