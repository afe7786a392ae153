/* SPDX-License-Identifier: ISC */
/*
 * An NSS whose libssl3 lets ticket keys be set (nss/ in this repository)
 * needs none of what nss.c does.  libstek-nss gives it the ring's keys; it
 * must be called before a ticket is sealed or opened, and NSS takes its set
 * of keys under a read lock of NSPR's: so that is where we call.
 *
 * Never here: keys.
 * Invariant: NSS's lock is taken after our call, whatever becomes of it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "nss_preload.h"
#include "real.h"

#define LIBRARY "libstek-nss.so.0"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static __typeof__(PR_RWLock_Rlock) *real_lock;
static enum stek_err (*give)(const struct stek_ring *, const char *);
static __thread bool giving __attribute__((tls_model("initial-exec")));

static void
find_lock(void)
{
	(void)real_find(real_library("libnspr4.so"), "PR_RWLock_Rlock",
	    &real_lock, sizeof(real_lock));
}

/* The library stays: NSS may be shut down, and started again. */
bool
nss_interface_find(void)
{
	void *library, *address;
	static bool said;

	if (nss_real()->SSL_GetExperimentalAPI(
	        "SSL_SetSessionTicketKeyBytes") == NULL)
		return false;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		say_once(&said,
		    "stek: NSS takes ticket keys, but not without " LIBRARY
		    " (%s); they are brought in as into "
		    "an NSS that does not",
		    dlerror());
		return false;
	}
	address = dlsym(library, "stek_nss_use_scope");
	memcpy(&give, &address, sizeof(give));
	return give != NULL;
}

NSS_EXPORT void
PR_RWLock_Rlock(PRRWLock *lock)
{
	if (!giving && nss_is_willing(NSS_CALLER)) {
		giving = true;
		nss_ring_give(give);
		giving = false;
	}
	(void)pthread_once(&once, find_lock);
	real_lock(lock);
}
