/* SPDX-License-Identifier: MIT */
/* sv2_random.h: messages with random content, from a seed, so that a failure can be seen again. */
#ifndef SV2_RANDOM_H
#define SV2_RANDOM_H

#include <stdint.h>

#include "lib/sv2/codec.h"

struct sv2_random {
	uint64_t state;
	uint8_t pool[1 << 17]; /* what byte strings and sequences point into */
	size_t used;
};

void sv2_random_seed(struct sv2_random *r, uint64_t seed);
uint64_t sv2_random_next(struct sv2_random *r);
/* Fills BODY, without TLVs; its pointers are valid until the next call. */
void sv2_random_message(struct sv2_random *r, int32_t message, union sv2_body *body);
/* Adds all TLVs that the message may have. */
void sv2_random_tlvs(struct sv2_random *r, int32_t message, union sv2_body *body);

#endif
