/* SPDX-License-Identifier: MIT */
/*
 * bench_codec.c: each message from struct to sealed frame, and back. The floor is the bare crypto
 * of the same frame: two AEAD operations, of header and payload. What is above it is the codec.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/sv2/codec.h"
#include "lib/sv2/frame.h"
#include "tests/bench/aead.h"
#include "tests/bench/bench.h"
#include "tests/unit/sv2_random.h"

#define ROOM 200000

struct rig {
	int32_t message;
	union sv2_body body;
	struct noise_cipher cipher;
	struct aead_floor floor;
	size_t payload;
	uint8_t sealed[ROOM]; /* the frame as it is received */
	uint8_t out[ROOM];
};

static void run_encode(void *context, size_t count)
{
	struct rig *r = context;
	size_t size;

	while (count-- > 0) {
		sv2_header_write(r->message, (uint32_t)r->payload, r->out);
		if (sv2_encode(r->message, &r->body, r->out + SV2_SEALED_HEADER_SIZE, ROOM / 2,
			       &size) != ADIT_OK ||
		    sv2_seal_in_place(&r->cipher, r->out, (uint32_t)size) != ADIT_OK)
			bench_broken("encoding failed");
	}
}

static void floor_encode(void *context, size_t count)
{
	struct rig *r = context;

	while (count-- > 0) {
		aead_floor_seal(&r->floor, r->out, SV2_HEADER_SIZE);
		aead_floor_seal(&r->floor, r->out + SV2_SEALED_HEADER_SIZE, r->payload);
	}
}

static void run_decode(void *context, size_t count)
{
	struct rig *r = context;
	struct sv2_header h;
	union sv2_body body;
	uint8_t *payload = r->out + SV2_SEALED_HEADER_SIZE;

	while (count-- > 0) {
		r->cipher.nonce = 0;
		if (noise_open(&r->cipher, r->sealed, SV2_SEALED_HEADER_SIZE, r->out) != ADIT_OK)
			bench_broken("opening failed");
		sv2_header_read(r->out, &h);
		if (noise_open(&r->cipher, r->sealed + SV2_SEALED_HEADER_SIZE,
			       h.size + NOISE_MAC_SIZE, payload) != ADIT_OK ||
		    sv2_message_find(h.extension, h.type) != r->message ||
		    sv2_decode(r->message, payload, h.size, &body, NULL) != ADIT_OK)
			bench_broken("decoding failed");
	}
}

static void floor_decode(void *context, size_t count)
{
	struct rig *r = context;

	while (count-- > 0) {
		aead_floor_open(&r->floor, r->out, SV2_HEADER_SIZE);
		aead_floor_open(&r->floor, r->out + SV2_SEALED_HEADER_SIZE, r->payload);
	}
}

/* A sealed frame of MESSAGE with random fields; false when it is larger than one chunk. */
static bool rig_message(struct rig *r, struct sv2_random *random, int32_t message)
{
	size_t size;

	r->message = message;
	sv2_random_message(random, message, &r->body);
	if (sv2_encoded_size(message, &r->body, &r->payload) != ADIT_OK ||
	    r->payload > SV2_CHUNK_SIZE)
		return false;
	r->cipher.nonce = 0;
	sv2_header_write(message, (uint32_t)r->payload, r->sealed);
	return sv2_encode(message, &r->body, r->sealed + SV2_SEALED_HEADER_SIZE, ROOM / 2, &size) ==
		   ADIT_OK &&
	       sv2_seal_in_place(&r->cipher, r->sealed, (uint32_t)r->payload) == ADIT_OK;
}

void bench_codec(struct bench *b)
{
	static struct rig r;
	static char names[2 * ADIT_SV2_MESSAGE_COUNT][64];
	const uint8_t key[32] = {1};
	static struct sv2_random random;

	b->title = "codec: messages to sealed frames and back; the floor is the bare crypto";
	sv2_random_seed(&random, 1);
	aead_floor_init(&r.floor);
	if (noise_cipher_init(&r.cipher, key) != ADIT_OK)
		bench_broken("no cipher");
	for (int32_t i = 0; i < ADIT_SV2_MESSAGE_COUNT; i++) {
		if (!rig_message(&r, &random, i))
			continue;
		(void)snprintf(names[2 * i], sizeof(names[0]), "encode %s, %zu bytes",
			       sv2_message(i)->title, r.payload);
		(void)snprintf(names[2 * i + 1], sizeof(names[0]), "decode %s, %zu bytes",
			       sv2_message(i)->title, r.payload);
		bench_add(b, names[2 * i], run_encode, floor_encode, &r);
		bench_add(b, names[2 * i + 1], run_decode, floor_decode, &r);
	}
	noise_cipher_fini(&r.cipher);
	aead_floor_fini(&r.floor);
}
