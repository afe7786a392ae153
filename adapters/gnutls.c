/* SPDX-License-Identifier: ISC */
/*
 * From a ring to the session tickets of GnuTLS.
 *
 * GnuTLS seals and opens tickets itself.  A session has one master of 64
 * bytes, from which it derives the ticket's keys and their name, anew at each
 * step of time; it opens tickets of this step and of the one before.  So the
 * hook looks, before GnuTLS does, which key the client's ticket names, and
 * gives the session that key's master.
 *
 * Never here: when a key may do what; the ticket's own cryptography.
 * Invariant: no way out of the hook ends a connection, and a session whose
 * key does not seal gets no ticket that any server would open.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/crypto.h>

#include <stek/gnutls.h>

#include "host.h"
#include "slot.h"

#define EXT_HOST   0
#define EXT_TICKET 35
#define EXT_PSK    41
#define HOST_NAME  0 /* the kind of name in EXT_HOST */
/* Never sent: a session keeps our state as that of an extension. */
#define EXT_STATE  65374

#define MASTER_LEN 64
#define STEPS      2 /* whose tickets GnuTLS opens */
#define LONG_STEP  3 /* a step lasts so many expirations */
#define EXPIRE_MAX 604800 /* GnuTLS allows no more */

/* GnuTLS's layout: name, IV, length of the ciphertext, that, MAC. */
#define LENGTH_AT       32
#define TICKET_OVERHEAD (LENGTH_AT + 2 + 20)

/* Changes with the time, in its slot, which is one thread's while taken. */
struct master {
	uint8_t bytes[MASTER_LEN];
	uint64_t step; /* of names[0]; names[1] is of the one before */
	uint8_t names[STEPS][STEK_NAME_LEN];
};

struct expanded {
	struct master *master; /* of which the slot's pointer is const */
	struct master here;
};

/* How far a session is, and by which handle. */
struct state {
	struct stek_gnutls *handle;
	enum progress { FRESH, SEALS, OPENS, STATES } progress;
};

/* A session points to one of the states: none is made for each. */
struct stek_gnutls {
	struct slots *slots;
	const struct stek_ring *ring;
	int expire;
	bool hosts;
	char scope[STEK_SCOPE_MAX + 1];
	struct state states[STATES];
};

/* The key that a session is to have. */
struct choice {
	struct master *master; /* NULL: none */
	bool seals;
};

struct bytes {
	const uint8_t *at; /* NULL: there is none */
	size_t len;
};

/* What is looked at of a ClientHello. */
struct hello {
	struct bytes host;
	struct bytes ticket; /* TLS 1.2 */
	struct bytes psk; /* TLS 1.3 */
};

static size_t
get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void
forget(void *e)
{
	explicit_bzero(e, sizeof(struct expanded));
	free(e);
}

static void *
expand(const struct stek_key *key)
{
	struct expanded *e = calloc(1, sizeof(*e));
	struct stek_key STEK_WIPED own;

	if (e == NULL)
		return NULL;
	if (stek_scope_key(key, "\001gnutls", &own) != STEK_OK) {
		forget(e);
		return NULL;
	}
	e->master = &e->here;
	memcpy(e->master->bytes, own.aes, STEK_AES_LEN);
	memcpy(e->master->bytes + STEK_AES_LEN, own.mac, STEK_MAC_LEN);
	return e;
}

/* GnuTLS draws its IVs itself: slot_random() is not called. */
static const struct slot_library library = {expand, forget, NULL};

static struct master *
master_of(const void *expanded)
{
	const struct expanded *e = expanded;

	return e != NULL ? e->master : NULL;
}

/* SHA3-512 of step and master; what follows the name are a ticket's keys. */
static bool
name_at(const struct master *master, uint64_t step, uint8_t *name)
{
	uint8_t in[8 + MASTER_LEN], out[64];
	bool ok;
	int i;

	for (i = 0; i < 8; i++)
		in[i] = (uint8_t)(step >> (56 - 8 * i));
	memcpy(in + 8, master->bytes, MASTER_LEN);
	ok = gnutls_hash_fast(GNUTLS_DIG_SHA3_512, in, sizeof(in), out) == 0;
	memcpy(name, out, STEK_NAME_LEN);
	explicit_bzero(in, sizeof(in));
	explicit_bzero(out, sizeof(out));
	return ok;
}

static bool
name_steps(struct master *master, uint64_t step)
{
	size_t i;

	if (master->step == step)
		return true;
	for (i = 0; i < STEPS; i++)
		if (!name_at(master, step - i, master->names[i]))
			return false;
	master->step = step;
	return true;
}

static int
on_extension(void *arg, unsigned id, const unsigned char *at, unsigned len)
{
	struct bytes found = {at, len};
	struct hello *hello = arg;

	if (id == EXT_HOST)
		hello->host = found;
	else if (id == EXT_TICKET)
		hello->ticket = found;
	else if (id == EXT_PSK)
		hello->psk = found;
	return 0;
}

/* Of one that is broken, what there is; GnuTLS then ends the handshake. */
static void
read_hello(const gnutls_datum_t *msg, struct hello *hello)
{
	bool datagram = msg->size > 0 && msg->data[0] == 254;

	memset(hello, 0, sizeof(*hello));
	(void)gnutls_ext_raw_parse(hello, on_extension, msg,
	    datagram ? GNUTLS_EXT_RAW_FLAG_DTLS_CLIENT_HELLO
	             : GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
}

/* RFC 6066, section 3. */
static bool
set_host(const struct bytes *sni, char *host)
{
	const uint8_t *p = sni->at;
	size_t len = sni->len;

	if (p == NULL) {
		strcpy(host, HOST_NONE);
		return true;
	}
	if (len < 6 || get16(p) != len - 2 || p[2] != HOST_NAME ||
	    get16(p + 3) != len - 5)
		return false;
	return host_scope(host, p + 5, len - 5);
}

/* The identities of RFC 8446, section 4.2.11, one by one. */
static bool
next_identity(struct bytes *list, struct bytes *identity)
{
	if (list->len < 2)
		return false;
	identity->at = list->at + 2;
	identity->len = get16(list->at);
	if (list->len - 2 < identity->len + 4)
		return false;
	list->at += 2 + identity->len + 4;
	list->len -= 2 + identity->len + 4;
	return true;
}

static bool
is_named(const struct bytes *ticket, const struct master *master)
{
	size_t i;

	for (i = 0; i < STEPS && ticket->len >= STEK_NAME_LEN; i++)
		if (memcmp(ticket->at, master->names[i], STEK_NAME_LEN) == 0)
			return true;
	return false;
}

/* The client's ticket of this key, if it has one. */
static bool
find_ticket(const struct hello *hello, const struct master *master,
    struct bytes *ticket)
{
	struct bytes list = hello->psk;

	*ticket = hello->ticket;
	if (is_named(ticket, master))
		return true;
	if (list.len < 2 || get16(list.at) > list.len - 2)
		return false;
	list.len = get16(list.at);
	list.at += 2;
	while (next_identity(&list, ticket))
		if (is_named(ticket, master))
			return true;
	return false;
}

/* GnuTLS itself would not mind bytes after its end. */
static bool
is_whole(const struct bytes *ticket)
{
	return ticket->len >= TICKET_OVERHEAD &&
	       ticket->len == TICKET_OVERHEAD + get16(ticket->at + LENGTH_AT);
}

/* Which of the keys that may open has the client a ticket of? */
static bool
choose_to_open(struct slot *slot, const struct stek_ring *ring,
    const char *scope, int64_t now, uint64_t step, const struct hello *hello,
    struct choice *choice, struct bytes *ticket)
{
	struct stek_set set __attribute__((cleanup(stek_set_clear)));
	struct stek_key STEK_WIPED key;
	struct master *master;
	bool renew;
	size_t i;

	stek_ring_read(ring, &set);
	for (i = 0; i < set.count; i++) {
		if (stek_scope_key(&set.keys[i], scope, &key) != STEK_OK)
			continue;
		master =
		    master_of(slot_opening(slot, scope, now, key.name, &renew));
		if (master == NULL || !name_steps(master, step) ||
		    !find_ticket(hello, master, ticket))
			continue;
		choice->master = master;
		choice->seals = false;
		return true;
	}
	return false;
}

static bool
choose_to_seal(struct slot *slot, const char *scope, int64_t now, uint64_t step,
    struct choice *choice)
{
	uint8_t name[STEK_NAME_LEN];

	choice->master = master_of(slot_sealing(slot, scope, now, name));
	choice->seals = true;
	return choice->master != NULL && name_steps(choice->master, step);
}

/* The key of the client's ticket; if it is of none, the one that seals. */
static void
choose(const struct stek_gnutls *handle, struct slot *slot, const char *scope,
    const struct hello *hello, struct choice *choice)
{
	int64_t now = time(NULL);
	uint64_t step = (uint64_t)now / ((uint64_t)handle->expire * LONG_STEP);
	struct bytes ticket;
	bool found;

	found = choose_to_seal(slot, scope, now, step, choice) &&
	        find_ticket(hello, choice->master, &ticket);
	if (!found && (hello->ticket.len > 0 || hello->psk.len > 0)) {
		found = choose_to_open(slot, handle->ring, scope, now, step,
		    hello, choice, &ticket);
		if (!found)
			(void)choose_to_seal(slot, scope, now, step, choice);
	}
	if (found && !is_whole(&ticket))
		choice->master = NULL;
}

/* What it then still seals lives for a second, and has a name of its own. */
static void
spoil_tickets(gnutls_session_t session)
{
	gnutls_db_set_cache_expiration(session, 1);
}

/*
 * Once GnuTLS has used a master it takes no other.  A second ClientHello after
 * a HelloRetryRequest finds what the first one did.  One that renegotiates may
 * come when the key is long gone, so it gets nothing out of it; that also
 * spares it an error of GnuTLS's, which seals a ticket for such a session if
 * it is resumed, and fails.
 */
static void
give(gnutls_session_t session, const struct state *state,
    const struct choice *choice)
{
	gnutls_datum_t master = {NULL, MASTER_LEN};

	if (state->progress != FRESH) {
		if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3)
			spoil_tickets(session);
		return;
	}
	if (choice->master == NULL)
		return;
	master.data = choice->master->bytes;
	if (gnutls_session_ticket_enable_server(session, &master) == 0)
		gnutls_ext_set_data(session, EXT_STATE,
		    &state->handle->states[choice->seals ? SEALS : OPENS]);
}

static void
before_hello(gnutls_session_t session, const struct state *state,
    const gnutls_datum_t *msg)
{
	const struct stek_gnutls *handle = state->handle;
	struct choice choice = {0};
	char scope[STEK_SCOPE_MAX + 1];
	struct slot *slot = NULL;
	struct hello hello;

	read_hello(msg, &hello);
	strcpy(scope, handle->scope);
	if (!handle->hosts || set_host(&hello.host, scope))
		slot = slot_take(handle->slots);
	if (slot != NULL)
		choose(handle, slot, scope, &hello, &choice);
	give(session, state, &choice);
	if (slot != NULL)
		slot_give(slot);
}

/*
 * The key has done its work if it was to open only.  In 1.3, GnuTLS makes no
 * ticket for a resumed session that has expired; in 1.2 it makes none for any
 * that was resumed.
 */
static void
after_hello(gnutls_session_t session, const struct state *state)
{
	if (state->progress != OPENS)
		return;
	if (gnutls_session_is_resumed(session) &&
	    gnutls_protocol_get_version(session) == GNUTLS_TLS1_3)
		gnutls_db_set_cache_expiration(session, -1);
	else
		spoil_tickets(session);
}

int
stek_gnutls_hook(gnutls_session_t session, unsigned int htype,
    unsigned int when, unsigned int incoming, const gnutls_datum_t *msg)
{
	void *state;

	(void)incoming; /* on a server it always is */
	if (htype != GNUTLS_HANDSHAKE_CLIENT_HELLO ||
	    gnutls_ext_get_data(session, EXT_STATE, &state) < 0)
		return 0;
	if (when == GNUTLS_HOOK_PRE)
		before_hello(session, state, msg);
	else
		after_hello(session, state);
	return 0;
}

enum stek_err
stek_gnutls_use(gnutls_session_t session, struct stek_gnutls *handle)
{
	int ret;

	ret = gnutls_session_ext_register(session, "stek", EXT_STATE,
	    GNUTLS_EXT_TLS, NULL, NULL, NULL, NULL, NULL, 0);
	if (ret < 0)
		return ret == GNUTLS_E_MEMORY_ERROR ? STEK_ERR_MEMORY
		                                    : STEK_ERR_LIBRARY;
	gnutls_ext_set_data(session, EXT_STATE, &handle->states[FRESH]);
	gnutls_db_set_cache_expiration(session, handle->expire);
	gnutls_handshake_set_hook_function(session,
	    GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_BOTH, stek_gnutls_hook);
	return STEK_OK;
}

enum stek_err
stek_gnutls_expire(struct stek_gnutls *handle, int seconds)
{
	if (seconds < 1 || seconds > EXPIRE_MAX)
		return STEK_ERR_TIMES;
	handle->expire = seconds;
	return STEK_OK;
}

enum stek_err
stek_gnutls_new_scope(const struct stek_ring *ring, const char *scope,
    struct stek_gnutls **handle)
{
	struct stek_gnutls *new;
	size_t i;

	if (strlen(scope) > STEK_SCOPE_MAX)
		return STEK_ERR_FORMAT;
	new = calloc(1, sizeof(*new));
	if (new == NULL)
		return STEK_ERR_MEMORY;
	new->slots = slots_new(&library, ring);
	if (new->slots == NULL) {
		free(new);
		return STEK_ERR_MEMORY;
	}
	new->ring = ring;
	new->expire = (int)gnutls_db_get_default_cache_expiration();
	strcpy(new->scope, scope);
	for (i = 0; i < STATES; i++) {
		new->states[i].handle = new;
		new->states[i].progress = (enum progress)i;
	}
	*handle = new;
	return STEK_OK;
}

enum stek_err
stek_gnutls_new(const struct stek_ring *ring, struct stek_gnutls **handle)
{
	return stek_gnutls_new_scope(ring, "", handle);
}

enum stek_err
stek_gnutls_new_hosts(const struct stek_ring *ring, struct stek_gnutls **handle)
{
	enum stek_err err = stek_gnutls_new_scope(ring, "", handle);

	if (err == STEK_OK)
		(*handle)->hosts = true;
	return err;
}

void
stek_gnutls_free(struct stek_gnutls *handle)
{
	if (handle == NULL)
		return;
	slots_free(handle->slots);
	free(handle);
}
