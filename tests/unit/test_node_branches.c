/* SPDX-License-Identifier: MIT */
/* The embedded chain where it is not one line: branches, reorganisations, retargeting. */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/node/embedded.h"
#include "host/node/retarget.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"
#include "tests/unit/node_rig.h"

static struct embedded *embedded_of(struct adit_host *h)
{
	struct service *s = fake_host_instance(h);

	return s->backend_self;
}

static struct chain *chain_of(struct adit_host *h)
{
	return &embedded_of(h)->chain;
}

/* A block of nothing but a coinbase on PARENT, unlike all others. */
static void builder_on(struct adit_host *h, struct block_builder *b,
		       const struct chain_block *parent)
{
	static uint32_t serial;

	rig_builder(h, b);
	while (b->tx_count > 0)
		block_builder_drop_tx(b, b->tx_count - 1);
	memcpy(b->prev_hash, parent->hash, 32);
	b->height = parent->height + 1;
	b->value = 5000000000;
	b->nbits = chain_of(h)->nbits;
	buf_clear(&b->payout);
	buf_append_u8(&b->payout, 4); /* push of 4 bytes */
	buf_append_u32(&b->payout, serial++);
	/* Later than its ancestors' median, which is not above the latest of them. */
	for (const struct chain_block *at = parent; at != NULL; at = at->parent)
		if (b->time <= at->time)
			b->time = at->time + 1;
}

/* Submits it; *OUT receives the hash. */
static const char *submit_on(struct adit_host *h, const struct chain_block *parent,
			     uint8_t hash[32])
{
	struct block_builder b;
	struct buf block = {0};
	const char *text;

	builder_on(h, &b, parent);
	block_builder_make(&b, &block, hash);
	text = rig_submit(h, &block);
	buf_free(&block);
	block_builder_free(&b);
	return text;
}

static bool is_of_the_mempool(const char *type)
{
	return strcmp(type, "NewTransaction") == 0 ||
	       strncmp(type, "MempoolTransaction", strlen("MempoolTransaction")) == 0;
}

/* Beside those of the mempool. */
static void expect_events(struct adit_host *h, const char *const *types, size_t count)
{
	const char *type;
	size_t n = 0;

	for (size_t i = 0; (type = fake_host_event_type(h, i)) != NULL; i++) {
		if (is_of_the_mempool(type))
			continue;
		ck_assert_msg(n < count && strcmp(type, types[n]) == 0, "event %zu is %s, not %s",
			      n, type, n < count ? types[n] : "absent");
		n++;
	}
	ck_assert_uint_eq(n, count);
}

static struct fake_reply *reorganise(struct adit_host *h, unsigned depth)
{
	char json[32];

	snprintf(json, sizeof(json), "{\"depth\":%u}", depth);
	return fake_host_call(h, "reorganise", json, NULL, 0);
}

/* That it is done, and how many blocks came and went. */
static void must_reorganise(struct adit_host *h, unsigned depth)
{
	struct fake_reply *reply = reorganise(h, depth);
	char part[64];

	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	snprintf(part, sizeof(part), "\"disconnected\":%u,\"connected\":%u", depth, depth + 1);
	ck_assert_ptr_nonnull(strstr(reply->json, part));
	fake_reply_free(reply);
}

/* --- branches by submission ---------------------------------------------------------------------
 */

START_TEST(a_branch_with_more_work_wins)
{
	static const char *const expected[] = {
	    "BlockDisconnected", "BlockDisconnected",    "NewBlock",  "NewBlock", "NewBlock",
	    "ChainReorg",        "BlockTemplateUpdated", "BlockMined"};
	struct adit_host *h = rig_start(NULL);
	struct chain *c = chain_of(h);
	struct chain_block *genesis = chain_tip(c);
	uint8_t hash[32];
	int64_t waiting = rig_number(h, "status", "mempool_tx");

	rig_mine(h);
	rig_mine(h);
	fake_host_forget_events(h);
	ck_assert_str_eq(submit_on(h, genesis, hash), "inconclusive");
	ck_assert_str_eq(submit_on(h, chain_find(c, hash), hash), "inconclusive");
	ck_assert_uint_eq(chain_side_count(c), 2);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 2);
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), 0);
	ck_assert_uint_eq(fake_host_published(h, NULL), 0);
	ck_assert_str_eq(submit_on(h, chain_find(c, hash), hash), "accepted");
	expect_events(h, expected, sizeof(expected) / sizeof(expected[0]));
	ck_assert_ptr_nonnull(strstr(fake_host_event(h, "BlockDisconnected", 0), "\"height\":2"));
	ck_assert_ptr_nonnull(strstr(fake_host_event(h, "BlockDisconnected", 1), "\"height\":1"));
	for (size_t i = 0; i < 3; i++) {
		char height[16];

		snprintf(height, sizeof(height), "\"height\":%zu", i + 1);
		ck_assert_ptr_nonnull(strstr(fake_host_event(h, "NewBlock", i), height));
	}
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(h, "BlockTemplateUpdated", 0), "\"new_tip\":true"));
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 3);
	ck_assert_uint_eq(chain_side_count(c), 2);
	/* What was in the two blocks waits again, and can be mined again. */
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), waiting);
	rig_mine(h);
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), 0);
	fake_host_free(h);
}
END_TEST

START_TEST(known_blocks_are_known)
{
	struct adit_host *h = rig_start(NULL);
	struct chain *c = chain_of(h);
	struct block_builder b;
	struct buf block = {0};
	char request[96];
	char text[65];
	struct fake_reply *reply;
	uint8_t hash[32];

	rig_mine(h);
	builder_on(h, &b, c->blocks[0]);
	block_builder_make(&b, &block, hash);
	ck_assert_str_eq(rig_submit(h, &block), "inconclusive");
	ck_assert_str_eq(rig_submit(h, &block), "inconclusive");
	ck_assert_uint_eq(chain_side_count(c), 1);
	hex_encode_reversed(hash, 32, text);
	snprintf(request, sizeof(request), "{\"hash\":\"%s\"}", text);
	reply = fake_host_call(h, "get_block", request, NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_ptr_nonnull(strstr(reply->json, "\"height\":1,\"confirmations\":0"));
	ck_assert_mem_eq(reply->attachment, block.data, block.size);
	fake_reply_free(reply);
	reply = fake_host_call(h, "get_chain_tips", "{}", NULL, 0);
	ck_assert_ptr_nonnull(strstr(reply->json, "\"branch_length\":0,\"status\":\"active\"}"));
	ck_assert_ptr_nonnull(
	    strstr(reply->json, "\"branch_length\":1,\"status\":\"valid-fork\"}"));
	ck_assert_ptr_nonnull(strstr(reply->json, text));
	fake_reply_free(reply);
	must_reorganise(h, 1);
	ck_assert_str_eq(rig_submit(h, &block), "inconclusive");
	buf_free(&block);
	block_builder_free(&b);
	fake_host_free(h);
}
END_TEST

static void no_work(struct block_builder *b)
{
	b->too_little_work = true;
}

static void greedy(struct block_builder *b)
{
	b->value++;
}

static void other_bits(struct block_builder *b)
{
	b->nbits = 0x207ffffe;
}

static void other_height(struct block_builder *b)
{
	b->height++;
}

static void too_early(struct block_builder *b)
{
	b->time = 1296688602; /* the genesis block's */
}

/* It is in the active branch, but not in this one: that is right. Twice is not. */
static void twice(struct block_builder *b)
{
	struct traffic_tx t;

	traffic_make(0, &t);
	block_builder_add_tx(b, t.data, t.size);
	block_builder_add_tx(b, t.data, t.size);
	traffic_make(1, &t);
	block_builder_add_tx(b, t.data, t.size);
}

START_TEST(branches_are_verified_in_full)
{
	static const struct {
		const char *reason;
		void (*damage)(struct block_builder *b);
	} cases[] = {
	    {"high-hash", no_work},       {"bad-cb-amount", greedy},
	    {"bad-diffbits", other_bits}, {"bad-cb-height", other_height},
	    {"time-too-old", too_early},  {"bad-txns-inputs-missingorspent", twice},
	};
	struct adit_host *h = rig_start(NULL);
	struct chain *c = chain_of(h);
	struct chain_block *tip;
	uint64_t next;

	rig_mine(h);
	rig_mine(h);
	tip = chain_tip(c);
	next = c->confirmed.next;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct block_builder b;

		builder_on(h, &b, c->blocks[0]);
		cases[i].damage(&b);
		ck_assert_str_eq(rig_submit_builder(h, &b), cases[i].reason);
		ck_assert_ptr_eq(chain_tip(c), tip);
		ck_assert_uint_eq(chain_side_count(c), 0);
		ck_assert_uint_eq(c->confirmed.next, next);
		ck_assert_uint_eq(c->confirmed.floor, next);
	}
	fake_host_free(h);
}
END_TEST

/* The same transaction on two branches. */
START_TEST(a_branch_has_transactions_of_its_own)
{
	struct adit_host *h = rig_start(NULL);
	struct chain *c = chain_of(h);
	struct block_builder first;
	struct block_builder second;
	uint8_t hash[32];
	struct buf block = {0};

	rig_builder(h, &first);
	rig_builder(h, &second);
	second.time++;
	ck_assert_str_eq(rig_submit_builder(h, &first), "accepted");
	block_builder_make(&second, &block, hash);
	ck_assert_str_eq(rig_submit(h, &block), "inconclusive");
	ck_assert_str_eq(submit_on(h, chain_find(c, hash), hash), "accepted");
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), 0);
	ck_assert_uint_eq(c->confirmed.floor, c->confirmed.next);
	buf_free(&block);
	block_builder_free(&second);
	fake_host_free(h);
}
END_TEST

START_TEST(what_is_settled_stays)
{
	struct adit_host *h = rig_start(NULL);
	struct chain *c = chain_of(h);
	uint8_t hash[32];
	uint8_t side[32];

	rig_mine(h);
	ck_assert_str_eq(submit_on(h, c->blocks[0], side), "inconclusive");
	for (int i = 1; i < CHAIN_MAX_REORG; i++)
		rig_mine(h);
	ck_assert_uint_eq(c->settled, 0);
	ck_assert_ptr_nonnull(chain_find(c, side));
	rig_mine(h);
	ck_assert_uint_eq(c->settled, 1);
	ck_assert_ptr_null(chain_find(c, side));
	ck_assert_uint_eq(chain_side_count(c), 0);
	ck_assert_uint_eq(c->recent_count, CHAIN_MAX_REORG);
	ck_assert_str_eq(submit_on(h, c->blocks[0], hash), "inconclusive-not-best-prevblk");
	ck_assert_str_eq(submit_on(h, c->blocks[1], hash), "inconclusive");
	must_reorganise(h, CHAIN_MAX_REORG);
	fake_host_free(h);
}
END_TEST

START_TEST(branches_are_bounded)
{
	struct adit_host *h = rig_start(NULL);
	struct chain *c = chain_of(h);
	uint8_t hash[32];

	rig_mine(h);
	for (int i = 0; i < CHAIN_MAX_SIDE; i++)
		ck_assert_str_eq(submit_on(h, c->blocks[0], hash), "inconclusive");
	ck_assert_uint_eq(chain_side_count(c), CHAIN_MAX_SIDE);
	ck_assert_str_eq(submit_on(h, c->blocks[0], hash), "inconclusive-not-best-prevblk");
	rig_mine(h);
	fake_host_free(h);
}
END_TEST

/* --- on request ---------------------------------------------------------------------------------
 */

START_TEST(a_reorganisation_on_request)
{
	static const char *const expected[] = {
	    "BlockDisconnected", "BlockDisconnected",   "NewBlock", "NewBlock", "NewBlock",
	    "ChainReorg",        "BlockTemplateUpdated"};
	struct adit_host *h = rig_start(NULL);
	int64_t waiting;

	for (int i = 0; i < 3; i++)
		rig_mine(h);
	waiting = rig_number(h, "status", "mempool_tx");
	fake_host_forget_events(h);
	must_reorganise(h, 2);
	expect_events(h, expected, sizeof(expected) / sizeof(expected[0]));
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 4);
	ck_assert_int_eq(rig_number(h, "status", "blocks_accepted"), 3);
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), waiting);
	rig_mine(h);
	must_reorganise(h, 5);
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), 12);
	fake_host_free(h);
}
END_TEST

static void keep_error(void *user, const struct adit_reply *reply)
{
	*(int32_t *)user = reply->error;
}

static bool is_answered(void *user)
{
	return *(int32_t *)user != 1;
}

START_TEST(requests_that_are_refused)
{
	static const char *const wrong[] = {
	    "{}", "{\"depth\":0}", "{\"depth\":-1}", "{\"depth\":\"2\"}", "{\"depth\":3}", "x"};
	struct adit_host *h = rig_start(NULL);
	struct adit_host *role = fake_host_new("pool", NULL, NULL, h);
	struct fake_reply *reply;
	int32_t error = 1;
	uint64_t id;

	rig_mine(h);
	rig_mine(h);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		reply = fake_host_call(h, "reorganise", wrong[i], NULL, 0);
		ck_assert_int_eq(reply->error, ADIT_E_INVALID_ARGUMENT);
		fake_reply_free(reply);
	}
	ck_assert_int_eq(fake_host_api()->call(role, "node", "reorganise", "{\"depth\":1}", 11,
					       NULL, 0, 5000, keep_error, &error, NULL, &id),
			 ADIT_OK);
	ck_assert(fake_host_wait(h, is_answered, &error, 5000));
	ck_assert_int_eq(error, ADIT_E_PERMISSION_DENIED);
	ck_assert_int_eq(rig_number(h, "get_chain_tip", "height"), 2);
	fake_host_free(role);
	fake_host_free(h);
}
END_TEST

/* Somebody who submits BLOCK, once. */
struct observer {
	struct adit_host *role;
	struct adit_host *node;
	struct buf block;
	bool submitted;
	unsigned ticks; /* while the branch is mined */
	int32_t error;
};

static void on_tick(void *user)
{
	struct observer *o = user;
	uint64_t id;

	if (fake_host_published(o->node, "ChainReorg") == 0)
		o->ticks++;
	if (o->submitted)
		return;
	o->submitted = true;
	ck_assert_int_eq(fake_host_api()->call(o->role, "node", "submit_block", "{}", 2,
					       o->block.data, o->block.size, 60000, keep_error,
					       &o->error, NULL, &id),
			 ADIT_OK);
}

static bool is_over(void *user)
{
	const struct observer *o = user;

	return o->error != 1 && fake_host_published(o->node, "ChainReorg") == 1;
}

/* A reorganisation while the tip gets a successor. True when that came in the middle of it, so that
 * two blocks had to go instead of one, and the loop went on turning. */
static bool reorganise_against(struct observer *o)
{
	struct block_builder b;
	uint8_t hash[32];

	rig_builder(o->node, &b);
	block_builder_make(&b, &o->block, hash);
	block_builder_free(&b);
	o->submitted = false;
	o->ticks = 0;
	o->error = 1;
	fake_host_forget_events(o->node);
	fake_reply_free(reorganise(o->node, 1));
	ck_assert(fake_host_wait(o->node, is_over, o, 60000));
	ck_assert_int_eq(o->error, ADIT_OK);
	return fake_host_published(o->node, "BlockDisconnected") == 2 && o->ticks > 3;
}

/* Mining a branch leaves the loop to others, and what they add to the chain is overtaken. A branch
 * can be ready before they come: then once more. */
START_TEST(a_reorganisation_does_not_block)
{
	struct adit_host *h = rig_with("embedded_nbits", "1e3fffff", NULL);
	struct observer o = {.role = fake_host_new("pool", NULL, NULL, h), .node = h};
	bool overtaken = false;

	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	rig_mine(h);
	ck_assert_int_eq(fake_host_api()->timer_add(o.role, 1, 1, on_tick, &o, NULL, NULL),
			 ADIT_OK);
	for (int i = 0; i < 10 && !overtaken; i++)
		overtaken = reorganise_against(&o);
	ck_assert(overtaken);
	buf_free(&o.block);
	fake_host_free(o.role);
	fake_host_free(h);
}
END_TEST

/* --- what is on disk ----------------------------------------------------------------------------
 */

static void hash_text(const struct chain_block *block, char text[65])
{
	hex_encode_reversed(block->hash, 32, text);
}

START_TEST(a_reorganised_chain_survives)
{
	struct adit_host *h;
	char before[65];
	char after[65];

	rig_make_dir();
	h = rig_start(rig_dir);
	for (int i = 0; i < 3; i++)
		rig_mine(h);
	must_reorganise(h, 2);
	hash_text(chain_tip(chain_of(h)), before);
	fake_host_free(h);
	h = rig_start(rig_dir);
	hash_text(chain_tip(chain_of(h)), after);
	ck_assert_str_eq(before, after);
	ck_assert_uint_eq(chain_height(chain_of(h)), 4);
	ck_assert_uint_eq(chain_side_count(chain_of(h)), 2);
	must_reorganise(h, 4);
	rig_mine(h);
	fake_host_free(h);
	h = rig_start(rig_dir);
	ck_assert_uint_eq(chain_height(chain_of(h)), 6);
	ck_assert_uint_eq(chain_side_count(chain_of(h)), 6);
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

/* Three blocks, then a branch of three from the first: whole blocks in the file, and what is the
 * tip with so many. Cut within each record of the branch. */
START_TEST(a_torn_end_within_a_reorganisation)
{
	uint8_t tips[8][32];
	off_t ends[8];
	struct adit_host *h;
	char path[64];

	rig_make_dir();
	rig_file(path, sizeof(path));
	h = rig_start(rig_dir);
	for (int i = 0; i < 3; i++)
		rig_mine(h);
	memcpy(tips[3], chain_tip(chain_of(h))->hash, 32);
	ends[3] = rig_file_size(path);
	must_reorganise(h, 2);
	memcpy(tips[6], chain_tip(chain_of(h))->hash, 32);
	memcpy(tips[4], tips[3], 32);
	memcpy(tips[5], tips[3], 32);
	ends[6] = rig_file_size(path);
	ends[5] = ends[6] - (off_t)chain_tip(chain_of(h))->size - 8;
	ends[4] = ends[5] - (off_t)chain_tip(chain_of(h))->parent->size - 8;
	fake_host_free(h);
	for (size_t whole = 5; whole >= 3; whole--) {
		off_t middle = (ends[whole] + ends[whole + 1]) / 2;

		ck_assert_int_eq(truncate(path, middle), 0);
		h = rig_start(rig_dir);
		ck_assert(fake_host_logged(h, "cut off"));
		ck_assert_mem_eq(chain_tip(chain_of(h))->hash, tips[whole], 32);
		ck_assert_uint_eq(chain_side_count(chain_of(h)), whole - 3);
		fake_host_free(h);
		ck_assert_int_eq(rig_file_size(path), ends[whole]);
	}
	h = rig_start(rig_dir);
	must_reorganise(h, 3);
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

/* --- against a recomputation --------------------------------------------------------------------
 */

/* A chain made from nothing but the active branch's blocks, in their order. */
static void recompute(struct adit_host *h, struct chain *out)
{
	const struct chain *c = chain_of(h);

	ck_assert(chain_init(out, c->nbits, c->interval_ms));
	for (uint32_t height = 1; height <= chain_height(c); height++) {
		struct acceptance a;
		struct error e = {0};
		struct fake_reply *reply;
		char request[32];

		snprintf(request, sizeof(request), "{\"height\":%u}", height);
		reply = fake_host_call(h, "get_block_by_height", request, NULL, 0);
		ck_assert_int_eq(reply->error, ADIT_OK);
		ck_assert_int_eq(
		    block_accept_stored(out, 0, reply->attachment, reply->attachment_size, &a, &e),
		    ADIT_OK);
		ck_assert_msg(a.reason == NULL, "block %u: %s", height, a.reason);
		fake_reply_free(reply);
	}
}

/* Tip, confirmed transactions, and that each other one up to the mempool's end waits, once. */
static void must_equal_recomputation(struct adit_host *h)
{
	const struct embedded *b = embedded_of(h);
	const struct chain *c = &b->chain;
	static struct chain again;

	recompute(h, &again);
	ck_assert_mem_eq(chain_tip(c)->hash, chain_tip(&again)->hash, 32);
	ck_assert_uint_eq(c->confirmed.floor, again.confirmed.floor);
	ck_assert_uint_eq(c->confirmed.next, again.confirmed.next);
	for (uint64_t n = 0; n < again.confirmed.next; n++)
		ck_assert_int_eq(traffic_set_has(&c->confirmed, n),
				 traffic_set_has(&again.confirmed, n));
	ck_assert_uint_eq(chain_next_nbits(c), chain_next_nbits(&again));
	ck_assert_uint_eq(chain_median_time(c), chain_median_time(&again));
	for (size_t i = 0; i < b->mempool.count; i++) {
		ck_assert(!traffic_set_has(&c->confirmed, b->mempool.txs[i]->number));
		if (i > 0)
			ck_assert_uint_gt(b->mempool.txs[i]->number, b->mempool.txs[i - 1]->number);
	}
	chain_free(&again);
}

/* No block that is known has more work than the tip; the chain says so of itself by its rule. */
static void must_have_most_work(const struct chain *c)
{
	for (size_t i = 0; i < c->recent_count; i++) {
		const struct chain_block *fork = chain_fork(c, c->recent[i]);

		ck_assert_uint_le(chain_work(fork, c->recent[i]), chain_work(fork, chain_tip(c)));
	}
}

static void extend(struct adit_host *h, unsigned keep)
{
	struct block_builder b;

	rig_builder(h, &b);
	/* With only the first transactions, and no fees: a miner may. */
	while (b.tx_count > keep)
		block_builder_drop_tx(&b, b.tx_count - 1);
	b.value = 5000000000;
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
}

static void add_transactions(struct adit_host *h, unsigned count)
{
	char json[32];
	struct fake_reply *reply;

	snprintf(json, sizeof(json), "{\"count\":%u}", count);
	reply = fake_host_call(h, "add_transactions", json, NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	fake_reply_free(reply);
}

/* A block on any that is not settled. */
static void branch_off(struct adit_host *h, unsigned number)
{
	struct chain *c = chain_of(h);
	const char *answer;
	uint8_t hash[32];

	if (c->recent_count == 0)
		return;
	answer = submit_on(h, c->recent[number % c->recent_count], hash);
	ck_assert(strcmp(answer, "accepted") == 0 || strcmp(answer, "inconclusive") == 0);
}

static struct adit_host *restart(struct adit_host *h)
{
	struct chain_block tip = *chain_tip(chain_of(h));
	size_t side = chain_side_count(chain_of(h));

	fake_host_free(h);
	h = rig_start(rig_dir);
	ck_assert_mem_eq(chain_tip(chain_of(h))->hash, tip.hash, 32);
	ck_assert_uint_eq(chain_side_count(chain_of(h)), side);
	return h;
}

START_TEST(any_sequence_leads_to_what_a_recomputation_says)
{
	struct adit_host *h;
	unsigned seed = 7u + (unsigned)_i;

	rig_make_dir();
	h = rig_start(rig_dir);
	for (int i = 0; i < 120; i++) {
		unsigned choice = (unsigned)rand_r(&seed);
		uint32_t most = chain_height(chain_of(h)) - chain_of(h)->settled;

		switch (choice / 64 % 8) {
		case 0:
			h = restart(h);
			break;
		case 1:
			if (most > 0)
				must_reorganise(h, 1 + choice / 512 % (most < 5 ? most : 5));
			break;
		case 2:
		case 3:
			branch_off(h, choice / 512);
			break;
		case 4:
			add_transactions(h, 1 + choice / 512 % 9);
			break;
		default:
			extend(h, choice / 512 % 16);
			break;
		}
		must_have_most_work(chain_of(h));
		if (i % 10 == 9)
			must_equal_recomputation(h);
	}
	h = restart(h);
	must_equal_recomputation(h);
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

/* --- synthetic traffic --------------------------------------------------------------------------
 */

START_TEST(transactions_on_request)
{
	struct adit_host *h = rig_with("embedded_mempool", "20", NULL);
	struct block_builder before;
	struct block_builder after;
	struct fake_reply *reply;

	fake_host_set_config(h, "embedded_tx_interval", "0");
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	rig_builder(h, &before);
	ck_assert_uint_eq(before.tx_count, 0);
	reply = fake_host_call(h, "add_transactions", "{\"count\":8}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_str_eq(reply->json, "{\"added\":8,\"mempool_tx\":8}");
	fake_reply_free(reply);
	rig_builder(h, &after);
	ck_assert_uint_gt(after.template_id, before.template_id);
	ck_assert_uint_eq(after.tx_count, 8);
	ck_assert_str_eq(rig_submit_builder(h, &after), "accepted");
	reply = fake_host_call(h, "add_transactions", "{\"count\":100}", NULL, 0);
	ck_assert_str_eq(reply->json, "{\"added\":20,\"mempool_tx\":20}");
	fake_reply_free(reply);
	/* Eight come back: the highest eight of the twenty have to wait. */
	must_reorganise(h, 1);
	ck_assert_int_eq(rig_number(h, "status", "mempool_tx"), 20);
	ck_assert_uint_eq(embedded_of(h)->mempool.txs[0]->number, 0);
	ck_assert_uint_eq(embedded_of(h)->mempool.txs[19]->number, 19);
	rig_mine(h);
	add_transactions(h, 20);
	ck_assert_uint_eq(embedded_of(h)->mempool.txs[0]->number, 20);
	ck_assert_uint_eq(embedded_of(h)->mempool.txs[19]->number, 39);
	reply = fake_host_call(h, "add_transactions", "{}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_E_INVALID_ARGUMENT);
	fake_reply_free(reply);
	block_builder_free(&before);
	fake_host_free(h);
}
END_TEST

/* --- retargeting --------------------------------------------------------------------------------
 */

static double work_of_bits(uint32_t nbits)
{
	uint8_t target[32];

	ck_assert(target_from_nbits(nbits, target));
	return target_work(target);
}

START_TEST(a_step_is_bounded)
{
	static const uint32_t bits[] = {0x207fffff, 0x1f00ffff, 0x1e03ffff, 0x1d00ffff, 0x1b0404cb};
	static const uint32_t intervals[] = {1000, 1500, 10000, 600000, RETARGET_MAX_MS};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		for (size_t k = 0; k < sizeof(intervals) / sizeof(intervals[0]); k++) {
			uint32_t ms = intervals[k];
			double work = work_of_bits(bits[i]);
			double fast = work_of_bits(retarget_next(bits[i], 0, ms));
			double slow = work_of_bits(retarget_next(bits[i], UINT32_MAX, ms));

			ck_assert_double_eq_tol(fast / work, 8.0 / 7.0, 0.01);
			ck_assert_double_eq_tol(slow / work, i == 0 ? 1 : 0.5, 0.01);
			ck_assert_uint_eq(retarget_next(bits[i], -7200, ms),
					  retarget_next(bits[i], 0, ms));
			if (ms % 1000 == 0)
				ck_assert_uint_eq(retarget_next(bits[i], ms / 1000, ms), bits[i]);
		}
	}
	/* The smallest target stays valid. */
	ck_assert_uint_eq(retarget_next(0x01010000, 0, 10000), 0x01010000);
	ck_assert_uint_eq(retarget_next(0x03000002, 0, 10000), 0x01010000);
	/* An easier one than the limit is none. */
	ck_assert_uint_eq(retarget_next(0x207ffff0, UINT32_MAX, 10000), RETARGET_LIMIT);
}
END_TEST

/* Blocks as they come at RATE hashes a second: the mean pause of the last COUNT of them. */
static double simulate(uint32_t *nbits, double rate, uint32_t interval_ms, int skip, int count,
		       unsigned *seed)
{
	double now = 0;
	double begin = 0;
	int64_t last = 0;

	for (int i = 0; i < skip + count; i++) {
		double luck = ((double)rand_r(seed) + 1) / ((double)RAND_MAX + 2);

		if (i == skip)
			begin = now;
		now += -log(luck) * work_of_bits(*nbits) / rate;
		*nbits = retarget_next(*nbits, (int64_t)now - last, interval_ms);
		last = (int64_t)now;
	}
	return (now - begin) / count;
}

START_TEST(the_interval_is_kept)
{
	static const struct {
		uint32_t interval_ms;
		double rate;
	} cases[] = {{10000, 1e6}, {1000, 1e6}, {5000, 2e9}, {600000, 1e13}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double expected = (double)cases[i].interval_ms / 1000;
		uint32_t nbits = 0x1f00ffff;
		unsigned seed = 5;
		double mean;

		mean = simulate(&nbits, cases[i].rate, cases[i].interval_ms, 400, 4000, &seed);
		ck_assert_double_eq_tol(mean / expected, 1, 0.1);
		/* A hundred times the machines, then a hundredth. */
		mean =
		    simulate(&nbits, 100 * cases[i].rate, cases[i].interval_ms, 100, 4000, &seed);
		ck_assert_double_eq_tol(mean / expected, 1, 0.1);
		mean = simulate(&nbits, cases[i].rate, cases[i].interval_ms, 100, 4000, &seed);
		ck_assert_double_eq_tol(mean / expected, 1, 0.1);
	}
}
END_TEST

START_TEST(the_chain_retargets)
{
	struct adit_host *h;
	struct block_builder b;
	uint32_t nbits;

	rig_make_dir();
	h = rig_with("embedded_block_interval", "10000", rig_dir);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	ck_assert_int_eq(rig_number(h, "get_chain_info", "block_interval_ms"), 10000);
	for (int i = 0; i < 30; i++)
		rig_mine(h);
	nbits = chain_next_nbits(chain_of(h));
	ck_assert_double_gt(work_of_bits(nbits), 20);
	rig_builder(h, &b);
	ck_assert_uint_eq(b.nbits, nbits);
	b.nbits = 0x207fffff;
	ck_assert_str_eq(rig_submit_builder(h, &b), "bad-diffbits");
	rig_builder(h, &b);
	b.nbits--;
	ck_assert_str_eq(rig_submit_builder(h, &b), "bad-diffbits");
	must_equal_recomputation(h);
	/* Fewer blocks of more work win over more blocks. */
	must_have_most_work(chain_of(h));
	fake_host_free(h);
	h = rig_with("embedded_block_interval", "10000", rig_dir);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(h, rig_is_ready, h, 5000));
	ck_assert_uint_eq(chain_next_nbits(chain_of(h)), nbits);
	rig_builder(h, &b);
	b.time += 3600; /* a long pause */
	ck_assert_str_eq(rig_submit_builder(h, &b), "accepted");
	ck_assert_double_eq_tol(work_of_bits(chain_next_nbits(chain_of(h))) / work_of_bits(nbits),
				0.5, 0.05);
	fake_host_free(h);
	rig_remove_dir();
}
END_TEST

START_TEST(an_interval_below_a_second_is_refused)
{
	struct adit_host *h = rig_with("embedded_block_interval", "999", NULL);

	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(h), "1s to 1h"));
	fake_host_free(h);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node, branches");
	TCase *tcase = tcase_create("branches");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_branch_with_more_work_wins);
	tcase_add_test(tcase, known_blocks_are_known);
	tcase_add_test(tcase, branches_are_verified_in_full);
	tcase_add_test(tcase, a_branch_has_transactions_of_its_own);
	tcase_add_test(tcase, what_is_settled_stays);
	tcase_add_test(tcase, branches_are_bounded);
	tcase_add_test(tcase, a_reorganisation_on_request);
	tcase_add_test(tcase, requests_that_are_refused);
	tcase_add_test(tcase, a_reorganisation_does_not_block);
	tcase_add_test(tcase, a_reorganised_chain_survives);
	tcase_add_test(tcase, a_torn_end_within_a_reorganisation);
	tcase_add_loop_test(tcase, any_sequence_leads_to_what_a_recomputation_says, 0, 6);
	tcase_add_test(tcase, transactions_on_request);
	tcase_add_test(tcase, a_step_is_bounded);
	tcase_add_test(tcase, the_interval_is_kept);
	tcase_add_test(tcase, the_chain_retargets);
	tcase_add_test(tcase, an_interval_below_a_second_is_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
