/* SPDX-License-Identifier: ISC */
/*
 * What every fuzz target defines, for libFuzzer or replay.c to call.
 *
 * Never here: anything of a target.
 */
#ifndef STEK_FUZZ_H
#define STEK_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Returns 0. Aborts if something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Also where assert() is compiled out. */
#define FUZZ_EXPECT(truth)                                                    \
	do {                                                                  \
		if (!(truth))                                                 \
			abort();                                              \
	} while (0)

#endif
