/* SPDX-License-Identifier: ISC */
/*
 * The nodes of a farm, as stekd tells of them: a part of stek status.
 *
 * Never here: asking.
 */
#ifndef STEK_NODES_H
#define STEK_NODES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Nothing, where stekd's store is a folder. */
void nodes_put(const json_t *status, int64_t now, bool colour);

/* Each is live, has the version that is in use, and no target that fails. */
bool nodes_are_good(const json_t *status);

#endif
