/* SPDX-License-Identifier: MIT */
/* target.h: 256-bit targets, 32 bytes least significant first (as a hash comes out of SHA-256). */
#ifndef BITCOIN_TARGET_H
#define BITCOIN_TARGET_H

#include <stdbool.h>
#include <stdint.h>

/* <0, 0, >0 as A is below, equal to, above B. */
int target_compare(const uint8_t a[32], const uint8_t b[32]);
/* A hash meets a target when it is at or below it. */
static inline bool target_met(const uint8_t hash[32], const uint8_t target[32])
{
	return target_compare(hash, target) <= 0;
}
/* Compact form; false for a negative, zero or overflowing one (consensus: never valid). */
bool target_from_nbits(uint32_t nbits, uint8_t out[32]);
uint32_t target_to_nbits(const uint8_t target[32]);
/* diff1 / target, diff1 = 0xffff << 208. */
double target_difficulty(const uint8_t target[32]);
/* Expected hashes for one hit: 2^256 / (target + 1). */
double target_work(const uint8_t target[32]);
/* The target that a device of HASHRATE hashes a second meets SHARES_PER_MINUTE times a minute, the
 * largest target for hashrate 0: (2^256 - 1 - W) / (W + 1), W = hashrate * 60 / shares_per_minute.
 */
void target_from_hashrate(double hashrate, double shares_per_minute, uint8_t out[32]);
/* diff1 / difficulty, capped at 2^256 - 1. */
void target_from_difficulty(double difficulty, uint8_t out[32]);
/* Expected hashes for one hit at DIFFICULTY. */
double target_difficulty_work(double difficulty);

#endif
