/* SPDX-License-Identifier: MIT */
/*
 * The handshake from both sides, the certificate, the transport and the text of keys. The first
 * byte chooses which; what random bytes can't reach (every MAC would be wrong) is reached by
 * altering what the other side really sends: the rest of the input is XORed onto it.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/noise/keys.h"
#include "lib/noise/noise.h"
#include "lib/util/reader.h"

#define NOW 1700000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t authority_secret[32];
static uint8_t authority_x[32];
static struct noise_identity identity;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void prepare(void)
{
	memset(authority_secret, 0x55, sizeof(authority_secret));
	require(noise_key_public(authority_secret, authority_x) == ADIT_OK);
	require(noise_identity_issue(&identity, authority_secret, NOW, 3600, 10) == ADIT_OK);
}

/* XORs what the input has left onto BYTES; true when that changes something. */
static bool alter(struct reader *r, uint8_t *bytes, size_t size)
{
	bool altered = false;

	for (size_t i = 0; i < size && reader_left(r) > 0; i++) {
		uint8_t mask = reader_u8(r);

		bytes[i] ^= mask;
		altered = altered || mask != 0;
	}
	return altered;
}

/* One message each way; both arrive. */
static void talk(struct noise_cipher *send, struct noise_cipher *receive)
{
	uint8_t message[8 + NOISE_MAC_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
	const uint8_t expected[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	require(noise_seal(send, message, 8, message) == ADIT_OK);
	require(noise_open(receive, message, sizeof(message), message) == ADIT_OK);
	require(memcmp(message, expected, sizeof(expected)) == 0);
}

/* A handshake of which the input alters act 1, and act 2 behind it: it succeeds only unaltered. */
static void altered_handshake(struct reader *r)
{
	struct noise_handshake initiator;
	struct noise_handshake responder;
	struct noise_cipher i_send, i_receive, r_send, r_receive;
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];
	bool altered;
	int32_t code;

	require(noise_initiator_start(&initiator, act1) == ADIT_OK);
	altered = alter(r, act1, sizeof(act1));
	/* Every 64 bytes are somebody's key: the responder always has an answer. */
	require(noise_responder(&responder, &identity, act1, act2, &r_send, &r_receive, NULL) ==
		ADIT_OK);
	altered = alter(r, act2, sizeof(act2)) || altered;
	code = noise_initiator_finish(&initiator, act2, authority_x, NOW, 0, &i_send, &i_receive,
				      NULL);
	require(code == (altered ? ADIT_E_PROTOCOL : ADIT_OK));
	if (code == ADIT_OK) {
		talk(&i_send, &r_receive);
		talk(&r_send, &i_receive);
	}
	noise_cipher_fini(&i_send);
	noise_cipher_fini(&i_receive);
	noise_cipher_fini(&r_send);
	noise_cipher_fini(&r_receive);
}

/* The input is all of act 2. */
static void foreign_act2(struct reader *r)
{
	struct noise_handshake initiator;
	struct noise_cipher send, receive;
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];
	struct error e;

	reader_copy(r, act2, sizeof(act2));
	require(noise_initiator_start(&initiator, act1) == ADIT_OK);
	require(noise_initiator_finish(&initiator, act2, NULL, NOW, 0, &send, &receive, &e) ==
		ADIT_E_PROTOCOL);
	require(send.context == NULL && receive.context == NULL);
}

/* The input is a certificate with everything it is checked against: nothing of it was signed. */
static void foreign_certificate(struct reader *r)
{
	uint8_t certificate[NOISE_CERTIFICATE_SIZE];
	uint8_t static_x[32];
	uint8_t authority[32];
	uint32_t now = reader_u32(r);
	uint32_t skew = reader_u32(r);
	struct error e;

	reader_copy(r, certificate, sizeof(certificate));
	reader_copy(r, static_x, sizeof(static_x));
	reader_copy(r, authority, sizeof(authority));
	(void)noise_certificate_verify(certificate, static_x, authority, now, skew, &e);
	require(noise_certificate_verify(certificate, static_x, authority_x, now, skew, &e) !=
		ADIT_OK);
}

/* A signed certificate with any times, altered by the input. */
static void altered_certificate(struct reader *r)
{
	static const uint8_t aux[32];
	uint8_t certificate[NOISE_CERTIFICATE_SIZE];
	uint64_t from = reader_u32(r);
	uint64_t until = reader_u32(r);
	uint64_t now = reader_u32(r);
	uint64_t skew = reader_u32(r);
	bool good = now + skew >= from && now <= until + skew;
	struct error e;

	require(noise_certificate_sign(authority_secret, identity.x, (uint32_t)from,
				       (uint32_t)until, aux, certificate) == ADIT_OK);
	if (alter(r, certificate, sizeof(certificate)))
		good = false;
	require((noise_certificate_verify(certificate, identity.x, authority_x, (uint32_t)now,
					  (uint32_t)skew, &e) == ADIT_OK) == good);
}

/* The input arrives where a sealed message is expected. */
static void foreign_message(struct reader *r)
{
	static const uint8_t key[32] = {1};
	struct noise_cipher c;
	size_t size = reader_left(r);
	const uint8_t *bytes = reader_bytes(r, size);
	uint8_t *out = malloc(size > 0 ? size : 1);

	require(out != NULL && noise_cipher_init(&c, key) == ADIT_OK);
	require(noise_open(&c, bytes, size, out) != ADIT_OK);
	require(c.nonce == 0);
	noise_cipher_fini(&c);
	free(out);
}

/* The input is a key as text: what parses is written back just so. */
static void key_text(struct reader *r)
{
	char text[256] = "";
	char again[NOISE_KEY_TEXT_SIZE];
	uint8_t key[32];
	struct error e;
	size_t size = reader_left(r);

	reader_copy(r, text, size < sizeof(text) ? size : sizeof(text) - 1);
	if (noise_public_parse(text, key, &e) == ADIT_OK) {
		noise_public_format(key, again);
		require(strcmp(text, again) == 0);
	}
	if (noise_secret_parse(text, key, &e) == ADIT_OK) {
		noise_secret_format(key, again);
		require(strcmp(text, again) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(struct reader *) = {
	    altered_handshake,   foreign_act2,    foreign_certificate,
	    altered_certificate, foreign_message, key_text,
	};
	struct reader r;

	if (identity.not_valid_after == 0)
		prepare();
	reader_init(&r, data, size);
	targets[reader_u8(&r) % (sizeof(targets) / sizeof(targets[0]))](&r);
	return 0;
}
