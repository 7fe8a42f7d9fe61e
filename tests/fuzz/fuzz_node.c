/* SPDX-License-Identifier: MIT */
/*
 * What the node service reads from outside. The first byte chooses: a node's answer to
 * getblocktemplate, or the transactions of a block for the embedded chain, to which a header is
 * made that gets them past the first checks.
 */
#include "config.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/block_check.h"
#include "host/node/rpc_template.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == '{')
		check_template(data, size);
	else
		check_block(data + 1, size - 1);
	return 0;
}
