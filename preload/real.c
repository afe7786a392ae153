/* SPDX-License-Identifier: ISC */
/*
 * See real.h.
 *
 * Never here: a TLS library.
 * Invariant: what was found stays loaded, for its address to stay true.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "real.h"
#include "say.h"

void *
real_library(const char *soname)
{
	return dlopen(soname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

bool
real_find(void *library, const char *name, void *function, size_t size)
{
	void *address = NULL;

	if (library != NULL)
		address = dlsym(library, name);
	if (address == NULL)
		address = dlsym(RTLD_NEXT, name);
	memcpy(function, &address, size);
	return address != NULL;
}

void *
real_adapter(const char *soname, const char *name, const void *function,
    const char *own_keys)
{
	void *adapter = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	static bool said;

	if (adapter == NULL) {
		say_once(&said, "stek: %s, so %s", dlerror(), own_keys);
		return NULL;
	}
	if (dlsym(adapter, name) != function) {
		say_once(&said,
		    "stek: this server's TLS library is not the one of %s, so "
		    "%s",
		    soname, own_keys);
		return NULL;
	}
	return adapter;
}

static bool keeps_own;

/* As in ring.c: some servers empty their environment. */
__attribute__((constructor)) static void
remember(void)
{
	const char *keep = secure_getenv("STEK_KEEP_OWN");

	keeps_own = keep != NULL && keep[0] != '\0';
}

bool
real_keeps_own(void)
{
	return keeps_own;
}
