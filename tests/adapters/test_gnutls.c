/* SPDX-License-Identifier: ISC */
/*
 * GnuTLS's adapter under the contract.
 */
#include "gnutls_server.h"

int
main(int argc, char **argv)
{
	return contract_main(&gnutls_library, argc, argv);
}
