/* SPDX-License-Identifier: MIT */
/* Who is paid: identities, the division of a reward, payout classes and their groups, ranged
 * descriptors, and changes while miners are connected. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/payout.h"
#include "plugins/pool/identity.h"
#include "plugins/pool/indexes.h"
#include "tests/unit/pool_rig.h"

#define POOL_ADDRESS                                                                               \
	"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080" /* of the usual configuration               \
							*/
#define MAIN_ADDRESS "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
#define VALUE UINT64_C(5000001000) /* of the rig's future templates */

/* Pays to a witness program whose 20 bytes are BYTE. */
static struct script script_of(uint8_t byte)
{
	struct script s = {.size = 22};

	s.data[1] = 20;
	memset(s.data + 2, byte, 20);
	return s;
}

static const char *address_of(uint8_t byte)
{
	static char text[8][100];
	static int next;
	struct script s = script_of(byte);

	next = (next + 1) % 8;
	ck_assert(script_to_address(s.data, s.size, BITCOIN_REGTEST, text[next], 100));
	return text[next];
}

/* Formatted; good for the next three calls. */
static const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *text(const char *format, ...)
{
	static char out[4][300];
	static int next;
	va_list ap;

	next = (next + 1) % 4;
	va_start(ap, format);
	vsnprintf(out[next], sizeof out[next], format, ap);
	va_end(ap);
	return out[next];
}

/* --- identities --------------------------------------------------------------------------------
 */

static const char *parse(const char *identity, enum identity_policy policy, struct payee *payee)
{
	struct adit_bytes bytes = {(const uint8_t *)identity, (uint32_t)strlen(identity)};

	return identity_parse(&bytes, BITCOIN_REGTEST, policy, payee);
}

static void expect_payee(const char *identity, enum identity_policy policy, uint8_t percent)
{
	struct script script = script_of(7);
	struct payee payee;
	const char *code = parse(identity, policy, &payee);

	ck_assert_msg(code == NULL, "%s: %s", identity, code);
	ck_assert_msg(payee.own_percent == percent, "%s: %u", identity, payee.own_percent);
	if (percent == 100)
		return;
	ck_assert_uint_eq(payee.script_size, script.size);
	ck_assert_mem_eq(payee.script, script.data, script.size);
}

static void expect_code(const char *identity, enum identity_policy policy, const char *expected)
{
	struct payee payee;
	const char *code = parse(identity, policy, &payee);

	ck_assert_msg(code && strcmp(code, expected) == 0, "%s: %s", identity,
		      code ? code : "taken");
}

START_TEST(identities)
{
	const char *a = address_of(7);

	/* The reference pool's forms, with their worker and without. */
	expect_payee(a, IDENTITY_ANY, 0);
	expect_payee(text("%s.rig", a), IDENTITY_ANY, 0);
	expect_payee(text("%s.rig.1/x", a), IDENTITY_ANY, 0);
	expect_payee(text("sri/solo/%s", a), IDENTITY_ANY, 0);
	expect_payee(text("sri/solo/%s/rig", a), IDENTITY_ANY, 0);
	expect_payee(text("sri/solo/%s/rig/1", a), IDENTITY_ANY, 0);
	expect_payee(text("sri/donate/1/%s/rig", a), IDENTITY_ANY, 1);
	expect_payee(text("sri/donate/99/%s", a), IDENTITY_ANY, 99);
	expect_payee("sri/donate", IDENTITY_ANY, 100);
	expect_payee("sri/donate/rig", IDENTITY_ANY, 100);
	/* Accounts. */
	expect_payee("", IDENTITY_ANY, 100);
	expect_payee("alice", IDENTITY_ANY, 100);
	expect_payee("alice.rig", IDENTITY_ANY, 100);
	expect_payee("sri", IDENTITY_ANY, 100);
	expect_payee("other/solo/rig", IDENTITY_ANY, 100);
	expect_payee(text("x%s", a), IDENTITY_ANY, 100);
}
END_TEST

START_TEST(identities_refused)
{
	static const char *const patterns[] = {"sri/",
					       "sri/invalid/rig",
					       "sri/solo",
					       "sri/solo/",
					       "sri/solo/alice/rig",
					       "sri/donate/abc/alice/rig",
					       "sri/donate/5/alice/rig",
					       "sri/solo/" MAIN_ADDRESS "/rig",
					       "sri/donate/5/" MAIN_ADDRESS "/rig",
					       MAIN_ADDRESS,
					       MAIN_ADDRESS ".rig",
					       "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
					       "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa.rig"};
	static const char *const percents[] = {"0", "100", "101", "00", "-1", "+5", "5.5", ""};
	char identity[200];

	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
		expect_code(patterns[i], IDENTITY_ANY, "invalid-user-identity");
	for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
		snprintf(identity, sizeof identity, "sri/donate/%s/%s/rig", percents[i],
			 address_of(7));
		expect_code(identity, IDENTITY_ANY, "invalid-user-identity");
	}
}
END_TEST

START_TEST(identity_policies)
{
	const char *a = address_of(7);
	static const uint8_t zero[4] = {'a', 0, 'b', 0};
	struct adit_bytes bytes = {zero, sizeof zero};
	struct payee payee;

	expect_payee(text("%s.rig", a), IDENTITY_POOL, 100);
	expect_payee(MAIN_ADDRESS ".rig", IDENTITY_POOL, 100);
	expect_payee("sri/donate/rig", IDENTITY_POOL, 100);
	expect_code(text("sri/solo/%s/rig", a), IDENTITY_POOL, "unknown-user");
	expect_code(text("sri/donate/5/%s/rig", a), IDENTITY_POOL, "unknown-user");
	expect_payee(text("%s.rig", a), IDENTITY_SOLO, 0);
	expect_payee(text("sri/donate/5/%s/rig", a), IDENTITY_SOLO, 5);
	expect_code("alice", IDENTITY_SOLO, "unknown-user");
	expect_code("", IDENTITY_SOLO, "unknown-user");
	expect_code("sri/donate", IDENTITY_SOLO, "unknown-user");
	/* Bytes are not believed to be text. */
	ck_assert_ptr_null(identity_parse(&bytes, BITCOIN_MAIN, IDENTITY_ANY, &payee));
	ck_assert_uint_eq(payee.own_percent, 100);
	bytes = (struct adit_bytes){NULL, 0};
	ck_assert_ptr_null(identity_parse(&bytes, BITCOIN_MAIN, IDENTITY_ANY, &payee));
}
END_TEST

/* --- division ----------------------------------------------------------------------------------
 */

static const uint32_t no_indexes[REWARD_ITEMS_MAX];

static struct payout payout_of(const char *list)
{
	struct reward reward;
	struct payout payout;
	struct error e = {0};

	ck_assert_msg(reward_parse(&reward, list, BITCOIN_REGTEST, &e) == ADIT_OK, "%s", e.text);
	ck_assert_int_eq(payout_make(&payout, &reward, no_indexes, "regtest", &e), ADIT_OK);
	reward_free(&reward);
	return payout;
}

/* Divides VALUE; the outputs must be COUNT, of VALUES, to script_of(bytes[i]). */
static void expect_outputs(const struct payout *p, const struct payee *payee, uint64_t value,
			   uint32_t count, const uint64_t *values, const char *bytes)
{
	struct buf out = {0};
	struct reader r;
	struct tx_output o;
	uint64_t sum = 0;

	ck_assert_uint_eq(payout_outputs(p, payee, value, &out), count);
	reader_init(&r, out.data, out.size);
	for (uint32_t i = 0; i < count; i++) {
		struct script script = script_of((uint8_t)bytes[i]);

		ck_assert(tx_next_output(&r, &o));
		ck_assert_uint_eq(o.value, values[i]);
		ck_assert_uint_eq(o.script_size, script.size);
		ck_assert_mem_eq(o.script, script.data, script.size);
		sum += o.value;
	}
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert_uint_eq(sum, value); /* to the last satoshi */
	buf_free(&out);
}

static struct payee payee_of(uint8_t percent, uint8_t byte)
{
	struct script script = script_of(byte);
	struct payee payee = {.own_percent = percent, .script_size = (uint8_t)script.size};

	memcpy(payee.script, script.data, script.size);
	return payee;
}

START_TEST(division)
{
	static const struct payee pool = {.own_percent = 100};
	struct payee solo = payee_of(0, 9);
	struct payee donor = payee_of(5, 9);
	char list[300];
	struct payout p;

	snprintf(list, sizeof list, "2.5%% %s, %s", address_of(1), address_of(2));
	p = payout_of(list);
	expect_outputs(&p, &pool, 5000000000, 2, (uint64_t[]){125000000, 4875000000}, "\1\2");
	/* Rounded down; the satoshi that is left goes to the one without a percentage ... */
	expect_outputs(&p, &pool, 312500039, 2, (uint64_t[]){7812500, 304687539}, "\1\2");
	expect_outputs(&p, &solo, 312500039, 1, (uint64_t[]){312500039}, "\11");
	/* ... and what rounding leaves of a donation to the miner. */
	expect_outputs(&p, &donor, 312500039, 3, (uint64_t[]){390625, 15234376, 296875038},
		       "\1\2\11");
	/* Below 546 satoshi an output of the pool's is left out ... */
	expect_outputs(&p, &pool, 21839, 1, (uint64_t[]){21839}, "\2");
	expect_outputs(&p, &pool, 21840, 2, (uint64_t[]){546, 21294}, "\1\2");
	expect_outputs(&p, &donor, 10919, 1, (uint64_t[]){10919}, "\11");
	expect_outputs(&p, &donor, 10920, 2, (uint64_t[]){546, 10374}, "\2\11");
	/* ... but there always is one. */
	expect_outputs(&p, &pool, 0, 1, (uint64_t[]){0}, "\2");
	expect_outputs(&p, &donor, 0, 1, (uint64_t[]){0}, "\11");
	/* All the money there is. */
	expect_outputs(&p, &donor, 2100000000000000, 3,
		       (uint64_t[]){2625000000000, 102375000000000, 1995000000000000}, "\1\2\11");
	snprintf(list, sizeof list, "33.3333%% %s,33.3333%% %s,33.3334%% %s", address_of(1),
		 address_of(2), address_of(3));
	p = payout_of(list);
	expect_outputs(&p, &pool, 100000000, 3, (uint64_t[]){33333300, 33333300, 33333400},
		       "\1\2\3");
	/* 333333.33, 333333.33, 333334.33: the first gets what is left. */
	expect_outputs(&p, &pool, 1000001, 3, (uint64_t[]){333334, 333333, 333334}, "\1\2\3");
}
END_TEST

START_TEST(constraints)
{
	struct payout p = payout_of("raw(76a914000102030405060708090a0b0c0d0e0f1011121388ac)");

	/* P2PKH: 25 bytes of script, one legacy signature operation, cost 4 (BIP141). */
	ck_assert_uint_eq(p.size, 8 + 1 + 25);
	ck_assert_uint_eq(p.sigops, 4);
	ck_assert_uint_eq(payout_limits(&p, false).size, 128);
	ck_assert_uint_eq(payout_limits(&p, true).size, 128); /* 34 + 51 */
	ck_assert_uint_eq(payout_limits(&p, true).sigops, 16);
	p.size = 77;
	p.sigops = 12;
	ck_assert_uint_eq(payout_limits(&p, true).size, 128);
	ck_assert_uint_eq(payout_limits(&p, true).sigops, 16);
	p.size++;
	p.sigops++;
	ck_assert_uint_eq(payout_limits(&p, true).size, 256);
	ck_assert_uint_eq(payout_limits(&p, true).sigops, 32);
	ck_assert_uint_eq(payout_limits(&p, false).size, 128);
	ck_assert_uint_eq(payout_limits(&p, false).sigops, 16);
	/* P2WPKH: no legacy operation. */
	p = payout_of(POOL_ADDRESS);
	ck_assert_uint_eq(p.size, 8 + 1 + 22);
	ck_assert_uint_eq(p.sigops, 0);
}
END_TEST

/* --- classes -----------------------------------------------------------------------------------
 */

/* Output I of the coinbase of the extended job that M works on. */
static void expect_pays(const struct miner *m, uint32_t i, uint64_t value, uint8_t byte)
{
	const struct adit_sv2_new_extended_mining_job *j = m->extended;
	struct script script = script_of(byte);
	struct buf coinbase = {0};
	struct reader r;
	struct tx tx;
	struct tx_output o;

	buf_append(&coinbase, j->coinbase_tx_prefix.data, j->coinbase_tx_prefix.size);
	buf_append(&coinbase, m->prefix, m->prefix_size);
	buf_append(&coinbase, m->extranonce, m->rollable);
	buf_append(&coinbase, j->coinbase_tx_suffix.data, j->coinbase_tx_suffix.size);
	reader_init(&r, coinbase.data, coinbase.size);
	ck_assert(tx_parse(&r, &tx));
	ck_assert_uint_gt(tx.outputs, i);
	tx_outputs(&tx, &r);
	for (uint32_t k = 0; k <= i; k++)
		ck_assert(tx_next_output(&r, &o));
	ck_assert_uint_eq(o.value, value);
	ck_assert_uint_eq(o.script_size, script.size);
	ck_assert_mem_eq(o.script, script.data, script.size);
	buf_free(&coinbase);
}

static struct miner open_as(struct bench *b, struct fake_conn *c, const char *user)
{
	b->user = user;
	return open_miner(b, c, false);
}

static uint32_t group_of(const struct miner *m)
{
	return channel_find(m->conn->user, m->channel)->group->class->group_id;
}

static const struct fake_option own_payout[2] = {
    {"payout", "raw(00140101010101010101010101010101010101010101)"}, {NULL, NULL}};

START_TEST(channels_by_payee)
{
	struct bench b;
	struct fake_conn *c[2];
	struct miner pool;
	struct miner solo[3];
	struct miner donor;

	bench_ready(&b, own_payout, NBITS_HARD);
	c[0] = connect_miner(&b, 1, 0);
	c[1] = connect_miner(&b, 2, 0);
	solo[0] = open_as(&b, c[0], text("%s.one", address_of(7)));
	solo[1] = open_as(&b, c[0], text("sri/solo/%s/two", address_of(7)));
	solo[2] = open_as(&b, c[1], address_of(7));
	donor = open_as(&b, c[1], text("sri/donate/10/%s/rig", address_of(7)));
	pool = open_as(&b, c[0], "alice");
	expect_pays(&pool, 0, VALUE, 1);
	for (int i = 0; i < 3; i++) {
		expect_pays(&solo[i], 0, VALUE, 7);
		ck_assert_uint_eq(group_of(&solo[i]), group_of(&solo[0]));
		solve(&solo[i], solo[i].target, true);
		expect_accepted(&solo[i]);
	}
	expect_pays(&donor, 0, VALUE / 10, 1);
	expect_pays(&donor, 1, VALUE - VALUE / 10, 7);
	ck_assert_uint_eq(group_of(&pool), CHANNEL_GROUP);
	ck_assert_uint_ge(group_of(&solo[0]), CHANNEL_GROUP_FIRST);
	ck_assert_uint_gt(group_of(&donor), group_of(&solo[0]));
	ck_assert_uint_eq(b.pool->mining.classes.count, 2);
	/* A template: one frame for each group, on each connection the pool's own class first. */
	for (int i = 0; i < 2; i++)
		fake_conn_skip(c[i]);
	send_template(&b, 0, false);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(fake_conn_count(c[i], ADIT_SV2_NEW_EXTENDED_MINING_JOB), 2);
	take_job(&pool);
	ck_assert_uint_eq(pool.extended->channel_id, CHANNEL_GROUP);
	expect_pays(&pool, 0, VALUE + b.next_template, 1);
	take_job(&solo[0]);
	ck_assert_uint_eq(solo[0].extended->channel_id, group_of(&solo[0]));
	solo[1].extended = solo[0].extended;
	solo[1].job = solo[0].job;
	take_job(&solo[2]);
	ck_assert_uint_eq(solo[2].extended->channel_id, group_of(&solo[0]));
	ck_assert_uint_eq(solo[2].job, solo[0].job);
	take_job(&donor);
	for (int i = 0; i < 3; i++) {
		solve(&solo[i], solo[i].target, true);
		expect_accepted(&solo[i]);
	}
	solve(&donor, donor.target, true);
	expect_accepted(&donor);
	/* A tip goes to every group. */
	for (int i = 0; i < 2; i++)
		fake_conn_skip(c[i]);
	new_tip(&b, 0, 2, NBITS_HARD);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(fake_conn_count(c[i], ADIT_SV2_SET_NEW_PREV_HASH), 2);
	expect_refused(&donor, "stale-share");
	/* The last channel takes its class along. */
	leave(&b, c[1]);
	ck_assert_uint_eq(b.pool->mining.classes.count, 1);
	leave(&b, c[0]);
	ck_assert_uint_eq(b.pool->mining.classes.count, 0);
	bench_end(&b);
}
END_TEST

/* Who asked for standard jobs gets them with its own root, whatever the class. */
START_TEST(standard_jobs_by_payee)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m[2];
	size_t start;

	bench_ready(&b, own_payout, NBITS_HARD);
	c = connect_miner(&b, 1, ADIT_SV2_REQUIRES_STANDARD_JOBS);
	b.user = "alice";
	m[0] = open_miner(&b, c, true);
	b.user = address_of(7);
	m[1] = open_miner(&b, c, true);
	for (int i = 0; i < 2; i++) {
		solve(&m[i], m[i].target, true);
		expect_accepted(&m[i]);
	}
	fake_conn_skip(c);
	start = c->read;
	new_tip(&b, 0, 2, NBITS_HARD);
	for (int i = 0; i < 2; i++) {
		c->read = start;
		if (i == 1) /* the other channel's */
			fake_conn_next(c, ADIT_SV2_NEW_MINING_JOB);
		take_job(&m[i]);
		solve(&m[i], m[i].target, true);
	}
	expect_accepted(&m[0]);
	expect_accepted(&m[1]);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(close_one_group)
{
	struct adit_sv2_close_channel close = {0};
	struct bench b;
	struct fake_conn *c;
	struct miner pool;
	struct miner solo[2];

	bench_ready(&b, own_payout, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	pool = open_as(&b, c, "alice");
	for (int i = 0; i < 2; i++)
		solo[i] = open_as(&b, c, address_of(7));
	close.channel_id = group_of(&solo[0]);
	b.server.handlers->close_channel(b.server.context, &c->head, &close);
	ck_assert_uint_eq(b.pool->mining.channel_count, 1);
	expect_refused(&solo[0], "invalid-channel-id");
	expect_refused(&solo[1], "invalid-channel-id");
	solve(&pool, pool.target, true);
	expect_accepted(&pool);
	/* The same payee again: another group, as ids are not used again. */
	solo[0] = open_as(&b, c, address_of(7));
	ck_assert_uint_gt(group_of(&solo[0]), close.channel_id);
	/* Nothing to close, nothing happens. */
	b.server.handlers->close_channel(b.server.context, &c->head, &close);
	ck_assert_uint_eq(b.pool->mining.channel_count, 2);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

static void expect_open_refused(struct bench *b, struct fake_conn *c, const char *user,
				const char *code)
{
	uint32_t channels = b->pool->mining.channel_count;
	const struct sent *s;

	b->user = user;
	for (int standard = 0; standard < 2; standard++) {
		fake_conn_skip(c);
		send_open(b, c, standard, 0, &any_target, 8);
		s = fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);
		ck_assert_msg(s != NULL, "%s was let in", user);
		ck_assert_msg(sent_text_is(&s->body.open_mining_channel_error.error_code, code),
			      "%s: not %s", user, code);
	}
	ck_assert_uint_eq(b->pool->mining.channel_count, channels);
}

START_TEST(open_refused_by_identity)
{
	static const struct fake_option solo[] = {{"identities", "solo"}, {NULL, NULL}};
	static const struct fake_option accounts[] = {{"identities", "pool"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	expect_open_refused(&b, c, MAIN_ADDRESS ".rig", "invalid-user-identity");
	expect_open_refused(&b, c, "sri/solo/nobody/rig", "invalid-user-identity");
	leave(&b, c);
	bench_end(&b);
	bench_ready(&b, solo, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	expect_open_refused(&b, c, "alice.rig", "unknown-user");
	leave(&b, c);
	bench_end(&b);
	bench_ready(&b, accounts, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	expect_open_refused(&b, c, text("sri/solo/%s", address_of(7)), "unknown-user");
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(payouts_are_bounded)
{
	static const struct fake_option two[] = {{"max_payouts", "2"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c[2];

	bench_ready(&b, two, NBITS_HARD);
	for (uint32_t i = 0; i < 2; i++) {
		c[i] = connect_miner(&b, i + 1, 0);
		open_as(&b, c[i], address_of((uint8_t)(1 + i)));
	}
	expect_open_refused(&b, c[0], address_of(3), "channel-capacity-exhausted");
	ck_assert_uint_eq(b.pool->mining.extranonce.live, 2);
	/* Known payees and the pool's own are no new ones. */
	open_as(&b, c[0], address_of(2));
	open_as(&b, c[0], "alice");
	leave(&b, c[1]);
	ck_assert_uint_eq(b.pool->mining.classes.count, 2);
	leave(&b, c[0]);
	ck_assert_uint_eq(b.pool->mining.classes.count, 0);
	c[0] = connect_miner(&b, 3, 0);
	open_as(&b, c[0], address_of(3));
	leave(&b, c[0]);
	bench_end(&b);
}
END_TEST

/* --- changes -----------------------------------------------------------------------------------
 */

static int32_t reload(struct bench *b, const char *key, const char *value)
{
	fake_host_set_config(b->host, key, value);
	return adit_plugin.reload(b->pool);
}

START_TEST(payout_changes)
{
	struct bench b;
	struct fake_conn *c;
	struct miner pool;
	struct miner old;
	struct miner solo;
	uint64_t id;

	bench_ready(&b, own_payout, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	pool = open_as(&b, c, "alice");
	solo = open_as(&b, c, address_of(7));
	id = send_template(&b, 0, true); /* announced with the old outputs */
	old = pool;
	fake_conn_skip(c);
	ck_assert_int_eq(reload(&b, "payout",
				text("50%% %s, 50%% raw(0014030303030303030303030303"
				     "0303030303030303)",
				     address_of(2))),
			 ADIT_OK);
	/* The future job again, for both groups, then one to be mined now. */
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 4);
	pool.extended =
	    &fake_conn_next(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB)->body.new_extended_mining_job;
	ck_assert(!pool.extended->ntime_start.present);
	expect_pays(&pool, 1, VALUE / 2, 3);
	fake_conn_next(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	take_job(&pool);
	expect_pays(&pool, 0, VALUE / 2, 2);
	expect_pays(&pool, 1, VALUE / 2, 3);
	take_job(&solo);
	expect_pays(&solo, 0, VALUE, 7);
	solve(&pool, pool.target, true);
	expect_accepted(&pool);
	solve(&solo, solo.target, true);
	expect_accepted(&solo);
	/* What is on its way counts. */
	old.sequence = pool.sequence;
	solve(&old, old.target, true);
	expect_accepted(&old);
	/* The tip names the future job that pays as it should. */
	fake_conn_skip(c);
	ck_assert_int_eq(send_tip(&b, 0, id, 2, NBITS_HARD), ADIT_OK);
	const struct sent *s = fake_conn_next(c, ADIT_SV2_SET_NEW_PREV_HASH);

	ck_assert_uint_eq(s->body.set_new_prev_hash.job_id,
			  channel_find(c->user, pool.channel)->jobs.items[0].id);
	ck_assert_ptr_eq(channel_find(c->user, pool.channel)->jobs.items[0].coinbase->class,
			 b.pool->mining.classes.own);
	/* More than template providers were told of: the role has to start anew. */
	fake_conn_skip(c);
	ck_assert_int_eq(reload(&b, "payout",
				"raw(0020030303030303030303030303030303030303030303"
				"0303030303030303030303),50% raw(002004040404040404"
				"04040404040404040404040404040404040404040404040404"
				"0404)"),
			 ADIT_E_UNSUPPORTED);
	ck_assert_int_eq(reload(&b, "payout", "nonsense"), ADIT_E_CONFIG);
	ck_assert_uint_eq(c->count, c->read);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Other rules about who is paid: channels move to the group of their new class, or have to go. */
START_TEST(identities_change)
{
	struct bench b;
	struct fake_conn *c;
	struct miner pool;
	struct miner named;
	struct miner solo;
	const struct sent *s;

	bench_ready(&b, own_payout, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	pool = open_as(&b, c, "alice");
	named = open_as(&b, c, text("%s.rig", address_of(7)));
	solo = open_as(&b, c, text("sri/solo/%s/rig", address_of(7)));
	fake_conn_skip(c);
	ck_assert_int_eq(reload(&b, "identities", "pool"), ADIT_OK);
	/* From the newest channel on: one has to go, one moves. */
	s = fake_conn_next(c, ADIT_SV2_CLOSE_CHANNEL);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.close_channel.channel_id, solo.channel);
	ck_assert(sent_text_is(&s->body.close_channel.reason_code, "unknown-user"));
	s = fake_conn_next(c, ADIT_SV2_SET_GROUP_CHANNEL);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_group_channel.group_channel_id, CHANNEL_GROUP);
	ck_assert_uint_eq(s->body.set_group_channel.channel_ids.count, 1);
	ck_assert_uint_eq(s->body.set_group_channel.channel_ids.data[0], named.channel);
	ck_assert_uint_eq(b.pool->mining.classes.count, 0);
	take_job(&pool);
	named.extended = pool.extended;
	named.job = pool.job;
	expect_pays(&named, 0, VALUE, 1);
	solve(&named, named.target, true);
	expect_accepted(&named);
	expect_refused(&solo, "invalid-channel-id");
	/* And back. */
	fake_conn_skip(c);
	ck_assert_int_eq(reload(&b, "identities", "solo"), ADIT_OK);
	s = fake_conn_next(c, ADIT_SV2_SET_GROUP_CHANNEL);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_group_channel.group_channel_id, group_of(&named));
	ck_assert_uint_ge(group_of(&named), CHANNEL_GROUP_FIRST);
	take_job(&named);
	expect_pays(&named, 0, VALUE, 7);
	solve(&named, named.target, true);
	expect_accepted(&named);
	ck_assert_uint_eq(b.pool->mining.channel_count, 1); /* "alice" had to go */
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* --- ranged descriptors ------------------------------------------------------------------------
 */

/* BIP32 test vector 1, chain m. */
#define XPUB                                                                                       \
	"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD2" \
	"65TMg7usUDFdp6W1EGMcet8"

/* wpkh() of that key as the test networks write it, for any step STEPS. */
static const char *ranged(const char *steps)
{
	static char out[4][300];
	static int next;
	uint8_t payload[78];
	char key[150];

	ck_assert_int_eq(base58check_decode(XPUB, payload, sizeof payload), 78);
	memcpy(payload, "\x04\x35\x87\xcf", 4);
	ck_assert(base58check_encode(payload, sizeof payload, key, sizeof key));
	next = (next + 1) % 4;
	snprintf(out[next], sizeof out[next], "wpkh(%s%s)", key, steps);
	return out[next];
}

static char *make_directory(void)
{
	char *directory = strdup("/tmp/adit-test-pool-XXXXXX");

	ck_assert_ptr_nonnull(mkdtemp(directory));
	return directory;
}

static void remove_directory(char *directory)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
	free(directory);
}

static void write_index(const char *directory, const char *content)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/payout.index", directory);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(content, f);
	fclose(f);
}

static char *read_index(const char *directory)
{
	char path[128];

	snprintf(path, sizeof path, "%s/payout.index", directory);
	return fake_host_read_file(path);
}

START_TEST(index_file)
{
	char *directory = make_directory();
	struct reward reward;
	struct indexes x[2];
	struct error e = {0};
	char list[600];
	char *content;

	snprintf(list, sizeof list, "10%% %s, 10%% %s, %s", ranged("/0/*"), address_of(1),
		 ranged("/1/*"));
	ck_assert_int_eq(reward_parse(&reward, list, BITCOIN_REGTEST, &e), ADIT_OK);
	/* One of them further on, and one that is configured no more. */
	write_index(directory, text("41 %s\n7 wpkh(gone)\n", ranged("/1/*")));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(indexes_init(&x[i], directory), ADIT_OK);
		ck_assert_int_eq(indexes_read(&x[i], &reward, &e), ADIT_OK);
		ck_assert_uint_eq(x[i].value[0], 0);
		ck_assert_uint_eq(x[i].value[2], 41);
	}
	/* Two workers find a block on the same indexes: one step. */
	ck_assert_int_eq(indexes_advance(&x[0], &reward, &e), ADIT_OK);
	ck_assert(!indexes_changed(&x[0]));
	ck_assert(indexes_changed(&x[1]));
	ck_assert_int_eq(indexes_advance(&x[1], &reward, &e), ADIT_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(x[i].value[0], 1);
		ck_assert_uint_eq(x[i].value[1], 0);
		ck_assert_uint_eq(x[i].value[2], 42);
	}
	content = read_index(directory);
	ck_assert_ptr_nonnull(strstr(content, "7 wpkh(gone)\n"));
	ck_assert_ptr_nonnull(strstr(content, text("1 %s\n", ranged("/0/*"))));
	ck_assert_ptr_nonnull(strstr(content, text("42 %s\n", ranged("/1/*"))));
	free(content);
	for (int i = 0; i < 2; i++)
		indexes_fini(&x[i]);
	reward_free(&reward);
	remove_directory(directory);
}
END_TEST

START_TEST(index_file_in_trouble)
{
	static const char *const damaged[] = {
	    "x\n", "1\n", "1 \n", "1 wpkh(a)", "-1 a\n", "2147483648 a\n", "1 a\n\n"};
	char *directory = make_directory();
	struct reward reward;
	struct indexes x;
	struct error e = {0};
	char path[128];
	int lock;

	ck_assert_int_eq(reward_parse(&reward, ranged("/*"), BITCOIN_REGTEST, &e), ADIT_OK);
	ck_assert_int_eq(indexes_init(&x, directory), ADIT_OK);
	for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
		write_index(directory, damaged[i]);
		ck_assert_int_eq(indexes_read(&x, &reward, &e), ADIT_E_IO);
		ck_assert_ptr_nonnull(strstr(e.text, "payout.index:"));
		ck_assert_int_eq(indexes_advance(&x, &reward, &e), ADIT_E_IO);
	}
	/* No index follows the last one. */
	write_index(directory, text("2147483647 %s\n", ranged("/*")));
	ck_assert_int_eq(indexes_read(&x, &reward, &e), ADIT_OK);
	ck_assert_int_eq(indexes_advance(&x, &reward, &e), ADIT_OK);
	ck_assert_uint_eq(x.value[0], 2147483647);
	/* While another one writes. */
	snprintf(path, sizeof path, "%s/payout.index.lock", directory);
	lock = open(path, O_RDWR);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	ck_assert_int_eq(indexes_advance(&x, &reward, &e), ADIT_E_UNAVAILABLE);
	close(lock);
	indexes_fini(&x);
	reward_free(&reward);
	remove_directory(directory);
}
END_TEST

/* Every block gets another script, over workers and starts. */
START_TEST(ranged_payout)
{
	char *directory = make_directory();
	struct fake_option options[] = {{"payout", ranged("/0/*")}, {NULL, NULL}};
	struct bench b[2];
	struct fake_conn *c[2];
	struct miner m[2];
	struct script first;
	struct script second;
	struct error e = {0};
	uint8_t target[32];

	ck_assert_int_eq(descriptor_script_at(ranged("/0/*"), BITCOIN_REGTEST, 0, &first, &e),
			 ADIT_OK);
	ck_assert_int_eq(descriptor_script_at(ranged("/0/*"), BITCOIN_REGTEST, 1, &second, &e),
			 ADIT_OK);
	target_from_nbits(NBITS_EASY, target);
	for (int i = 0; i < 2; i++) {
		bench_make(&b[i], options);
		fake_host_set_state_dir(b[i].host, directory);
		bench_start(&b[i]);
		tdp_open(&b[i], 0);
		new_tip(&b[i], 0, 1, NBITS_EASY);
		c[i] = connect_miner(&b[i], 1, 0);
		m[i] = open_as(&b[i], c[i], "alice");
		ck_assert_mem_eq(b[i].pool->payout.outputs[0].script.data, first.data, first.size);
	}
	/* One worker finds two blocks on the same job; the other hears of it by its own look. */
	for (int i = 0; i < 2; i++) {
		solve(&m[0], target, true);
		expect_accepted(&m[0]);
	}
	fake_conn_skip(c[0]);
	fake_host_run(b[0].host, 200);
	ck_assert_uint_eq(b[0].pool->indexes.value[0], 1);
	take_job(&m[0]);
	ck_assert_uint_ge(m[0].extended->coinbase_tx_suffix.size, second.size);
	ck_assert_ptr_nonnull(memmem(m[0].extended->coinbase_tx_suffix.data,
				     m[0].extended->coinbase_tx_suffix.size, second.data,
				     second.size));
	fake_conn_skip(c[1]);
	fake_host_run(b[1].host, 1200);
	take_job(&m[1]);
	ck_assert_ptr_nonnull(memmem(m[1].extended->coinbase_tx_suffix.data,
				     m[1].extended->coinbase_tx_suffix.size, second.data,
				     second.size));
	/* A block of a miner's own is none of the pool's. */
	leave(&b[0], c[0]);
	c[0] = connect_miner(&b[0], 2, 0);
	m[0] = open_as(&b[0], c[0], address_of(7));
	solve(&m[0], target, true);
	expect_accepted(&m[0]);
	fake_host_run(b[0].host, 100);
	ck_assert_uint_eq(b[0].pool->indexes.value[0], 1);
	for (int i = 0; i < 2; i++) {
		leave(&b[i], c[i]);
		bench_end(&b[i]);
	}
	/* The next start goes on there. */
	bench_make(&b[0], options);
	fake_host_set_state_dir(b[0].host, directory);
	bench_start(&b[0]);
	ck_assert_mem_eq(b[0].pool->payout.outputs[0].script.data, second.data, second.size);
	bench_end(&b[0]);
	/* A damaged file is not guessed at. */
	write_index(directory, "rubbish\n");
	bench_make(&b[0], options);
	fake_host_set_state_dir(b[0].host, directory);
	ck_assert_int_ne(fake_host_start(b[0].host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(b[0].host), "payout.index:1"));
	bench_free(&b[0]);
	remove_directory(directory);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool payout");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, identities);
	tcase_add_test(c, identities_refused);
	tcase_add_test(c, identity_policies);
	tcase_add_test(c, division);
	tcase_add_test(c, constraints);
	tcase_add_test(c, channels_by_payee);
	tcase_add_test(c, standard_jobs_by_payee);
	tcase_add_test(c, close_one_group);
	tcase_add_test(c, open_refused_by_identity);
	tcase_add_test(c, payouts_are_bounded);
	tcase_add_test(c, payout_changes);
	tcase_add_test(c, identities_change);
	tcase_add_test(c, index_file);
	tcase_add_test(c, index_file_in_trouble);
	tcase_add_test(c, ranged_payout);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
