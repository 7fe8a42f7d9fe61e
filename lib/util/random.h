/* SPDX-License-Identifier: MIT */
/* random.h: the system's random numbers (getrandom), and wiping of secrets. */
#ifndef UTIL_RANDOM_H
#define UTIL_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills OUT; aborts when the system has no randomness (never seen after boot). */
void random_bytes(void *out, size_t size);
uint32_t random_below(uint32_t bound); /* uniform in 0..bound-1 */
/* Overwrites SIZE bytes in a way the compiler keeps. DATA may be NULL when SIZE is 0. */
void secure_wipe(void *data, size_t size);

#endif
