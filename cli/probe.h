/* SPDX-License-Identifier: ISC */
/*
 * probe.h: what `stek probe` measured, from which probe_reason.c draws its
 * conclusions and which probe_report.c shows.
 *
 * Never here: how a handshake is made (handshake.h).
 */
#ifndef STEK_PROBE_H
#define STEK_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "handshake.h"

enum {
	PROBE_SERVERS_MAX = 26,	/* a to z */
	PROBE_VERSIONS = 2,
	PROBE_TRIES = 4,	/* of a server's ticket at itself */
	PROBE_NAME_LEN = 16,
	PROBE_NAME_SHORT = 4,
	PROBE_REASON_MAX = 1000,
	/* As short, a TLS 1.3 "ticket" is a reference to a session cache. */
	PROBE_REFERENCE_MAX = 32,
};

/* One server in one version. */
struct probe_own {
	struct handshake shake;	/* a full handshake, with its ticket */
	struct handshake again;	/* a second one */
	size_t name_len;	/* 16, 4, or 0: it has no stable name */
	bool supported;	/* it has this version, or may have it */
	bool issues;	/* tickets that are sealed */
	const char *error;	/* NULL: it issues tickets */
};

/* The ticket of one server at another, or at itself. */
struct probe_pair {
	bool tried;
	unsigned int tries;
	unsigned int resumptions;
	bool resumed;	/* each time */
	bool renewed;	/* under another key name */
	struct handshake shake;	/* the first try; its session is kept */
	char reason[PROBE_REASON_MAX];	/* empty if it resumed */
};

struct probe_version {
	int version;
	const char *name;
	struct probe_own own[PROBE_SERVERS_MAX];
	struct probe_pair pairs[PROBE_SERVERS_MAX][PROBE_SERVERS_MAX];
};

struct probe {
	size_t count;
	size_t version_count;
	struct reach_server servers[PROBE_SERVERS_MAX];
	struct probe_version versions[PROBE_VERSIONS];
};

/* Has it none of the versions that were tried, or did one come to nothing? */
bool probe_failed(const struct probe *, size_t server);

/* Is what this handshake got a ticket, and not a cache's reference? */
bool probe_sealed(const struct handshake *);

/* Do both key names agree as far as either server's names are stable? */
bool probe_same_name(const struct probe_own *, const struct probe_own *,
    const struct handshake *, const struct handshake *);

/* Why a server has no ticket; NULL if it has one. */
const char *probe_own_error(const struct probe_own *);

/*
 * Why that pair did not resume, once all of the version is measured; empty if
 * it did, or if one of the two does not have the version.
 */
void probe_reason(const struct probe *, const struct probe_version *,
    size_t from, size_t at, char reason[PROBE_REASON_MAX]);

/* Has it any version, and is each ticket in order? */
bool probe_ok(const struct probe *);

/* False if standard output cannot be written. */
bool probe_report_text(const struct probe *);
bool probe_report_json(const struct probe *);
bool probe_report_ticket(
    const char *address, const char *version, const struct handshake *);

#endif
