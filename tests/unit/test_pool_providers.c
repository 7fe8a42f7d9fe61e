/* SPDX-License-Identifier: MIT */
/* Several template providers: whose work is mined, and that changing over costs miners nothing. The
 * rules first, with the test's own clock; then the pool, the test being providers and miner. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/preference.h"
#include "lib/sv2/client.h"
#include "lib/util/clock.h"
#include "tests/unit/pool_rig.h"

/* --- the rules ---------------------------------------------------------------------------------
 */

#define PATIENCE 2000u
#define RETURN 10000u
#define OWING 10000u
#define START 1000000u

static struct providers all;
static struct template templates[3];
static struct adit_sv2_conn connection;
static uint64_t now, next;
static uint32_t mined; /* height of what is mined */

static void rules_setup(void)
{
	memset(&all, 0, sizeof all);
	memset(templates, 0, sizeof templates);
	all.count = 3;
	all.patience_ms = PATIENCE;
	all.return_ms = RETURN;
	all.owing_ms = OWING;
	now = START;
	mined = 0;
}

/* As the pool does after each change. */
static struct provider *pick(void)
{
	all.active = preference_pick(&all, mined, now, &next);
	if (all.active)
		mined = all.active->current->height;
	return all.active;
}

static struct provider *tip(int i, uint32_t height, uint8_t hash)
{
	struct provider *p = &all.items[i];

	templates[i].height = height;
	memset(p->tip.prev_hash, hash, 32);
	p->current = &templates[i];
	p->conn = &connection;
	p->has_tip = true;
	preference_well(p, now, all.return_ms);
	return pick();
}

static struct provider *lose(int i)
{
	struct provider *p = &all.items[i];

	preference_failed(p);
	p->conn = NULL;
	p->has_tip = false;
	return pick();
}

static struct provider *after(uint64_t ms)
{
	now += ms;
	return pick();
}

#define expect(i) ck_assert_ptr_eq(all.active, &all.items[i])

START_TEST(the_order_decides)
{
	ck_assert_ptr_null(pick());
	tip(2, 100, 1);
	expect(2);
	/* At the start nobody has failed: no wait. */
	tip(1, 100, 1);
	expect(1);
	tip(0, 100, 1);
	expect(0);
	ck_assert_uint_eq(next, 0);
}
END_TEST

START_TEST(a_provider_that_is_stuck)
{
	tip(0, 100, 1);
	tip(1, 100, 1);
	tip(2, 101, 2);
	expect(0);
	ck_assert_uint_eq(next, START + PATIENCE);
	after(PATIENCE - 1);
	expect(0);
	after(1);
	expect(2); /* the second is behind, too */
	/* The second comes along: before it was given up, so it needs no time to recover. */
	tip(1, 101, 2);
	ck_assert_uint_gt(all.items[1].trusted_ms, now);
	expect(2);
	after(5000);
	tip(0, 101, 2);
	expect(2);
	ck_assert_uint_eq(next, START + PATIENCE + RETURN);
	after(RETURN - 5000);
	expect(1);
	ck_assert_uint_eq(next, START + PATIENCE + 5000 + RETURN);
	after(5000);
	expect(0);
	ck_assert_uint_eq(next, 0);
}
END_TEST

/* The usual difference between two nodes changes nothing, and leaves no mark. */
START_TEST(a_short_lag_is_nothing)
{
	tip(0, 100, 1);
	tip(1, 101, 2);
	after(PATIENCE - 1);
	tip(0, 101, 2);
	expect(0);
	ck_assert_uint_eq(next, 0);
	ck_assert_uint_eq(all.items[0].trusted_ms, 0);
}
END_TEST

START_TEST(a_provider_that_is_lost)
{
	tip(0, 100, 1);
	tip(1, 100, 1);
	lose(0);
	expect(1);
	after(700);
	tip(0, 100, 1);
	expect(1);
	ck_assert_uint_eq(next, START + 700 + RETURN);
	/* It comes and goes: each time the wait begins anew. */
	after(RETURN - 1);
	lose(0);
	after(1);
	tip(0, 100, 1);
	after(RETURN - 1);
	expect(1);
	after(1);
	expect(0);
	/* When no other is left it is not asked how it has been. */
	lose(1);
	lose(0);
	ck_assert_ptr_null(all.active);
	tip(0, 100, 1);
	expect(0);
}
END_TEST

START_TEST(a_fork_is_not_changed_for_another)
{
	tip(1, 100, 1);
	tip(0, 100, 2);
	expect(1);
	after(10 * RETURN);
	expect(1);
	tip(0, 101, 3);
	expect(0);
	/* And the other way round. */
	tip(1, 101, 4);
	after(10 * RETURN);
	expect(0);
}
END_TEST

START_TEST(not_back_to_an_older_tip_at_once)
{
	tip(1, 100, 1);
	tip(0, 101, 2);
	expect(0);
	lose(0);
	ck_assert_ptr_null(all.active);
	ck_assert_uint_eq(next, START + PATIENCE);
	after(PATIENCE - 1);
	ck_assert_ptr_null(all.active);
	/* Usually it comes along by then. */
	tip(1, 101, 2);
	expect(1);
	/* When not, an older tip is better than none. */
	tip(2, 100, 1);
	lose(1);
	ck_assert_ptr_null(all.active);
	after(PATIENCE);
	expect(2);
}
END_TEST

/* A block that is sent and becomes no tip tells something of who took it. */
START_TEST(a_block_that_became_of_nothing)
{
	tip(0, 100, 1);
	tip(1, 100, 1);
	preference_owes(&all.items[0], now);
	pick();
	expect(0);
	ck_assert_uint_eq(next, START + OWING);
	after(OWING - 1);
	preference_owes(&all.items[0], now); /* the first one counts */
	pick();
	expect(0);
	after(1);
	expect(1);
	after(60000);
	expect(1);
	/* Its next tip settles that, and the time for its return begins. */
	all.items[0].owes_ms = 0;
	tip(0, 100, 2);
	tip(1, 100, 2);
	after(RETURN - 1);
	expect(1);
	after(1);
	expect(0);
}
END_TEST

/* Nor are others behind of a height that it only tells. */
START_TEST(a_height_that_is_made_up)
{
	tip(0, 1000000, 1);
	tip(1, 100, 2);
	expect(0);
	preference_owes(&all.items[0], now);
	after(OWING);
	expect(0); /* the last work goes on: it may be the other one that lags */
	after(PATIENCE);
	expect(1);
	tip(1, 101, 3);
	after(60000);
	expect(1);
}
END_TEST

START_TEST(blocks_that_nobody_took)
{
	tip(0, 100, 1);
	tip(1, 100, 1);
	preference_owes(&all.items[0], now);
	after(OWING);
	expect(1);
	preference_owes(&all.items[1], now);
	after(OWING);
	expect(1); /* as good as the other */
	lose(1);
	expect(0);
	/* Back on the same tip it owes the block still; its next tip settles that. */
	tip(1, 100, 1);
	ck_assert(preference_owes_long(&all, &all.items[1], now));
	all.items[1].owes_ms = 0;
	tip(1, 101, 2);
	after(PATIENCE);
	expect(1);
}
END_TEST

START_TEST(heights_that_are_not_told)
{
	tip(0, 0, 1);
	tip(1, 900, 2);
	expect(0); /* nothing to compare */
	after(10 * RETURN);
	expect(0);
	lose(0);
	expect(1);
	tip(0, 0, 2);
	after(RETURN);
	expect(0); /* the same previous hash is comparison enough */
}
END_TEST

/* Whatever happens: the active one is ready; work goes to an older tip only after PATIENCE; and
 * somebody is active when somebody on as high a tip is ready. */
START_TEST(random_lives)
{
	uint64_t idle_since = START;

	srand(20261121);
	for (int round = 0; round < 200000; round++) {
		const struct provider *before = all.active;
		uint32_t height = mined;
		bool possible = false;
		int i = rand() % 3;

		now += (uint64_t)(rand() % 900);
		if (rand() % 8 == 0)
			lose(i);
		else if (rand() % 3 == 0)
			tip(i, 100 + (uint32_t)(rand() % 4) + (uint32_t)round / 1000,
			    (uint8_t)(rand() % 3));
		else
			pick();
		for (uint32_t k = 0; k < all.count; k++)
			possible = possible || preference_height(&all.items[k]) >= height;
		ck_assert(all.active == NULL || preference_is_ready(all.active));
		ck_assert(all.active != NULL || !possible || height == 0);
		ck_assert(next == 0 || next > now);
		/* The active one may go back itself: a reorganisation. */
		if (all.active != before && before != &all.items[i] && mined < height)
			ck_assert(before == NULL && now - idle_since >= PATIENCE);
		if (before != NULL && all.active == NULL)
			idle_since = now;
	}
}
END_TEST

/* --- the pool ----------------------------------------------------------------------------------
 */

static struct bench b;
static struct fake_conn *miner;
static uint64_t next_id;

static int32_t give_template(int i, uint64_t id, uint8_t height, bool future, uint64_t value)
{
	uint8_t prefix[2] = {1, height};
	struct adit_sv2_new_template m = {
	    .template_id = id,
	    .future_template = future,
	    .version = 0x20000000,
	    .coinbase_tx_version = 2,
	    .coinbase_prefix = {.data = prefix, .size = 2},
	    .coinbase_tx_value_remaining = value,
	};
	int32_t result;

	result = provider_handlers.new_template(provider(&b, i), &b.tdp[i]->head, &m);
	provider_handlers.batch_end(provider(&b, i), &b.tdp[i]->head);
	return result;
}

static int32_t give_prev_hash(int i, uint64_t id, uint8_t hash)
{
	struct adit_sv2_template_set_new_prev_hash m = {
	    .template_id = id, .ntime_start = clock_unix() - 60, .n_bits = NBITS_HARD};

	memset(m.prev_hash.b, hash, 32);
	ck_assert(target_from_nbits(NBITS_HARD, m.target.b));
	return provider_handlers.template_set_new_prev_hash(provider(&b, i), &b.tdp[i]->head, &m);
}

#define REWARD 5000000000u
#define TOO_MUCH UINT64_MAX /* more satoshi than there are */

static void give_tip(int i, uint8_t height)
{
	ck_assert_int_eq(give_template(i, ++next_id, height, true, REWARD), ADIT_OK);
	ck_assert_int_eq(give_prev_hash(i, next_id, height), ADIT_OK);
}

/* A pool with both providers at height 101 and one extended channel. */
static void rig_setup(void)
{
	static const struct fake_option times[] = {
	    {"provider_patience", "60"}, {"provider_return", "60"}, {NULL, NULL}};

	next_id = 0;
	bench_make(&b, times);
	bench_start(&b);
	for (int i = 0; i < 2; i++) {
		/* The test is the connection. */
		sv2_client_free(provider(&b, i)->client);
		provider(&b, i)->client = NULL;
		tdp_open(&b, i);
		give_tip(i, 101);
	}
	miner = connect_miner(&b, 1, 0);
	open_miner(&b, miner, false);
	fake_conn_skip(miner);
}

static void rig_teardown(void)
{
	leave(&b, miner);
	bench_end(&b);
}

/* The miner was sent so many jobs and previous hashes since the last look, and is still there. */
static void miner_saw(size_t jobs, size_t prev_hashes)
{
	ck_assert(!miner->closed);
	ck_assert_uint_eq(fake_conn_count(miner, ADIT_SV2_NEW_EXTENDED_MINING_JOB), jobs);
	ck_assert_uint_eq(fake_conn_count(miner, ADIT_SV2_SET_NEW_PREV_HASH), prev_hashes);
	fake_conn_skip(miner);
}

static bool is_active(void *user)
{
	return b.pool->mining.providers.active == user;
}

static void wait_active(int i)
{
	ck_assert(fake_host_wait(b.host, is_active, provider(&b, i), 5000));
}

static void check_state(int i, const char *state, int64_t height)
{
	struct json_object *list = providers_json(&b.pool->mining);
	struct json_object *o = json_object_array_get_idx(list, (size_t)i);

	ck_assert_str_eq(json_object_get_string(json_object_object_get(o, "state")), state);
	ck_assert_int_eq(json_object_get_int64(json_object_object_get(o, "height")), height);
	json_object_put(list);
}

START_TEST(fallback_and_return)
{
	check_state(0, "active", 101);
	check_state(1, "ready", 101);
	tdp_close(&b, 0);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	miner_saw(1, 0); /* the same tip: nothing turns stale */
	check_state(0, "away", 0);
	ck_assert_ptr_nonnull(strstr(fake_host_status(b.host), "is away: "));
	tdp_open(&b, 0);
	check_state(0, "waiting", 0);
	give_tip(0, 101);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	miner_saw(0, 0);
	wait_active(0);
	miner_saw(1, 0);
	check_state(0, "active", 101);
	ck_assert_uint_eq(provider(&b, 0)->switches_to, 2);
}
END_TEST

START_TEST(stuck_and_well_again)
{
	give_tip(1, 102);
	miner_saw(0, 0);
	check_state(0, "active", 101);
	wait_active(1);
	miner_saw(1, 1);
	check_state(0, "behind", 101);
	ck_assert(fake_host_logged(b.host, "is behind"));
	give_tip(0, 102);
	miner_saw(0, 0);
	wait_active(0);
	miner_saw(1, 0);
}
END_TEST

START_TEST(a_refused_template_for_a_new_tip)
{
	ck_assert_int_eq(give_template(0, 500, 102, true, TOO_MUCH), ADIT_OK);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 0));
	ck_assert_int_eq(give_prev_hash(0, 500, 102), ADIT_OK);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	check_state(0, "refused", 0);
	ck_assert_str_eq(provider(&b, 0)->fault, "template refused: more satoshi than there are");
	ck_assert(fake_host_logged(b.host, "more satoshi"));
	miner_saw(1, 0);
	give_tip(1, 102);
	miner_saw(1, 1);
	/* A better one on that tip brings it back. */
	ck_assert_int_eq(give_template(0, 501, 102, false, REWARD), ADIT_OK);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	wait_active(0);
	miner_saw(1, 0);
	ck_assert_ptr_eq(b.pool->mining.current, provider(&b, 0)->current);
	ck_assert_uint_eq(b.pool->mining.current->id, 501);
}
END_TEST

START_TEST(nobody_has_usable_work)
{
	tdp_close(&b, 1);
	ck_assert_int_eq(give_template(0, 500, 102, true, TOO_MUCH), ADIT_OK);
	ck_assert_int_eq(give_prev_hash(0, 500, 102), ADIT_OK);
	ck_assert_ptr_null(b.pool->mining.providers.active);
	ck_assert_ptr_nonnull(strstr(fake_host_status(b.host), "has a usable one"));
	miner_saw(0, 0);
	give_tip(0, 102);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 0));
	miner_saw(1, 1);
}
END_TEST

/* A refused template costs that template. */
START_TEST(a_refused_template_of_the_same_tip)
{
	ck_assert_int_eq(give_template(0, 500, 101, false, TOO_MUCH), ADIT_OK);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 0));
	ck_assert_uint_eq(provider(&b, 0)->refused, 1);
	miner_saw(0, 0);
	/* A future one that is refused does not harm the one that comes instead of it. */
	ck_assert_int_eq(give_template(0, 501, 102, true, TOO_MUCH), ADIT_OK);
	ck_assert_int_eq(give_template(0, 502, 102, true, REWARD), ADIT_OK);
	ck_assert_int_eq(give_prev_hash(0, 502, 102), ADIT_OK);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 0));
	miner_saw(1, 1);
}
END_TEST

/* Outputs of the provider's own that leave no room for the pool's in a job's message. */
START_TEST(outputs_of_nearly_64k)
{
	static uint8_t outputs[65535];
	uint8_t prefix[2] = {1, 102};
	uint32_t script = 65535 - 100 - 11;
	struct adit_sv2_new_template m = {
	    .template_id = 500,
	    .future_template = true,
	    .version = 0x20000000,
	    .coinbase_tx_version = 2,
	    .coinbase_prefix = {.data = prefix, .size = 2},
	    .coinbase_tx_value_remaining = REWARD,
	    .coinbase_tx_outputs_count = 1,
	    .coinbase_tx_outputs = {.data = outputs, .size = 65535 - 100},
	};

	outputs[8] = 0xfd;
	outputs[9] = (uint8_t)script;
	outputs[10] = (uint8_t)(script >> 8);
	ck_assert_int_eq(provider_handlers.new_template(provider(&b, 0), &b.tdp[0]->head, &m),
			 ADIT_OK);
	ck_assert_uint_eq(provider(&b, 0)->refused, 1);
	ck_assert_ptr_nonnull(strstr(provider(&b, 0)->fault, "leave no room"));
	ck_assert_int_eq(give_prev_hash(0, 500, 102), ADIT_OK);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	ck_assert_ptr_nonnull(strstr(fake_host_status(b.host), "is refused: template refused"));
}
END_TEST

START_TEST(faults_change_nothing)
{
	ck_assert_int_eq(give_template(0, 500, 102, true, REWARD), ADIT_OK);
	miner_saw(1, 0);
	ck_assert_int_eq(give_prev_hash(0, 499, 102), ADIT_E_PROTOCOL);
	ck_assert_uint_eq(provider(&b, 0)->future_count, 1);
	ck_assert_uint_eq(b.pool->mining.tip.prev_hash[0], 101);
	miner_saw(0, 0);
	ck_assert_int_eq(give_prev_hash(0, 500, 102), ADIT_OK);
	miner_saw(0, 1);
	/* Named once more it is no future template any more. */
	ck_assert_int_eq(give_prev_hash(0, 500, 103), ADIT_E_PROTOCOL);
	ck_assert_uint_eq(b.pool->mining.tip.prev_hash[0], 102);
}
END_TEST

START_TEST(an_id_that_comes_again)
{
	const struct template *t;

	ck_assert_int_eq(give_template(0, 500, 102, true, REWARD), ADIT_OK);
	ck_assert_int_eq(give_template(0, 500, 102, true, REWARD + 1), ADIT_OK);
	ck_assert_uint_eq(provider(&b, 0)->future_count, 1);
	ck_assert_int_eq(give_prev_hash(0, 500, 102), ADIT_OK);
	t = b.pool->mining.current;
	ck_assert_uint_eq(t->value, REWARD + 1);
	/* Refused the second time: the first must not be mined in its place. */
	ck_assert_int_eq(give_template(0, 600, 103, true, REWARD), ADIT_OK);
	ck_assert_int_eq(give_template(0, 600, 103, true, TOO_MUCH), ADIT_OK);
	ck_assert_int_eq(give_prev_hash(0, 600, 103), ADIT_OK);
	check_state(0, "refused", 0);
}
END_TEST

/* Future jobs of a provider that is left are not known to channels that come later. */
START_TEST(a_future_job_from_before)
{
	const struct sent *s;
	uint32_t job;

	ck_assert_int_eq(give_template(0, 500, 102, true, REWARD), ADIT_OK);
	miner_saw(1, 0);
	provider(&b, 0)->behind_ms = 1; /* stuck */
	give_tip(1, 102);
	wait_active(1);
	fake_conn_skip(miner);
	ck_assert_int_eq(give_prev_hash(0, 500, 102), ADIT_OK);
	wait_active(0);
	s = fake_conn_next(miner, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	ck_assert_ptr_nonnull(s);
	job = s->body.new_extended_mining_job.job_id;
	ck_assert(s->body.new_extended_mining_job.ntime_start.present);
	ck_assert_uint_eq(b.pool->mining.current->job_id, job);
}
END_TEST

static const struct adit_sv2_coinbase_output_constraints *constraints_of(int i)
{
	const struct sent *s = fake_conn_next(b.tdp[i], ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS);

	ck_assert_ptr_nonnull(s);
	return &s->body.coinbase_output_constraints;
}

/* Other outputs, by a reload: said at once to everyone; the pair that answers on the same previous
 * hash is no new block to miners. */
START_TEST(constraints_that_change)
{
	uint32_t before = b.pool->mining.limits.size;

	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(constraints_of(i)->coinbase_output_max_additional_size, before);
	mining_set_limits(&b.pool->mining, before, b.pool->mining.limits.sigops);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(fake_conn_count(b.tdp[i], ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS),
				  0);
	mining_set_limits(&b.pool->mining, before + 12, 4);
	for (int i = 0; i < 2; i++) {
		const struct adit_sv2_coinbase_output_constraints *m = constraints_of(i);

		ck_assert_uint_eq(m->coinbase_output_max_additional_size, before + 12);
		ck_assert_uint_eq(m->coinbase_output_max_additional_sigops, 4);
	}
	give_tip(0, 101);
	miner_saw(1, 0);
	ck_assert_uint_eq(b.pool->mining.tip_number, 1);
	/* From then on a future template is a look ahead again. */
	ck_assert_int_eq(give_template(0, 500, 102, true, REWARD), ADIT_OK);
	miner_saw(1, 0);
}
END_TEST

/* A block goes to whoever knows its template, and to nobody else, also when work comes from another
 * one by now. */
START_TEST(a_block_of_the_one_before)
{
	uint8_t target[32];
	struct fake_conn *c;
	struct miner m;
	struct miner present;
	const struct sent *s;

	target_from_nbits(NBITS_EASY, target);
	bench_ready(&b, NULL, NBITS_EASY);
	tdp_open(&b, 1);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	b.height = 102;
	new_tip(&b, 1, 1, NBITS_EASY); /* the same tip, said to be higher */
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	present = m;
	take_job(&present);
	solve(&m, target, true);
	expect_accepted(&m);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_solution.template_id, 1);
	ck_assert_ptr_null(fake_conn_next(b.tdp[1], ADIT_SV2_SUBMIT_SOLUTION));
	/* And one of the present work goes to the present provider. */
	present.sequence = m.sequence;
	solve(&present, target, true);
	expect_accepted(&present);
	s = fake_conn_next(b.tdp[1], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_solution.template_id, 2);
	ck_assert_ptr_null(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* A provider that closes over a block each time it is sent it: after some of that it is left alone
 * for a while, and can be used. */
START_TEST(a_block_that_closes)
{
	uint8_t target[32];
	struct fake_conn *c;
	struct miner m;
	size_t sent = 0;

	target_from_nbits(NBITS_EASY, target);
	bench_ready(&b, NULL, NBITS_EASY);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	solve(&m, target, true);
	expect_accepted(&m);
	for (int i = 0; i < 3 * BLOCKS_SENT_OFTEN; i++) {
		sent += fake_conn_count(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
		tdp_close(&b, 0);
		tdp_open(&b, 0);
		new_tip(&b, 0, 1, NBITS_EASY);
	}
	ck_assert_uint_eq(sent, BLOCKS_SENT_OFTEN);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 1);
	ck_assert(fake_host_logged(b.host, "times, and its tip is the one before still"));
	/* Only its next tip settles what it owes. */
	ck_assert_uint_gt(provider(&b, 0)->owes_ms, 0);
	new_tip(&b, 0, 2, NBITS_EASY);
	ck_assert_uint_eq(provider(&b, 0)->owes_ms, 0);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 0);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("template providers of the pool");
	TCase *rules = tcase_create("rules");
	TCase *pool = tcase_create("pool");
	TCase *blocks = tcase_create("blocks");

	tcase_add_checked_fixture(rules, rules_setup, NULL);
	tcase_set_timeout(rules, 30);
	tcase_add_test(rules, the_order_decides);
	tcase_add_test(rules, a_provider_that_is_stuck);
	tcase_add_test(rules, a_short_lag_is_nothing);
	tcase_add_test(rules, a_provider_that_is_lost);
	tcase_add_test(rules, a_fork_is_not_changed_for_another);
	tcase_add_test(rules, not_back_to_an_older_tip_at_once);
	tcase_add_test(rules, heights_that_are_not_told);
	tcase_add_test(rules, a_block_that_became_of_nothing);
	tcase_add_test(rules, a_height_that_is_made_up);
	tcase_add_test(rules, blocks_that_nobody_took);
	tcase_add_test(rules, random_lives);
	tcase_add_checked_fixture(pool, rig_setup, rig_teardown);
	tcase_set_timeout(pool, 60);
	tcase_add_test(pool, fallback_and_return);
	tcase_add_test(pool, stuck_and_well_again);
	tcase_add_test(pool, a_refused_template_for_a_new_tip);
	tcase_add_test(pool, nobody_has_usable_work);
	tcase_add_test(pool, a_refused_template_of_the_same_tip);
	tcase_add_test(pool, outputs_of_nearly_64k);
	tcase_add_test(pool, faults_change_nothing);
	tcase_add_test(pool, an_id_that_comes_again);
	tcase_add_test(pool, a_future_job_from_before);
	tcase_add_test(pool, constraints_that_change);
	tcase_add_test(blocks, a_block_of_the_one_before);
	tcase_add_test(blocks, a_block_that_closes);
	suite_add_tcase(s, blocks);
	suite_add_tcase(s, rules);
	suite_add_tcase(s, pool);
	return s;
}

int main(void)
{
	SRunner *r = srunner_create(make_suite());
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
