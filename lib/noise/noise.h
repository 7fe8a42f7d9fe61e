/* SPDX-License-Identifier: MIT */
/*
 * noise.h: the Noise NX handshake of Stratum V2 (specification 04) and the cipher of its
 * transport: Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256, no prologue.
 *
 * The connecting side is the initiator. Act 1 is 64 bytes to the responder, act 2 234 bytes back;
 * then both sides hold two ciphers. Secrets are wiped as soon as they are no longer needed.
 */
#ifndef NOISE_NOISE_H
#define NOISE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define NOISE_ACT1_SIZE 64
#define NOISE_ACT2_SIZE 234
#define NOISE_MAC_SIZE 16
#define NOISE_CERTIFICATE_SIZE 74

/* One direction of the transport. */
struct noise_cipher {
	void *context;  /* EVP_CIPHER_CTX, keyed once */
	uint64_t nonce; /* counter of the next message; 2^64 - 1 is never used */
};

/* Takes KEY; ADIT_E_NO_MEMORY. */
int32_t noise_cipher_init(struct noise_cipher *c, const uint8_t key[32]);
void noise_cipher_fini(struct noise_cipher *c);
/* Seals SIZE bytes with empty associated data; OUT (may equal PLAIN) receives SIZE + 16 bytes.
 * ADIT_E_LIMIT when the nonces are used up. Does not allocate. */
int32_t noise_seal(struct noise_cipher *c, const uint8_t *plain, size_t size, uint8_t *out);
/* Opens SIZE bytes (MAC included, so at least 16); OUT (may equal SEALED) receives SIZE - 16.
 * ADIT_E_PROTOCOL when the MAC is wrong: the nonce does not move and the session has to end. */
int32_t noise_open(struct noise_cipher *c, const uint8_t *sealed, size_t size, uint8_t *out);

/* What a responder shows: its static key with a certificate of the authority. */
struct noise_identity {
	uint8_t secret[32];
	uint8_t ellswift[64]; /* the exact encoding that is sent */
	uint8_t x[32];
	uint8_t certificate[NOISE_CERTIFICATE_SIZE];
	uint32_t valid_from; /* Unix seconds, as in the certificate */
	uint32_t not_valid_after;
};

/* Signs a fresh static key for VALIDITY seconds from NOW on, back-dated by SKEW seconds; saturating. */
int32_t noise_identity_issue(struct noise_identity *id, const uint8_t authority_secret[32],
                             uint32_t now, uint32_t validity, uint32_t skew);
/* The same for a given static secret and encoding (tests, offline signing). AUX: BIP340 randomness. */
int32_t noise_certificate_sign(const uint8_t authority_secret[32], const uint8_t static_x[32],
                               uint32_t valid_from, uint32_t not_valid_after, const uint8_t aux[32],
                               uint8_t out[NOISE_CERTIFICATE_SIZE]);
/* Checks version, time (with SKEW seconds of tolerance at both ends) and signature. The error text
 * of a time failure names both times and this machine's clock in UTC. */
int32_t noise_certificate_verify(const uint8_t certificate[NOISE_CERTIFICATE_SIZE],
                                 const uint8_t static_x[32], const uint8_t authority_x[32],
                                 uint32_t now, uint32_t skew, struct error *e);
void noise_identity_wipe(struct noise_identity *id);

struct noise_handshake {
	uint8_t h[32];
	uint8_t ck[32];
	uint8_t k[32];
	uint8_t e_secret[32];
	uint8_t e_ellswift[64];
	uint8_t act; /* next act, 1 or 2; 3 when done */
};

/* Initiator: writes act 1. */
int32_t noise_initiator_start(struct noise_handshake *hs, uint8_t act1[NOISE_ACT1_SIZE]);
/* Initiator: reads act 2. AUTHORITY_X NULL skips the certificate check (encrypted, but not
 * authenticated: the caller warns). SEND and RECEIVE are set up on success; on failure the handshake is
 * wiped. */
int32_t noise_initiator_finish(struct noise_handshake *hs, const uint8_t act2[NOISE_ACT2_SIZE],
                               const uint8_t *authority_x, uint32_t now, uint32_t skew,
                               struct noise_cipher *send, struct noise_cipher *receive,
                               struct error *e);
/* Responder: reads act 1, writes act 2. */
int32_t noise_responder(struct noise_handshake *hs, const struct noise_identity *id,
                        const uint8_t act1[NOISE_ACT1_SIZE], uint8_t act2[NOISE_ACT2_SIZE],
                        struct noise_cipher *send, struct noise_cipher *receive, struct error *e);
/* For tests: like the above with a given ephemeral key and encoding instead of a random one. */
int32_t noise_initiator_start_with(struct noise_handshake *hs, const uint8_t secret[32],
                                   const uint8_t ellswift[64], uint8_t act1[NOISE_ACT1_SIZE]);
int32_t noise_responder_with(struct noise_handshake *hs, const struct noise_identity *id,
                             const uint8_t secret[32], const uint8_t ellswift[64],
                             const uint8_t act1[NOISE_ACT1_SIZE], uint8_t act2[NOISE_ACT2_SIZE],
                             struct noise_cipher *send, struct noise_cipher *receive,
                             struct error *e);
void noise_handshake_wipe(struct noise_handshake *hs);

#endif
