/* SPDX-License-Identifier: ISC */
/* See wire.h and monitor.h. */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "wire.h"

size_t
wire_reply_length(const struct monitor_reply *reply)
{
	return offsetof(struct monitor_reply, text) + reply->len + 1;
}

bool
wire_unpack(uint8_t *message, size_t len, struct format_out *out)
{
	struct wire_request head;
	struct wire_file file;
	size_t at = sizeof(head);

	memcpy(&head, message, sizeof(head));
	if (head.count > FORMAT_FILES_MAX)
		return false;
	for (out->count = 0; out->count < head.count; out->count++) {
		struct format_file *to = &out->files[out->count];

		if (len - at < sizeof(file))
			return false;
		memcpy(&file, message + at, sizeof(file));
		at += sizeof(file);
		if (len - at < file.len ||
		    memchr(file.name, '\0', sizeof(file.name)) == NULL)
			return false;
		memcpy(to->name, file.name, sizeof(to->name));
		to->bytes = message + at;
		to->len = file.len;
		at += file.len;
	}
	return at == len;
}

static size_t
pack(uint8_t *message, const struct format_out *out)
{
	struct wire_file file;
	size_t at = sizeof(struct wire_request), i;

	for (i = 0; i < out->count; i++) {
		memset(&file, 0, sizeof(file));
		memcpy(file.name, out->files[i].name, sizeof(file.name));
		file.len = (uint32_t)out->files[i].len;
		if (MONITOR_REQUEST_MAX - at < sizeof(file) + file.len)
			return 0;
		memcpy(message + at, &file, sizeof(file));
		at += sizeof(file);
		memcpy(message + at, out->files[i].bytes, file.len);
		at += file.len;
	}
	return at;
}

/* No memory is needed to ask for what takes no keys. */
static bool
send_head(int fd, const struct wire_request *head)
{
	return send(fd, head, sizeof(*head), MSG_NOSIGNAL) >= 0;
}

bool
monitor_send(int fd, const struct monitor_request *request,
    const struct format_out *out, const struct stek_set *set)
{
	struct wire_request head;
	uint8_t *message;
	size_t len = sizeof(head);
	ssize_t sent;
	int saved;

	memset(&head, 0, sizeof(head));
	head.request = *request;
	if (set == NULL && out == NULL)
		return send_head(fd, &head);
	message = stek_file_alloc(MONITOR_REQUEST_MAX);
	if (message == NULL) {
		errno = ENOMEM;
		return false;
	}
	if (set != NULL) {
		head.is_ring = 1;
		memcpy(message + len, set, sizeof(*set));
		len += sizeof(*set);
	} else {
		head.count = (uint32_t)out->count;
		len = pack(message, out);
	}
	memcpy(message, &head, sizeof(head));
	errno = EMSGSIZE;
	sent = len == 0 ? -1 : send(fd, message, len, MSG_NOSIGNAL);
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
