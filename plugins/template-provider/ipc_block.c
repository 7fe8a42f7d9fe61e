/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>

#include "plugins/template-provider/ipc_source.h"

/* A full block verifies in a second or two. */
#define SUBMIT_MS 30000u

struct ipc_block {
	struct tp_attempt attempt; /* first */
	LIST_ENTRY(ipc_block) link;
	struct ipc_source *source;
	const uint8_t *data; /* borrowed while somebody waits for the answer */
	size_t size;
	bool sent;
};

static void block_end(struct ipc_block *b, enum tp_verdict verdict, const char *text)
{
	LIST_REMOVE(b, link);
	if (b->attempt.done != NULL)
		b->attempt.done(b->attempt.user, verdict, text);
	free(b);
}

/* Without an answer because the session ended: the next one is asked. */
static void on_verdict(void *user, const struct capn_return *result)
{
	struct ipc_block *b = user;
	char text[IPC_REASON_MAX];

	b->sent = false;
	if (result->ok || result->type != CAPN_DISCONNECTED)
		block_end(b, ipc_verdict(result, text), text);
}

static void send_one(struct ipc_block *b)
{
	struct node_link *l = &b->source->link;
	enum node_dialect dialect = node_ipc_dialect(l->session);
	struct node_Block params = {.context = {.thread = l->submit_thread},
				    .block = {b->data, b->size}};

	/* Who gave up took the block back. */
	if (b->attempt.done == NULL) {
		block_end(b, TP_NO_ANSWER, "");
		return;
	}
	if (node_method_ordinal(NODE_Mining_submitBlock, dialect) < 0) {
		block_end(b, TP_NO_ANSWER, "this version of the node takes only solutions there");
		return;
	}
	b->sent = node_link_call(
	    l,
	    node_call_new(node_ipc_mining(l->session), NODE_Mining_submitBlock, dialect, &params),
	    SUBMIT_MS, on_verdict, b);
}

void ipc_blocks_send(struct ipc_source *s)
{
	struct ipc_block *next;

	for (struct ipc_block *b = LIST_FIRST(&s->blocks); b != NULL && !s->link.down; b = next) {
		next = LIST_NEXT(b, link);
		if (!b->sent)
			send_one(b);
	}
}

void ipc_blocks_end(struct ipc_source *s)
{
	struct ipc_block *b;

	while ((b = LIST_FIRST(&s->blocks)) != NULL)
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
	LIST_INSERT_HEAD(&s->blocks, b, link);
	return &b->attempt;
}
