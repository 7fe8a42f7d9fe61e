/* SPDX-License-Identifier: MIT */
/*
 * From the tip that was known to the one that is: the way back from the new tip, header by header,
 * to a block that is known. What is above it was disconnected, what was walked is connected.
 */
#include "config.h"

#include "host/node/rpc.h"

#include <stdio.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/util/hex.h"

#define FIRST_WALK                                                                                 \
	12 /* blocks to know at start, so that a reorganisation of them is understood              \
	    */

static void walk(struct rpc *b, const uint8_t hash[32]);

/* Where HASH is in RECENT, -1 when it is not. */
static int recent_find(const struct rpc *b, const uint8_t hash[32])
{
	for (size_t i = b->recent_count; i > 0; i--)
		if (memcmp(b->recent[i - 1].hash, hash, 32) == 0)
			return (int)i - 1;
	return -1;
}

static void recent_push(struct rpc *b, const struct service_tip *tip)
{
	if (b->recent_count == RPC_RECENT)
		memmove(b->recent, b->recent + 1, --b->recent_count * sizeof(b->recent[0]));
	b->recent[b->recent_count++] = *tip;
}

/* The walk found nothing known: there was no tip yet, or it was too long ago. No events for blocks
 * in between, then. */
static void start_over(struct rpc *b)
{
	bool first = b->recent_count == 0;

	b->recent_count = 0;
	for (size_t i = b->walk_count; i > 0; i--)
		recent_push(b, &b->walk[i - 1]);
	if (first)
		service_set_tip(b->service, &b->walk[0]);
	else
		service_block_connected(b->service, &b->walk[0]);
}

/* ANCESTOR: index in RECENT of the block that the walk's last one follows. */
static void advance(struct rpc *b, int ancestor)
{
	struct service_tip old = b->recent[b->recent_count - 1];
	size_t keep = (size_t)(ancestor + 1);
	bool reorganised = keep < b->recent_count;

	while (b->recent_count > keep) {
		const struct service_tip *gone = &b->recent[--b->recent_count];

		service_block_disconnected(b->service, gone->hash, gone->height);
	}
	for (size_t i = b->walk_count; i > 0; i--) {
		recent_push(b, &b->walk[i - 1]);
		service_block_connected(b->service, &b->walk[i - 1]);
		rpc_mempool_block(b, b->walk[i - 1].hash);
	}
	if (b->walk_count == 0 && keep > 0)
		service_set_tip(b->service, &b->recent[keep - 1]);
	if (reorganised)
		service_reorganised(b->service, old.hash, b->recent[b->recent_count - 1].hash);
}

static void walk_done(struct rpc *b, int ancestor)
{
	if (ancestor >= 0)
		advance(b, ancestor);
	else if (b->walk_count > 0)
		start_over(b);
	if (b->walk_again) {
		b->walk_again = false;
		rpc_chain_follow(b, b->walk_next);
	}
}

static bool parse_header(struct json_object *o, struct service_tip *tip, uint8_t prev[32])
{
	uint64_t height;

	if (!value_hash(o, "hash", tip->hash) || !value_u64(o, "height", INT32_MAX, &height) ||
	    !value_u32(o, "time", &tip->time) || !value_bits(o, "bits", &tip->nbits))
		return false;
	tip->height = (uint32_t)height;
	(void)value_u32(o, "mediantime", &tip->median_time);
	return height == 0 || value_hash(o, "previousblockhash", prev);
}

/* A header that can't be had ends the walk; the next look begins another. */
static void on_header(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	struct service_tip *tip = &b->walk[b->walk_count];
	size_t limit = b->recent_count == 0 ? FIRST_WALK : RPC_RECENT;
	uint8_t prev[32];

	b->walk_call = NULL;
	memset(tip, 0, sizeof(*tip));
	if (answer->error != ADIT_OK || answer->code != 0 ||
	    !parse_header(answer->result, tip, prev) || memcmp(tip->hash, b->walk_to, 32) != 0) {
		b->walk_again = false;
		return;
	}
	b->walk_count++;
	if (tip->height == 0 || recent_find(b, prev) >= 0)
		walk_done(b, tip->height == 0 ? -1 : recent_find(b, prev));
	else if (b->walk_count == limit)
		walk_done(b, -1);
	else
		walk(b, prev);
}

static void walk(struct rpc *b, const uint8_t hash[32])
{
	char text[65];
	char params[80];

	memcpy(b->walk_to, hash, 32);
	hex_encode_reversed(hash, 32, text);
	snprintf(params, sizeof(params), "[\"%s\"]", text);
	b->walk_call =
	    rpc_ask(b, "getblockheader", params, b->timeout_ms, RPC_SMALL_ANSWER, on_header, b);
}

void rpc_chain_follow(struct rpc *b, const uint8_t tip[32])
{
	int known = recent_find(b, tip);

	if (b->walk_call != NULL) {
		memcpy(b->walk_next, tip, 32);
		b->walk_again = true;
		return;
	}
	b->walk_count = 0;
	if (known >= 0 && (size_t)known + 1 == b->recent_count)
		return;
	/* A known block below the tip: the blocks above it were given up. */
	if (known >= 0)
		walk_done(b, known);
	else
		walk(b, tip);
}

void rpc_chain_stop(struct rpc *b)
{
	rpc_client_cancel(b->walk_call);
	b->walk_call = NULL;
	b->walk_again = false;
}
