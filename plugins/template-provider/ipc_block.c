/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "plugins/template-provider/ipc_source.h"

/* A full block verifies in a second or two. */
#define SUBMIT_MS 30000u

/* A block, and what is being done with it in this session: Mining.submitBlock where the node has
 * it; before v32 a template is asked for, and when that is the block's but for the coinbase, the
 * block is a solution of it. */
struct ipc_block {
	struct tp_attempt attempt; /* first */
	TAILQ_ENTRY(ipc_block) link;
	struct ipc_source *source;
	const uint8_t *data; /* borrowed while somebody waits for the answer */
	size_t size;
	bool sent;
	struct ipc_template *template; /* like the block, perhaps */
};

static void block_end(struct ipc_block *b, enum tp_verdict verdict, const char *text)
{
	TAILQ_REMOVE(&b->source->blocks, b, link);
	ipc_template_unref(b->template);
	if (b->attempt.done != NULL)
		b->attempt.done(b->attempt.user, verdict, text);
	free(b);
}

/* The session is over: the next one is asked. */
static void block_wait(struct ipc_block *b)
{
	ipc_template_unref(b->template);
	b->template = NULL;
	b->sent = false;
}

static void block_call(struct ipc_block *b, struct capn_call *call, uint32_t timeout_ms,
		       capn_return_fn *done)
{
	b->sent = true;
	if (!node_link_call(&b->source->link, call, timeout_ms, done, b))
		block_wait(b);
}

static enum node_dialect dialect_of(const struct ipc_block *b)
{
	return node_ipc_dialect(b->source->link.session);
}

/* False when B has gone or waits: there is nothing to take out of RESULT. Who gave up took the
 * block back. */
static bool block_answered(struct ipc_block *b, const struct capn_return *result)
{
	if (b->attempt.done == NULL)
		block_end(b, TP_NO_ANSWER, "");
	else if (b->source->link.down || (!result->ok && result->type == CAPN_DISCONNECTED))
		block_wait(b);
	else if (!result->ok)
		block_end(b, TP_NO_ANSWER, result->reason);
	else
		return true;
	return false;
}

static void on_verdict(void *user, const struct capn_return *result)
{
	struct ipc_block *b = user;
	char text[IPC_REASON_MAX];

	if (block_answered(b, result))
		block_end(b, ipc_verdict(result, text), text);
}

/* --- as a solution ------------------------------------------------------------------------------
 */

static void block_differs(struct ipc_block *b)
{
	block_end(b, TP_NO_ANSWER,
		  "this version of the node takes only solutions of its own templates there,"
		  " and has none with these transactions");
}

static void send_solution(struct ipc_block *b, const struct block_header *h,
			  struct capn_bytes coinbase)
{
	struct node_Solution solution = {.context = {.thread = b->source->link.submit_thread},
					 .version = h->version,
					 .timestamp = h->time,
					 .nonce = h->nonce,
					 .coinbase = coinbase};

	block_call(b,
		   node_call_new(b->template->cap, NODE_BlockTemplate_submitSolution, dialect_of(b),
				 &solution),
		   SUBMIT_MS, on_verdict);
}

/* The root of the template with the block's coinbase; false: the path is none. */
static bool root_of(const struct node_list *path, const struct tx *coinbase, uint8_t out[32])
{
	uint8_t siblings[MERKLE_MAX_DEPTH][32], txid[32];

	if (path->count > MERKLE_MAX_DEPTH)
		return false;
	for (uint32_t i = 0; i < path->count; i++) {
		struct capn_bytes hash = node_list_data(path, i);

		if (hash.size != 32)
			return false;
		memcpy(siblings[i], hash.data, 32);
	}
	tx_txid(coinbase, txid);
	merkle_fold(txid, siblings[0], path->count, out);
	return true;
}

static void on_path(void *user, const struct capn_return *result)
{
	struct ipc_block *b = user;
	struct node_DatasResult path;
	struct block_header h;
	struct tx coinbase;
	uint8_t root[32];

	if (!block_answered(b, result))
		return;
	node_results(NODE_BlockTemplate_getCoinbaseMerklePath, dialect_of(b), result, &path);
	if (ipc_split_block(b->data, b->size, &h, &coinbase) &&
	    root_of(&path.result, &coinbase, root) && memcmp(root, h.merkle_root, 32) == 0)
		send_solution(b, &h, (struct capn_bytes){coinbase.data, coinbase.size});
	else
		block_differs(b);
}

static void ask_template(struct ipc_block *b, enum node_method method, capn_return_fn *done)
{
	struct node_OnlyContext params = {node_ipc_context(b->source->link.session)};

	block_call(b, node_call_new(b->template->cap, method, dialect_of(b), &params),
		   b->source->link.timeout_ms, done);
}

static void on_header(void *user, const struct capn_return *result)
{
	struct ipc_block *b = user;
	struct node_DataResult header;
	uint8_t hash[32];

	if (!block_answered(b, result))
		return;
	node_results(NODE_BlockTemplate_getBlockHeader, dialect_of(b), result, &header);
	sha256d_header(b->data, hash);
	/* Bytes 4 to 35 are the previous block's hash. Ours: it came through before. */
	if (header.result.size == 80 && memcmp(header.result.data + 4, hash, 32) == 0)
		block_end(b, TP_ACCEPTED, "");
	else if (header.result.size == 80 && memcmp(header.result.data + 4, b->data + 4, 32) == 0)
		ask_template(b, NODE_BlockTemplate_getCoinbaseMerklePath, on_path);
	else
		block_end(b, TP_NO_ANSWER, "the node is on another tip");
}

static void on_created(void *user, const struct capn_return *result)
{
	struct ipc_block *b = user;
	struct ipc_source *s = b->source;
	struct node_CapResult made;

	if (!block_answered(b, result))
		return;
	node_results(NODE_Mining_createNewBlock, dialect_of(b), result, &made);
	if (made.result != NULL)
		b->template = ipc_template_new(s, made.result);
	if (b->template != NULL)
		ask_template(b, NODE_BlockTemplate_getBlockHeader, on_header);
	else
		block_end(b, TP_NO_ANSWER, "the node has no template");
}

static void ask_for_its_like(struct ipc_block *b)
{
	struct node_link *l = &b->source->link;
	struct node_CreateNewBlock params;
	struct block_header h;
	struct tx coinbase;

	if (!ipc_split_block(b->data, b->size, &h, &coinbase)) {
		block_end(b, TP_NO_ANSWER, "it is no block");
		return;
	}
	node_defaults(NODE_Mining_createNewBlock, &params);
	params.context = node_ipc_context(l->session);
	params.cooldown = false;
	params.options.useMempool = coinbase.data + coinbase.size < b->data + b->size;
	block_call(b,
		   node_call_new(node_ipc_mining(l->session), NODE_Mining_createNewBlock,
				 dialect_of(b), &params),
		   l->timeout_ms, on_created);
}

/* --- whole --------------------------------------------------------------------------------------
 */

static void send_one(struct ipc_block *b)
{
	struct node_link *l = &b->source->link;
	struct node_Block params = {.context = {.thread = l->submit_thread},
				    .block = {b->data, b->size}};

	if (b->attempt.done == NULL)
		block_end(b, TP_NO_ANSWER, "");
	else if (node_method_ordinal(NODE_Mining_submitBlock, dialect_of(b)) < 0)
		ask_for_its_like(b);
	else
		block_call(b,
			   node_call_new(node_ipc_mining(l->session), NODE_Mining_submitBlock,
					 dialect_of(b), &params),
			   SUBMIT_MS, on_verdict);
}

void ipc_blocks_send(struct ipc_source *s)
{
	struct ipc_block *next;

	for (struct ipc_block *b = TAILQ_FIRST(&s->blocks); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (s->link.down || s->link.submit_thread == NULL)
			return;
		if (!b->sent)
			send_one(b);
	}
}

bool ipc_blocks_wait(const struct ipc_source *s)
{
	const struct ipc_block *b;

	TAILQ_FOREACH(b, &s->blocks, link)
	{
		if (b->attempt.done != NULL)
			return true;
	}
	return false;
}

void ipc_blocks_end(struct ipc_source *s)
{
	struct ipc_block *b;

	while ((b = TAILQ_FIRST(&s->blocks)) != NULL)
		block_end(b, TP_NO_ANSWER, "the source is closed");
}

/* Sent when the link has seen that the node is the right one: at the start that is yet to come. */
struct tp_attempt *
ipc_block_submit(struct tp_source *source, const uint8_t *block, size_t size,
		 void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user)
{
	struct ipc_source *s = (struct ipc_source *)source;
	struct ipc_block *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->attempt = (struct tp_attempt){.done = done, .user = user};
	b->source = s;
	b->data = block;
	b->size = size;
	TAILQ_INSERT_TAIL(&s->blocks, b, link);
	event_active(s->mail, EV_TIMEOUT, 0);
	return &b->attempt;
}
