/* SPDX-License-Identifier: ISC */
/*
 * The ring that stek run named to this server.
 */
#ifndef PRELOAD_RING_H
#define PRELOAD_RING_H

#include <stek.h>

/*
 * From the environment; to be called once.  False, and said: none was named,
 * or there is no memory.  `meanwhile` is what becomes of the server's tickets
 * while the ring is not there, for the line that says so.
 */
bool ring_begin(const char *meanwhile);

/*
 * The ring, always the same: empty while there is none.  Looks after its
 * file, so it is to be called at each handshake.  Any thread.
 */
const struct stek_ring *ring_current(void);

const char *ring_scope(void);

#endif
