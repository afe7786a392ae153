/* SPDX-License-Identifier: ISC */
/*
 * Knot Resolver: net.tls_sticket_secret_file(), a secret of 32 bytes or more
 * from which it derives keys of its own as time goes by.  The secret is a
 * whole key as name, AES, HMAC, so that it can be read back.
 *
 * Never here: how it is told of a new file.
 * Invariant: a key gives one secret, the same on every host.
 */
#include "layout.h"
#include "servers.h"

const struct format format_knot_resolver = {
    .name = "knot-resolver",
    .server = "Knot Resolver",
    .keys = 1,
    .hint = 21600,
    .trap = "no overlap: each rotation ends all earlier tickets; its tickets "
            "do not show which secret they come from",
    .layout = &layout_a80,
    .write = layout_write,
    .read = layout_read_one,

    /*
     * A ticket's name is SHA3-512 of the secret and of the time in epochs
     * (GnuTLS), which takes a hash that libsodium does not have, and a clock.
     */
    .ticket = NULL,
};
