/* SPDX-License-Identifier: MIT */
/*
 * sha256.h: SHA-256 as mining needs it: double hashes, header midstates, nonce search. Uses the
 * CPU's SHA instructions where present (chosen at run time).
 */
#ifndef BITCOIN_SHA256_H
#define BITCOIN_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* State after the first 64 bytes of a message. */
struct sha256_midstate {
	uint32_t h[8];
};

void sha256(const void *data, size_t size, uint8_t out[32]);
void sha256d(const void *data, size_t size, uint8_t out[32]);
/* sha256d of two 32-byte values, one after the other: a merkle node. OUT may be LEFT or RIGHT. */
void sha256d_pair(const uint8_t left[32], const uint8_t right[32], uint8_t out[32]);

void sha256_midstate(const uint8_t block[64], struct sha256_midstate *out);
/* sha256d of an 80-byte header. */
void sha256d_header(const uint8_t header[80], uint8_t out[32]);
/* The same from the midstate of bytes 0..63 and the last 16 bytes. */
void sha256d_header_tail(const struct sha256_midstate *mid, const uint8_t tail[16], uint8_t out[32]);
/* Tries COUNT nonces from FIRST on; the nonce in TAIL is replaced. Stops at the first hash that is at
 * or below TARGET (32 bytes, least significant first): stores nonce and hash, returns 1; 0 when
 * there was none. */
int sha256d_scan(const struct sha256_midstate *mid, const uint8_t tail[16], uint32_t first,
                 uint32_t count, const uint8_t target[32], uint32_t *nonce, uint8_t hash[32]);
/* "sha-ni", "generic" ... for `status` output. */
const char *sha256_implementation(void);

#endif
