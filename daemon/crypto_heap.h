/* SPDX-License-Identifier: ISC */
/*
 * Guarded memory for libcrypto.  What it decodes it copies, and not every
 * copy is wiped when it is given back: so all that it allocates while a
 * private key is at hand lies in here, locked and out of core files, and is
 * wiped when it is given back.
 *
 * Never here: what is decoded.
 * Invariant: a block that has been given back holds zeroes.  Memory is not
 * returned to the system: libcrypto keeps some of it until the process ends.
 * Threads: one.
 */
#ifndef STEK_CRYPTO_HEAP_H
#define STEK_CRYPTO_HEAP_H

#include <stdbool.h>

/*
 * From here on libcrypto gets guarded memory, until crypto_heap_end().  False:
 * it has allocated before the first call in this process.
 */
bool crypto_heap_begin(void) __attribute__((warn_unused_result));
void crypto_heap_end(void);

#endif
