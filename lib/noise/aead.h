/* SPDX-License-Identifier: MIT */
/* aead.h: ChaCha20-Poly1305 (RFC 8439) on a context that is keyed once. For lib/noise and lib/sv2. */
#ifndef NOISE_AEAD_H
#define NOISE_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define AEAD_IV_SIZE 12
/* A Noise message is at most 65535 bytes with its MAC (Noise, revision 34, section 3). */
#define AEAD_MESSAGE_MAX 65535

/* A context keyed with KEY, or NULL. Release it with aead_free, which wipes it; NULL is fine. */
void *aead_new(const uint8_t key[32]);
void aead_free(void *context);
/* IV of message number NONCE: four zero bytes, then the number in little-endian. */
void aead_iv(uint64_t nonce, uint8_t iv[AEAD_IV_SIZE]);
/* OUT receives SIZE + 16 bytes and may equal PLAIN. AD may be NULL when AD_SIZE is 0.
 * ADIT_E_INVALID_ARGUMENT for a message over AEAD_MESSAGE_MAX. */
int32_t aead_seal(void *context, const uint8_t iv[AEAD_IV_SIZE], const uint8_t *ad, size_t ad_size,
		  const uint8_t *plain, size_t size, uint8_t *out);
/* SIZE counts the MAC; OUT receives SIZE - 16 bytes and may equal SEALED. When the MAC is wrong (or
 * SIZE is below 16): ADIT_E_PROTOCOL, and OUT holds zeros. */
int32_t aead_open(void *context, const uint8_t iv[AEAD_IV_SIZE], const uint8_t *ad, size_t ad_size,
		  const uint8_t *sealed, size_t size, uint8_t *out);

#endif
