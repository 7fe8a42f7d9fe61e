/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

/* A found block is worth some patience: while the node is away it is sent again. */
#define SUBMIT_PATIENCE_MS 60000
#define SUBMIT_RETRY_FIRST_MS 250
#define SUBMIT_RETRY_MAX_MS 4000
#define RPC_DESERIALIZATION_ERROR (-22)

struct rpc_submission {
	struct rpc_submission *next;
	struct rpc *backend;
	struct service_request *request;
	struct rpc_call *call;
	struct buf params; /* the JSON array with the block in hexadecimal */
	uint64_t begun;
	uint64_t timer;
	uint32_t retry_ms;
};

struct rpc_fetch {
	struct rpc_fetch *next;
	struct rpc *backend;
	struct service_request *request;
	struct rpc_call *call;
	uint8_t hash[32];
	uint32_t height;
	uint64_t confirmations;
};

/* --- submissions --------------------------------------------------------------------------------
 */

static void submission_free(struct rpc_submission *s)
{
	struct rpc *b = s->backend;
	struct rpc_submission **at = &b->submissions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	b->submission_count--;
	rpc_client_cancel(s->call);
	rpc_timer_end(b, &s->timer);
	buf_free(&s->params);
	free(s);
}

static void submission_failed(struct rpc_submission *s, int32_t error, const char *message)
{
	char text[400];

	snprintf(text, sizeof(text), "submitblock: %s", message);
	service_failed(s->request, error, text);
	submission_free(s);
}

static void submission_send(struct rpc_submission *s);

static void on_retry(void *user)
{
	struct rpc_submission *s = user;

	s->timer = 0;
	submission_send(s);
}

static void submission_retry(struct rpc_submission *s, const struct rpc_answer *answer)
{
	struct rpc *b = s->backend;

	if (clock_monotonic_ms() - s->begun > SUBMIT_PATIENCE_MS) {
		submission_failed(s, ADIT_E_UNAVAILABLE, answer->message);
		return;
	}
	service_log(b->service, ADIT_LOG_WARNING,
		    "a found block could not be submitted (%s); trying"
		    " again",
		    answer->message);
	rpc_timer(b, &s->timer, s->retry_ms, on_retry, s);
	if (s->retry_ms < SUBMIT_RETRY_MAX_MS)
		s->retry_ms *= 2;
	rpc_look(b);
}

/* BIP22: null is accepted, a text is the reason. */
static void submission_verdict(struct rpc_submission *s, struct json_object *result)
{
	struct rpc *b = s->backend;
	struct service_request *request = s->request;
	const char *reason = json_object_is_type(result, json_type_string)
				 ? json_object_get_string(result)
				 : "rejected";
	bool duplicate = result != NULL && strcmp(reason, "duplicate") == 0;

	submission_free(s);
	service_submitted(request, result == NULL || duplicate ? NULL : reason, duplicate,
			  request->height);
	/* Whatever it was: there may be a new tip. */
	if (b->usable)
		rpc_template_fetch(b);
}

static void on_submitted(void *user, const struct rpc_answer *answer)
{
	struct rpc_submission *s = user;
	struct service_request *request = s->request;

	s->call = NULL;
	if (answer->error == ADIT_E_UNAVAILABLE || answer->error == ADIT_E_TIMEOUT ||
	    answer->code == RPC_IN_WARMUP) {
		submission_retry(s, answer);
	} else if (answer->error != ADIT_OK) {
		submission_failed(s, answer->error, answer->message);
	} else if (answer->code == RPC_DESERIALIZATION_ERROR) {
		submission_free(s);
		service_submitted(request, "block-decode-failed", false, 0);
	} else if (answer->code != 0) {
		submission_failed(s, ADIT_E_PROTOCOL, answer->message);
	} else {
		submission_verdict(s, answer->result);
	}
}

static void submission_send(struct rpc_submission *s)
{
	struct rpc *b = s->backend;

	s->call = rpc_client_call(b->client, "submitblock", (const char *)s->params.data,
				  s->params.size, b->timeout_ms, RPC_SMALL_ANSWER, on_submitted, s);
	if (s->call == NULL)
		submission_failed(s, ADIT_E_NO_MEMORY, "no memory for a call");
}

/* ["0000..."] */
static bool block_params(const uint8_t *block, size_t size, struct buf *params)
{
	uint8_t *at;

	buf_append(params, "[\"", 2);
	at = buf_reserve(params, 2 * size + 1);
	if (at == NULL)
		return false;
	hex_encode(block, size, (char *)at);
	params->size += 2 * size;
	return buf_append(params, "\"]", 2);
}

void rpc_submit(void *self, const uint8_t *block, size_t size, struct service_request *request)
{
	struct rpc *b = self;
	struct rpc_submission *s;

	if (b->submission_count >= RPC_MAX_SUBMISSIONS) {
		service_failed(request, ADIT_E_LIMIT, "too many blocks wait for the node");
		return;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL || !block_params(block, size, &s->params)) {
		if (s != NULL)
			buf_free(&s->params);
		free(s);
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
		return;
	}
	s->backend = b;
	s->request = request;
	s->begun = clock_monotonic_ms();
	s->retry_ms = SUBMIT_RETRY_FIRST_MS;
	s->next = b->submissions;
	b->submissions = s;
	b->submission_count++;
	submission_send(s);
}

/* --- block fetches ------------------------------------------------------------------------------
 */

static void fetch_free(struct rpc_fetch *f)
{
	struct rpc_fetch **at = &f->backend->fetches;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	rpc_client_cancel(f->call);
	free(f);
}

static void fetch_failed(struct rpc_fetch *f, int32_t error, const char *message)
{
	service_failed(f->request, error, message);
	fetch_free(f);
}

/* Answers and returns false unless the node gave a result. Its own errors here mean "no such block"
 * (-5 for a hash, -8 for a height) or that it was pruned (-1). */
static bool fetch_check(struct rpc_fetch *f, const struct rpc_answer *answer)
{
	f->call = NULL;
	if (answer->error == ADIT_OK && answer->code == 0)
		return true;
	if (answer->error != ADIT_OK)
		fetch_failed(f, answer->error, answer->message);
	else
		fetch_failed(f,
			     answer->code == RPC_IN_WARMUP ? ADIT_E_UNAVAILABLE : ADIT_E_NOT_FOUND,
			     answer->message);
	return false;
}

static void fetch_ask(struct rpc_fetch *f, const char *method, const char *params, size_t max_bytes,
		      rpc_answer_fn fn)
{
	f->call = rpc_ask(f->backend, method, params, f->backend->timeout_ms, max_bytes, fn, f);
	if (f->call == NULL)
		fetch_failed(f, ADIT_E_NO_MEMORY, "no memory for a call");
}

static void on_block(void *user, const struct rpc_answer *answer)
{
	struct rpc_fetch *f = user;
	const char *text;
	size_t size;
	uint8_t *block;

	if (!fetch_check(f, answer))
		return;
	text = json_object_is_type(answer->result, json_type_string)
		   ? json_object_get_string(answer->result)
		   : "";
	size = strlen(text) / 2;
	block = malloc(size + 1);
	if (block == NULL || size == 0 || !hex_decode(text, block, size)) {
		fetch_failed(f, ADIT_E_PROTOCOL, "getblock: no block in hexadecimal");
	} else {
		service_block_found(f->request, f->hash, f->height, f->confirmations, block, size);
		fetch_free(f);
	}
	free(block);
}

static void on_block_header(void *user, const struct rpc_answer *answer)
{
	struct rpc_fetch *f = user;
	uint64_t height;
	char text[65];
	char params[80];

	if (!fetch_check(f, answer))
		return;
	if (!value_u64(answer->result, "height", INT32_MAX, &height)) {
		fetch_failed(f, ADIT_E_PROTOCOL, "getblockheader: no height");
		return;
	}
	f->height = (uint32_t)height;
	/* -1 for a block beside the best chain: no confirmations. */
	f->confirmations = 0;
	(void)value_u64(answer->result, "confirmations", INT32_MAX, &f->confirmations);
	hex_encode_reversed(f->hash, 32, text);
	snprintf(params, sizeof(params), "[\"%s\",0]", text);
	fetch_ask(f, "getblock", params, RPC_BLOCK_ANSWER, on_block);
}

static void fetch_header(struct rpc_fetch *f)
{
	char text[65];
	char params[80];

	hex_encode_reversed(f->hash, 32, text);
	snprintf(params, sizeof(params), "[\"%s\"]", text);
	fetch_ask(f, "getblockheader", params, RPC_SMALL_ANSWER, on_block_header);
}

static void on_block_hash(void *user, const struct rpc_answer *answer)
{
	struct rpc_fetch *f = user;
	const char *text;

	if (!fetch_check(f, answer))
		return;
	text = json_object_is_type(answer->result, json_type_string)
		   ? json_object_get_string(answer->result)
		   : "";
	if (hex_decode_reversed(text, f->hash, 32))
		fetch_header(f);
	else
		fetch_failed(f, ADIT_E_PROTOCOL, "getblockhash: no hash");
}

static struct rpc_fetch *fetch_new(struct rpc *b, struct service_request *request)
{
	struct rpc_fetch *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	f->backend = b;
	f->request = request;
	f->next = b->fetches;
	b->fetches = f;
	return f;
}

void rpc_get_block(void *self, const uint8_t hash[32], struct service_request *request)
{
	struct rpc_fetch *f = fetch_new(self, request);

	if (f == NULL)
		return;
	memcpy(f->hash, hash, 32);
	fetch_header(f);
}

void rpc_get_block_by_height(void *self, uint32_t height, struct service_request *request)
{
	struct rpc_fetch *f = fetch_new(self, request);
	char params[32];

	if (f == NULL)
		return;
	snprintf(params, sizeof(params), "[%u]", height);
	fetch_ask(f, "getblockhash", params, RPC_SMALL_ANSWER, on_block_hash);
}

void rpc_requests_cancel(struct rpc *b)
{
	while (b->submissions != NULL)
		submission_failed(b->submissions, ADIT_E_CANCELLED, "the node service is stopping");
	while (b->fetches != NULL)
		fetch_failed(b->fetches, ADIT_E_CANCELLED, "the node service is stopping");
}
