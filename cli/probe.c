/* SPDX-License-Identifier: ISC */
/*
 * probe.c: stek probe: does every server take every server's tickets?
 *
 * Never here: a verdict that is not drawn from a handshake made just now.
 * In each version two full handshakes at each server give its ticket and
 * show whether its key name is stable; then that one ticket is offered to
 * every server.  A server cannot tell that a ticket was offered before
 * elsewhere: what it needs to know is in the ticket.
 */
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "probe.h"

struct options {
	bool json;
	bool ticket;
	int tls; /* 0: both */
	const char *sni;
	int timeout; /* ms */
};

static const struct {
	int version;
	const char *option;
	const char *name;
} versions[PROBE_VERSIONS] = {
    {TLS1_2_VERSION, "1.2", "TLSv1.2"},
    {TLS1_3_VERSION, "1.3", "TLSv1.3"},
};

/* --- measure ------------------------------------------------------------ */

bool
probe_sealed(const struct handshake *shake)
{
	return shake->issued && shake->ticket_len > PROBE_REFERENCE_MAX;
}

bool
probe_same_name(const struct probe_own *a, const struct probe_own *b,
    const struct handshake *x, const struct handshake *y)
{
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;

	return len > 0 && probe_sealed(x) && probe_sealed(y) &&
	       memcmp(x->ticket, y->ticket, len) == 0;
}

/*
 * Does the name consist of two addresses in memory?  stunnel does not set its
 * tickets' names, so that what was in memory shows.  A random name looks like
 * this once in 2^32.
 */
static bool
left_over(const uint8_t *name)
{
	return name[6] == 0 && name[7] == 0 && name[14] == 0 && name[15] == 0;
}

/*
 * What can be compared of the name.  mbed TLS has names of 4 bytes with an IV
 * behind, whose first bytes may be alike by chance.
 */
static size_t
name_len(const struct handshake *a, const struct handshake *b)
{
	size_t n = 0;

	if (!probe_sealed(a) || left_over(a->ticket))
		return 0;
	if (!probe_sealed(b))
		return PROBE_NAME_LEN;
	while (n < PROBE_NAME_LEN && a->ticket[n] == b->ticket[n])
		n++;
	if (n == PROBE_NAME_LEN)
		return n;
	return n >= PROBE_NAME_SHORT && n <= PROBE_NAME_SHORT + 2
	           ? PROBE_NAME_SHORT
	           : 0;
}

static void
measure_own(SSL_CTX *ctx, struct reach_server *server, int timeout,
    struct probe_own *own)
{
	handshake_run(ctx, server, NULL, timeout, &own->shake);
	own->supported = own->shake.end != HANDSHAKE_VERSION;
	own->issues = probe_sealed(&own->shake);
	if (own->issues)
		handshake_run(ctx, server, NULL, timeout, &own->again);
	own->name_len = name_len(&own->shake, &own->again);
	own->error = probe_own_error(own);
}

/*
 * A refusal at home, or names that change, may mean workers with keys of
 * their own: then luck decides, and more tries show it.
 */
static void
measure_home(SSL_CTX *ctx, struct reach_server *server, int timeout,
    const struct probe_own *own, struct probe_pair *pair)
{
	struct handshake more;

	if (pair->shake.resumed && own->name_len == PROBE_NAME_LEN)
		return;
	while (pair->tries < PROBE_TRIES) {
		handshake_run(ctx, server, own->shake.session, timeout, &more);
		pair->tries++;
		if (more.end == HANDSHAKE_DONE && more.resumed)
			pair->resumptions++;
		handshake_free(&more);
	}
}

static void
measure_pair(SSL_CTX *ctx, struct probe *probe, struct probe_version *v,
    size_t from, size_t at, int timeout)
{
	struct probe_pair *pair = &v->pairs[from][at];
	const struct probe_own *own = &v->own[from], *other = &v->own[at];

	if (!own->supported || !other->supported)
		return;
	if (own->issues && other->shake.end == HANDSHAKE_DONE) {
		pair->tried = true;
		handshake_run(ctx, &probe->servers[at], own->shake.session,
		    timeout, &pair->shake);
		pair->tries = 1;
		pair->resumptions =
		    pair->shake.end == HANDSHAKE_DONE && pair->shake.resumed;
		if (from == at)
			measure_home(
			    ctx, &probe->servers[at], timeout, own, pair);
	}
	pair->resumed = pair->tried && pair->resumptions == pair->tries;
	pair->renewed = pair->resumed && probe_sealed(&pair->shake) &&
	                own->name_len > 0 && other->name_len > 0 &&
	                !probe_same_name(own, other, &own->shake, &pair->shake);
}

static bool
measure(struct probe *probe, struct probe_version *v, int timeout)
{
	SSL_CTX *ctx = handshake_ctx(v->version);
	size_t from, at, n = probe->count;

	if (ctx == NULL)
		return false;
	for (from = 0; from < n; from++)
		measure_own(ctx, &probe->servers[from], timeout, &v->own[from]);
	for (from = 0; from < n; from++)
		for (at = 0; at < n; at++)
			measure_pair(ctx, probe, v, from, at, timeout);
	for (from = 0; from < n; from++)
		for (at = 0; at < n; at++)
			probe_reason(
			    probe, v, from, at, v->pairs[from][at].reason);
	SSL_CTX_free(ctx);
	return true;
}

bool
probe_failed(const struct probe *probe, size_t server)
{
	const struct probe_own *own;
	bool any = false;
	size_t i;

	for (i = 0; i < probe->version_count; i++) {
		own = &probe->versions[i].own[server];
		if (own->supported && own->shake.end != HANDSHAKE_DONE)
			return true;
		any |= own->supported;
	}
	return !any;
}

bool
probe_ok(const struct probe *probe)
{
	size_t i, from, at;
	const struct probe_version *v;

	for (from = 0; from < probe->count; from++)
		if (probe_failed(probe, from))
			return false;
	for (i = 0; i < probe->version_count; i++) {
		v = &probe->versions[i];
		for (from = 0; from < probe->count; from++)
			for (at = 0; at < probe->count; at++)
				if (v->own[from].supported &&
				    v->own[at].supported &&
				    !v->pairs[from][at].resumed)
					return false;
	}
	return true;
}

/* --- the verb ----------------------------------------------------------- */

static void
release(struct probe *probe)
{
	size_t i, from, at;

	if (probe == NULL)
		return;
	for (i = 0; i < PROBE_VERSIONS; i++) {
		struct probe_version *v = &probe->versions[i];

		for (from = 0; from < probe->count; from++) {
			handshake_free(&v->own[from].shake);
			handshake_free(&v->own[from].again);
			for (at = 0; at < probe->count; at++)
				handshake_free(&v->pairs[from][at].shake);
		}
	}
	free(probe);
}

static int
run_matrix(struct probe *probe, const struct options *opt)
{
	bool shown;
	size_t i;

	for (i = 0; i < probe->version_count; i++)
		if (!measure(probe, &probe->versions[i], opt->timeout)) {
			(void)fputs(
			    "stek probe: OpenSSL does not start\n", stderr);
			return CLI_FAILED;
		}
	shown = opt->json ? probe_report_json(probe) : probe_report_text(probe);
	return shown && probe_ok(probe) ? CLI_DONE : CLI_FAILED;
}

/* May another version fare better? */
static bool
worth_another(enum handshake_end end)
{
	return end == HANDSHAKE_DONE || end == HANDSHAKE_VERSION ||
	       end == HANDSHAKE_ALERT || end == HANDSHAKE_CLOSED;
}

/*
 * What is to be told when no version gave a ticket: an older version's error
 * only if the newer one is missing.
 */
static int
run_ticket(struct probe *probe, const struct options *opt)
{
	struct reach_server *server = &probe->servers[0];
	struct handshake *best = NULL, *shake;
	const struct probe_version *v = NULL;
	SSL_CTX *ctx;
	size_t i;

	for (i = 0; i < probe->version_count; i++) {
		v = &probe->versions[i];
		ctx = handshake_ctx(v->version);
		if (ctx == NULL)
			return CLI_FAILED;
		shake = &probe->versions[i].own[0].shake;
		handshake_run(ctx, server, NULL, opt->timeout, shake);
		SSL_CTX_free(ctx);
		if (best == NULL || shake->end != HANDSHAKE_VERSION)
			best = shake;
		if (probe_sealed(shake) || !worth_another(shake->end))
			break;
	}
	if (!probe_report_ticket(server->address, v->name, best))
		return CLI_FAILED;
	return probe_sealed(best) ? CLI_DONE : CLI_FAILED;
}

/* Seconds, fractions allowed, from 1 ms to an hour; -1 if it is not that. */
static int
parse_timeout(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(s) || s < 0.001 ||
	    s > 3600)
		return -1;
	return (int)(s * 1000);
}

static int
parse_tls(const char *text)
{
	size_t i;

	for (i = 0; i < PROBE_VERSIONS; i++)
		if (strcmp(text, versions[i].option) == 0)
			return versions[i].version;
	return -1;
}

/* False, with a message, on wrong usage. */
static bool
parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option longs[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"ticket", no_argument, NULL, 't'},
	    {"tls", required_argument, NULL, 'v'},
	    {"sni", required_argument, NULL, 's'},
	    {"timeout", required_argument, NULL, 'w'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'j')
			opt->json = true;
		else if (c == 't')
			opt->ticket = true;
		else if (c == 's')
			opt->sni = optarg;
		else if (c == 'v')
			opt->tls = parse_tls(optarg);
		else if (c == 'w')
			opt->timeout = parse_timeout(optarg);
		else
			return false;
	}
	if (opt->tls == -1)
		(void)fputs("stek probe: --tls is 1.2 or 1.3\n", stderr);
	if (opt->timeout == -1)
		(void)fputs("stek probe: --timeout is a number of seconds, "
		            "0.001 to 3600\n",
		    stderr);
	if (opt->ticket && opt->json)
		(void)fputs("stek probe: --ticket prints JSON of its own, "
		            "without --json\n",
		    stderr);
	return opt->tls != -1 && opt->timeout != -1 &&
	       !(opt->ticket && opt->json);
}

/* False, with a message, on wrong usage. */
static bool
parse_servers(
    int count, char **args, const struct options *opt, struct probe *probe)
{
	int i;

	if (count < 1 || count > PROBE_SERVERS_MAX ||
	    (opt->ticket && count != 1)) {
		(void)fprintf(stderr,
		    "stek probe: %d servers named, expected 1%s\n", count,
		    opt->ticket ? "" : " to 26");
		return false;
	}
	for (i = 0; i < count; i++) {
		if (!reach_parse(&probe->servers[i], args[i])) {
			(void)fprintf(stderr,
			    "stek probe: \"%s\" is not of the form HOST:PORT "
			    "or [IPV6]:PORT\n",
			    args[i]);
			return false;
		}
		if (opt->sni != NULL)
			probe->servers[i].sni = opt->sni;
	}
	probe->count = (size_t)count;
	return true;
}

static void
choose_versions(struct probe *probe, int tls)
{
	size_t i;

	for (i = 0; i < PROBE_VERSIONS; i++) {
		if (tls != 0 && tls != versions[i].version)
			continue;
		probe->versions[probe->version_count].version =
		    versions[i].version;
		probe->versions[probe->version_count++].name = versions[i].name;
	}
}

int
verb_probe(const struct cli *cli, int argc, char **argv)
{
	struct options opt = {.timeout = 5000};
	struct probe *probe;
	int status = CLI_USAGE;

	(void)cli;
	if (!parse_options(argc, argv, &opt))
		return CLI_USAGE;
	probe = calloc(1, sizeof(*probe));
	if (probe == NULL) {
		(void)fputs("stek probe: out of memory\n", stderr);
		return CLI_FAILED;
	}
	if (!parse_servers(argc - optind, argv + optind, &opt, probe))
		goto out;
	choose_versions(probe, opt.tls);
	/* A server that hangs up must not end the process. */
	(void)signal(SIGPIPE, SIG_IGN);
	status = opt.ticket ? run_ticket(probe, &opt) : run_matrix(probe, &opt);
out:
	release(probe);
	return status;
}
