/* SPDX-License-Identifier: MIT */
/*
 * token.h: tokens of job declaration (mining_job_token, specification 06). They are sealed and not
 * stored: who has the key (token_keys.h) opens what another process, or another machine, has given
 * out. A token says what it may be used for, until when, by whom, who has to be paid, and for a
 * declared job what was declared.
 *
 *   01 | key id (4) | nonce (12) | sealed: fields, little-endian | MAC (16)
 *
 * ChaCha20-Poly1305; the first five bytes are associated data. The nonce is random: after 2^32
 * tokens of one key two are alike with a chance of 2^-33. Nothing stops a client from using a token
 * twice before it expires; it gets the same job twice by that.
 */
#ifndef SV2_TOKEN_H
#define SV2_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sv2/token_keys.h"

#define JOB_TOKEN_MAX 255 /* B0_255 */
#define JOB_TOKEN_SCRIPT_MAX 42
/* Parts of SHA-256: collisions, which a client could look for, take 2^80 hashes. */
#define JOB_TOKEN_DIGEST 20
#define JOB_TOKEN_USER 16

enum job_token_kind {
	JOB_TOKEN_TO_DECLARE = 1,    /* allocated in full-template mode: for DeclareMiningJob */
	JOB_TOKEN_COINBASE_ONLY = 2, /* allocated in coinbase-only mode: for SetCustomMiningJob */
	JOB_TOKEN_DECLARED = 3,      /* of DeclareMiningJob.Success: for SetCustomMiningJob */
};

/* What was declared, as far as SetCustomMiningJob says it again. */
struct declared_job {
	uint32_t version;
	uint8_t prev_hash[32]; /* of the tip on which the job was found good; as in a header */
	uint32_t nbits;
	uint32_t min_ntime;
	uint32_t coinbase_version;
	uint32_t sequence;
	uint32_t lock_time;
	uint8_t extranonce_size;           /* full */
	uint8_t script[JOB_TOKEN_DIGEST];  /* of coinbase_prefix: scriptSig up to the extranonce */
	uint8_t outputs[JOB_TOKEN_DIGEST]; /* of all outputs with their count */
	uint8_t merkle_path[JOB_TOKEN_DIGEST];
};

struct job_token {
	uint8_t kind;
	uint64_t expires; /* Unix seconds; valid before */
	uint64_t id;
	uint8_t user[JOB_TOKEN_USER]; /* job_token_user() */
	uint8_t pay_size;
	uint8_t pay[JOB_TOKEN_SCRIPT_MAX]; /* script of the pool's output */
	struct declared_job job;           /* of kind JOB_TOKEN_DECLARED */
};

/* Digest of a user_identifier or user_identity. */
void job_token_user(const uint8_t *text, size_t size, uint8_t out[JOB_TOKEN_USER]);
/* Digest of a run of bytes, for the fields of struct declared_job. */
void job_token_digest(const uint8_t *data, size_t size, uint8_t out[JOB_TOKEN_DIGEST]);

/* Writes the token and returns its size. 0 when the crypto library fails. */
size_t job_token_seal(const struct token_keys *k, const struct job_token *t,
		      uint8_t out[JOB_TOKEN_MAX]);
/* Opens a token. False when it is none of ours, or has expired at NOW (Unix seconds): OUT is zeros
 * then. A key that is not known yet is looked for in the file. */
bool job_token_open(struct token_keys *k, const uint8_t *token, size_t size, uint64_t now,
		    struct job_token *out);

#endif
