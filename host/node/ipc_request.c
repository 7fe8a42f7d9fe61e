/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"

/* A found block is worth some patience: it goes out when the node is there again. */
#define SUBMIT_PATIENCE_MS 60000
/* In one call: so many of the largest that nodes relay fit into a message. */
#define FIND_MANY 50
#define NO_SUBMIT                                                                                  \
	"this node's version can't be given whole blocks over IPC: set rpc_url or rpc_datadir in"  \
	" [node], so that they go out by RPC"

enum kind { SUBMIT, CHECK, FIND };

struct ipc_request {
	LIST_ENTRY(ipc_request) link;
	struct ipc *backend;
	struct service_request *request;
	enum kind kind;
	uint8_t *data; /* the block, or wtxids */
	size_t size;
	bool under_way; /* a call of it is open */
	/* SUBMIT: */
	struct event *patience;
	/* FIND: so many are asked for, COUNT in all; the answer so far. */
	size_t asked;
	size_t asking;
	size_t count;
	size_t found;
	struct buf out;
};

/* --- life ---------------------------------------------------------------------------------------
 */

static struct ipc_request *request_new(struct ipc *b, enum kind kind, const uint8_t *data,
				       size_t size, struct service_request *request)
{
	struct ipc_request *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->data = malloc(size);
	if (r == NULL || r->data == NULL) {
		free(r);
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	memcpy(r->data, data, size);
	r->size = size;
	r->backend = b;
	r->request = request;
	r->kind = kind;
	LIST_INSERT_HEAD(&b->requests, r, link);
	b->submissions += kind == SUBMIT;
	b->finds += kind == FIND;
	return r;
}

static void request_free(struct ipc_request *r)
{
	LIST_REMOVE(r, link);
	r->backend->submissions -= r->kind == SUBMIT;
	r->backend->finds -= r->kind == FIND;
	if (r->patience != NULL)
		event_free(r->patience);
	buf_free(&r->out);
	free(r->data);
	free(r);
}

static void request_failed(struct ipc_request *r, int32_t error, const char *message)
{
	service_failed(r->request, error, message);
	request_free(r);
}

/* IPC can't, or not now: RPC does it, when there is RPC; else WHY is the answer. */
static void pass_on(struct ipc_request *r, int32_t error, const char *why)
{
	struct ipc *b = r->backend;

	if (b->rpc == NULL || b->closing) {
		request_failed(r, b->closing ? ADIT_E_CANCELLED : error, why);
		return;
	}
	if (r->kind == SUBMIT)
		backend_rpc.submit(b->rpc, r->data, r->size, r->request);
	else if (r->kind == CHECK)
		backend_rpc.check_block(b->rpc, r->data, r->size, r->request);
	else
		backend_rpc.get_transactions(b->rpc, r->data, r->count, r->request);
	request_free(r);
}

/* The texts of a verdict are not terminated. */
static void verdict_reason(const struct node_Verdict *v, char *out, size_t capacity)
{
	const char *reason = v->reason.size > 0 ? (const char *)v->reason.data : "rejected";
	size_t size = v->reason.size > 0 ? v->reason.size : strlen(reason);

	snprintf(out, capacity, "%.*s", (int)(size < capacity ? size : capacity - 1), reason);
}

/* --- submissions --------------------------------------------------------------------------------
 */

static void send_submission(struct ipc_request *r);

static void on_patience(evutil_socket_t fd, short what, void *user)
{
	struct ipc_request *r = user;

	(void)fd;
	(void)what;
	if (!r->under_way)
		request_failed(r, ADIT_E_UNAVAILABLE, r->backend->service->ipc);
}

/* Until the node is there again, for a minute. */
static void wait_for_node(struct ipc_request *r, const char *why)
{
	struct timeval after = {SUBMIT_PATIENCE_MS / 1000, 0};
	struct ipc *b = r->backend;

	if (b->rpc != NULL || b->closing) {
		pass_on(r, ADIT_E_UNAVAILABLE, why);
		return;
	}
	if (r->patience == NULL) {
		service_log(b->service, ADIT_LOG_WARNING, "a found block waits for the node: %s",
			    why);
		r->patience = evtimer_new(b->link.loop, on_patience, r);
		if (r->patience == NULL || evtimer_add(r->patience, &after) != 0)
			request_failed(r, ADIT_E_NO_MEMORY, "out of memory");
	} else if (!evtimer_pending(r->patience, NULL)) {
		request_failed(r, ADIT_E_UNAVAILABLE, why);
	}
}

static void on_submitted(void *user, const struct capn_return *result)
{
	struct ipc_request *r = user;
	struct ipc *b = r->backend;
	struct node_Verdict v;
	char reason[128];
	bool duplicate;

	r->under_way = false;
	if (!result->ok && result->type == CAPN_DISCONNECTED) {
		wait_for_node(r, result->reason);
		return;
	}
	if (!result->ok) {
		service_log(b->service, ADIT_LOG_WARNING, "%s: %s",
			    node_method_name(NODE_Mining_submitBlock), result->reason);
		pass_on(r, ADIT_E_PROTOCOL, result->reason);
		return;
	}
	node_results(NODE_Mining_submitBlock, NODE_V32, result, &v);
	verdict_reason(&v, reason, sizeof(reason));
	duplicate = !v.result && strcmp(reason, "duplicate") == 0;
	service_submitted(r->request, v.result || duplicate ? NULL : reason, duplicate,
			  r->request->height);
	request_free(r);
}

static void send_submission(struct ipc_request *r)
{
	struct ipc *b = r->backend;
	struct node_Block params = {.context = ipc_submit_context(b),
				    .block = {r->data, (uint32_t)r->size}};

	r->under_way = true;
	if (!ipc_ask(b, NODE_Mining_submitBlock, &params, on_submitted, r)) {
		r->under_way = false;
		wait_for_node(r, b->service->ipc);
	}
}

void ipc_submit(void *self, const uint8_t *block, size_t size, struct service_request *request)
{
	struct ipc *b = self;
	struct ipc_request *r;

	if (b->submissions >= IPC_MAX_SUBMISSIONS) {
		service_failed(request, ADIT_E_LIMIT, "too many blocks wait for the node");
		return;
	}
	r = request_new(b, SUBMIT, block, size, request);
	if (r == NULL)
		return;
	if (ipc_can(b, NODE_Mining_submitBlock))
		send_submission(r);
	else if (b->connected)
		pass_on(r, ADIT_E_UNSUPPORTED, NO_SUBMIT);
	else
		wait_for_node(r, b->service->ipc);
}

/* --- checks -------------------------------------------------------------------------------------
 */

static void on_checked(void *user, const struct capn_return *result)
{
	struct ipc_request *r = user;
	struct node_Verdict v;
	char reason[128];

	r->under_way = false;
	if (!result->ok) {
		pass_on(r, result->type == CAPN_DISCONNECTED ? ADIT_E_UNAVAILABLE : ADIT_E_PROTOCOL,
			result->reason);
		return;
	}
	node_results(NODE_Mining_checkBlock, NODE_V32, result, &v);
	verdict_reason(&v, reason, sizeof(reason));
	service_checked(r->request, v.result ? NULL : reason);
	request_free(r);
}

void ipc_check_block(void *self, const uint8_t *block, size_t size, struct service_request *request)
{
	struct ipc *b = self;
	struct ipc_request *r = request_new(b, CHECK, block, size, request);
	struct node_CheckBlock params;

	if (r == NULL)
		return;
	if (!ipc_can(b, NODE_Mining_checkBlock)) {
		pass_on(r, ADIT_E_UNAVAILABLE, b->service->ipc);
		return;
	}
	node_defaults(NODE_Mining_checkBlock, &params);
	params.context = node_ipc_context(b->link.session);
	params.block = (struct capn_bytes){r->data, (uint32_t)r->size};
	params.options.checkMerkleRoot = true;
	params.options.checkPow = false;
	r->under_way = true;
	if (!ipc_ask(b, NODE_Mining_checkBlock, &params, on_checked, r))
		pass_on(r, ADIT_E_UNAVAILABLE, b->service->ipc);
}

/* --- transactions -------------------------------------------------------------------------------
 */

static void find_next(struct ipc_request *r);

/* What the node says is taken only when it is what was asked for. */
static bool is_transaction(const struct capn_bytes *raw, const uint8_t wtxid[32])
{
	struct reader reader;
	struct tx tx;
	uint8_t hash[32];

	reader_init(&reader, raw->data, raw->size);
	if (raw->size == 0 || !tx_parse(&reader, &tx) || reader_left(&reader) != 0)
		return false;
	tx_wtxid(&tx, hash);
	return memcmp(hash, wtxid, 32) == 0;
}

static void take_transaction(struct ipc_request *r, size_t position, struct capn_bytes raw)
{
	size_t rest = 4 * (r->count - position);
	bool has = is_transaction(&raw, r->data + 32 * position) &&
		   r->out.size + raw.size + rest <= SERVICE_MAX_TRANSACTIONS;

	buf_append_u32(&r->out, has ? (uint32_t)raw.size : 0);
	if (has)
		buf_append(&r->out, raw.data, raw.size);
	r->found += has;
}

static void on_transactions(void *user, const struct capn_return *result)
{
	struct ipc_request *r = user;
	struct node_DatasResult found;

	r->under_way = false;
	if (!result->ok) {
		pass_on(r, result->type == CAPN_DISCONNECTED ? ADIT_E_UNAVAILABLE : ADIT_E_PROTOCOL,
			result->reason);
		return;
	}
	node_results(NODE_Mining_getTransactionsByWitnessID, NODE_V32, result, &found);
	for (size_t i = 0; i < r->asking; i++) {
		struct capn_bytes raw = {NULL, 0};

		if (i < found.result.count)
			raw = node_list_data(&found.result, (uint32_t)i);
		take_transaction(r, r->asked + i, raw);
	}
	r->asked += r->asking;
	find_next(r);
}

static void find_next(struct ipc_request *r)
{
	struct ipc *b = r->backend;
	struct capn_bytes ids[FIND_MANY];
	struct node_Hashes params = {.context = node_ipc_context(b->link.session)};

	if (r->asked == r->count) {
		if (r->out.failed) {
			request_failed(r, ADIT_E_NO_MEMORY, "out of memory");
			return;
		}
		service_transactions(r->request, r->count, r->found, &r->out);
		request_free(r);
		return;
	}
	r->asking = r->count - r->asked < FIND_MANY ? r->count - r->asked : FIND_MANY;
	for (size_t i = 0; i < r->asking; i++)
		ids[i] = (struct capn_bytes){r->data + 32 * (r->asked + i), 32};
	params.hashes = (struct node_list){.count = (uint32_t)r->asking, .items = ids};
	r->under_way = true;
	if (!ipc_ask(b, NODE_Mining_getTransactionsByWitnessID, &params, on_transactions, r))
		pass_on(r, ADIT_E_UNAVAILABLE, b->service->ipc);
}

void ipc_get_transactions(void *self, const uint8_t *wtxids, size_t count,
			  struct service_request *request)
{
	struct ipc *b = self;
	struct ipc_request *r;

	if (b->finds >= IPC_MAX_FINDS) {
		service_failed(request, ADIT_E_LIMIT, "too many requests for transactions at once");
		return;
	}
	r = request_new(b, FIND, wtxids, 32 * count, request);
	if (r == NULL)
		return;
	r->count = count;
	if (ipc_can(b, NODE_Mining_getTransactionsByWitnessID))
		find_next(r);
	else if (b->connected)
		pass_on(r, ADIT_E_UNSUPPORTED,
			"this node's version does not know transactions by wtxid over IPC: set"
			" rpc_url or rpc_datadir in [node]");
	else
		pass_on(r, ADIT_E_UNAVAILABLE, b->service->ipc);
}

/* --- the session's beginning and end ------------------------------------------------------------
 */

void ipc_requests_resume(struct ipc *b)
{
	struct ipc_request *r = LIST_FIRST(&b->requests);

	while (r != NULL) {
		struct ipc_request *next = LIST_NEXT(r, link);

		if (r->kind == SUBMIT && !r->under_way) {
			if (ipc_can(b, NODE_Mining_submitBlock))
				send_submission(r);
			else
				pass_on(r, ADIT_E_UNSUPPORTED, NO_SUBMIT);
		}
		r = next;
	}
}

void ipc_requests_cancel(struct ipc *b)
{
	while (!LIST_EMPTY(&b->requests))
		request_failed(LIST_FIRST(&b->requests), ADIT_E_CANCELLED,
			       "the node service is stopping");
}
