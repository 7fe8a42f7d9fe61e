/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/frame.h"

#include <string.h>

#include "lib/sv2/codec.h"
#include "lib/util/reader.h"

/* Section 3.2: channel_msg is the most significant bit of extension_type. */
#define CHANNEL_BIT 0x8000u

void sv2_header_read(const uint8_t in[SV2_HEADER_SIZE], struct sv2_header *h)
{
	struct reader r;
	uint16_t extension;

	reader_init(&r, in, SV2_HEADER_SIZE);
	extension = reader_u16(&r);
	h->extension = (uint16_t)(extension & ~CHANNEL_BIT);
	h->channel_msg = (extension & CHANNEL_BIT) != 0;
	h->type = reader_u8(&r);
	h->size = reader_u24(&r);
}

void sv2_header_write(int32_t message, uint32_t size, uint8_t out[SV2_HEADER_SIZE])
{
	const struct sv2_message *m = sv2_message(message);
	struct writer w;

	writer_init(&w, out, SV2_HEADER_SIZE);
	writer_u16(&w, (uint16_t)(m->extension | (m->channel_msg ? CHANNEL_BIT : 0)));
	writer_u8(&w, m->type);
	writer_u24(&w, size);
}

/* Specification 04 section 4.6: a Noise message is at most 65535 bytes, MAC included. */
static size_t chunk_count(uint32_t payload)
{
	return ((size_t)payload + SV2_CHUNK_SIZE - 1) / SV2_CHUNK_SIZE;
}

size_t sv2_sealed_size(uint32_t payload)
{
	return SV2_SEALED_HEADER_SIZE + payload + chunk_count(payload) * NOISE_MAC_SIZE;
}

/* Section 4.6: the header is one AEAD message, each chunk of the payload another; every one takes
 * the next nonce. */
int32_t sv2_seal_frame(struct noise_cipher *c, const uint8_t *frame, size_t size, uint8_t *out)
{
	int32_t r = noise_seal(c, frame, SV2_HEADER_SIZE, out);

	frame += SV2_HEADER_SIZE;
	size -= SV2_HEADER_SIZE;
	out += SV2_SEALED_HEADER_SIZE;
	while (r == ADIT_OK && size > 0) {
		size_t chunk = size < SV2_CHUNK_SIZE ? size : SV2_CHUNK_SIZE;

		r = noise_seal(c, frame, chunk, out);
		frame += chunk;
		size -= chunk;
		out += chunk + NOISE_MAC_SIZE;
	}
	return r;
}

/* Moves the chunks of a contiguous payload apart, last first, so that each has room for its MAC. */
static void spread_chunks(uint8_t *payload, uint32_t size)
{
	for (size_t i = chunk_count(size); i-- > 1;) {
		size_t from = i * SV2_CHUNK_SIZE;
		size_t chunk = size - from < SV2_CHUNK_SIZE ? size - from : SV2_CHUNK_SIZE;

		memmove(payload + i * SV2_SEALED_CHUNK_SIZE, payload + from, chunk);
	}
}

int32_t sv2_seal_in_place(struct noise_cipher *c, uint8_t *wire, uint32_t size)
{
	uint8_t *at = wire + SV2_SEALED_HEADER_SIZE;
	int32_t r = noise_seal(c, wire, SV2_HEADER_SIZE, wire);

	spread_chunks(at, size);
	while (r == ADIT_OK && size > 0) {
		uint32_t chunk = size < SV2_CHUNK_SIZE ? size : SV2_CHUNK_SIZE;

		r = noise_seal(c, at, chunk, at);
		at += chunk + NOISE_MAC_SIZE;
		size -= chunk;
	}
	return r;
}
