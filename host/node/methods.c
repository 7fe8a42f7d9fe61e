/* SPDX-License-Identifier: MIT */
/* The methods of adit/node.h: JSON in, JSON out. */
#include "config.h"

#include "host/node/method.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

void method_refuse(struct service *s, struct adit_request *request, int32_t error,
		   const char *message)
{
	s->api->reply(s->host, request, error, message, NULL, 0, NULL, 0);
}

void method_reply(struct service *s, struct adit_request *request, struct json_object *object)
{
	size_t size = 0;
	const char *text =
	    object != NULL
		? json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &size)
		: NULL;

	if (text == NULL)
		method_refuse(s, request, ADIT_E_NO_MEMORY, "out of memory");
	else
		s->api->reply(s->host, request, ADIT_OK, NULL, text, size, NULL, 0);
	json_object_put(object);
}

bool method_ready(struct service *s, struct adit_request *request)
{
	char message[512];

	if (s->state == SERVICE_READY && s->tip_known)
		return true;
	snprintf(message, sizeof(message), "the node is not ready (%s)%s%s",
		 service_state_name(s->state), s->detail[0] != '\0' ? ": " : "", s->detail);
	method_refuse(s, request, ADIT_E_UNAVAILABLE, message);
	return false;
}

bool method_within_limit(struct service *s, struct adit_request *request,
			 const struct adit_request_info *info)
{
	const char *caller = info->caller != NULL ? info->caller : "?";
	uint32_t wait = limiter_take(&s->limiter, caller, 1, clock_monotonic_ms());
	char text[256];

	if (wait == 0)
		return true;
	s->limited++;
	snprintf(text, sizeof(text),
		 "%.64s: %.64s has reached its limit of %u queries a second, %u at once (query_rate"
		 " and query_burst of [node]); again in %u ms",
		 info->method, caller, s->limiter.rate, s->limiter.burst, wait);
	method_refuse(s, request, ADIT_E_LIMIT, text);
	return false;
}

static double nbits_difficulty(uint32_t nbits)
{
	uint8_t target[32];

	return target_from_nbits(nbits, target) ? target_difficulty(target) : 0;
}

static void add_hash(struct json_object *object, const char *key, const uint8_t hash[32])
{
	char text[65];

	hex_encode_reversed(hash, 32, text);
	json_object_object_add(object, key, json_object_new_string(text));
}

/* Neither when it is not known. */
static void add_bits(struct json_object *object, uint32_t nbits)
{
	char text[9];

	if (nbits == 0)
		return;
	snprintf(text, sizeof(text), "%08x", nbits);
	json_object_object_add(object, "bits", json_object_new_string(text));
	json_object_object_add(object, "difficulty",
			       json_object_new_double(nbits_difficulty(nbits)));
}

static void add_next_bits(struct json_object *object, uint32_t nbits)
{
	char text[9];

	if (nbits == 0)
		return;
	snprintf(text, sizeof(text), "%08x", nbits);
	json_object_object_add(object, "next_bits", json_object_new_string(text));
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_missing(struct json_object *object, const struct service *s)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list != NULL && i < s->missing_count; i++)
		json_object_array_add(list, json_object_new_string(s->missing[i]));
	json_object_object_add(object, "missing_methods", list);
}

static void get_status(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	struct service *s = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	if (o == NULL) {
		method_refuse(s, request, ADIT_E_NO_MEMORY, "out of memory");
		return;
	}
	add_text(o, "backend", s->backend->name);
	add_text(o, "network", s->network);
	add_text(o, "state", service_state_name(s->state));
	add_text(o, "detail", s->detail);
	add_number(o, "height", s->tip.height);
	if (s->tip_known)
		add_hash(o, "hash", s->tip.hash);
	else
		add_text(o, "hash", "");
	/* What the next block has to meet, which is what a miner wants to know. */
	add_bits(o, s->template != NULL ? s->template->nbits : s->tip.nbits);
	add_number(o, "tip_time", s->tip.time);
	add_number(o, "mempool_tx", s->mempool_tx);
	add_number(o, "blocks_accepted", s->accepted);
	add_number(o, "blocks_rejected", s->rejected);
	add_text(o, "version", s->version);
	add_number(o, "mempool_tx_by_wtxid", s->mirror_tx);
	add_text(o, "ipc", s->ipc);
	add_missing(o, s);
	add_number(o, "queries_limited", s->limited);
	method_reply(s, request, o);
}

/* The tip's height; with HASH its hash, too. */
static void reply_tip(struct service *s, struct adit_request *request, bool hash)
{
	struct json_object *o;

	if (!method_ready(s, request))
		return;
	o = json_object_new_object();
	if (o != NULL && hash)
		add_hash(o, "hash", s->tip.hash);
	if (o != NULL)
		add_number(o, "height", s->tip.height);
	method_reply(s, request, o);
}

static void get_chain_tip(void *user, struct adit_request *request,
			  const struct adit_request_info *info)
{
	(void)info;
	reply_tip(user, request, true);
}

static void get_block_height(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	(void)info;
	reply_tip(user, request, false);
}

/* Always answers, as get_status does. */
static void get_sync_status(void *user, struct adit_request *request,
			    const struct adit_request_info *info)
{
	struct service *s = user;
	struct json_object *o = json_object_new_object();
	bool known = s->tip_known;

	(void)info;
	if (o != NULL) {
		json_object_object_add(o, "phase",
				       json_object_new_string(service_state_name(s->state)));
		json_object_object_add(o, "detail", json_object_new_string(s->detail));
		json_object_object_add(o, "synced",
				       json_object_new_boolean(s->state == SERVICE_READY));
		json_object_object_add(o, "initial_block_download",
				       json_object_new_boolean(s->initial_download));
		json_object_object_add(o, "height",
				       known ? json_object_new_int64(s->tip.height) : NULL);
		json_object_object_add(o, "headers",
				       s->headers > 0 ? json_object_new_int64(s->headers) : NULL);
		json_object_object_add(
		    o, "progress", s->progress >= 0 ? json_object_new_double(s->progress) : NULL);
	}
	method_reply(s, request, o);
}

static void get_chain_info(void *user, struct adit_request *request,
			   const struct adit_request_info *info)
{
	struct service *s = user;
	struct json_object *o;

	(void)info;
	if (!method_ready(s, request))
		return;
	o = json_object_new_object();
	if (o != NULL) {
		add_hash(o, "hash", s->tip.hash);
		add_number(o, "height", s->tip.height);
		add_bits(o, s->tip.nbits);
		add_next_bits(o, s->template != NULL ? s->template->nbits : s->tip.nbits);
		add_number(o, "block_interval_ms", s->block_interval_ms);
		add_number(o, "median_time", s->tip.median_time);
		add_text(o, "network", s->network);
		json_object_object_add(o, "initial_block_download",
				       json_object_new_boolean(s->initial_download));
	}
	method_reply(s, request, o);
}

static void get_block_template(void *user, struct adit_request *request,
			       const struct adit_request_info *info)
{
	struct service *s = user;
	struct buf json = {0};

	(void)info;
	if (!method_ready(s, request))
		return;
	if (s->template == NULL && s->no_template != NULL)
		method_refuse(s, request, ADIT_E_UNSUPPORTED, s->no_template);
	else if (s->template == NULL)
		method_refuse(s, request, ADIT_E_UNAVAILABLE,
			      "the node has not made a template yet");
	else if (!template_json(s->template, &json))
		method_refuse(s, request, ADIT_E_NO_MEMORY, "out of memory");
	else
		s->api->reply(s->host, request, ADIT_OK, NULL, (const char *)json.data, json.size,
			      s->template->data.data, s->template->data.size);
	buf_free(&json);
}

struct service_request *method_request(struct service *s, struct adit_request *request,
				       size_t limit)
{
	struct service_request *r;

	if (!s->opened) {
		method_refuse(s, request, ADIT_E_UNAVAILABLE, "the node service is stopping");
		return NULL;
	}
	if (s->request_count >= limit) {
		method_refuse(s, request, ADIT_E_LIMIT,
			      "too many requests to the node are under way");
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		method_refuse(s, request, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	r->service = s;
	r->request = request;
	r->next = s->requests;
	s->requests = r;
	s->request_count++;
	return r;
}

/* The height that the coinbase claims (BIP34), 0 when BLOCK has none that can be read. */
static uint32_t block_height(const uint8_t *block, size_t size)
{
	struct reader r;
	struct tx coinbase;
	struct tx_input input;
	uint32_t height = 0;

	reader_init(&r, block, size);
	(void)reader_bytes(&r, 80);
	(void)reader_compact_size(&r);
	if (r.failed || !tx_parse(&r, &coinbase) || coinbase.inputs != 1)
		return 0;
	tx_inputs(&coinbase, &r);
	if (!tx_next_input(&r, &input) || !bip34_height(input.script, input.script_size, &height))
		return 0;
	return height;
}

/* Whether the attachment can be a block; answers when it can't. */
static bool has_block(struct service *s, struct adit_request *request,
		      const struct adit_request_info *info)
{
	if (info->attachment_size >= 81 && info->attachment_size <= SERVICE_MAX_BLOCK)
		return true;
	method_refuse(s, request, ADIT_E_INVALID_ARGUMENT,
		      "the attachment must be a block of 81 to 4000000 bytes");
	return false;
}

static void take_block(struct service *s, struct adit_request *request,
		       const struct adit_request_info *info, bool foreign)
{
	struct service_request *r;

	if (!has_block(s, request, info))
		return;
	r = method_request(s, request, SERVICE_MAX_REQUESTS);
	if (r == NULL)
		return;
	r->foreign = foreign;
	sha256d_header(info->attachment, r->hash);
	r->height = block_height(info->attachment, info->attachment_size);
	s->backend->submit(s->backend_self, info->attachment, info->attachment_size, r);
}

static void submit_block(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	take_block(user, request, info, false);
}

/* Somebody else's. */
static void queue_received_block(void *user, struct adit_request *request,
				 const struct adit_request_info *info)
{
	take_block(user, request, info, true);
}

/* Answers when the backend can't do what is asked of it. */
static bool known(struct service *s, struct adit_request *request, bool what)
{
	if (!what)
		method_refuse(s, request, ADIT_E_UNSUPPORTED,
			      "this node, or its backend, can't tell");
	return what;
}

static void check_block(void *user, struct adit_request *request,
			const struct adit_request_info *info)
{
	struct service *s = user;
	struct service_request *r;

	if (!has_block(s, request, info) || !known(s, request, s->backend->check_block != NULL) ||
	    !method_within_limit(s, request, info) || !method_ready(s, request))
		return;
	r = method_request(s, request, SERVICE_MAX_QUERIES);
	if (r != NULL)
		s->backend->check_block(s->backend_self, info->attachment, info->attachment_size,
					r);
}

static void get_transactions(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	struct service *s = user;
	size_t count = info->attachment_size / 32;
	struct service_request *r;

	if (count == 0 || count > SERVICE_MAX_WTXIDS || info->attachment_size % 32 != 0) {
		method_refuse(s, request, ADIT_E_INVALID_ARGUMENT,
			      "the attachment must be 1 to 65535 wtxids of 32 bytes");
		return;
	}
	if (!known(s, request, s->backend->get_transactions != NULL) ||
	    !method_within_limit(s, request, info) || !method_ready(s, request))
		return;
	r = method_request(s, request, SERVICE_MAX_QUERIES);
	if (r != NULL)
		s->backend->get_transactions(s->backend_self, info->attachment, count, r);
}

static void get_block(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct service *s = user;
	struct json_object *o = value_parse(info->json, info->json_size);
	struct service_request *r;
	uint8_t hash[32];
	bool found = value_hash(o, "hash", hash);

	json_object_put(o);
	if (!found) {
		method_refuse(s, request, ADIT_E_INVALID_ARGUMENT,
			      "hash: 64 hexadecimal digits expected");
		return;
	}
	if (!method_within_limit(s, request, info) || !method_ready(s, request))
		return;
	r = method_request(s, request, SERVICE_MAX_QUERIES);
	if (r != NULL)
		s->backend->get_block(s->backend_self, hash, r);
}

static void get_block_by_height(void *user, struct adit_request *request,
				const struct adit_request_info *info)
{
	struct service *s = user;
	struct json_object *o = value_parse(info->json, info->json_size);
	struct service_request *r;
	uint64_t height;
	bool found = value_u64(o, "height", INT32_MAX, &height);

	json_object_put(o);
	if (!found) {
		method_refuse(s, request, ADIT_E_INVALID_ARGUMENT,
			      "height: a block height expected");
		return;
	}
	if (!method_within_limit(s, request, info) || !method_ready(s, request))
		return;
	r = method_request(s, request, SERVICE_MAX_QUERIES);
	if (r != NULL)
		s->backend->get_block_by_height(s->backend_self, (uint32_t)height, r);
}

/* --- of the embedded chain alone ----------------------------------------------------------------
 */

bool method_from_administrator(struct service *s, struct adit_request *request,
			       const struct adit_request_info *info)
{
	if (info->caller != NULL && strcmp(info->caller, "control") == 0)
		return true;
	method_refuse(s, request, ADIT_E_PERMISSION_DENIED,
		      "only for the administrator, over the control socket");
	return false;
}

/* Answers when the backend has no WHAT. */
static bool supported(struct service *s, struct adit_request *request, bool what)
{
	if (!what)
		method_refuse(s, request, ADIT_E_UNSUPPORTED,
			      "only the embedded chain can do this");
	return what;
}

/* A request with one whole number of at least 1; false after an answer. */
static bool take_number(struct service *s, struct adit_request *request,
			const struct adit_request_info *info, const char *key, uint32_t *out)
{
	struct json_object *o = value_parse(info->json, info->json_size);
	bool found = value_u32(o, key, out) && *out > 0;
	char message[64];

	json_object_put(o);
	if (found)
		return method_ready(s, request);
	snprintf(message, sizeof(message), "%s: a number of at least 1 expected", key);
	method_refuse(s, request, ADIT_E_INVALID_ARGUMENT, message);
	return false;
}

/* The administrator's request with the number KEY, for FN of the backend (NULL: it has none). */
static void administer(struct service *s, struct adit_request *request,
		       const struct adit_request_info *info, const char *key,
		       void (*fn)(void *self, uint32_t number, struct service_request *request))
{
	struct service_request *r;
	uint32_t number = 0;

	if (!supported(s, request, fn != NULL) || !method_from_administrator(s, request, info) ||
	    !take_number(s, request, info, key, &number))
		return;
	r = method_request(s, request, SERVICE_MAX_QUERIES);
	if (r != NULL)
		fn(s->backend_self, number, r);
}

static void reorganise(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	struct service *s = user;

	administer(s, request, info, "depth", s->backend->reorganise);
}

static void add_transactions(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	struct service *s = user;

	administer(s, request, info, "count", s->backend->add_transactions);
}

int32_t service_register_methods(struct service *s)
{
	static const struct {
		const char *name;
		int32_t mode;
		adit_method_fn fn;
	} methods[] = {
	    {"status", ADIT_METHOD_ALL, get_status},
	    {"get_status", ADIT_METHOD_ANY, get_status},
	    {"get_chain_tip", ADIT_METHOD_ANY, get_chain_tip},
	    {"get_block_height", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, get_block_height},
	    {"get_sync_status", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, get_sync_status},
	    {"get_chain_info", ADIT_METHOD_ANY, get_chain_info},
	    {"get_block_template", ADIT_METHOD_ANY, get_block_template},
	    {"submit_block", ADIT_METHOD_ANY, submit_block},
	    {"queue_received_block", ADIT_METHOD_ANY, queue_received_block},
	    {"get_block", ADIT_METHOD_ANY, get_block},
	    {"get_block_by_height", ADIT_METHOD_ANY, get_block_by_height},
	    {"get_transactions_by_wtxid", ADIT_METHOD_ANY, get_transactions},
	    {"check_block", ADIT_METHOD_ANY, check_block},
	    {"reorganise", ADIT_METHOD_ANY, reorganise},
	    {"add_transactions", ADIT_METHOD_ANY, add_transactions},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		int32_t result = s->api->register_method(s->host, methods[i].name, methods[i].mode,
							 methods[i].fn, s, NULL);

		if (result != ADIT_OK)
			return result;
	}
	return queries_register(s);
}
