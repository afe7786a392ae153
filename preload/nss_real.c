/* SPDX-License-Identifier: ISC */
/*
 * NSS itself: where its functions are, and whether it is one that we know.
 *
 * We stand in for functions that libssl3 calls across libraries.  That it
 * does so at all depends on how it was built, so before anything is changed
 * each of those calls is looked up in libssl3's own table: it must lead to
 * us.  Versions outside of what was read (3.53 to 3.124) are left alone.
 *
 * Never here: what is done in those calls.
 * Invariant: once looked at, NSS's libraries stay loaded, for their
 * functions' addresses to stay true.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "nss_preload.h"
#include "real.h"

#define VERSION_FROM 53 /* 3.53 */
#define VERSION_TO   124

#if defined(__x86_64__) || defined(__aarch64__)
#define RELOCATIONS ElfW(Rela)
#define SYMBOL_OF   ELF64_R_SYM
#endif

static struct nss_real table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

/* libssl3: its map, and where its addresses begin and end. */
static struct link_map *ssl_map;
static uintptr_t ssl_from, ssl_to;
static atomic_bool ssl_good, ssl_willing;

static void
find_all(void)
{
	void *nss;

	nss = real_library("libnss3.so");
#define FIND(name) (void)real_find(nss, #name, &table.name, sizeof(table.name));
	NSS_HOOKED(FIND)
	NSS_CALLED(FIND)
#undef FIND
}

const struct nss_real *
nss_real(void)
{
	(void)pthread_once(&table_once, find_all);
	return &table;
}

/* --- libssl3's table of calls ------------------------------------------- */

#ifdef RELOCATIONS
/* What of libssl3's dynamic section we read. */
struct dynamic {
	const ElfW(Sym) * symbols;
	const char *names;
	const RELOCATIONS *list[2]; /* data and calls */
	size_t count[2];
};

static void
read_dynamic(const struct link_map *map, struct dynamic *out)
{
	const ElfW(Dyn) * d;

	memset(out, 0, sizeof(*out));
	for (d = map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			out->symbols = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_STRTAB)
			out->names = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_RELA)
			out->list[0] = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_RELASZ)
			out->count[0] = d->d_un.d_val / sizeof(RELOCATIONS);
		else if (d->d_tag == DT_JMPREL)
			out->list[1] = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_PLTRELSZ)
			out->count[1] = d->d_un.d_val / sizeof(RELOCATIONS);
	}
}

/* Is it a function of this object, or one that is yet to be looked up? */
static bool
leads_to_us(uintptr_t target)
{
	Dl_info here, there;

	if (target >= ssl_from && target < ssl_to)
		return true;
	return dladdr(&table, &here) != 0 &&
	       dladdr((const void *)target, &there) != 0 &&
	       here.dli_fbase == there.dli_fbase;
}

/* Is that function called through the table, and do we get the call? */
static bool
is_hooked(const struct dynamic *dynamic, const char *name)
{
	const RELOCATIONS *r;
	bool found = false;
	uintptr_t target;
	size_t i, k;

	for (k = 0; k < 2; k++)
		for (i = 0; i < dynamic->count[k]; i++) {
			r = &dynamic->list[k][i];
			if (strcmp(dynamic->names +
			               dynamic->symbols[SYMBOL_OF(r->r_info)]
			                   .st_name,
			        name) != 0)
				continue;
			memcpy(&target,
			    (const void *)(ssl_map->l_addr + r->r_offset),
			    sizeof(target));
			if (!leads_to_us(target))
				return false;
			found = true;
		}
	return found;
}

static bool
calls(const char *name)
{
	struct dynamic dynamic;

	read_dynamic(ssl_map, &dynamic);
	return dynamic.symbols != NULL && dynamic.names != NULL &&
	       is_hooked(&dynamic, name);
}

static const char *
not_hooked(void)
{
	static const char *const names[] = {
#define NAME(name) #name,
	    NSS_HOOKED(NAME)
#undef NAME
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!calls(names[i]))
			return names[i];
	return NULL;
}
#else
static bool
calls(const char *name)
{
	(void)name;
	return false;
}

static const char *
not_hooked(void)
{
	return "this processor's relocations";
}
#endif

/* --- the examination ---------------------------------------------------- */

static int
note_range(struct dl_phdr_info *info, size_t size, void *unused)
{
	uintptr_t at;
	size_t i;

	(void)size;
	(void)unused;
	if (info->dlpi_addr != ssl_map->l_addr ||
	    strcmp(info->dlpi_name, ssl_map->l_name) != 0)
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		if (ssl_from == 0 || at < ssl_from)
			ssl_from = at;
		if (at + info->dlpi_phdr[i].p_memsz > ssl_to)
			ssl_to = at + info->dlpi_phdr[i].p_memsz;
	}
	return 1;
}

static bool
find_ssl(void)
{
	void *ssl;

	ssl = real_library("libssl3.so");
	if (ssl == NULL || dlinfo(ssl, RTLD_DI_LINKMAP, &ssl_map) != 0)
		return false;
#define FIND(name) (void)real_find(ssl, #name, &table.name, sizeof(table.name));
	NSS_OF_SSL(FIND)
#undef FIND
	(void)dl_iterate_phdr(note_range, NULL);
	return ssl_from != 0;
}

static const char *
missing(void)
{
#define MISSING(name)           \
	if (table.name == NULL) \
		return #name;
	NSS_HOOKED(MISSING)
	NSS_CALLED(MISSING)
	NSS_OF_SSL(MISSING)
#undef MISSING
	return NULL;
}

static bool
is_known(const char *version)
{
	char *end;
	long minor;

	if (strncmp(version, "3.", 2) != 0)
		return false;
	minor = strtol(version + 2, &end, 10);
	return minor >= VERSION_FROM && minor <= VERSION_TO &&
	       (*end == '\0' || *end == '.' || *end == ' ');
}

static void
examine(void)
{
	static const char rest[] = "so its tickets stay as NSS makes them";
	static bool said;
	const char *why;

	why = missing();
	if (why != NULL) {
		say_once(&said, "stek: NSS has no %s, %s", why, rest);
		return;
	}
	if (!nss_ring_begin())
		return;
	if (nss_interface_find() && calls("PR_RWLock_Rlock")) {
		atomic_store(&ssl_willing, true);
		return;
	}
	if (!is_known(table.NSS_GetVersion()) ||
	    !is_known(table.NSSSSL_GetVersion())) {
		say_once(&said,
		    "stek: NSS is %s and its libssl3 %s; expected 3.%d to "
		    "3.%d, whose tickets are known, %s",
		    table.NSS_GetVersion(), table.NSSSSL_GetVersion(),
		    VERSION_FROM, VERSION_TO, rest);
		return;
	}
	why = not_hooked();
	if (why != NULL) {
		say_once(&said,
		    "stek: %s does not call %s where it was expected to, %s",
		    ssl_map->l_name, why, rest);
		return;
	}
	atomic_store_explicit(&ssl_good, true, memory_order_release);
}

bool
nss_examine(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static atomic_bool done;

	if (atomic_load_explicit(&done, memory_order_acquire))
		return atomic_load_explicit(&ssl_good, memory_order_acquire);
	(void)nss_real();
	(void)pthread_mutex_lock(&lock);
	/* Without libssl3 this call is none of it; it may come yet. */
	if (!done && find_ssl()) {
		examine();
		done = true;
	}
	(void)pthread_mutex_unlock(&lock);
	return atomic_load_explicit(&ssl_good, memory_order_acquire);
}

static bool
is_in_ssl(const void *address)
{
	return (uintptr_t)address >= ssl_from && (uintptr_t)address < ssl_to;
}

bool
nss_is_ssl(const void *address)
{
	return atomic_load_explicit(&ssl_good, memory_order_acquire) &&
	       is_in_ssl(address);
}

bool
nss_is_willing(const void *address)
{
	return atomic_load_explicit(&ssl_willing, memory_order_acquire) &&
	       is_in_ssl(address);
}
