/* SPDX-License-Identifier: ISC */
/* Chance that repeats: a stream of numbers from a seed. */
#ifndef SIM_CHANCE_H
#define SIM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

uint64_t chance_next(uint64_t *state);
/* From low to high, both included. */
int64_t chance_between(uint64_t *state, int64_t low, int64_t high);
/* The same, but each order of magnitude as often; low > 0. */
int64_t chance_scale(uint64_t *state, int64_t low, int64_t high);
bool chance_one_in(uint64_t *state, int64_t n);
/* Another stream for each number. */
uint64_t chance_of(uint64_t seed, uint64_t number);

/* From now on the bytes of keys are from this stream. */
void chance_keys(uint64_t seed);

#endif
