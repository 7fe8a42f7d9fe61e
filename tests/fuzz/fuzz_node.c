/* SPDX-License-Identifier: MIT */
/*
 * What the node service reads from outside. The first byte chooses: a node's answer to
 * getblocktemplate; 'L': one to getrawmempool; 'T': how blocks of the embedded chain follow each
 * other; else the transactions of a block for it, to which a header is made that gets them past the
 * first checks.
 */
#include "config.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/block_accept.h"
#include "host/node/mirror.h"
#include "host/node/rpc_template.h"
#include "host/node/txid_list.h"
#include "host/node/value.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"

#define NBITS 0x207fffffu
#define NOW 1700000000u
#define MAX_TXS 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Whatever is taken for a template makes JSON, and is the same as itself. */
static void check_template(const uint8_t *data, size_t size)
{
	struct json_object *o = value_parse((const char *)data, size);
	char longpollid[RPC_LONGPOLLID_MAX];
	struct error e = {0};
	struct node_template *t = rpc_template_parse(o, longpollid, &e);
	struct buf json = {0};
	struct json_object *again;

	json_object_put(o);
	if (t == NULL) {
		require(e.text[0] != '\0');
		return;
	}
	require(template_json(t, &json));
	again = value_parse((const char *)json.data, json.size);
	require(json_object_is_type(again, json_type_object));
	require(template_same(t, t));
	json_object_put(again);
	buf_free(&json);
	template_free(t);
}

/* Of as many transactions as can be parsed. */
static void transactions_root(const uint8_t *data, size_t size, uint8_t root[32])
{
	static uint8_t ids[MAX_TXS][32];
	struct reader r;
	struct tx tx;
	size_t n = 0;

	reader_init(&r, data, size);
	(void)reader_compact_size(&r);
	while (n < MAX_TXS && reader_left(&r) > 0 && tx_parse(&r, &tx))
		tx_txid(&tx, ids[n++]);
	merkle_root(ids, n, root);
}

static void make_header(const uint8_t *data, size_t size, uint8_t out[80])
{
	struct block_header h = {.version = CHAIN_VERSION, .time = NOW, .nbits = NBITS};
	uint8_t target[32];
	uint8_t hash[32];

	sha256d_header(chain_genesis, h.prev_hash);
	transactions_root(data, size, h.merkle_root);
	require(target_from_nbits(NBITS, target));
	do {
		block_header_write(&h, out);
		sha256d_header(out, hash);
		h.nonce++;
	} while (!target_met(hash, target));
}

static void check_block(const uint8_t *data, size_t size)
{
	uint8_t *block = malloc(80 + size);
	struct block_verdict v;
	struct chain chain;

	require(block != NULL && chain_init(&chain, NBITS, 0));
	make_header(data, size, block);
	if (size > 0)
		memcpy(block + 80, data, size);
	require(block_check(&chain, block, 80 + size, NOW, NULL, &v) == ADIT_OK);
	require(v.reason == NULL || v.reason[0] != '\0');
	block_verdict_free(&v);
	chain_free(&chain);
	free(block);
}

/* --- a tree of blocks ---------------------------------------------------------------------------
 */

static void mine(uint8_t header[80], uint32_t nbits)
{
	uint8_t target[32];
	uint8_t hash[32];
	struct writer w;

	require(target_from_nbits(nbits, target));
	for (uint32_t nonce = 0;; nonce++) {
		writer_init(&w, header + 76, 4);
		writer_u32(&w, nonce);
		sha256d_header(header, hash);
		if (target_met(hash, target))
			return;
	}
}

static void add_coinbase(struct buf *out, uint32_t height, uint8_t variant)
{
	static const uint8_t zeros[32];
	uint8_t push[6];
	size_t size = bip34_push(height, push);

	buf_append_u32(out, 2);
	buf_append_u8(out, 1);
	buf_append(out, zeros, 32);
	buf_append_u32(out, UINT32_MAX);
	buf_append_u8(out, (uint8_t)(size + 2));
	buf_append(out, push, size);
	buf_append_u8(out, 1);
	buf_append_u8(out, variant);
	buf_append_u32(out, UINT32_MAX);
	buf_append_u8(out, 1);
	buf_append_u64(out, 0);
	buf_append_u8(out, 1);
	buf_append_u8(out, 0x51);
	buf_append_u32(out, 0);
}

/* A block on PARENT with the legacy transaction of family NUMBER when that is not 0. */
static void make_block(const struct chain_block *parent, uint32_t nbits, uint32_t spent,
		       uint8_t number, struct buf *out)
{
	struct block_header h = {
	    .version = CHAIN_VERSION, .time = parent->time + spent, .nbits = nbits};
	static const uint8_t room[80];
	struct traffic_tx t;

	buf_clear(out);
	buf_append(out, room, sizeof(room));
	buf_append_u8(out, number > 0 ? 2 : 1);
	add_coinbase(out, parent->height + 1, number);
	if (number > 0) {
		traffic_make(8 * (uint64_t)(number - 1), &t);
		buf_append(out, t.data, t.size);
	}
	require(!out->failed);
	memcpy(h.prev_hash, parent->hash, 32);
	transactions_root(out->data + 80, out->size - 80, h.merkle_root);
	block_header_write(&h, out->data);
	mine(out->data, nbits);
}

static void check_tree(const struct chain *c)
{
	require(chain_height(c) >= c->settled);
	require(chain_side_count(c) <= CHAIN_MAX_SIDE + CHAIN_MAX_REORG);
	for (size_t i = 0; i < c->recent_count; i++) {
		struct chain_block *block = c->recent[i];
		const struct chain_block *fork = chain_fork(c, block);

		require(chain_find(c, block->hash) == block);
		require(fork->height >= c->settled);
		require(chain_work(fork, block) <= chain_work(fork, chain_tip(c)));
	}
}

/* The bits that follow PARENT, on whatever branch it is. */
static uint32_t bits_after(struct chain *c, struct chain_block *parent)
{
	struct chain_block *tip = chain_tip(c);
	uint32_t nbits;

	require(chain_switch(c, parent));
	nbits = chain_next_nbits(c);
	require(chain_switch(c, tip));
	return nbits;
}

/* Three bytes a block: its parent, how long it took, and what is in it. */
static void grow_tree(const uint8_t *data, size_t size)
{
	struct chain *c = malloc(sizeof(*c));
	struct buf block = {0};

	require(c != NULL && chain_init(c, NBITS, 10000));
	for (size_t i = 0; i + 3 <= size && i < 3 * 400; i += 3) {
		size_t back = data[i] % (c->recent_count + 1);
		struct chain_block *parent =
		    back == 0 ? chain_tip(c) : c->recent[c->recent_count - back];
		uint32_t nbits = bits_after(c, parent);
		struct acceptance a;
		struct error e = {0};

		/* Not harder than what can be mined here in no time. */
		if (nbits < 0x2000ffffu)
			nbits = NBITS;
		make_block(parent, nbits, data[i + 1], data[i + 2], &block);
		require(block_accept_stored(c, i, block.data, block.size, &a, &e) == ADIT_OK);
		require(a.reason != NULL || chain_find(c, chain_tip(c)->hash) != a.before);
		chain_settle(c);
		if (i % 96 == 0)
			check_tree(c);
	}
	check_tree(c);
	buf_free(&block);
	chain_free(c);
	free(c);
}

/* The list goes into a mirror, and then another that begins in its middle: what is gone and what
 * stays add up. */
static void count_gone(void *user, const struct mirror_entry *entry)
{
	(void)entry;
	++*(size_t *)user;
}

static size_t read_list(struct mirror *m, const uint8_t *data, size_t size, size_t *gone)
{
	struct txid_list l;
	struct mirror_entry *e;
	uint8_t txid[32];
	size_t added = 0;

	txid_list_init(&l, (const char *)data, size);
	mirror_list_begin(m);
	while (txid_list_next(&l, txid))
		if (mirror_list_add(m, txid, &e)) {
			added++;
			if (txid[0] % 2 == 0)
				mirror_resolve(m, e, txid);
		}
	require(l.ended != l.failed);
	while (!mirror_list_end(m, 3, count_gone, gone))
		;
	return added;
}

static void check_list(const uint8_t *data, size_t size)
{
	struct mirror m;
	size_t gone = 0;
	size_t added;

	mirror_init(&m, 50);
	added = read_list(&m, data, size, &gone);
	require(gone == 0 && m.count == added);
	added += read_list(&m, data + size / 2, size - size / 2, &gone);
	require(m.count == added - gone && m.count <= 50);
	mirror_clear(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == '{')
		check_template(data, size);
	else if (data[0] == 'L')
		check_list(data + 1, size - 1);
	else if (data[0] == 'T')
		grow_tree(data + 1, size - 1);
	else
		check_block(data + 1, size - 1);
	return 0;
}
