/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/token.h"

#include <string.h>

#include <adit/error.h>

#include "lib/bitcoin/sha256.h"
#include "lib/noise/aead.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "lib/util/reader.h"

#define FORMAT 1
#define CLEAR_SIZE 5 /* format, key id */
#define HEAD_SIZE (CLEAR_SIZE + AEAD_IV_SIZE)
#define MAC_SIZE 16
#define BODY_MAX (JOB_TOKEN_MAX - HEAD_SIZE - MAC_SIZE)

static void digest(const uint8_t *data, size_t size, uint8_t *out, size_t out_size)
{
	uint8_t full[32];

	sha256(data, size, full);
	memcpy(out, full, out_size);
}

void job_token_user(const uint8_t *text, size_t size, uint8_t out[JOB_TOKEN_USER])
{
	digest(text, size, out, JOB_TOKEN_USER);
}

void job_token_digest(const uint8_t *data, size_t size, uint8_t out[JOB_TOKEN_DIGEST])
{
	digest(data, size, out, JOB_TOKEN_DIGEST);
}

static void write_job(struct writer *w, const struct declared_job *j)
{
	writer_u32(w, j->version);
	writer_bytes(w, j->prev_hash, 32);
	writer_u32(w, j->nbits);
	writer_u32(w, j->min_ntime);
	writer_u32(w, j->coinbase_version);
	writer_u32(w, j->sequence);
	writer_u32(w, j->lock_time);
	writer_u8(w, j->extranonce_size);
	writer_bytes(w, j->script, sizeof(j->script));
	writer_bytes(w, j->outputs, sizeof(j->outputs));
	writer_bytes(w, j->merkle_path, sizeof(j->merkle_path));
}

static void read_job(struct reader *r, struct declared_job *j)
{
	j->version = reader_u32(r);
	reader_copy(r, j->prev_hash, 32);
	j->nbits = reader_u32(r);
	j->min_ntime = reader_u32(r);
	j->coinbase_version = reader_u32(r);
	j->sequence = reader_u32(r);
	j->lock_time = reader_u32(r);
	j->extranonce_size = reader_u8(r);
	reader_copy(r, j->script, sizeof(j->script));
	reader_copy(r, j->outputs, sizeof(j->outputs));
	reader_copy(r, j->merkle_path, sizeof(j->merkle_path));
}

size_t job_token_seal(const struct token_keys *k, const struct job_token *t,
		      uint8_t out[JOB_TOKEN_MAX])
{
	uint8_t *iv = out + CLEAR_SIZE;
	uint32_t id;
	void *context = token_keys_newest(k, &id);
	struct writer head;
	struct writer body;

	writer_init(&head, out, CLEAR_SIZE);
	writer_u8(&head, FORMAT);
	writer_u32(&head, id);
	random_bytes(iv, AEAD_IV_SIZE);
	writer_init(&body, out + HEAD_SIZE, BODY_MAX);
	writer_u8(&body, t->kind);
	writer_u64(&body, t->expires);
	writer_u64(&body, t->id);
	writer_bytes(&body, t->user, sizeof(t->user));
	writer_u8(&body, t->pay_size);
	writer_bytes(&body, t->pay, t->pay_size);
	if (t->kind == JOB_TOKEN_DECLARED)
		write_job(&body, &t->job);
	if (body.failed || aead_seal(context, iv, out, CLEAR_SIZE, out + HEAD_SIZE,
				     writer_size(&body), out + HEAD_SIZE) != ADIT_OK)
		return 0;
	return HEAD_SIZE + writer_size(&body) + MAC_SIZE;
}

static bool read_body(const uint8_t *body, size_t size, struct job_token *out)
{
	struct reader r;

	reader_init(&r, body, size);
	out->kind = reader_u8(&r);
	out->expires = reader_u64(&r);
	out->id = reader_u64(&r);
	reader_copy(&r, out->user, sizeof(out->user));
	out->pay_size = reader_u8(&r);
	if (out->pay_size > sizeof(out->pay))
		return false;
	reader_copy(&r, out->pay, out->pay_size);
	if (out->kind == JOB_TOKEN_DECLARED)
		read_job(&r, &out->job);
	return !r.failed && reader_left(&r) == 0 && out->kind >= JOB_TOKEN_TO_DECLARE &&
	       out->kind <= JOB_TOKEN_DECLARED;
}

bool job_token_open(struct token_keys *k, const uint8_t *token, size_t size, uint64_t now,
		    struct job_token *out)
{
	uint8_t body[BODY_MAX];
	struct reader r;
	struct error e;
	void *context;
	uint8_t format;
	uint32_t id;

	memset(out, 0, sizeof(*out));
	reader_init(&r, token, size);
	format = reader_u8(&r);
	id = reader_u32(&r);
	if (size <= HEAD_SIZE + MAC_SIZE || size > JOB_TOKEN_MAX || format != FORMAT)
		return false;
	context = token_keys_find(k, id);
	if (context == NULL && token_keys_refresh(k, clock_monotonic_ms(), &e))
		context = token_keys_find(k, id);
	if (context != NULL &&
	    aead_open(context, token + CLEAR_SIZE, token, CLEAR_SIZE, token + HEAD_SIZE,
		      size - HEAD_SIZE, body) == ADIT_OK &&
	    read_body(body, size - HEAD_SIZE - MAC_SIZE, out) && now < out->expires)
		return true;
	memset(out, 0, sizeof(*out));
	return false;
}
