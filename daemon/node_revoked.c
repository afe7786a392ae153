/* SPDX-License-Identifier: ISC */
/*
 * What was revoked here and etcd has not been told yet, in a file of names
 * beside this host's copy of the set: a restart must not bring it back.
 *
 * Never here: keys.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "node.h"

_Static_assert(FARM_REVOKED_MAX == CONF_REVOKED_MAX, "one file has them");

void
node_revoked_recall(struct node *node)
{
	char path[FORMAT_PATH_MAX + STEK_FARM_MAX + 16];
	uint8_t *names;
	enum stek_err err;
	size_t len, at;

	conf_revoked_path(node->loop->conf, path, sizeof(path));
	err = stek_file_read(
	    path, FARM_REVOKED_MAX * STEK_NAME_LEN, &names, &len);
	if (err == STEK_ERR_SYSTEM && errno == ENOENT)
		return;
	if (err != STEK_OK) {
		log_line(LOG_ERR, "cannot read what was revoked", "file", path,
		    "why",
		    err == STEK_ERR_SYSTEM ? strerror(errno)
		                           : stek_strerror(err),
		    NULL);
		return;
	}
	node->revoked_kept = true;
	for (at = 0; at + STEK_NAME_LEN <= len; at += STEK_NAME_LEN)
		farm_revoke_again(node->farm, names + at);
	stek_file_free(names);
}

void
node_revoked_keep(struct node *node)
{
	const struct farm *farm = node->farm;
	const struct store *store = &node->rotate->store;
	char path[FORMAT_PATH_MAX + STEK_FARM_MAX + 16];
	size_t count = farm->revoked_count < FARM_REVOKED_MAX
	                   ? farm->revoked_count
	                   : FARM_REVOKED_MAX;

	conf_revoked_path(node->loop->conf, path, sizeof(path));
	if (!farm->revoking) {
		if (node->revoked_kept && unlink(path) < 0 && errno != ENOENT)
			log_line(LOG_WARNING, "cannot remove", "file", path,
			    "why", strerror(errno), NULL);
		node->revoked_kept = false;
		return;
	}
	node->revoked_kept = true;
	if (stek_file_write(path, farm->revoked[0], count * STEK_NAME_LEN, 0600,
	        store->uid, store->gid) != STEK_OK)
		log_line(LOG_ERR,
		    "cannot note what was revoked: a restart of stekd before "
		    "etcd is told would bring it back",
		    "file", path, "why", strerror(errno), NULL);
}
