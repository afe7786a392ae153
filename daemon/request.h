/* SPDX-License-Identifier: ISC */
/*
 * What an operator asks for over the control socket, read from a line of
 * JSON; control.h has the grammar.
 *
 * Never here: carrying it out.
 */
#ifndef STEK_REQUEST_H
#define STEK_REQUEST_H

#include "conf.h"

struct request {
	enum {
		REQUEST_STATUS,
		REQUEST_ROTATE,
		REQUEST_REVOKE,
		REQUEST_FORGET,
		REQUEST_REKEY,
	} what;
	bool at_once; /* ROTATE: not only after the lead */
	bool all; /* REVOKE: every key */
	uint8_t name[STEK_NAME_LEN]; /* REVOKE: or else this one */
	char node[CONF_NODE_MAX + 1]; /* FORGET; REKEY: to be evicted, or "" */
};

/* NULL, or what was expected; any bytes may come. */
STEK_CHECKED const char *request_read(
    const char *line, size_t len, struct request *);

#endif
