/* SPDX-License-Identifier: ISC */
/*
 * A target at work: place its files, reload its server, verify by a
 * handshake; again and with longer pauses when one of these fails.
 *
 * Never here: other targets, the store, when keys change.
 * Invariant: at most one request of a target is with the monitor; whatever
 * fails, the target goes on trying and nobody else is kept waiting.
 */
#ifndef STEK_TARGET_H
#define STEK_TARGET_H

#include "monitor.h"

struct loop;
struct event;

enum target_state {
	TARGET_WORKING, /* on its way to the wanted version */
	TARGET_APPLIED, /* in the file, reloaded; nothing verifies it */
	TARGET_VERIFIED, /* seen in use by a handshake */
	TARGET_FAILED, /* something failed; it is tried again */
};

enum target_step {
	TARGET_IDLE,
	TARGET_PLACE,
	TARGET_RELOAD,
	TARGET_PROBE,
};

struct target {
	struct loop *loop;
	const struct conf_target *conf;
	uint32_t index;
	struct event *timer;

	struct stek_set *wanted; /* its keys, in its scope */
	enum stek_state states[STEK_KEYS_MAX]; /* of wanted, when it came */
	uint64_t version; /* of the farm's set they come from */
	int64_t revoked; /* open_until of the last revoked key, or 0 */
	bool stale; /* its server has not taken the file */
	bool owed; /* the monitor has noted that */
	bool renew; /* nor will it, unless the file looks newer */
	bool told_twice; /* it was, as once was not enough */

	enum target_step step;
	uint64_t serial; /* of the request in flight, or 0 */
	bool again; /* wanted changed meanwhile */
	int64_t deadline; /* for the probe to see the key, by clock_ms() */
	unsigned int probes;
	unsigned int proofs; /* in a row, while revoking */

	enum target_state state;
	enum format_ticket proof; /* of the last verify */
	uint64_t applied; /* version in file and server, or 0 */
	int64_t written; /* when the file last changed, or 0 */
	int64_t verified; /* when last verified, or 0 */
	int64_t next_try; /* when failed, or 0 */
	unsigned int attempts; /* that failed in a row */
	uint64_t failures; /* since stekd started */
	bool placed; /* tried once since it was created */
	char left[CONF_WHY_LEN]; /* what could not be tidied up, or "" */
	char error[CONF_WHY_LEN]; /* of the last failure, or "" */
	char sealing[STEK_NAME_HEX]; /* name that should seal, or "" */
};

/* False: no memory. */
STEK_CHECKED bool target_start(
    struct target *, struct loop *, const struct conf_target *, uint32_t index);
void target_stop(struct target *);

/* What it has is of another set than the farm's of that version. */
void target_forget(struct target *);

/*
 * Bring this set (of the farm, not scoped) to the server.  revoked: as for
 * loop_publish().
 */
void target_update(struct target *, const struct stek_set *, int64_t revoked);

/* A reply to a request of this target. */
void target_reply(struct target *, const struct monitor_reply *);

#endif
