/* SPDX-License-Identifier: ISC */
/*
 * A request over the control socket: request_read() on any bytes.
 *
 * Never here: what follows from a request (tests/daemon).
 * Invariant: a request that is taken is one of the five, a revocation names
 * one key or all, and no other kinds name a node than those that need one.
 */
#include <string.h>

#include <daemon/request.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const uint8_t zero[STEK_NAME_LEN];
	struct request request;
	const char *why;

	memset(&request, 'x', sizeof(request));
	why = request_read((const char *)bytes, len, &request);
	if (why != NULL) {
		FUZZ_EXPECT(why[0] != '\0');
		return 0;
	}
	FUZZ_EXPECT(
	    request.what == REQUEST_STATUS || request.what == REQUEST_ROTATE ||
	    request.what == REQUEST_REVOKE || request.what == REQUEST_FORGET ||
	    request.what == REQUEST_REKEY);
	if (request.what != REQUEST_REVOKE)
		FUZZ_EXPECT(!request.all);
	if (request.what != REQUEST_REVOKE || request.all)
		FUZZ_EXPECT(memcmp(request.name, zero, sizeof(zero)) == 0);
	if (request.what == REQUEST_FORGET)
		FUZZ_EXPECT(request.node[0] != '\0');
	else if (request.what != REQUEST_REKEY)
		FUZZ_EXPECT(request.node[0] == '\0');
	FUZZ_EXPECT(memchr(request.node, '\0', sizeof(request.node)) != NULL);
	FUZZ_EXPECT(strpbrk(request.node, "/ \"\n") == NULL);
	return 0;
}
