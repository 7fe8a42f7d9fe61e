/* SPDX-License-Identifier: MIT */
/*
 * handshake.c: the two acts of Noise NX (Stratum V2 specification, section 4.5):
 *
 *     -> e
 *     <- e, ee, s, es, certificate
 *
 * Public keys travel as 64 bytes of ElligatorSwift, so act 2 is 64 + (64 + 16) + (74 + 16) bytes.
 */
#include "config.h"

#include "lib/noise/noise.h"

#include <string.h>

#include "lib/noise/secp.h"
#include "lib/noise/symmetric.h"
#include "lib/util/random.h"

#define ELLSWIFT_SIZE 64
#define STATIC_AT ELLSWIFT_SIZE
#define STATIC_SIZE (ELLSWIFT_SIZE + NOISE_MAC_SIZE)
#define CERTIFICATE_AT (STATIC_AT + STATIC_SIZE)
#define CERTIFICATE_SIZE (NOISE_CERTIFICATE_SIZE + NOISE_MAC_SIZE)

_Static_assert(CERTIFICATE_AT + CERTIFICATE_SIZE == NOISE_ACT2_SIZE, "act 2 is made of its parts");

void noise_handshake_wipe(struct noise_handshake *hs)
{
	secure_wipe(hs, sizeof(*hs));
}

/* Section 4.5.1. Act 1 as both sides hash it: the key, then the empty payload that travels with it
 * unencrypted. */
static void mix_act1(struct noise_handshake *hs, const uint8_t act1[NOISE_ACT1_SIZE])
{
	noise_mix_hash(hs, act1, NOISE_ACT1_SIZE);
	noise_mix_hash(hs, NULL, 0);
}

/* Sections 4.3.1.1 and 4.4.2. MixKey(ECDH of SECRET with the other side's key); A is the
 * initiator's encoding. */
static int32_t mix_ecdh(struct noise_handshake *hs, const uint8_t secret[32],
			const uint8_t a[ELLSWIFT_SIZE], const uint8_t b[ELLSWIFT_SIZE],
			bool initiator)
{
	uint8_t shared[32];
	int32_t code = ADIT_E_INTERNAL;

	if (secp_ecdh(secret, a, b, initiator, shared))
		code = noise_mix_key(hs, shared);
	secure_wipe(shared, sizeof(shared));
	return code;
}

/* Sections 4.5.2.1 and 4.5.2.2, their last step. Split: FIRST carries initiator to responder,
 * SECOND the other way. */
static int32_t make_ciphers(const struct noise_handshake *hs, struct noise_cipher *first,
			    struct noise_cipher *second)
{
	uint8_t k1[32];
	uint8_t k2[32];
	int32_t code = noise_split(hs, k1, k2);

	if (code == ADIT_OK)
		code = noise_cipher_init(first, k1);
	if (code == ADIT_OK)
		code = noise_cipher_init(second, k2);
	if (code != ADIT_OK)
		noise_cipher_fini(first);
	secure_wipe(k1, sizeof(k1));
	secure_wipe(k2, sizeof(k2));
	return code;
}

/* What remains of a handshake that succeeded is h, which names the session; all keys go. */
static void complete(struct noise_handshake *hs)
{
	secure_wipe(hs->ck, sizeof(hs->ck));
	secure_wipe(hs->k, sizeof(hs->k));
	secure_wipe(hs->e_secret, sizeof(hs->e_secret));
	hs->act = 3;
}

/* Initiator ------------------------------------------------------------------------------------ */

int32_t noise_initiator_start_with(struct noise_handshake *hs, const uint8_t secret[32],
				   const uint8_t ellswift[64], uint8_t act1[NOISE_ACT1_SIZE])
{
	noise_symmetric_init(hs);
	memcpy(hs->e_secret, secret, sizeof(hs->e_secret));
	memcpy(hs->e_ellswift, ellswift, sizeof(hs->e_ellswift));
	memcpy(act1, ellswift, NOISE_ACT1_SIZE);
	mix_act1(hs, act1);
	hs->act = 2;
	return ADIT_OK;
}

int32_t noise_initiator_start(struct noise_handshake *hs, uint8_t act1[NOISE_ACT1_SIZE])
{
	uint8_t secret[32];
	uint8_t ellswift[ELLSWIFT_SIZE];
	int32_t code;

	secp_generate_ellswift(secret, ellswift);
	code = noise_initiator_start_with(hs, secret, ellswift, act1);
	secure_wipe(secret, sizeof(secret));
	return code;
}

/* Section 4.5.2.2. Reads act 2 up to the certificate; STATIC_X is the key that the responder
 * showed. */
static int32_t read_act2(struct noise_handshake *hs, const uint8_t act2[NOISE_ACT2_SIZE],
			 uint8_t static_x[32], uint8_t certificate[NOISE_CERTIFICATE_SIZE],
			 struct error *e)
{
	uint8_t s[ELLSWIFT_SIZE];
	int32_t code;

	noise_mix_hash(hs, act2, ELLSWIFT_SIZE);
	code = mix_ecdh(hs, hs->e_secret, hs->e_ellswift, act2, true);
	if (code != ADIT_OK)
		return error_set(e, code, "handshake: key exchange with the ephemeral key failed");
	code = noise_decrypt_and_hash(hs, act2 + STATIC_AT, STATIC_SIZE, s);
	if (code != ADIT_OK)
		return error_set(
		    e, code,
		    "handshake: the server's static key does not decrypt (wrong MAC): the "
		    "other side speaks another Noise protocol, or the data was altered");
	code = mix_ecdh(hs, hs->e_secret, hs->e_ellswift, s, true);
	if (code != ADIT_OK)
		return error_set(e, code, "handshake: key exchange with the static key failed");
	code = noise_decrypt_and_hash(hs, act2 + CERTIFICATE_AT, CERTIFICATE_SIZE, certificate);
	if (code != ADIT_OK)
		return error_set(
		    e, code,
		    "handshake: the server's certificate does not decrypt (wrong MAC): "
		    "the data was altered, or the server does not hold its static key");
	secp_ellswift_x(s, static_x);
	return ADIT_OK;
}

int32_t noise_initiator_finish(struct noise_handshake *hs, const uint8_t act2[NOISE_ACT2_SIZE],
			       const uint8_t *authority_x, uint32_t now, uint32_t skew,
			       struct noise_cipher *send, struct noise_cipher *receive,
			       struct error *e)
{
	uint8_t static_x[32];
	uint8_t certificate[NOISE_CERTIFICATE_SIZE];
	int32_t code;

	*send = (struct noise_cipher){0};
	*receive = (struct noise_cipher){0};
	if (hs->act != 2)
		return error_set(e, ADIT_E_INTERNAL, "handshake: act 2 is not what comes next");
	code = read_act2(hs, act2, static_x, certificate, e);
	if (code == ADIT_OK && authority_x != NULL)
		code = noise_certificate_verify(certificate, static_x, authority_x, now, skew, e);
	if (code == ADIT_OK) {
		code = make_ciphers(hs, send, receive);
		if (code != ADIT_OK)
			(void)error_set(e, code, "handshake: no memory for the ciphers");
	}
	if (code == ADIT_OK)
		complete(hs);
	else
		noise_handshake_wipe(hs);
	return code;
}

/* Responder ------------------------------------------------------------------------------------ */

/* Section 4.5.2.1. */
static int32_t write_act2(struct noise_handshake *hs, const struct noise_identity *id,
			  const uint8_t act1[NOISE_ACT1_SIZE], uint8_t act2[NOISE_ACT2_SIZE])
{
	int32_t code;

	memcpy(act2, hs->e_ellswift, ELLSWIFT_SIZE);
	noise_mix_hash(hs, act2, ELLSWIFT_SIZE);
	code = mix_ecdh(hs, hs->e_secret, act1, hs->e_ellswift, false);
	if (code == ADIT_OK)
		code = noise_encrypt_and_hash(hs, id->ellswift, ELLSWIFT_SIZE, act2 + STATIC_AT);
	if (code == ADIT_OK)
		code = mix_ecdh(hs, id->secret, act1, id->ellswift, false);
	if (code == ADIT_OK)
		code = noise_encrypt_and_hash(hs, id->certificate, NOISE_CERTIFICATE_SIZE,
					      act2 + CERTIFICATE_AT);
	return code;
}

int32_t noise_responder_with(struct noise_handshake *hs, const struct noise_identity *id,
			     const uint8_t secret[32], const uint8_t ellswift[64],
			     const uint8_t act1[NOISE_ACT1_SIZE], uint8_t act2[NOISE_ACT2_SIZE],
			     struct noise_cipher *send, struct noise_cipher *receive,
			     struct error *e)
{
	int32_t code;

	*send = (struct noise_cipher){0};
	*receive = (struct noise_cipher){0};
	noise_symmetric_init(hs);
	memcpy(hs->e_secret, secret, sizeof(hs->e_secret));
	memcpy(hs->e_ellswift, ellswift, sizeof(hs->e_ellswift));
	mix_act1(hs, act1);
	code = write_act2(hs, id, act1, act2);
	if (code == ADIT_OK)
		code = make_ciphers(hs, receive, send);
	if (code == ADIT_OK) {
		complete(hs);
		return ADIT_OK;
	}
	noise_handshake_wipe(hs);
	secure_wipe(act2, NOISE_ACT2_SIZE);
	return error_set(e, code, "handshake: act 2 could not be made (%s)", adit_error_name(code));
}

int32_t noise_responder(struct noise_handshake *hs, const struct noise_identity *id,
			const uint8_t act1[NOISE_ACT1_SIZE], uint8_t act2[NOISE_ACT2_SIZE],
			struct noise_cipher *send, struct noise_cipher *receive, struct error *e)
{
	uint8_t secret[32];
	uint8_t ellswift[ELLSWIFT_SIZE];
	int32_t code;

	secp_generate_ellswift(secret, ellswift);
	code = noise_responder_with(hs, id, secret, ellswift, act1, act2, send, receive, e);
	secure_wipe(secret, sizeof(secret));
	return code;
}
