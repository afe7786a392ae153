/* SPDX-License-Identifier: ISC */
/*
 * What the parts of the preloaded object for NSS share; nss.c says how they
 * work together.
 *
 * Never here: a dependency on NSS's libraries.  The object is loaded into
 * processes that have none of them, so every call goes through nss_real.
 */
#ifndef PRELOAD_NSS_H
#define PRELOAD_NSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stek.h>

#include <cert.h>
#include <nss.h>
#include <pk11pub.h>
#include <prrwlock.h>
#include <secerr.h>
#include <secoid.h>
#include <ssl.h>
#include <sslexp.h>

#include "say.h"

#define NSS_NAME_LEN	16	/* of NSS's ticket key's name */
#define NSS_NAME_SET	12	/* of which NSS draws so many, the rest is 0 */
#define NSS_IV_LEN	16
#define NSS_ID_LEN	4	/* of the IV: which of the ring's keys it is */
#define NSS_HEAD_LEN	(NSS_NAME_LEN + NSS_IV_LEN + 2)
#define NSS_MAC_LEN	32
#define NSS_SECRET_MAX	48

struct nss_key;

#define NSS_EXPORT	__attribute__((visibility("default")))
#define NSS_CALLER	__builtin_return_address(0)

/* --- nss.c: what NSS is doing ------------------------------------------- */

/* How far NSS is with making its ticket keys: in this order, in one go. */
enum making {
	IDLE,
	NAMED, /* it has drawn a name */
	PLACED, /* it has asked for a slot for both keys */
	HALF, /* it has made the AES key */
	FETCHED, /* it has the AES key from its session cache */
};

/* What NSS is at in this thread. */
struct nss_thread {
	enum making making;
	uint8_t *name;
	PK11SymKey *made;

	/* A ticket's secret that has just been wrapped. */
	PK11SymKey *secret, *wrapping;
	CK_MECHANISM_TYPE mechanism;
	uint8_t wrapped[NSS_SECRET_MAX];
	size_t wrapped_len;

	/* The ring's key of the ticket at work, from one call to the next. */
	struct nss_key *key;
	bool sealing;

	/* The MAC at work. */
	char stand_in; /* what NSS has for a context */
	PK11SymKey *mac_key; /* NSS's own */
	PK11Context *context; /* NULL: none was needed */
	const uint8_t *behind; /* what was hashed */
	bool ready, refuse;
	uint8_t mac[NSS_MAC_LEN];

	/* An opened ticket's secret, and what stands for it in NSS. */
	PK11SymKey *opened;
	uint8_t token[NSS_SECRET_MAX];
	size_t token_len;
};

/* It is touched in each call: no function shall be needed to find it. */
#define NSS_AT_HAND \
	__attribute__((tls_model("initial-exec"), visibility("hidden")))
extern __thread struct nss_thread nss_thread NSS_AT_HAND;

/* The same, to be emptied when the thread ends. */
struct nss_thread *nss_thread_keep(void);

/* Are these NSS's own ticket keys? */
bool nss_is_local_aes(const PK11SymKey *);
bool nss_is_local_mac(const PK11SymKey *);

/* The slot that NSS keeps its own in, to be freed; NULL: none. */
PK11SlotInfo *nss_local_slot(void);

/* Free a key of NSS's, if it is there. */
void nss_drop_key(PK11SymKey **);
/* The secret wrapped last; the key at work. */
void nss_drop_secret(struct nss_thread *);
void nss_drop_work(struct nss_thread *);

/* Say it, and leave it be. */
void nss_unexpected(const char *what);

/* --- nss_real.c: NSS itself --------------------------------------------- */

/* What libssl3 calls and we stand in for. */
#define NSS_HOOKED(X) \
	X(PK11_CreateContextBySymKey) \
	X(PK11_Decrypt) \
	X(PK11_DestroyContext) \
	X(PK11_DigestBegin) \
	X(PK11_DigestFinal) \
	X(PK11_DigestOp) \
	X(PK11_Encrypt) \
	X(PK11_GenerateRandom) \
	X(PK11_GetBestSlotMultiple) \
	X(PK11_KeyGen) \
	X(PK11_PubUnwrapSymKey) \
	X(PK11_UnwrapSymKeyWithFlags) \
	X(PK11_WrapSymKey)

/* What else we call, of libnss3 and what it needs. */
#define NSS_CALLED(X) \
	X(NSS_GetVersion) \
	X(NSS_RegisterShutdown) \
	X(PK11_ExtractKeyValue) \
	X(PK11_FreeSlot) \
	X(PK11_FreeSymKey) \
	X(PK11_GetKeyData) \
	X(PK11_GetSlotFromKey) \
	X(PK11_ImportSymKeyWithFlags) \
	X(PK11_ReferenceSymKey) \
	X(PK11_VerifyKeyOK) \
	X(PR_SetError) \
	X(SECOID_GetAlgorithmTag)

/* Of libssl3; the first three the server calls and we stand in for. */
#define NSS_OF_SSL(X) \
	X(SSL_ConfigSecureServer) \
	X(SSL_ConfigSecureServerWithCertChain) \
	X(SSL_ConfigServerCert) \
	X(NSSSSL_GetVersion) \
	X(SSL_GetExperimentalAPI)

struct nss_real {
#define NSS_POINTER(name) __typeof__(name) *name;
	NSS_HOOKED(NSS_POINTER)
	NSS_CALLED(NSS_POINTER)
	NSS_OF_SSL(NSS_POINTER)
#undef NSS_POINTER
};

/* The functions of libnss3, at least; once found it never changes. */
const struct nss_real *nss_real(void);

/*
 * Is libssl3 one whose tickets we know, calling us where we expect?  Says
 * why not, once.  True whenever it has been true.
 */
bool nss_examine(void);

/* Does this address lie in the libssl3 that was examined, and found good? */
bool nss_is_ssl(const void *address);

/* The same of one that takes keys: nss_interface.c. */
bool nss_is_willing(const void *address);

/* --- nss_ticket.c: the plaintext of a ticket ---------------------------- */

struct nss_ticket {
	size_t mechanism;	/* where its wrapping mechanism stands */
	size_t secret;		/* where its wrapped secret stands */
	size_t secret_len;
	uint8_t auth;		/* SSLAuthType */
};

/* False unless all of it is as NSS makes it, to the last byte. */
bool nss_ticket_parse(const uint8_t *, size_t, struct nss_ticket *);

bool nss_ticket_is_cookie(const uint8_t *, size_t);

/* --- nss_ring.c: the ring's keys, in NSS's hands ------------------------ */

/* The name that NSS's ticket keys have in every process of a scope. */
const uint8_t *nss_ring_name(void);

/* From the environment; false, said once: there is no ring to use. */
bool nss_ring_begin(void);

/* The key that seals now; NULL: none.  To be given back. */
struct nss_key *nss_ring_sealing(void);

/*
 * The key of this ticket, whose MAC is then proven; NULL: none that opens.
 * The MAC stands behind the len bytes.  To be given back.
 */
struct nss_key *nss_ring_opening(const uint8_t *ticket, size_t len);

/* For an IV. */
bool nss_ring_random(uint8_t *, size_t);

void nss_key_give(struct nss_key *);	/* NULL is allowed */
PK11SymKey *nss_key_aes(const struct nss_key *);
const uint8_t *nss_key_id(const struct nss_key *);
void nss_key_mac(const struct nss_key *, const uint8_t *, size_t,
    uint8_t mac[NSS_MAC_LEN]);
/* What AES-CBC begins with, of what stands on the wire. */
void nss_key_iv(const struct nss_key *, const uint8_t wire[NSS_IV_LEN],
    uint8_t iv[NSS_IV_LEN]);

/* NSS shuts down: it gets back all that is of it. */
void nss_ring_forget(void);

/*
 * Give an NSS that takes keys those of the ring, or none if it is not there,
 * by stek_nss_use_scope() of <stek/nss.h>.
 */
void nss_ring_give(
    enum stek_err (*)(const struct stek_ring *, const char *scope));

/* --- nss_wrap.c: which secrets NSS can unwrap ---------------------------- */

/* A server certificate was configured: NSS may use it in these ways. */
void nss_wrap_certificate(bool decrypts, bool signs);

/* A ticket of that auth type was issued here, wrapped with that key. */
void nss_wrap_seen(uint8_t auth, PK11SymKey *wrapping, CK_MECHANISM_TYPE);

/*
 * Will NSS find a wrapping key for a ticket of that auth type?  If so, its
 * mechanism, and its slot, to be freed; NULL: no.
 */
PK11SlotInfo *nss_wrap_ready(uint8_t auth, CK_MECHANISM_TYPE *);

void nss_wrap_forget(void);

/* --- nss_interface.c: an NSS that takes keys ---------------------------- */

/* Does this libssl3 let ticket keys be set, and have we what sets them? */
bool nss_interface_find(void);

#endif
