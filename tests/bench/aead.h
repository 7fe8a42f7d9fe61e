/* SPDX-License-Identifier: MIT */
/* aead.h: ChaCha20-Poly1305 through EVP and nothing else: the floor of everything that is sealed.
 */
#ifndef BENCH_AEAD_H
#define BENCH_AEAD_H

#include <stddef.h>
#include <stdint.h>

struct aead_floor {
	void *seal; /* EVP_CIPHER_CTX */
	void *open;
	uint64_t nonce;
};

void aead_floor_init(struct aead_floor *a);
void aead_floor_fini(struct aead_floor *a);
/* Seals SIZE bytes at DATA in place; 16 bytes of MAC follow. */
void aead_floor_seal(struct aead_floor *a, uint8_t *data, size_t size);
/* Does the work of opening SIZE bytes and their MAC, in place. (The MAC will not match: it is
 * computed and compared all the same.) */
void aead_floor_open(struct aead_floor *a, uint8_t *data, size_t size);

#endif
