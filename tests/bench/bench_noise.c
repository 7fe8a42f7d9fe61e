/* SPDX-License-Identifier: MIT */
/*
 * bench_noise.c: the handshake by act, sealing and opening by size. Floors: an act's key creation,
 * ElligatorSwift ECDHs, signature check and seals, called directly; a seal's one EVP operation.
 */
#include "config.h"

#include <string.h>

#include <secp256k1_ellswift.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

#include "lib/bitcoin/secp_context.h"
#include "lib/noise/keys.h"
#include "lib/noise/noise.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/bench/aead.h"
#include "tests/bench/bench.h"

struct rig {
	uint8_t authority_secret[32];
	uint8_t authority_x[32];
	struct noise_identity identity;
	struct noise_handshake initiator; /* after act 1 */
	uint8_t act1[NOISE_ACT1_SIZE];
	uint8_t act2[NOISE_ACT2_SIZE];
	uint8_t message[32]; /* floor of the signature check */
	uint8_t signature[64];
	secp256k1_xonly_pubkey key;
	struct aead_floor floor;
	struct noise_cipher cipher;
	uint8_t *data;
	size_t size;
};

static void rig_handshake(struct rig *r)
{
	struct noise_handshake responder;
	struct noise_cipher send = {0};
	struct noise_cipher receive = {0};

	if (noise_initiator_start(&r->initiator, r->act1) != ADIT_OK ||
	    noise_responder(&responder, &r->identity, r->act1, r->act2, &send, &receive, NULL) !=
		ADIT_OK)
		bench_broken("the handshake failed");
	noise_cipher_fini(&send);
	noise_cipher_fini(&receive);
}

static void rig_signature(struct rig *r)
{
	secp256k1_keypair pair;

	memset(r->message, 7, sizeof(r->message));
	if (!secp256k1_keypair_create(secp_context(), &pair, r->authority_secret) ||
	    !secp256k1_keypair_xonly_pub(secp_context(), &r->key, NULL, &pair) ||
	    !secp256k1_schnorrsig_sign32(secp_context(), r->signature, r->message, &pair, NULL))
		bench_broken("signing failed");
}

/* --- floors of the acts ----------------------------------------------------------------------- */

static void floor_key(uint8_t ellswift[64], uint8_t secret[32])
{
	uint8_t aux[32];

	random_bytes(secret, 32);
	random_bytes(aux, sizeof(aux));
	if (!secp256k1_ellswift_create(secp_context(), ellswift, secret, aux))
		bench_broken("no key");
}

static void floor_ecdh(const uint8_t secret[32], const uint8_t own[64], const uint8_t their[64],
		       int party)
{
	uint8_t shared[32];

	if (!secp256k1_ellswift_xdh(secp_context(), shared, party == 0 ? own : their,
				    party == 0 ? their : own, secret, party,
				    secp256k1_ellswift_xdh_hash_function_bip324, NULL))
		bench_broken("no shared secret");
}

static void floor_act1(void *context, size_t count)
{
	uint8_t ellswift[64];
	uint8_t secret[32];

	(void)context;
	while (count-- > 0)
		floor_key(ellswift, secret);
}

static void floor_responder(void *context, size_t count)
{
	struct rig *r = context;
	uint8_t ellswift[64];
	uint8_t secret[32];
	uint8_t data[96] = {0};

	while (count-- > 0) {
		floor_key(ellswift, secret);
		floor_ecdh(secret, ellswift, r->act1, 1);
		floor_ecdh(r->identity.secret, r->identity.ellswift, r->act1, 1);
		aead_floor_seal(&r->floor, data, 64);
		aead_floor_seal(&r->floor, data, 74);
	}
}

static void floor_initiator(void *context, size_t count)
{
	struct rig *r = context;
	secp256k1_pubkey key;
	uint8_t data[96] = {0};

	while (count-- > 0) {
		floor_ecdh(r->initiator.e_secret, r->initiator.e_ellswift, r->act2, 0);
		floor_ecdh(r->initiator.e_secret, r->initiator.e_ellswift, r->identity.ellswift, 0);
		/* what the certificate signs is the decoded key */
		if (!secp256k1_ellswift_decode(secp_context(), &key, r->identity.ellswift) ||
		    !secp256k1_schnorrsig_verify(secp_context(), r->signature, r->message, 32,
						 &r->key))
			bench_broken("the signature does not verify");
		aead_floor_open(&r->floor, data, 64);
		aead_floor_open(&r->floor, data, 74);
	}
}

/* --- the acts --------------------------------------------------------------------------------- */

static void run_act1(void *context, size_t count)
{
	struct noise_handshake hs;
	uint8_t act1[NOISE_ACT1_SIZE];

	(void)context;
	while (count-- > 0) {
		if (noise_initiator_start(&hs, act1) != ADIT_OK)
			bench_broken("act 1 failed");
	}
	noise_handshake_wipe(&hs);
}

static void run_responder(void *context, size_t count)
{
	struct rig *r = context;
	struct noise_handshake hs;
	struct noise_cipher send;
	struct noise_cipher receive;
	uint8_t act2[NOISE_ACT2_SIZE];

	while (count-- > 0) {
		if (noise_responder(&hs, &r->identity, r->act1, act2, &send, &receive, NULL) !=
		    ADIT_OK)
			bench_broken("act 2 failed");
		noise_cipher_fini(&send);
		noise_cipher_fini(&receive);
	}
}

static void run_initiator(void *context, size_t count)
{
	struct rig *r = context;
	struct noise_cipher send;
	struct noise_cipher receive;

	while (count-- > 0) {
		struct noise_handshake hs = r->initiator;

		if (noise_initiator_finish(&hs, r->act2, r->authority_x, clock_unix(), 10, &send,
					   &receive, NULL) != ADIT_OK)
			bench_broken("act 2 was refused");
		noise_cipher_fini(&send);
		noise_cipher_fini(&receive);
	}
}

/* --- transport -------------------------------------------------------------------------------- */

static void run_seal(void *context, size_t count)
{
	struct rig *r = context;

	while (count-- > 0) {
		if (noise_seal(&r->cipher, r->data, r->size, r->data) != ADIT_OK)
			bench_broken("sealing failed");
	}
}

static void floor_seal(void *context, size_t count)
{
	struct rig *r = context;

	while (count-- > 0)
		aead_floor_seal(&r->floor, r->data, r->size);
}

/* Opens the same sealed bytes again and again, under the nonce they were sealed with. */
static void run_open(void *context, size_t count)
{
	struct rig *r = context;
	static uint8_t plain[70000];

	r->cipher.nonce = 0;
	if (noise_seal(&r->cipher, plain, r->size, r->data) != ADIT_OK)
		bench_broken("sealing failed");
	while (count-- > 0) {
		r->cipher.nonce = 0;
		if (noise_open(&r->cipher, r->data, r->size + NOISE_MAC_SIZE, plain) != ADIT_OK)
			bench_broken("opening failed");
	}
}

static void floor_open(void *context, size_t count)
{
	struct rig *r = context;

	while (count-- > 0)
		aead_floor_open(&r->floor, r->data, r->size);
}

static void bench_transport(struct bench *b, struct rig *r)
{
	static const struct {
		size_t size;
		const char *seal;
		const char *open;
	} shapes[] = {
	    {6, "seal 6 bytes", "open 6 bytes"},
	    {24, "seal 24 bytes", "open 24 bytes"},
	    {256, "seal 256 bytes", "open 256 bytes"},
	    {4096, "seal 4096 bytes", "open 4096 bytes"},
	    {65519, "seal 65519 bytes", "open 65519 bytes"},
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		r->size = shapes[i].size;
		bench_add(b, shapes[i].seal, run_seal, floor_seal, r);
		bench_add(b, shapes[i].open, run_open, floor_open, r);
	}
}

void bench_noise(struct bench *b)
{
	static uint8_t data[70000];
	static struct rig r;
	const uint8_t key[32] = {1};

	b->title = "noise: the handshake by act, the transport by size";
	r.data = data;
	aead_floor_init(&r.floor);
	if (noise_key_generate(r.authority_secret, r.authority_x) != ADIT_OK ||
	    noise_identity_issue(&r.identity, r.authority_secret, clock_unix(), 3600, 60) !=
		ADIT_OK ||
	    noise_cipher_init(&r.cipher, key) != ADIT_OK)
		bench_broken("no keys");
	rig_signature(&r);
	rig_handshake(&r);
	bench_add(b, "act 1, initiator", run_act1, floor_act1, &r);
	bench_add(b, "act 1 to act 2, responder", run_responder, floor_responder, &r);
	bench_add(b, "act 2, initiator", run_initiator, floor_initiator, &r);
	bench_transport(b, &r);
	noise_cipher_fini(&r.cipher);
	aead_floor_fini(&r.floor);
}
