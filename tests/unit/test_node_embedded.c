/* SPDX-License-Identifier: MIT */
/* The embedded chain through NodeAPI: blocks that are right, each way to be wrong, persistence. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/node/chain.h"
#include "host/node/node_plugin.h"
#include "host/node/traffic.h"
#include "lib/bitcoin/sha256.h"
#include "lib/util/hex.h"
#include "tests/unit/node_rig.h"

START_TEST(genesis_is_bitcoins_regtest)
{
	uint8_t hash[32];
	char text[65];

	/* Block 0 of Bitcoin Core's regtest, as `bitcoin-cli -regtest getblockhash 0` says. */
	sha256d_header(chain_genesis, hash);
	hex_encode_reversed(hash, 32, text);
	ck_assert_str_eq(text, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
	ck_assert_uint_eq(chain_genesis_size, 285);
}
END_TEST

START_TEST(subsidy_halves)
{
	ck_assert_uint_eq(chain_subsidy(1), 5000000000);
	ck_assert_uint_eq(chain_subsidy(209999), 5000000000);
	ck_assert_uint_eq(chain_subsidy(210000), 2500000000);
	ck_assert_uint_eq(chain_subsidy(64 * 210000), 0);
}
END_TEST

START_TEST(traffic_is_what_it_says)
{
	bool seen_witness = false;
	bool seen_legacy = false;
	bool seen_parents = false;

	for (uint64_t i = 0; i < 64; i++) {
		struct traffic_tx made;
		struct traffic_tx found;
		struct reader r;
		struct tx tx;

		traffic_make(i, &made);
		reader_init(&r, made.data, made.size);
		ck_assert(tx_parse(&r, &tx));
		ck_assert_uint_eq(reader_left(&r), 0);
		ck_assert(traffic_identify(&tx, &found));
		ck_assert_uint_eq(found.number, i);
		ck_assert_uint_gt(made.fee, 0);
		seen_witness |= tx.has_witness;
		seen_legacy |= !tx.has_witness;
		seen_parents |= made.parents_count > 0;
		for (uint32_t p = 0; p < made.parents_count; p++)
			ck_assert_uint_lt(made.parents[p], i);
		made.data[60] ^= 1;
		ck_assert(!traffic_identify(&tx, &found));
	}
	ck_assert(seen_witness && seen_legacy && seen_parents);
}
END_TEST

START_TEST(traffic_set_counts)
{
	struct traffic_set set = {0};

	ck_assert(!traffic_set_has(&set, 0));
	ck_assert(traffic_set_add(&set, 1));
	ck_assert_uint_eq(set.floor, 0);
	ck_assert_uint_eq(set.next, 2);
	ck_assert(traffic_set_add(&set, 0));
	ck_assert_uint_eq(set.floor, 2);
	ck_assert(traffic_set_add(&set, 100000));
	ck_assert(traffic_set_has(&set, 100000) && !traffic_set_has(&set, 99999));
	ck_assert_uint_eq(set.floor, 2);
	ck_assert(traffic_set_add(&set, 100002));
	traffic_set_remove(&set, 100002);
	ck_assert_uint_eq(set.next, 100001);
	traffic_set_remove(&set, 100000);
	ck_assert_uint_eq(set.next, 2);
	traffic_set_remove(&set, 0);
	ck_assert_uint_eq(set.floor, 0);
	ck_assert(traffic_set_has(&set, 1) && !traffic_set_has(&set, 0));
	traffic_set_remove(&set, 5);
	traffic_set_remove(&set, 1);
	ck_assert_uint_eq(set.next, 0);
	traffic_set_free(&set);
}
END_TEST

START_TEST(a_block_is_accepted)
{
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;
	struct buf block = {0};
	struct fake_reply *reply;
	uint8_t hash[32];
	char text[65];
	char request[128];

	ck_assert(fake_host_logged(h, "coins are worthless"));
	rig_builder(h, &b);
	ck_assert_uint_eq(b.height, 1);
	ck_assert_uint_gt(b.tx_count, 4);
	ck_assert_uint_gt(b.fees, 0);
	ck_assert_uint_eq(b.value, 5000000000 + b.fees);
	block_builder_make(&b, &block, hash);
	fake_host_forget_events(h);
	ck_assert_str_eq(rig_submit(h, &block), "accepted");
	hex_encode_reversed(hash, 32, text);
	ck_assert_ptr_nonnull(strstr(fake_host_event(h, "NewBlock", 0), text));
	ck_assert_ptr_nonnull(strstr(fake_host_event(h, "BlockMined", 0), text));
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(h, "BlockTemplateUpdated", 0), "\"new_tip\":true"));
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 1);
	ck_assert_int_eq(rig_number(h, "get_status", "blocks_accepted"), 1);
	ck_assert_str_eq(rig_submit(h, &block), "duplicate");
	ck_assert_int_eq(rig_number(h, "status", "blocks_accepted"), 1);
	ck_assert_uint_eq(fake_host_published(h, "BlockMined"), 1);

	reply = fake_host_call(h, "get_block_by_height", "{\"height\":1}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_uint_eq(reply->attachment_size, block.size);
	ck_assert_mem_eq(reply->attachment, block.data, block.size);
	fake_reply_free(reply);
	snprintf(request, sizeof(request), "{\"hash\":\"%s\"}", text);
	reply = fake_host_call(h, "get_block", request, NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_ptr_nonnull(strstr(reply->json, "\"confirmations\":1"));
	fake_reply_free(reply);
	buf_free(&block);
	block_builder_free(&b);
	fake_host_free(h);
}
END_TEST

/* --- job declaration ----------------------------------------------------------------------------
 */

static const char *checked(struct adit_host *h, const struct buf *block)
{
	static char text[160];
	struct fake_reply *reply = fake_host_call(h, "check_block", "{}", block->data, block->size);

	ck_assert_int_eq(reply->error, ADIT_OK);
	snprintf(text, sizeof(text), "%s", reply->json);
	fake_reply_free(reply);
	return text;
}

/* A block without work is as good as one with it; a stale one is not, and nothing is kept. */
/* It becomes part of the chain, but nobody here has mined it. */
START_TEST(a_block_from_elsewhere)
{
	struct adit_host *h = rig_start(NULL);
	struct fake_reply *reply;
	struct block_builder b;
	struct buf block = {0};
	uint8_t hash[32];

	rig_builder(h, &b);
	block_builder_make(&b, &block, hash);
	fake_host_forget_events(h);
	reply = fake_host_call(h, "queue_received_block", "{}", block.data, block.size);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_ptr_nonnull(strstr(reply->json, "\"accepted\":true"));
	fake_reply_free(reply);
	ck_assert_uint_eq(fake_host_published(h, "NewBlock"), 1);
	ck_assert_uint_eq(fake_host_published(h, "BlockMined"), 0);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 1);
	ck_assert_int_eq(rig_number(h, "get_status", "blocks_accepted"), 0);
	reply = fake_host_call(h, "queue_received_block", "{}", block.data, block.size - 1);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_ptr_nonnull(strstr(reply->json, "block-decode-failed"));
	fake_reply_free(reply);
	ck_assert_int_eq(rig_number(h, "get_status", "blocks_rejected"), 0);
	block_builder_free(&b);
	buf_free(&block);
	fake_host_free(h);
}
END_TEST

START_TEST(a_block_is_checked_before_it_is_mined)
{
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;
	struct buf block = {0};
	struct buf stale = {0};
	uint8_t hash[32];

	rig_builder(h, &b);
	b.too_little_work = true;
	block_builder_make(&b, &block, hash);
	ck_assert_str_eq(rig_submit(h, &block), "high-hash");
	ck_assert_str_eq(checked(h, &block), "{\"valid\":true}");
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 0);
	block_builder_make(&b, &stale, hash);
	b.value++;
	block_builder_make(&b, &block, hash);
	ck_assert_str_eq(checked(h, &block), "{\"valid\":false,\"reason\":\"bad-cb-amount\"}");
	block.size--;
	ck_assert_str_eq(checked(h, &block),
			 "{\"valid\":false,\"reason\":\"block-decode-failed\"}");
	rig_mine(h);
	ck_assert_str_eq(checked(h, &stale),
			 "{\"valid\":false,\"reason\":\"inconclusive-not-best-prevblk\"}");
	buf_free(&block);
	buf_free(&stale);
	block_builder_free(&b);
	fake_host_free(h);
}
END_TEST

/* The template's transactions in reverse with a stranger among them. */
START_TEST(transactions_by_wtxid)
{
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;
	struct buf ask = {0};
	struct fake_reply *reply;
	struct reader answer;
	char json[64];

	rig_builder(h, &b);
	for (size_t i = b.tx_count; i-- > 0;) {
		struct reader r;
		struct tx tx;

		reader_init(&r, block_builder_tx(&b, i), b.tx_sizes[i]);
		ck_assert(tx_parse(&r, &tx));
		tx_wtxid(&tx, buf_reserve(&ask, 32));
		ask.size += 32;
		if (i == 3) {
			memset(buf_reserve(&ask, 32), 7, 32);
			ask.size += 32;
		}
	}
	reply = fake_host_call(h, "get_transactions_by_wtxid", "{}", ask.data, ask.size);
	ck_assert_int_eq(reply->error, ADIT_OK);
	snprintf(json, sizeof(json), "{\"count\":%zu,\"found\":%zu}", b.tx_count + 1, b.tx_count);
	ck_assert_str_eq(reply->json, json);
	reader_init(&answer, reply->attachment, reply->attachment_size);
	for (size_t i = b.tx_count; i-- > 0;) {
		ck_assert_uint_eq(reader_u32(&answer), b.tx_sizes[i]);
		ck_assert_mem_eq(reader_bytes(&answer, b.tx_sizes[i]), block_builder_tx(&b, i),
				 b.tx_sizes[i]);
		if (i == 3)
			ck_assert_uint_eq(reader_u32(&answer), 0);
	}
	ck_assert(!answer.failed && reader_left(&answer) == 0);
	fake_reply_free(reply);
	buf_free(&ask);
	block_builder_free(&b);
	fake_host_free(h);
}
END_TEST

/* What the event of a new tip says is all that an empty block needs, also while difficulty moves.
 */
START_TEST(an_empty_block_from_the_event)
{
	struct adit_host *h = rig_with("embedded_block_interval", "1000", NULL);

	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	for (int i = 0; i < 8; i++) {
		struct json_object *event, *empty;
		struct block_builder b;

		fake_host_forget_events(h);
		rig_mine(h);
		event = json_tokener_parse(fake_host_event(h, "BlockTemplateUpdated", 0));
		ck_assert(json_object_object_get_ex(event, "empty", &empty));
		ck_assert_int_gt(json_object_get_int64(json_object_object_get(event, "height")), i);
		block_builder_init(&b, json_object_to_json_string(empty), NULL, 0);
		ck_assert_uint_eq(b.tx_count, 0);
		ck_assert_uint_eq(b.value, 5000000000);
		ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
		json_object_put(event);
	}
	fake_host_free(h);
}
END_TEST

START_TEST(the_genesis_block_can_be_fetched)
{
	struct adit_host *h = rig_start(NULL);
	struct fake_reply *reply =
	    fake_host_call(h, "get_block_by_height", "{\"height\":0}", NULL, 0);

	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_uint_eq(reply->attachment_size, 285);
	fake_reply_free(reply);
	reply = fake_host_call(h, "get_block_by_height", "{\"height\":1}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_E_NOT_FOUND);
	fake_reply_free(reply);
	fake_host_free(h);
}
END_TEST

START_TEST(bad_requests_are_refused)
{
	static const char *const requests[][2] = {
	    {"get_block", "{}"},
	    {"get_block", "{\"hash\":7}"},
	    {"get_block", "{\"hash\":\"00\"}"},
	    {"get_block", "nonsense"},
	    {"get_block", ""},
	    {"get_block", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["},
	    {"get_block_by_height", "{\"height\":-1}"},
	    {"get_block_by_height", "{\"height\":1.5}"},
	    {"get_block_by_height", "{\"height\":99999999999999999999}"},
	    {"submit_block", "{}"},
	    {"check_block", "{}"},
	    {"get_transactions_by_wtxid", "{}"},
	};
	struct adit_host *h = rig_start(NULL);

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct fake_reply *reply =
		    fake_host_call(h, requests[i][0], requests[i][1], NULL, 0);

		ck_assert_msg(reply->error == ADIT_E_INVALID_ARGUMENT, "%s %s: %d", requests[i][0],
			      requests[i][1], reply->error);
		fake_reply_free(reply);
	}
	fake_host_free(h);
}
END_TEST

/* --- refusals -----------------------------------------------------------------------------------
 */

static void no_work(struct block_builder *b)
{
	b->too_little_work = true;
}

static void wrong_root(struct block_builder *b)
{
	b->damage_root = true;
}

/* Coinbase, first and second transaction, and the second once more: the same merkle root as
 * without. */
static void repeated_tx(struct block_builder *b)
{
	while (b->tx_count > 2)
		block_builder_drop_tx(b, 2);
	block_builder_add_tx(b, block_builder_tx(b, 1), b->tx_sizes[1]);
}

static void payout_script(struct block_builder *b, size_t size, uint8_t opcode)
{
	buf_clear(&b->payout);
	for (size_t i = 0; i < size; i++)
		buf_append_u8(&b->payout, opcode);
}

static void too_long(struct block_builder *b)
{
	payout_script(b, 1000100, 0x51);
}

/* Less than a quarter of the weight without witnesses, more than all of it with them. */
static void too_heavy(struct block_builder *b)
{
	size_t stripped = 80 + 1;
	struct reader r;

	reader_init(&r, b->txs.data, b->txs.size);
	for (size_t i = 0; i < b->tx_count; i++) {
		struct tx tx;

		ck_assert(tx_parse(&r, &tx));
		stripped += tx.stripped_size;
	}
	payout_script(b, 1000000 - stripped - 150, 0x51);
}

static void no_coinbase(struct block_builder *b)
{
	b->leave_out_coinbase = true;
}

static void two_coinbases(struct block_builder *b)
{
	b->second_coinbase = true;
	b->no_commitment = true;
}

static void long_script(struct block_builder *b)
{
	b->script_padding = 100;
}

/* The height alone, in one byte. */
static void short_script(struct block_builder *b)
{
	b->script_padding = 0;
}

static void no_outputs(struct block_builder *b)
{
	b->no_outputs = true;
}

static void more_than_all_money(struct block_builder *b)
{
	b->value = UINT64_C(2100000000000001);
}

static void all_money_twice(struct block_builder *b)
{
	b->value = UINT64_C(2100000000000000);
	b->reserved_size = 32;
}

static void more_money_in_sum(struct block_builder *b)
{
	b->value = UINT64_C(2100000000000000);
	b->commitment_value = 1;
}

static void signature_operations(struct block_builder *b)
{
	payout_script(b, 20001, 0xac);
}

/* Legal when counted alone, too many together with the other transactions' (P2PKH outputs). */
static void some_signature_operations(struct block_builder *b)
{
	payout_script(b, 19995, 0xac);
}

static void unknown_parent(struct block_builder *b)
{
	b->prev_hash[0] ^= 1;
}

static void other_bits(struct block_builder *b)
{
	b->nbits = 0x207ffffe;
}

static void too_early(struct block_builder *b)
{
	b->time = b->mintime - 1;
}

static void too_late(struct block_builder *b)
{
	b->time = (uint32_t)time(NULL) + 7200 + 60;
}

static void old_version(struct block_builder *b)
{
	b->version = 3;
}

/* Versions are signed. */
static void negative_version(struct block_builder *b)
{
	b->version = 0xffffffff;
}

/* Height and median time have to be above it (BIP113). */
static void locked(struct block_builder *b)
{
	b->lock_time = b->height;
	b->sequence = 0;
}

static void locked_by_time(struct block_builder *b)
{
	b->lock_time = b->mintime - 1;
	b->sequence = 0;
}

static void wrong_height(struct block_builder *b)
{
	b->height++;
}

static void short_reserved_value(struct block_builder *b)
{
	b->reserved_size = 31;
}

static void no_reserved_value(struct block_builder *b)
{
	b->no_coinbase_witness = true;
}

static void wrong_commitment(struct block_builder *b)
{
	b->damage_commitment = true;
}

static void witness_without_commitment(struct block_builder *b)
{
	b->no_commitment = true;
}

/* A byte of a signature. */
static void unknown_tx(struct block_builder *b)
{
	block_builder_tx(b, 0)[60] ^= 1;
}

/* The first templates hold the first family; its fourth member spends the third's output. */
static void missing_parent(struct block_builder *b)
{
	block_builder_drop_tx(b, 2);
}

static void tx_far_ahead(struct block_builder *b)
{
	struct traffic_tx tx;

	traffic_make(80000, &tx);
	block_builder_add_tx(b, tx.data, tx.size);
}

static void confirmed_tx(struct block_builder *b)
{
	struct traffic_tx tx;

	traffic_make(0, &tx);
	block_builder_add_tx(b, tx.data, tx.size);
}

static void too_much_money(struct block_builder *b)
{
	b->value++;
}

/* FIRST: whether it applies to the first block or, where a block before is needed, to the second.
 */
static const struct refusal {
	const char *reason;
	void (*damage)(struct block_builder *b);
	bool first;
} refusals[] = {
    {"high-hash", no_work, true},
    {"bad-txnmrklroot", wrong_root, true},
    {"bad-txns-duplicate", repeated_tx, true},
    {"bad-blk-length", too_long, true},
    {"bad-blk-weight", too_heavy, true},
    {"bad-cb-missing", no_coinbase, true},
    {"bad-cb-multiple", two_coinbases, true},
    {"bad-cb-length", long_script, true},
    {"bad-cb-length", short_script, true},
    {"bad-txns-vout-empty", no_outputs, true},
    {"bad-txns-vout-toolarge", more_than_all_money, true},
    {"bad-cb-amount", all_money_twice, true},
    {"bad-txns-txouttotal-toolarge", more_money_in_sum, true},
    {"bad-blk-sigops", signature_operations, true},
    {"bad-blk-sigops", some_signature_operations, true},
    {"prev-blk-not-found", unknown_parent, true},
    {"bad-diffbits", other_bits, true},
    {"time-too-old", too_early, true},
    {"time-too-new", too_late, true},
    {"bad-version(0x00000003)", old_version, true},
    {"bad-version(0xffffffff)", negative_version, true},
    {"bad-txns-nonfinal", locked, true},
    {"bad-txns-nonfinal", locked_by_time, true},
    {"bad-cb-height", wrong_height, true},
    {"bad-witness-nonce-size", short_reserved_value, true},
    {"bad-witness-nonce-size", no_reserved_value, true},
    {"bad-witness-merkle-match", wrong_commitment, true},
    {"unexpected-witness", witness_without_commitment, true},
    {"bad-txns-inputs-missingorspent", unknown_tx, true},
    {"bad-txns-inputs-missingorspent", missing_parent, true},
    {"bad-txns-inputs-missingorspent", tx_far_ahead, true},
    {"bad-txns-inputs-missingorspent", confirmed_tx, false},
    {"bad-cb-amount", too_much_money, true},
};

START_TEST(a_wrong_block_is_refused)
{
	const struct refusal *refusal = &refusals[_i];
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;
	int64_t height = refusal->first ? 0 : 1;

	if (!refusal->first)
		rig_mine(h);
	rig_builder(h, &b);
	refusal->damage(&b);
	fake_host_forget_events(h);
	ck_assert_str_eq(rig_submit_builder(h, &b), refusal->reason);
	ck_assert_uint_eq(fake_host_published(h, NULL), 0);
	ck_assert_int_eq(rig_number(h, "get_status", "height"), height);
	ck_assert_int_eq(rig_number(h, "get_status", "blocks_rejected"), 1);
	/* And the template is as good as before. */
	rig_mine(h);
	fake_host_free(h);
}
END_TEST

START_TEST(lock_times_that_have_passed)
{
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;

	rig_mine(h);
	rig_builder(h, &b);
	b.lock_time = b.height - 1;
	b.sequence = 0;
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	rig_builder(h, &b);
	b.lock_time = b.mintime - 2; /* before the median time */
	b.sequence = 0;
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	rig_builder(h, &b);
	b.lock_time = b.height; /* a final sequence switches it off */
	b.sequence = UINT32_MAX;
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	fake_host_free(h);
}
END_TEST

START_TEST(bytes_that_are_no_block)
{
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;
	struct buf block = {0};
	uint8_t hash[32];

	rig_builder(h, &b);
	block_builder_make(&b, &block, hash);
	buf_append_u8(&block, 0);
	ck_assert_str_eq(rig_submit(h, &block), "block-decode-failed");
	block.size--;
	for (size_t size = block.size - 1; size > 80; size -= 7) {
		struct buf cut = {.data = block.data, .size = size};

		ck_assert_str_eq(rig_submit(h, &cut), "block-decode-failed");
	}
	block.data[80] = 0;
	block.size = 81;
	ck_assert_str_eq(rig_submit(h, &block), "bad-blk-length");
	block.size = 80;
	ck_assert_str_eq(rig_submit(h, &block), "error: invalid-argument");
	buf_free(&block);
	block_builder_free(&b);
	fake_host_free(h);
}
END_TEST

/* A miner need not take everything, and what it leaves out is in the next template. */
START_TEST(transactions_left_out_come_again)
{
	struct adit_host *h = rig_start(NULL);
	struct block_builder b;
	size_t before;

	rig_builder(h, &b);
	before = b.tx_count;
	while (b.tx_count > 1)
		block_builder_drop_tx(&b, b.tx_count - 1);
	b.value = 5000000000;
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	rig_builder(h, &b);
	ck_assert_uint_eq(b.tx_count, before - 1);
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	fake_host_free(h);
}
END_TEST

/* A host whose mempool holds COUNT transactions, no more and no less. */
static struct adit_host *host_with_txs(int count)
{
	char text[16];
	char json[32];
	struct adit_host *h;
	struct fake_reply *reply;

	snprintf(text, sizeof(text), "%d", count);
	snprintf(json, sizeof(json), "{\"count\":%d}", count);
	h = rig_with("embedded_mempool", text, NULL);
	fake_host_set_config(h, "embedded_tx_interval", "0");
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	reply = fake_host_call(h, "add_transactions", json, NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	fake_reply_free(reply);
	return h;
}

/* Transaction AT of B; NUMBERS are those of the ones before it, and gets its own. Returns its fee,
 * in DEPENDS the positions of its parents in the block. */
static uint64_t expected_tx(struct block_builder *b, size_t at, uint64_t *numbers, char *depends,
			    size_t capacity)
{
	struct traffic_tx t;
	struct reader r;
	struct tx tx;
	size_t used = (size_t)snprintf(depends, capacity, "[");

	reader_init(&r, block_builder_tx(b, at), b->tx_sizes[at]);
	ck_assert(tx_parse(&r, &tx) && traffic_identify(&tx, &t));
	numbers[at] = t.number;
	for (uint32_t i = 0; i < t.parents_count; i++) {
		for (size_t j = 0; j < at; j++) {
			if (numbers[j] == t.parents[i])
				used += (size_t)snprintf(depends + used, capacity - used, "%s%zu",
							 used > 1 ? "," : "", j + 1);
		}
	}
	snprintf(depends + used, capacity - used, "]");
	return t.fee;
}

/* What a template says of its transactions is what they are. */
START_TEST(templates_tell_fees_and_parents)
{
	struct adit_host *h = host_with_txs(24);
	struct json_object *o = rig_ask(h, "get_block_template");
	struct json_object *txs = json_object_object_get(o, "transactions");
	struct block_builder b;
	uint64_t numbers[24];
	uint64_t fees = 0;
	int children = 0;

	rig_builder(h, &b);
	ck_assert_uint_eq(b.tx_count, 24);
	ck_assert_uint_eq(json_object_array_length(txs), 24);
	for (size_t i = 0; i < 24; i++) {
		struct json_object *tx = json_object_array_get_idx(txs, i);
		char depends[64];
		uint64_t fee = expected_tx(&b, i, numbers, depends, sizeof(depends));

		ck_assert_uint_gt(fee, 0);
		ck_assert_uint_eq(json_object_get_uint64(json_object_object_get(tx, "fee")), fee);
		ck_assert_str_eq(json_object_to_json_string_ext(
				     json_object_object_get(tx, "depends"), JSON_C_TO_STRING_PLAIN),
				 depends);
		fees += fee;
		children += strcmp(depends, "[]") != 0;
	}
	ck_assert_int_gt(children, 6);
	ck_assert_uint_eq(b.fees, fees);
	ck_assert_uint_eq(b.value, UINT64_C(5000000000) + fees);
	json_object_put(o);
	block_builder_free(&b);
	fake_host_free(h);
}
END_TEST

/* More than fits into a block: what has no room takes its children along. */
START_TEST(a_full_template_is_a_block)
{
	struct adit_host *h = host_with_txs(5000);
	struct block_builder b;

	for (int i = 0; i < 2; i++) {
		rig_builder(h, &b);
		ck_assert_uint_gt(b.tx_count, i == 0 ? 2000 : 100);
		ck_assert_uint_lt(b.tx_count, 5000);
		ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	}
	fake_host_free(h);
}
END_TEST

START_TEST(templates_grow)
{
	struct adit_host *h = rig_with("embedded_tx_interval", "5", NULL);
	struct block_builder before;
	struct block_builder same;
	struct block_builder after;

	fake_host_set_config(h, "template_interval", "200");
	fake_host_set_config(h, "embedded_mempool", "40");
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	rig_builder(h, &before);
	rig_builder(h, &same);
	ck_assert_uint_eq(before.template_id, same.template_id);
	fake_host_forget_events(h);
	fake_host_run(h, 600);
	rig_builder(h, &after);
	ck_assert_uint_gt(after.template_id, before.template_id);
	ck_assert_uint_gt(after.fees, before.fees);
	ck_assert_uint_eq(after.tx_count, 40);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(h, "BlockTemplateUpdated", 0), "\"new_tip\":false"));
	ck_assert_str_eq(rig_submit_builder(h, &after), "accepted");
	block_builder_free(&before);
	block_builder_free(&same);
	fake_host_free(h);
}
END_TEST

START_TEST(nothing_is_built_for_no_one)
{
	struct adit_host *h = rig_with(NULL, NULL, NULL);

	fake_host_want_events(h, false);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	rig_mine(h);
	ck_assert_uint_eq(fake_host_published(h, NULL), 0);
	fake_host_free(h);
}
END_TEST

/* --- persistence --------------------------------------------------------------------------------
 */

static void mine_and_end(int blocks)
{
	struct adit_host *h = rig_start(rig_dir);

	for (int i = 0; i < blocks; i++)
		rig_mine(h);
	fake_host_free(h);
}

START_TEST(the_chain_survives_a_restart)
{
	struct adit_host *h;
	struct block_builder old;

	rig_make_dir();
	mine_and_end(3);
	h = rig_start(rig_dir);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 3);
	rig_builder(h, &old);
	fake_host_free(h);
	/* Work on a template from before the restart is not lost. */
	h = rig_start(rig_dir);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 3);
	ck_assert_str_eq(rig_submit_builder(h, &old), "accepted");
	rig_mine(h);
	fake_host_free(h);
	h = rig_start(rig_dir);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 5);
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

/* No file of this process may grow past SIZE, as on a disk with so much left. */
static void leave_room(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A block that can't be kept is not part of the chain, nor is a piece of it part of the file; the
 * answer is none on the block, which is taken when there is room again. */
START_TEST(a_full_disk)
{
	struct fake_reply *reply;
	struct block_builder b;
	struct buf block = {0};
	struct adit_host *h;
	uint8_t hash[32];
	char path[64];
	off_t size;

	rig_make_dir();
	rig_file(path, sizeof(path));
	mine_and_end(2);
	size = rig_file_size(path);
	h = rig_start(rig_dir);
	rig_builder(h, &b);
	block_builder_make(&b, &block, hash);
	leave_room((rlim_t)size + 100);
	reply = fake_host_call(h, "submit_block", "{}", block.data, block.size);
	ck_assert_int_eq(reply->error, ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(reply->message, "blocks.dat"));
	ck_assert_ptr_nonnull(strstr(reply->message, "File too large"));
	fake_reply_free(reply);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 2);
	ck_assert_int_eq(rig_file_size(path), size);
	leave_room(RLIM_INFINITY);
	ck_assert_str_eq(rig_submit(h, &block), "accepted");
	rig_mine(h);
	fake_host_free(h);
	h = rig_start(rig_dir);
	ck_assert(!fake_host_logged(h, "cut off"));
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 4);
	fake_host_free(h);
	block_builder_free(&b);
	buf_free(&block);
	rig_remove_dir();
}
END_TEST

START_TEST(another_difficulty_keeps_the_chain)
{
	struct adit_host *h;

	rig_make_dir();
	mine_and_end(2);
	h = rig_with("embedded_nbits", "201fffff", rig_dir);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	rig_mine(h);
	fake_host_free(h);
	h = rig_start(rig_dir);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 3);
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

/* Cut anywhere within the last record, or followed by a piece of the next. */
START_TEST(a_torn_end_is_cut_off)
{
	static const off_t missing[] = {1, 50, -3, -30};
	struct adit_host *h;
	char path[64];
	off_t size;

	rig_make_dir();
	rig_file(path, sizeof(path));
	mine_and_end(3);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		int64_t expected = missing[i] > 0 ? 2 : 3;

		size = rig_file_size(path);
		ck_assert_int_eq(truncate(path, size - missing[i]), 0);
		h = rig_start(rig_dir);
		ck_assert(fake_host_logged(h, "cut off"));
		ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), expected);
		if (expected == 2)
			rig_mine(h);
		fake_host_free(h);
	}
	h = rig_start(rig_dir);
	ck_assert(!fake_host_logged(h, "cut off"));
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

static void flip_byte(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* A flipped bit in the last block is cut, one before it is not: that would throw good blocks away.
 */
START_TEST(damage_is_not_hidden)
{
	struct adit_host *h;
	char path[64];
	off_t before;

	rig_make_dir();
	rig_file(path, sizeof(path));
	mine_and_end(1);
	before = rig_file_size(path);
	mine_and_end(1);
	flip_byte(path, rig_file_size(path) - 20);
	h = rig_start(rig_dir);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 1);
	rig_mine(h);
	fake_host_free(h);
	flip_byte(path, before - 20);
	h = rig_with(NULL, NULL, rig_dir);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	fake_host_run(h, 100);
	ck_assert_ptr_nonnull(strstr(fake_host_status(h), "failing"));
	ck_assert_ptr_nonnull(strstr(fake_host_status(h), "damaged at byte 8"));
	fake_host_free(h);
	ck_assert_int_eq(truncate(path, 4), 0);
	mine_and_end(1);
	flip_byte(path, 0);
	h = rig_with(NULL, NULL, rig_dir);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(fake_host_error(h), "move it away"));
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

START_TEST(two_instances_do_not_share_a_chain)
{
	struct adit_host *a;
	struct adit_host *b;

	rig_make_dir();
	a = rig_start(rig_dir);
	b = rig_with(NULL, NULL, rig_dir);
	ck_assert_int_eq(fake_host_start(b, &adit_node_plugin), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(fake_host_error(b), "another process"));
	fake_host_free(b);
	fake_host_free(a);
	rig_remove_dir();
}
END_TEST

START_TEST(wrong_configuration_is_explained)
{
	struct adit_host *h = rig_with("embedded_nbits", "ff", NULL);

	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(h), "embedded_nbits: expected"));
	fake_host_free(h);
	h = rig_with(NULL, NULL, NULL);
	fake_host_set_network(h, "main");
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(h), "network"));
	fake_host_free(h);
	h = rig_with("backend", "other", NULL);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
	fake_host_free(h);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node, embedded");
	TCase *rules = tcase_create("rules");
	TCase *disk = tcase_create("disk");
	SRunner *runner;
	int failed;

	tcase_set_timeout(rules, 60);
	tcase_set_timeout(disk, 60);
	tcase_add_test(rules, genesis_is_bitcoins_regtest);
	tcase_add_test(rules, subsidy_halves);
	tcase_add_test(rules, traffic_is_what_it_says);
	tcase_add_test(rules, traffic_set_counts);
	tcase_add_test(rules, a_block_is_accepted);
	tcase_add_test(rules, a_block_from_elsewhere);
	tcase_add_test(rules, a_block_is_checked_before_it_is_mined);
	tcase_add_test(rules, transactions_by_wtxid);
	tcase_add_test(rules, an_empty_block_from_the_event);
	tcase_add_test(rules, the_genesis_block_can_be_fetched);
	tcase_add_test(rules, bad_requests_are_refused);
	tcase_add_loop_test(rules, a_wrong_block_is_refused, 0,
			    (int)(sizeof(refusals) / sizeof(refusals[0])));
	tcase_add_test(rules, lock_times_that_have_passed);
	tcase_add_test(rules, bytes_that_are_no_block);
	tcase_add_test(rules, transactions_left_out_come_again);
	tcase_add_test(rules, templates_grow);
	tcase_add_test(rules, templates_tell_fees_and_parents);
	tcase_add_test(rules, a_full_template_is_a_block);
	tcase_add_test(rules, nothing_is_built_for_no_one);
	tcase_add_test(disk, the_chain_survives_a_restart);
	tcase_add_test(disk, a_full_disk);
	tcase_add_test(disk, another_difficulty_keeps_the_chain);
	tcase_add_test(disk, a_torn_end_is_cut_off);
	tcase_add_test(disk, damage_is_not_hidden);
	tcase_add_test(disk, two_instances_do_not_share_a_chain);
	tcase_add_test(disk, wrong_configuration_is_explained);
	suite_add_tcase(suite, rules);
	suite_add_tcase(suite, disk);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
