/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/retarget.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/bitcoin/target.h"

#define WORDS 9 /* of 32 bits: 256 bits, and what a factor of 32 bits adds */

static void words_read(const uint8_t in[32], uint32_t out[WORDS])
{
	memset(out, 0, WORDS * sizeof(*out));
	for (size_t i = 0; i < 32; i++)
		out[i / 4] |= (uint32_t)in[i] << 8 * (i % 4);
}

/* Up to 2^256 - 1; false when it is more. */
static bool words_write(const uint32_t in[WORDS], uint8_t out[32])
{
	for (size_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(in[i / 4] >> 8 * (i % 4));
	return in[WORDS - 1] == 0;
}

static void words_multiply(uint32_t words[WORDS], uint32_t factor)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < WORDS; i++) {
		carry += (uint64_t)words[i] * factor;
		words[i] = (uint32_t)carry;
		carry >>= 32;
	}
}

static void words_divide(uint32_t words[WORDS], uint32_t divisor)
{
	uint64_t rest = 0;

	for (size_t i = WORDS; i > 0; i--) {
		rest = rest << 32 | words[i - 1];
		words[i - 1] = (uint32_t)(rest / divisor);
		rest %= divisor;
	}
}

uint32_t retarget_next(uint32_t nbits, int64_t spent, uint32_t interval_ms)
{
	uint32_t span = RETARGET_SPAN * interval_ms;
	int64_t most = (int64_t)span + interval_ms;
	int64_t spent_ms = spent <= 0 ? 0 : spent < most / 1000 ? spent * 1000 : most;
	uint8_t target[32];
	uint8_t limit[32];
	uint32_t words[WORDS];

	(void)target_from_nbits(RETARGET_LIMIT, limit);
	if (!target_from_nbits(nbits, target))
		return RETARGET_LIMIT;
	words_read(target, words);
	words_multiply(words, (uint32_t)(span - interval_ms + spent_ms));
	words_divide(words, span);
	if (!words_write(words, target) || target_compare(target, limit) > 0)
		return RETARGET_LIMIT;
	/* A target of 1 stays: there is none below it. */
	return target_compare(target, (const uint8_t[32]){0}) == 0 ? nbits
								   : target_to_nbits(target);
}
