/* SPDX-License-Identifier: MIT */
/* taproot.h: the output key of a taproot output (BIP341). Internal. */
#ifndef BITCOIN_TAPROOT_H
#define BITCOIN_TAPROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* OUT = INTERNAL + int(hash_TapTweak(INTERNAL || ROOT)) G, x coordinates. ROOT (32 bytes) is that
 * of the script tree, NULL where only the key can spend. False when INTERNAL is on no point. */
bool taproot_output_key(const uint8_t internal[32], const uint8_t *root, uint8_t out[32]);

#endif
