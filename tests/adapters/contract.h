/* SPDX-License-Identifier: ISC */
/*
 * The adapter contract: what every adapter must do, whatever its TLS library.
 * A library plugs in here; contract_main() runs all of the contract on it.
 */
#ifndef TESTS_CONTRACT_H
#define TESTS_CONTRACT_H

#include <stek.h>

/* What a library is known not to do; the contract then asks for no more. */
enum {
	CONTRACT_NO_TLS12 = 1,
	CONTRACT_NO_TLS13 = 2,
	CONTRACT_NO_RENEWAL_12 = 4, /* an old key's ticket stays as it is */
	CONTRACT_NO_RENEWAL_13 = 8,
	CONTRACT_ALWAYS_NEW_13 = 16, /* a new ticket also for a current one */
	CONTRACT_NO_HOSTS = 32, /* no scopes by host name */
	CONTRACT_OWN_KEYS = 64, /* seals with its own while no key seals */
	CONTRACT_DUD_13 = 128, /* gives tickets of no use while no key seals */
	CONTRACT_SPELT_12 = 256, /* A.EXAMPLE is another host than a.example */
	CONTRACT_NO_REPLACEMENT_12 = 512, /* no new ticket for a refused one */
	CONTRACT_LOOSE_END = 1024, /* does not look behind a ticket's end */
	CONTRACT_DEAD_TICKETS = 2048, /* none opens, while no key seals */
	CONTRACT_NO_NAMELESS_12 = 4096, /* resumes no client without a host */
};

/* The versions' numbers on the wire. */
enum {
	CONTRACT_TLS12 = 0x0303,
	CONTRACT_TLS13 = 0x0304,
};

struct contract_server {
	const struct stek_ring *ring;
	int version; /* speak this one only */
	bool hosts; /* each host name is a scope */
	const char *cert; /* files in PEM */
	const char *key;
};

struct contract_library {
	const char *name;
	unsigned int cannot;
	bool rsa; /* certificates are RSA ones, else P-256 */

	/* A key's name on the wire; NULL: the key's own. */
	void (*wire_name)(const struct stek_key *, uint8_t name[STEK_NAME_LEN]);

	/* NULL: it could not be made. What is in there is copied or kept. */
	void *(*server_new)(const struct contract_server *);
	void (*server_free)(void *);

	/*
	 * Serve one connection on a blocking socket: shake hands, send one
	 * byte, read until the client closes.  Leaves the socket open.  Many
	 * threads call it on one server.
	 */
	void (*serve)(void *, int fd);
};

/* From main(); returns what main() is to return. */
int contract_main(const struct contract_library *, int argc, char **argv);

/* Only these points, for some libraries or ways to use one. */
struct point;
int contract_points(const struct contract_library *, size_t,
    const struct point *);
/* The same of one library and several lists, the last of which is NULL. */
int contract_lists(const struct contract_library *,
    const struct point *const *);

#endif
