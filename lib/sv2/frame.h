/* SPDX-License-Identifier: MIT */
/*
 * frame.h: the 6-byte frame header and the sealed form of a frame (specification 03 section 3.2, 04
 * section 4.6). Sealed, header and payload are separate AEAD messages, the payload in chunks of at
 * most 65519 bytes; an empty payload takes no bytes at all.
 */
#ifndef SV2_FRAME_H
#define SV2_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/noise/noise.h"

#define SV2_HEADER_SIZE 6
#define SV2_MAX_PAYLOAD 0xffffff
#define SV2_SEALED_HEADER_SIZE (SV2_HEADER_SIZE + NOISE_MAC_SIZE)
#define SV2_CHUNK_SIZE 65519 /* plaintext bytes of a full chunk */
#define SV2_SEALED_CHUNK_SIZE (SV2_CHUNK_SIZE + NOISE_MAC_SIZE)

struct sv2_header {
	uint32_t size;      /* payload bytes, in plaintext */
	uint16_t extension; /* without the channel bit */
	uint8_t type;
	bool channel_msg;
};

void sv2_header_read(const uint8_t in[SV2_HEADER_SIZE], struct sv2_header *h);
/* The header of MESSAGE (enum adit_sv2_message) with SIZE bytes of payload. */
void sv2_header_write(int32_t message, uint32_t size, uint8_t out[SV2_HEADER_SIZE]);

/* Bytes on the wire of a sealed frame with PAYLOAD bytes. */
size_t sv2_sealed_size(uint32_t payload);
/* Seals FRAME (header and payload, SIZE bytes) to OUT, sv2_sealed_size(SIZE - 6) bytes that do not
 * overlap with it. ADIT_E_LIMIT when the nonces are used up. */
int32_t sv2_seal_frame(struct noise_cipher *c, const uint8_t *frame, size_t size, uint8_t *out);
/* Seals a frame where it lies: the plain header at WIRE, the plain payload of SIZE bytes at WIRE +
 * SV2_SEALED_HEADER_SIZE; the sealed frame takes sv2_sealed_size(SIZE) bytes from WIRE on. */
int32_t sv2_seal_in_place(struct noise_cipher *c, uint8_t *wire, uint32_t size);

#endif
