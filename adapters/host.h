/* SPDX-License-Identifier: ISC */
/*
 * The scope of a virtual host: its name in lower case.
 */
#ifndef ADAPTERS_HOST_H
#define ADAPTERS_HOST_H

#include <stek.h>

#define HOST_NONE "." /* the scope of clients that ask for no host */

/*
 * False: that is no name of a host.  One that begins with a dot or has
 * control characters could be another scope's: HOST_NONE, or a library's own.
 */
STEK_CHECKED bool host_scope(
    char scope[STEK_SCOPE_MAX + 1], const uint8_t *name, size_t len);

#endif
