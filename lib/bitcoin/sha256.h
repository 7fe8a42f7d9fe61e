/* SPDX-License-Identifier: MIT */
/*
 * sha256.h: SHA-256 as mining needs it: double hashes, header midstates, nonce search. Uses the
 * CPU's SHA instructions where present (chosen at run time).
 */
#ifndef BITCOIN_SHA256_H
#define BITCOIN_SHA256_H

#include <stdbool.h>
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

/* A message that comes in pieces. */
struct sha256_stream {
	uint32_t h[8];
	uint64_t size; /* bytes so far */
	uint8_t block[64];
};

void sha256_start(struct sha256_stream *s);
void sha256_add(struct sha256_stream *s, const void *data, size_t size);
void sha256_finish(struct sha256_stream *s, uint8_t out[32]);
/* The double hash of what was added. */
void sha256d_finish(struct sha256_stream *s, uint8_t out[32]);

void sha256_midstate(const uint8_t block[64], struct sha256_midstate *out);
/* sha256d of an 80-byte header. */
void sha256d_header(const uint8_t header[80], uint8_t out[32]);
/* The same from the midstate of bytes 0..63 and the last 16 bytes. */
void sha256d_header_tail(const struct sha256_midstate *mid, const uint8_t tail[16],
			 uint8_t out[32]);
/* Tries COUNT nonces from FIRST on; the nonce in TAIL is replaced. Stops at the first hash that is
 * at or below TARGET (32 bytes, least significant first): stores nonce and hash, returns 1; 0 when
 * there was none. */
int sha256d_scan(const struct sha256_midstate *mid, const uint8_t tail[16], uint32_t first,
		 uint32_t count, const uint8_t target[32], uint32_t *nonce, uint8_t hash[32]);
/* "sha-ni" or "openssl", for `status` output. */
const char *sha256_implementation(void);
/* Uses the implementation of that NAME from now on, NULL for the fastest; false when the CPU has it
 * not. For tests and measurements. */
bool sha256_select(const char *name);

#endif
