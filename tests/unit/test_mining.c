/* SPDX-License-Identifier: MIT */
/*
 * What lib/mining does for a role that has a pool above it: the extranonce's base, jobs that come
 * whole, the easiest target, and the source of work. The engine is the one inside of a pool, with
 * hooks of the test's before the pool's.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <adit/error.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/engine.h"
#include "lib/mining/server.h"
#include "tests/unit/pool_rig.h"

static struct bench b;
static struct mining *m;

/* What the hooks were told. */
static struct {
	uint32_t made;
	uint32_t freed;
	void *freed_role;
	uint32_t announced;
	uint32_t adopted;
	uint32_t new_tips;
	uint32_t shares;
	uint32_t blocks;
	void *role; /* of the share's coinbase */
	bool has_provider;
	uint8_t extranonce[32];
	size_t extranonce_size;
	bool there;
	uint32_t changes_there;
	uint64_t transactions;
	uint64_t no_transactions;
} told;

static const struct mining_hooks *pools;

static void on_made(void *context, struct coinbase *c)
{
	(void)context;
	told.made++;
	c->role = &told.made;
}

static void on_freed(void *context, struct coinbase *c)
{
	(void)context;
	told.freed++;
	told.freed_role = c->role;
}

static void on_announced(void *context, struct template *t)
{
	(void)context;
	(void)t;
	told.announced++;
}

static void on_adopted(void *context, struct template *t, const struct tip *before, bool new_tip)
{
	told.adopted++;
	told.new_tips += new_tip;
	pools->adopted(context, t, before, new_tip);
}

static void on_share(void *context, const struct judged_share *s)
{
	told.shares++;
	told.role = s->job ? s->job->coinbase->role : NULL;
	told.extranonce_size = mining_share_extranonce(s, told.extranonce);
	pools->share(context, s);
}

static void on_block(void *context, const struct judged_share *s)
{
	(void)context;
	told.blocks++;
	told.has_provider = s->job->template->provider != NULL;
}

static void on_templates(void *context, bool there)
{
	(void)context;
	told.there = there;
	told.changes_there++;
}

static int32_t on_transactions(void *context, struct provider *p,
			       const struct adit_sv2_request_transaction_data_success *success)
{
	(void)context;
	(void)p;
	told.transactions = success->template_id;
	return ADIT_OK;
}

static int32_t on_no_transactions(void *context, struct provider *p,
				  const struct adit_sv2_request_transaction_data_error *error)
{
	(void)context;
	(void)p;
	told.no_transactions = error->template_id;
	return ADIT_OK;
}

/* A pool that serves on tip 1, whose engine tells the test. */
static void begin(const struct fake_option *more, uint32_t nbits)
{
	static struct mining_hooks hooks;

	memset(&told, 0, sizeof told);
	bench_make(&b, more);
	bench_start(&b);
	m = &b.pool->mining;
	pools = m->hooks;
	hooks = *pools;
	hooks.coinbase_made = on_made;
	hooks.coinbase_freed = on_freed;
	hooks.announced = on_announced;
	hooks.adopted = on_adopted;
	hooks.share = on_share;
	hooks.block = on_block;
	hooks.templates = on_templates;
	hooks.transactions = on_transactions;
	hooks.no_transactions = on_no_transactions;
	m->hooks = &hooks;
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, nbits);
	ck_assert(b.server.open);
}

static struct {
	struct fake_conn *conn;
	int32_t message;
} awaited;

static bool is_sent(void *user)
{
	(void)user;
	return fake_conn_count(awaited.conn, awaited.message) > 0;
}

/* Until MESSAGE was sent on CONN. */
static void await(struct fake_conn *conn, int32_t message)
{
	awaited.conn = conn;
	awaited.message = message;
	ck_assert(fake_host_wait(b.host, is_sent, NULL, 60000));
}

/* While the loop runs, the engine finds that nobody listens at the providers' addresses, and takes
 * the test's connection for lost. It is back, on TIP. */
static void come_back(uint8_t tip)
{
	if (!provider(&b, 0)->conn) {
		fake_conn_free(b.tdp[0]);
		tdp_open(&b, 0);
	}
	new_tip(&b, 0, tip, NBITS_HARD);
}

static bool is_there(void *user)
{
	(void)user;
	return told.there;
}

/* --- sizes -------------------------------------------------------------------------------------
 */

/* One proxy after the other: what one lets its clients roll is the next one's room. */
START_TEST(chains_of_proxies)
{
	struct extranonce_sizes pool, first, second, third;

	ck_assert(extranonce_divide(&pool, 4, 0, 3, 13));
	ck_assert_uint_eq(pool.filler, 0);
	ck_assert(extranonce_divide(&first, 7, pool.rollable, 2, 8));
	ck_assert_uint_eq(first.filler, 3);
	ck_assert(extranonce_divide(&second, 7 + 3 + 2, first.rollable, 2, 6));
	ck_assert_uint_eq(second.filler, 0);
	ck_assert_uint_eq((size_t)second.base + second.filler + second.number + second.rollable,
			  20);
	/* The third may roll four at most, and its clients are SV1 machines with a number. */
	ck_assert(!extranonce_divide(&third, 14, second.rollable, 2, 5));
	ck_assert(extranonce_divide(&third, 14, second.rollable, 2, 4));
	ck_assert_uint_eq((size_t)third.base + third.filler + third.number + third.rollable, 20);
}
END_TEST

#define LEVELS 3
#define PLACES 8 /* 2 channels at each level */

/* The prefixes at LEVEL and below, each channel's being the base of what is behind it; those of the
 * last level go to OUT. */
static void hand_down(const uint8_t *base, size_t size, size_t room, int level,
		      uint8_t out[PLACES][EXTRANONCE_MAX], size_t *count, size_t *rollable)
{
	static const uint8_t roll[LEVELS] = {9, 6, 4};
	struct extranonce x;
	uint8_t prefix[EXTRANONCE_MAX];
	uint32_t number;

	if (level == LEVELS) {
		memcpy(out[*count], base, size);
		memset(out[*count] + size, 0, EXTRANONCE_MAX - size);
		*rollable = room;
		(*count)++;
		return;
	}
	ck_assert_int_eq(extranonce_init(&x, 7, (uint16_t)level, 2, roll[level]), ADIT_OK);
	ck_assert(extranonce_set_base(&x, base, size, room, 0));
	ck_assert_uint_eq(extranonce_size(&x), 20);
	for (int i = 0; i < 2; i++) {
		ck_assert(extranonce_take(&x, &number));
		size = extranonce_prefix(&x, number, false, prefix);
		ck_assert_uint_eq(size + roll[level], 20);
		hand_down(prefix, size, roll[level], level + 1, out, count, rollable);
	}
	extranonce_fini(&x);
}

/* Behind three proxies nobody searches where another one does. */
START_TEST(proxies_behind_proxies)
{
	static const uint8_t given[7] = {0x12, 0x34, 0xab, 0xcd, 0, 0, 1};
	uint8_t out[PLACES][EXTRANONCE_MAX];
	size_t count = 0;
	size_t rollable = 0;

	hand_down(given, sizeof given, 13, 0, out, &count, &rollable);
	ck_assert_uint_eq(count, PLACES);
	ck_assert_uint_eq(rollable, 4);
	for (size_t i = 0; i < count; i++) {
		ck_assert_mem_eq(out[i], given, sizeof given);
		for (size_t k = 0; k < i; k++)
			ck_assert_mem_ne(out[i], out[k], 16);
	}
}
END_TEST

/* Whatever an upstream gives: all of its room is used, and never more than a message can say. */
START_TEST(divisions_fill_the_room)
{
	struct extranonce_sizes s;
	uint32_t divided = 0;

	for (size_t base = 0; base <= 40; base++) {
		for (size_t room = 1; room <= 40; room++) {
			for (size_t rollable = 1; rollable <= 32; rollable++) {
				bool fits = base + room <= EXTRANONCE_MAX && 2 + rollable <= room;

				ck_assert_int_eq(extranonce_divide(&s, base, room, 2, rollable),
						 fits);
				if (!fits)
					continue;
				divided++;
				ck_assert_uint_eq(s.base, base);
				ck_assert_uint_eq(s.number, 2);
				ck_assert_uint_eq(s.rollable, rollable);
				ck_assert_uint_eq((size_t)s.base + s.filler + s.number + s.rollable,
						  base + room);
			}
		}
	}
	ck_assert_uint_gt(divided, 1000);
}
END_TEST

START_TEST(two_byte_numbers)
{
	static const uint8_t given[] = {9, 8, 7, 6, 5, 4, 3};
	static const uint8_t expected[] = {9, 8, 7, 6, 5, 4, 3, 0, 0, 0, 0x12, 0x34};
	uint8_t prefix[EXTRANONCE_MAX];
	struct extranonce x;

	ck_assert_int_eq(extranonce_init(&x, 1, 2, 4, 8), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(extranonce_init(&x, 1, 2, 2, 8), ADIT_OK);
	ck_assert_uint_eq(x.numbers, 65536);
	ck_assert_uint_eq(extranonce_size(&x), 14);
	ck_assert(extranonce_set_base(&x, given, sizeof given, 13, 0));
	ck_assert_uint_eq(extranonce_size(&x), 20);
	ck_assert_uint_eq(extranonce_prefix(&x, 0x1234, false, prefix), sizeof expected);
	ck_assert_mem_eq(prefix, expected, sizeof expected);
	ck_assert_uint_eq(extranonce_prefix(&x, 0x1234, true, prefix), 20);
	ck_assert(!extranonce_set_base(&x, given, sizeof given, 9, 0));
	ck_assert_uint_eq(extranonce_size(&x), 20);
	ck_assert(extranonce_set_base(&x, NULL, 0, 0, 0));
	ck_assert_uint_eq(extranonce_size(&x), 14);
	ck_assert_uint_eq(x.base[1], 1);
	extranonce_fini(&x);
}
END_TEST

/* --- another base ------------------------------------------------------------------------------
 */

static const struct mining_base upstream_base = {
    .bytes = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9}, .size = 9, .room = 18};

/* The miner's prefix as it was told last. */
static void take_prefix(struct miner *miner)
{
	const struct sent *s = fake_conn_next(miner->conn, ADIT_SV2_SET_EXTRANONCE_PREFIX);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_extranonce_prefix.channel_id, miner->channel);
	miner->prefix_size = s->body.set_extranonce_prefix.extranonce_prefix.size;
	memcpy(miner->prefix, s->body.set_extranonce_prefix.extranonce_prefix.data,
	       miner->prefix_size);
}

static void expect_share(struct miner *miner)
{
	solve(miner, miner->target, true);
	expect_accepted(miner);
}

/* Jobs that are out keep their prefix until the tip changes; the next one has the new. What goes to
 * the upstream is all behind the base. */
START_TEST(base_changes_under_channels)
{
	struct fake_conn *c;
	struct miner new, old, right;
	struct error e = {0};

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	old = open_miner(&b, c, false);
	memset(old.extranonce, 0x5c, old.rollable);
	new = old;
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	take_prefix(&new);
	/* 18 of room: 2 of filler, 3 of the number, and the 13 that it rolls as before. */
	ck_assert_uint_eq(new.prefix_size, 9 + 2 + 3);
	ck_assert_mem_eq(new.prefix, upstream_base.bytes, 9);
	mining_refresh(m);
	take_job(&new);
	ck_assert_uint_ne(new.job, old.job);
	expect_share(&new);
	ck_assert_uint_eq(told.extranonce_size, 18);
	ck_assert_mem_eq(told.extranonce, new.prefix + 9, 5);
	ck_assert_mem_eq(told.extranonce + 5, old.extranonce, 13);
	old.sequence = new.sequence;
	expect_share(&old);
	ck_assert_uint_eq(told.extranonce_size, 3 + 13); /* behind server_id and slice */
	/* The new prefix is none of the old job's: what is a share with that one, is none. */
	right = old;
	memcpy(old.prefix, new.prefix, new.prefix_size);
	old.prefix_size = new.prefix_size;
	do {
		solve(&old, old.target, true);
		right.nonce = old.nonce;
		hash_header(&right);
	} while (target_met(right.hash, old.target));
	expect_refused(&old, "difficulty-too-low");
	new_tip(&b, 0, 2, NBITS_HARD);
	take_job(&new);
	expect_refused(&old, "stale-share");
	expect_share(&new);
	bench_end(&b);
}
END_TEST

/* A standard channel's prefix is the whole extranonce, of the new length. */
START_TEST(base_of_standard_channels)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, ADIT_SV2_REQUIRES_STANDARD_JOBS);
	miner = open_miner(&b, c, true);
	ck_assert_uint_eq(miner.prefix_size, 20);
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	take_prefix(&miner);
	ck_assert_uint_eq(miner.prefix_size, 27);
	mining_refresh(m);
	take_job(&miner);
	expect_share(&miner);
	ck_assert_uint_eq(told.extranonce_size, 18);
	ck_assert_int_eq(mining_set_base(m, NULL, &e), ADIT_OK);
	take_prefix(&miner);
	ck_assert_uint_eq(miner.prefix_size, 20);
	mining_refresh(m);
	take_job(&miner);
	expect_share(&miner);
	bench_end(&b);
}
END_TEST

/* A job is owed, if the role brings none. */
START_TEST(base_without_refresh)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	take_prefix(&miner);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	await(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	take_job(&miner);
	expect_share(&miner);
	bench_end(&b);
}
END_TEST

/* The block's coinbase has a script of the new length, with the tag that was given. */
START_TEST(block_with_another_base)
{
	struct mining_base base = upstream_base;
	const struct sent *s;
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};
	struct tx_input in;
	struct reader r;
	struct tx tx;

	begin(NULL, NBITS_EASY);
	base.tag = "elsewhere";
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_OK);
	take_prefix(&miner);
	mining_refresh(m);
	take_job(&miner);
	solve(&miner, m->tip.target, true);
	expect_accepted(&miner);
	ck_assert_uint_eq(told.blocks, 1);
	ck_assert(told.has_provider);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	reader_init(&r, s->body.submit_solution.coinbase_tx.data,
		    s->body.submit_solution.coinbase_tx.size);
	ck_assert(tx_parse(&r, &tx));
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert(tx_is_coinbase(&tx, &in));
	ck_assert_uint_eq(in.script_size, 2 + 1 + 9 + 1 + 27);
	ck_assert_mem_eq(in.script + 3, "elsewhere", 9);
	bench_end(&b);
}
END_TEST

/* What can't be changes nothing. */
START_TEST(base_is_refused)
{
	struct mining_base base = upstream_base;
	struct fake_conn *c;
	struct error e = {0};
	struct miner miner;
	char tag[MINING_TAG_MAX + 1];

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	base.room = 15;
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_E_LIMIT);
	base.room = 24;
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_E_LIMIT);
	base.room = 18;
	memset(tag, 'x', MINING_TAG_MAX);
	tag[MINING_TAG_MAX] = '\0';
	base.tag = tag;
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_E_LIMIT);
	base.tag = NULL;
	base.rollable = 8;
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_E_LIMIT);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_EXTRANONCE_PREFIX), 0);
	expect_share(&miner);
	mining_close_channels(m, "gone");
	ck_assert_ptr_nonnull(fake_conn_next(c, ADIT_SV2_CLOSE_CHANNEL));
	ck_assert_uint_eq(m->channel_count, 0);
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_OK);
	mining_refresh(m);
	miner = open_miner(&b, c, false);
	ck_assert_uint_eq(miner.rollable, 8);
	ck_assert_uint_eq(miner.prefix_size, 9 + 7 + 3);
	expect_share(&miner);
	bench_end(&b);
}
END_TEST

/* Future jobs under the new base, too. */
START_TEST(base_and_future_jobs)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};
	uint64_t id;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	id = send_template(&b, 0, true);
	ck_assert_uint_eq(told.announced, 1);
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	mining_refresh(m);
	ck_assert_uint_eq(told.announced, 2);
	take_prefix(&miner);
	fake_conn_skip(c);
	ck_assert_int_eq(send_tip(&b, 0, id, 2, NBITS_HARD), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_NEW_PREV_HASH), 1);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	/* The job that was named is the second announcement. */
	ck_assert_uint_eq(jobs_active(&m->conns.tqh_first->channels[0]->jobs)->prefix_size, 14);
	bench_end(&b);
}
END_TEST

/* The same once more is no news to channels. */
START_TEST(base_stays)
{
	struct mining_base base = upstream_base;
	struct fake_conn *c;
	struct error e = {0};
	uint32_t edition;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	(void)open_miner(&b, c, false);
	base.tag = "test"; /* the configured one */
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_EXTRANONCE_PREFIX), 1);
	edition = m->edition;
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_EXTRANONCE_PREFIX), 1);
	ck_assert_uint_eq(m->edition, edition);
	base.bytes[8]++;
	ck_assert_int_eq(mining_set_base(m, &base, &e), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_EXTRANONCE_PREFIX), 2);
	ck_assert_uint_ne(m->edition, edition);
	bench_end(&b);
}
END_TEST

/* --- whole jobs --------------------------------------------------------------------------------
 */

struct whole {
	struct buf prefix;
	struct buf suffix;
	struct adit_sv2_new_extended_mining_job job;
};

/* A job of the upstream's at height 300, with FULL bytes of extranonce; NOW: to be mined at once.
 */
static void make_whole(struct whole *w, uint32_t id, size_t full, bool now)
{
	static const uint8_t height[] = {0x02, 0x2c, 0x01};
	static const uint8_t output[9 + 22] = {0, 0xf2, 5, 0x2a, 1, 0, 0, 0, 22, 0, 20};
	struct coinbase_spec spec = {.tx_version = 2,
				     .script_prefix = height,
				     .script_prefix_size = sizeof height,
				     .tag = (const uint8_t *)"upstream",
				     .tag_size = 8,
				     .extranonce_size = full,
				     .sequence = 0xffffffff,
				     .outputs = output,
				     .outputs_size = sizeof output,
				     .outputs_count = 1};
	struct error e = {0};

	*w = (struct whole){0};
	ck_assert_int_eq(coinbase_split(&spec, &w->prefix, &w->suffix, &e), ADIT_OK);
	w->job = (struct adit_sv2_new_extended_mining_job){
	    .channel_id = 1,
	    .job_id = id,
	    .ntime_start = {.present = now, .value = b.now - 500},
	    .version = BLOCK_VERSION,
	    .version_rolling_allowed = true,
	    .merkle_path = {.data = siblings[0], .size = 64, .count = 2},
	    .coinbase_tx_prefix = {.data = w->prefix.data, .size = (uint32_t)w->prefix.size},
	    .coinbase_tx_suffix = {.data = w->suffix.data, .size = (uint32_t)w->suffix.size},
	};
}

static void free_whole(struct whole *w)
{
	buf_free(&w->prefix);
	buf_free(&w->suffix);
}

static int32_t send_whole(uint32_t id, bool now, void *role)
{
	struct whole w;
	struct error e = {0};
	int32_t result;

	make_whole(&w, id, extranonce_size(&m->extranonce), now);
	result = mining_upstream_job(m, &w.job, role, &e);
	free_whole(&w);
	return result;
}

static int32_t whole_tip(uint32_t id, uint8_t tip, uint32_t nbits)
{
	struct adit_sv2_set_new_prev_hash p = {
	    .channel_id = 1, .job_id = id, .ntime_start = b.now - 600, .nbits = nbits};
	struct error e = {0};

	memset(p.prev_hash.b, tip, 32);
	return mining_upstream_tip(m, &p, &e);
}

/* From templates to an upstream on another tip and back: each change is a future job and its
 * SetNewPrevHash; shares tell which job they are for. */
START_TEST(upstream_on_another_tip)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};
	int role = 0;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	mining_use_upstream(m);
	take_prefix(&miner);
	ck_assert_int_eq(send_whole(70, false, &role), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	ck_assert_int_eq(whole_tip(70, 9, NBITS_HARD), ADIT_OK);
	take_job(&miner);
	ck_assert_uint_eq(miner.prev_hash[0], 9);
	ck_assert_uint_eq(m->current->height, 300);
	expect_share(&miner);
	ck_assert_ptr_eq(told.role, &role);
	ck_assert_uint_eq(told.extranonce_size, 18);
	/* Templates go on to come, and are not mined. */
	new_tip(&b, 0, 2, NBITS_HARD);
	send_template(&b, 0, false);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	ck_assert_uint_eq(m->current->height, 300);
	mining_use_templates(m);
	take_job(&miner);
	ck_assert_uint_eq(miner.prev_hash[0], 2);
	expect_share(&miner);
	ck_assert_ptr_eq(told.role, &told.made);
	/* The channel's jobs were its last. */
	ck_assert_uint_eq(told.freed, 2);
	bench_end(&b);
}
END_TEST

/* On the same tip a job to be mined at once, and the one before still counts. */
START_TEST(upstream_on_the_same_tip)
{
	struct fake_conn *c;
	struct miner miner, before;
	int first = 0, second = 0;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	before = miner;
	mining_use_upstream(m);
	ck_assert_int_eq(send_whole(5, false, &first), ADIT_OK);
	ck_assert_int_eq(whole_tip(5, 1, NBITS_HARD), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_NEW_PREV_HASH), 0);
	take_job(&miner);
	expect_share(&miner);
	ck_assert_ptr_eq(told.role, &first);
	before.sequence = miner.sequence;
	expect_share(&before);
	/* Two more jobs on it: one at once, one for the next tip. */
	ck_assert_int_eq(send_whole(6, true, &second), ADIT_OK);
	take_job(&miner);
	miner.ntime = b.now - 500; /* not before the job's own time */
	miner.sequence = before.sequence;
	expect_share(&miner);
	ck_assert_ptr_eq(told.role, &second);
	ck_assert_int_eq(send_whole(7, false, NULL), ADIT_OK);
	ck_assert_uint_eq(told.announced, 1);
	fake_conn_skip(c);
	ck_assert_int_eq(whole_tip(7, 2, NBITS_HARD), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_NEW_PREV_HASH), 1);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	expect_refused(&miner, "stale-share");
	ck_assert_ptr_eq(told.freed_role, &second);
	bench_end(&b);
}
END_TEST

/* A block on a job that came whole is the role's. */
START_TEST(upstream_block)
{
	struct fake_conn *c;
	struct miner miner;
	int role = 0;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	mining_use_upstream(m);
	ck_assert_int_eq(send_whole(5, false, &role), ADIT_OK);
	ck_assert_int_eq(whole_tip(5, 4, NBITS_EASY), ADIT_OK);
	take_job(&miner);
	solve(&miner, m->tip.target, true);
	expect_accepted(&miner);
	ck_assert_uint_eq(told.blocks, 1);
	ck_assert(!told.has_provider);
	ck_assert_ptr_null(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	ck_assert_uint_eq(m->blocks.count, 0);
	bench_end(&b);
	ck_assert_uint_ge(told.freed, 1);
}
END_TEST

/* A job that does not allow version rolling, to clients that may. */
START_TEST(upstream_fixes_the_version)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};
	struct whole w;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	ck_assert(miner.extended->version_rolling_allowed);
	mining_use_upstream(m);
	make_whole(&w, 5, extranonce_size(&m->extranonce), false);
	w.job.version_rolling_allowed = false;
	ck_assert_int_eq(mining_upstream_job(m, &w.job, NULL, &e), ADIT_OK);
	free_whole(&w);
	ck_assert_int_eq(whole_tip(5, 4, NBITS_HARD), ADIT_OK);
	take_job(&miner);
	ck_assert(!miner.extended->version_rolling_allowed);
	miner.share_version ^= 0x2000;
	solve(&miner, miner.target, true);
	expect_refused(&miner, "version-rolling-not-allowed");
	bench_end(&b);
}
END_TEST

/* The role pointer of what is refused is the caller's still. */
START_TEST(upstream_jobs_that_are_none)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};
	struct whole w;
	int role = 0;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	ck_assert_int_eq(send_whole(5, false, &role), ADIT_E_UNAVAILABLE);
	mining_use_upstream(m);
	ck_assert_int_eq(send_whole(5, true, &role), ADIT_E_PROTOCOL); /* no tip */
	ck_assert_int_eq(whole_tip(5, 4, NBITS_HARD), ADIT_E_PROTOCOL);
	for (int size = 19; size <= 21; size++) {
		make_whole(&w, 5, (size_t)size, false);
		ck_assert_int_eq(mining_upstream_job(m, &w.job, &role, &e),
				 size == 20 ? ADIT_OK : ADIT_E_PROTOCOL);
		free_whole(&w);
	}
	ck_assert_int_eq(whole_tip(5, 4, 0xff7fffff), ADIT_E_PROTOCOL);
	/* Cut anywhere it is no coinbase, or not with the extranonce in its script. */
	make_whole(&w, 6, 20, false);
	for (uint32_t size = 0; size < w.prefix.size; size++) {
		w.job.coinbase_tx_prefix.size = size;
		ck_assert_int_eq(mining_upstream_job(m, &w.job, &role, &e), ADIT_E_PROTOCOL);
	}
	w.job.coinbase_tx_prefix.size = (uint32_t)w.prefix.size;
	for (uint32_t size = 0; size < w.suffix.size; size++) {
		w.job.coinbase_tx_suffix.size = size;
		ck_assert_int_eq(mining_upstream_job(m, &w.job, &role, &e), ADIT_E_PROTOCOL);
	}
	free_whole(&w);
	ck_assert_uint_eq(told.freed, 0);
	ck_assert_uint_eq(m->upstream.future_count, 1);
	expect_share(&miner); /* on what it has */
	mining_use_templates(m);
	ck_assert_uint_eq(told.freed, 1);
	ck_assert_ptr_eq(told.freed_role, &role);
	bench_end(&b);
}
END_TEST

/* More announcements than are kept: the oldest goes, and its tip is unknown. */
START_TEST(upstream_announces_too_much)
{
	int role = 0;

	begin(NULL, NBITS_HARD);
	mining_use_upstream(m);
	for (uint32_t id = 1; id <= UPSTREAM_FUTURES_MAX + 1; id++)
		ck_assert_int_eq(send_whole(id, false, &role), ADIT_OK);
	ck_assert_uint_eq(told.freed, 1);
	ck_assert_int_eq(whole_tip(1, 4, NBITS_HARD), ADIT_E_PROTOCOL);
	ck_assert_int_eq(whole_tip(2, 4, NBITS_HARD), ADIT_OK);
	/* But for the one that is mined, all are ended by the tip. */
	ck_assert_uint_eq(told.freed, UPSTREAM_FUTURES_MAX);
	bench_end(&b);
	ck_assert_uint_eq(told.freed, UPSTREAM_FUTURES_MAX + 1);
}
END_TEST

/* Its jobs are for its extranonces: under another base nothing of them goes out, and channels wait
 * for work. */
START_TEST(upstream_before_another_base)
{
	struct fake_conn *c;
	struct miner miner;
	struct error e = {0};

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	mining_use_upstream(m);
	ck_assert_int_eq(send_whole(5, false, NULL), ADIT_OK);
	ck_assert_int_eq(whole_tip(5, 4, NBITS_HARD), ADIT_OK);
	ck_assert_int_eq(send_whole(6, false, NULL), ADIT_OK);
	ck_assert_int_eq(mining_set_base(m, &upstream_base, &e), ADIT_OK);
	fake_conn_skip(c);
	mining_refresh(m);
	fake_host_run(b.host, 1200); /* a tick passes */
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	ck_assert_int_eq(whole_tip(6, 5, NBITS_HARD), ADIT_E_PROTOCOL);
	send_open(&b, c, false, 0, &any_target, 8);
	ck_assert_uint_eq(m->opens.count, 1);
	come_back(2);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	mining_use_templates(m);
	take_job(&miner);
	await(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
	ck_assert_uint_eq(m->channel_count, 2);
	bench_end(&b);
}
END_TEST

/* --- nothing to mine ---------------------------------------------------------------------------
 */

START_TEST(no_work)
{
	struct fake_conn *c;
	struct miner miner;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	mining_use_nothing(m);
	ck_assert(!b.server.open);
	expect_share(&miner);
	send_open(&b, c, false, 0, &any_target, 8);
	fake_host_run(b.host, 200);
	come_back(2);
	ck_assert(!b.server.open);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS), 0);
	mining_use_templates(m);
	ck_assert(b.server.open);
	take_job(&miner);
	ck_assert_uint_eq(miner.prev_hash[0], 2);
	expect_share(&miner);
	await(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
	ck_assert_uint_eq(m->channel_count, 2);
	bench_end(&b);
}
END_TEST

/* Those that wait are refused when all channels are closed. */
START_TEST(closing_all)
{
	const struct sent *s;
	struct fake_conn *c;

	begin(NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	(void)open_miner(&b, c, false);
	(void)open_miner(&b, c, true);
	mining_use_nothing(m);
	send_open(&b, c, false, 0, &any_target, 8);
	mining_close_channels(m, "no-work");
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_CLOSE_CHANNEL), 2);
	s = fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);
	ck_assert_ptr_nonnull(s);
	ck_assert(sent_text_is(&s->body.open_mining_channel_error.error_code, "no-work"));
	ck_assert_uint_eq(m->channel_count, 0);
	ck_assert_uint_eq(m->opens.count, 0);
	bench_end(&b);
}
END_TEST

/* --- the easiest target ------------------------------------------------------------------------
 */

static const struct sent *take_target(struct miner *miner)
{
	const struct sent *s = fake_conn_next(miner->conn, ADIT_SV2_SET_TARGET);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_target.channel_id, miner->channel);
	memcpy(miner->target, s->body.set_target.target.b, 32);
	return s;
}

/* Vardiff may want harder shares, and the upstream's bound wins; its end gives vardiff's back. The
 * new target counts for the next job, which comes within a second. */
START_TEST(bound_of_targets)
{
	static const struct fake_option harder[] = {{"fixed_difficulty", "0.00000001"}, {0}};
	struct fake_conn *c;
	struct miner miner;
	uint8_t vardiff[32], bound[32];

	begin(harder, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	memcpy(vardiff, miner.target, 32);
	target_from_difficulty(0.000000004, bound);
	ck_assert_int_gt(target_compare(bound, vardiff), 0);
	mining_set_bound(m, bound);
	(void)take_target(&miner);
	ck_assert_mem_eq(miner.target, bound, 32);
	await(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	take_job(&miner);
	expect_share(&miner);
	/* Easier than what it is already: nothing to say. */
	target_from_difficulty(1, bound);
	mining_set_bound(m, bound);
	(void)take_target(&miner);
	ck_assert_mem_eq(miner.target, vardiff, 32);
	fake_conn_skip(c);
	target_from_difficulty(2, bound);
	mining_set_bound(m, bound);
	mining_set_bound(m, NULL);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_TARGET), 0);
	bench_end(&b);
}
END_TEST

/* An upstream that counts every hash is not sent every hash: until a share has shown what the miner
 * has the target stands for it, and its shares get at most 10 times as easy. */
START_TEST(bound_that_is_no_bound)
{
	static const struct fake_option harder[] = {{"fixed_difficulty", "1000"}, {0}};
	struct miner miner;
	uint8_t bound[32];

	begin(harder, NBITS_HARD);
	memset(bound, 0xff, sizeof bound);
	mining_set_bound(m, bound);
	miner = open_miner(&b, connect_miner(&b, 1, 0), false);
	ck_assert_double_ge(target_difficulty(miner.target), 99);
	ck_assert_double_le(target_difficulty(miner.target), 201);
	bench_end(&b);
}
END_TEST

/* A client that takes nothing easier than its max_target gets that. */
START_TEST(bound_and_max_target)
{
	struct adit_u256 most;
	struct fake_conn *c;
	uint8_t bound[32];
	const struct sent *s;

	begin(NULL, NBITS_HARD);
	target_from_difficulty(0.00001, most.b);
	target_from_difficulty(0.000000001, bound);
	mining_set_bound(m, bound);
	c = connect_miner(&b, 1, 0);
	send_open(&b, c, false, 0, &most, 8);
	s = fake_conn_next(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
	ck_assert_ptr_nonnull(s);
	ck_assert_mem_eq(s->body.open_extended_mining_channel_success.target.b, most.b, 32);
	bench_end(&b);
}
END_TEST

/* --- what the role is told ---------------------------------------------------------------------
 */

/* One coinbase for a template, and another one when the outputs change. */
START_TEST(coinbases_are_told)
{
	struct coinbase *mine;
	struct fake_conn *c;
	struct miner miner;
	uint32_t edition;

	begin(NULL, NBITS_HARD);
	ck_assert_uint_eq(told.made, 0); /* nobody is there */
	mine = mining_coinbase(m, m->current);
	ck_assert_ptr_nonnull(mine);
	ck_assert_uint_eq(told.made, 1);
	ck_assert_ptr_eq(mine->role, &told.made);
	edition = mine->edition;
	c = connect_miner(&b, 1, 0);
	miner = open_miner(&b, c, false);
	ck_assert_uint_eq(told.made, 1);
	mining_outputs_changed(m);
	mining_refresh(m);
	ck_assert_uint_eq(told.made, 2);
	take_job(&miner);
	expect_share(&miner);
	ck_assert_uint_ne(m->edition, edition);
	ck_assert_uint_eq(told.freed, 0);
	coinbase_unref(mine);
	ck_assert_uint_eq(told.freed, 0); /* a past job has it */
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_uint_eq(told.freed, 2);
	bench_end(&b);
	ck_assert_uint_eq(told.freed, told.made);
}
END_TEST

START_TEST(work_is_told)
{
	begin(NULL, NBITS_HARD);
	ck_assert_uint_eq(told.adopted, 1);
	ck_assert_uint_eq(told.new_tips, 1);
	send_template(&b, 0, false);
	ck_assert_uint_eq(told.adopted, 2);
	ck_assert_uint_eq(told.new_tips, 1);
	send_template(&b, 0, true);
	ck_assert_uint_eq(told.announced, 1);
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_uint_eq(told.new_tips, 2);
	bench_end(&b);
}
END_TEST

START_TEST(providers_are_told)
{
	begin(NULL, NBITS_HARD);
	ck_assert(told.there);
	ck_assert_uint_eq(told.changes_there, 1);
	tdp_close(&b, 0);
	ck_assert(!told.there);
	tdp_open(&b, 0);
	ck_assert(!told.there);
	new_tip(&b, 0, 1, NBITS_HARD);
	ck_assert(fake_host_wait(b.host, is_there, NULL, 60000));
	ck_assert_uint_eq(told.changes_there, 3);
	bench_end(&b);
}
END_TEST

/* Answers to the role's own requests; without the hooks they are nothing that was asked for. */
START_TEST(transactions_are_told)
{
	struct adit_sv2_request_transaction_data_success success = {.template_id = 7};
	struct adit_sv2_request_transaction_data_error error = {.template_id = 8};
	const struct adit_sv2_template_client_handlers *h = &provider_handlers;
	struct adit_sv2_conn *sv2;

	begin(NULL, NBITS_HARD);
	sv2 = &b.tdp[0]->head;
	ck_assert_int_eq(h->request_transaction_data_success(provider(&b, 0), sv2, &success),
			 ADIT_OK);
	ck_assert_int_eq(h->request_transaction_data_error(provider(&b, 0), sv2, &error), ADIT_OK);
	ck_assert_uint_eq(told.transactions, 7);
	ck_assert_uint_eq(told.no_transactions, 8);
	m->hooks = pools;
	ck_assert_int_eq(h->request_transaction_data_success(provider(&b, 0), sv2, &success),
			 ADIT_E_PROTOCOL);
	ck_assert_int_eq(h->request_transaction_data_error(provider(&b, 0), sv2, &error),
			 ADIT_E_PROTOCOL);
	bench_end(&b);
}
END_TEST

static void refuse_fixed_versions(void *context, const struct adit_sv2_setup_connection *request,
				  struct adit_sv2_setup_result *result)
{
	(void)context;
	if (request->flags & ADIT_SV2_REQUIRES_VERSION_ROLLING)
		result->error_code = "unsupported-feature-flags";
	result->error_flags |= request->flags & ADIT_SV2_REQUIRES_VERSION_ROLLING;
}

static bool refuse_bob(void *context, struct channel *channel, const struct adit_bytes *user)
{
	(void)context;
	told.role = channel->role = &told;
	return !sent_text_is(user, "bob");
}

static void forget_channel(void *context, struct channel *channel)
{
	(void)context;
	told.freed_role = channel->role;
}

/* The role may refuse connections and channels; what those had taken is given back. */
START_TEST(role_refuses)
{
	struct mining_hooks hooks;
	struct adit_sv2_setup_result result = {0};
	const struct sent *s;
	struct fake_conn *c;

	begin(NULL, NBITS_HARD);
	hooks = *m->hooks;
	hooks.setup = refuse_fixed_versions;
	hooks.channel_opened = refuse_bob;
	hooks.channel_closed = forget_channel;
	hooks.identify = NULL;
	m->hooks = &hooks;
	ck_assert_ptr_null(
	    fake_server_connect(&b.server, 1, ADIT_SV2_REQUIRES_VERSION_ROLLING, &result));
	ck_assert_str_eq(result.error_code, "unsupported-feature-flags");
	c = connect_miner(&b, 2, 0);
	b.user = "bob";
	send_open(&b, c, false, 0, &any_target, 8);
	s = fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(m->channel_count, 0);
	ck_assert_uint_eq(m->extranonce.live, 0);
	ck_assert_uint_eq(m->classes.own->channels, 0);
	ck_assert(LIST_EMPTY(&m->conns.tqh_first->groups));
	/* Without identify() everybody is of the role's own class. */
	b.user = "sri/solo/nonsense";
	(void)open_miner(&b, c, false);
	ck_assert_uint_eq(m->classes.own->channels, 1);
	ck_assert_uint_eq(m->conns.tqh_first->channels[0]->id, CHANNEL_FIRST);
	leave(&b, c);
	ck_assert_ptr_eq(told.freed_role, &told);
	bench_end(&b);
}
END_TEST

static void add_base(Suite *s)
{
	TCase *t = tcase_create("extranonce");

	tcase_add_test(t, chains_of_proxies);
	tcase_add_test(t, proxies_behind_proxies);
	tcase_add_test(t, divisions_fill_the_room);
	tcase_add_test(t, two_byte_numbers);
	tcase_add_test(t, base_changes_under_channels);
	tcase_add_test(t, base_of_standard_channels);
	tcase_add_test(t, base_without_refresh);
	tcase_add_test(t, block_with_another_base);
	tcase_add_test(t, base_is_refused);
	tcase_add_test(t, base_stays);
	tcase_add_test(t, base_and_future_jobs);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
}

static void add_upstream(Suite *s)
{
	TCase *t = tcase_create("upstream");

	tcase_add_test(t, upstream_on_another_tip);
	tcase_add_test(t, upstream_on_the_same_tip);
	tcase_add_test(t, upstream_block);
	tcase_add_test(t, upstream_fixes_the_version);
	tcase_add_test(t, upstream_jobs_that_are_none);
	tcase_add_test(t, upstream_announces_too_much);
	tcase_add_test(t, upstream_before_another_base);
	tcase_add_test(t, no_work);
	tcase_add_test(t, closing_all);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
}

static void add_role(Suite *s)
{
	TCase *t = tcase_create("role");

	tcase_add_test(t, bound_of_targets);
	tcase_add_test(t, bound_that_is_no_bound);
	tcase_add_test(t, bound_and_max_target);
	tcase_add_test(t, coinbases_are_told);
	tcase_add_test(t, work_is_told);
	tcase_add_test(t, providers_are_told);
	tcase_add_test(t, transactions_are_told);
	tcase_add_test(t, role_refuses);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
}

int main(void)
{
	Suite *s = suite_create("mining");
	SRunner *runner;
	int failed;

	add_base(s);
	add_upstream(s);
	add_role(s);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
