/* SPDX-License-Identifier: MIT */
/* symmetric.h: the symmetric state of the handshake (Noise, revision 34, section 5.2) on the fields
 * h, ck and k of struct noise_handshake. Internal to lib/noise. The functions return ADIT_OK,
 * ADIT_E_NO_MEMORY, or what is said at them. */
#ifndef NOISE_SYMMETRIC_H
#define NOISE_SYMMETRIC_H

#include <stddef.h>
#include <stdint.h>

#include "lib/noise/noise.h"

/* The largest piece that goes into the hash: the sealed certificate. */
#define NOISE_PIECE_MAX (NOISE_CERTIFICATE_SIZE + NOISE_MAC_SIZE)

/* h and ck from the protocol's name and the empty prologue; no key. */
void noise_symmetric_init(struct noise_handshake *hs);
/* h = SHA256(h || DATA); SIZE is at most NOISE_PIECE_MAX. */
void noise_mix_hash(struct noise_handshake *hs, const uint8_t *data, size_t size);
/* (ck, k) = HKDF(ck, IKM); the handshake's nonce is 0 after it. */
int32_t noise_mix_key(struct noise_handshake *hs, const uint8_t ikm[32]);
/* EncryptAndHash and DecryptAndHash under k with nonce 0: there is exactly one message a key. OUT
 * receives SIZE + 16 and SIZE - 16 bytes. Decrypt: ADIT_E_PROTOCOL when the MAC is wrong. */
int32_t noise_encrypt_and_hash(struct noise_handshake *hs, const uint8_t *plain, size_t size,
			       uint8_t *out);
int32_t noise_decrypt_and_hash(struct noise_handshake *hs, const uint8_t *sealed, size_t size,
			       uint8_t *out);
/* The keys of the transport: initiator to responder, and back. */
int32_t noise_split(const struct noise_handshake *hs, uint8_t k1[32], uint8_t k2[32]);

#endif
