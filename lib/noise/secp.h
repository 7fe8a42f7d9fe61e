/* SPDX-License-Identifier: MIT */
/* secp.h: what lib/noise needs of libsecp256k1. Internal. */
#ifndef NOISE_SECP_H
#define NOISE_SECP_H

#include <stdbool.h>
#include <stdint.h>

/* The x coordinate of SECRET's public key; false when SECRET is no valid key (0, or not below the
 * group order). */
bool secp_public_x(const uint8_t secret[32], uint8_t x[32]);
/* Whether X is the x coordinate of a point on the curve. */
bool secp_x_valid(const uint8_t x[32]);
/* A random secret key. */
void secp_generate(uint8_t secret[32]);
/* A random secret key with a random ElligatorSwift encoding of its public key (BIP324). */
void secp_generate_ellswift(uint8_t secret[32], uint8_t ellswift[64]);
/* A random encoding of SECRET's public key; false when SECRET is no valid key. */
bool secp_ellswift(const uint8_t secret[32], uint8_t ellswift[64]);
/* The x coordinate that ELLSWIFT stands for; every 64 bytes stand for one. */
void secp_ellswift_x(const uint8_t ellswift[64], uint8_t x[32]);
/* BIP324's x-only ECDH of SECRET with the other side's encoding. Party A is the Noise initiator.
 * False when SECRET is no valid key. */
bool secp_ecdh(const uint8_t secret[32], const uint8_t a[64], const uint8_t b[64], bool we_are_a,
	       uint8_t out[32]);
/* BIP340. Sign is false when SECRET is no valid key, verify also when X is on no point. */
bool secp_sign(const uint8_t secret[32], const uint8_t message[32], const uint8_t aux[32],
	       uint8_t signature[64]);
bool secp_verify(const uint8_t x[32], const uint8_t message[32], const uint8_t signature[64]);

#endif
