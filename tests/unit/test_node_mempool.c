/* SPDX-License-Identifier: MIT */
/* What bitcoin-rpc knows of a node's mempool: the mirror alone, its events, transactions by wtxid.
 */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/mirror.h"
#include "host/node/traffic.h"
#include "host/node/txid_list.h"
#include "lib/util/hex.h"
#include "tests/unit/mock_node.h"
#include "tests/unit/node_rig.h"

static struct mock_node mock;
static struct adit_host *host;

/* --- the mirror against a plain list ------------------------------------------------------------
 */

#define IDS 3000

static bool listed[IDS];
static bool known[IDS];
static bool resolved[IDS];
static size_t departed;

static void make_id(unsigned n, bool wtxid, uint8_t id[32])
{
	memset(id, wtxid ? 0xaa : 0x55, 32);
	/* The low bytes alike, the way an adversary would have them. */
	memcpy(id + 12, &n, sizeof(n));
}

static void on_departed(void *user, const struct mirror_entry *e)
{
	unsigned n;

	(void)user;
	memcpy(&n, e->txid + 12, sizeof(n));
	ck_assert_uint_lt(n, IDS);
	ck_assert(known[n] && !listed[n]);
	known[n] = false;
	resolved[n] = false;
	departed++;
}

static void read_list(struct mirror *m)
{
	mirror_list_begin(m);
	for (unsigned n = 0; n < IDS; n++) {
		struct mirror_entry *e;
		uint8_t id[32];

		if (!listed[n])
			continue;
		make_id(n, false, id);
		if (mirror_list_add(m, id, &e)) {
			ck_assert(!known[n]);
			ck_assert_mem_eq(e->txid, id, 32);
			known[n] = true;
		}
	}
	while (!mirror_list_end(m, 700, on_departed, NULL))
		;
}

static void must_agree(struct mirror *m)
{
	size_t count = 0;
	size_t unresolved = 0;

	for (unsigned n = 0; n < IDS; n++) {
		uint8_t id[32];
		const struct mirror_entry *e;

		make_id(n, false, id);
		ck_assert_int_eq(mirror_find(m, id) != NULL, known[n]);
		make_id(n, true, id);
		e = mirror_find_wtxid(m, id);
		ck_assert_int_eq(e != NULL, resolved[n]);
		if (e != NULL) {
			make_id(n, false, id);
			ck_assert_mem_eq(e->txid, id, 32);
		}
		count += known[n];
		unresolved += known[n] && !resolved[n];
	}
	ck_assert_uint_eq(m->count, count);
	ck_assert_uint_eq(m->unresolved, unresolved);
}

static void resolve_some(struct mirror *m, size_t some)
{
	for (; some > 0; some--) {
		struct mirror_entry *e = mirror_next_unresolved(m);
		unsigned n;
		uint8_t id[32];

		if (e == NULL)
			return;
		memcpy(&n, e->txid + 12, sizeof(n));
		ck_assert(known[n] && !resolved[n]);
		make_id(n, true, id);
		mirror_resolve(m, e, id);
		resolved[n] = true;
	}
}

START_TEST(the_mirror_is_what_a_list_would_be)
{
	struct mirror m;
	unsigned seed = 11u + (unsigned)_i;

	memset(listed, 0, sizeof(listed));
	memset(known, 0, sizeof(known));
	memset(resolved, 0, sizeof(resolved));
	departed = 0;
	mirror_init(&m, IDS);
	ck_assert_ptr_null(mirror_next_unresolved(&m));
	for (int round = 0; round < 60; round++) {
		for (unsigned n = 0; n < IDS; n++)
			if (rand_r(&seed) % 8 == 0)
				listed[n] = !listed[n];
		read_list(&m);
		ck_assert_uint_eq(m.left_out, 0);
		resolve_some(&m, (size_t)rand_r(&seed) % 900);
		must_agree(&m);
	}
	ck_assert_uint_gt(departed, 1000);
	mirror_clear(&m);
	ck_assert_uint_eq(m.count, 0);
}
END_TEST

START_TEST(the_mirror_is_bounded)
{
	struct mirror m;

	for (unsigned n = 0; n < IDS; n++)
		listed[n] = true;
	memset(known, 0, sizeof(known));
	mirror_init(&m, 100);
	read_list(&m);
	ck_assert_uint_eq(m.count, 100);
	ck_assert_uint_eq(m.left_out, IDS - 100);
	ck_assert_uint_le(m.capacity, 512);
	/* Room that is made is taken. */
	for (unsigned n = 0; n < 50; n++)
		listed[n] = false;
	read_list(&m);
	read_list(&m);
	ck_assert_uint_eq(m.count, 100);
	mirror_clear(&m);
	mirror_init(&m, 0);
	mirror_list_begin(&m);
	ck_assert(!mirror_list_add(&m, (const uint8_t[32]){1}, &(struct mirror_entry *){NULL}));
	ck_assert_ptr_null(mirror_find(&m, (const uint8_t[32]){1}));
	ck_assert_ptr_null(mirror_find_wtxid(&m, (const uint8_t[32]){1}));
	mirror_clear(&m);
}
END_TEST

/* --- the list's text ----------------------------------------------------------------------------
 */

#define A "\"00000000000000000000000000000000000000000000000000000000000000aa\""
#define B "\"bb00000000000000000000000000000000000000000000000000000000000000\""

static const struct {
	const char *text;
	int count; /* -1: a failure at last */
} lists[] = {
    {"{\"result\":[],\"id\":1}", 0},
    {"{\"result\":[" A "," B "],\"error\":null}", 2},
    {" {\n\"id\" : 1, \"result\" : [ " A " ,\r\n" B "\t] }", 2},
    {"{\"result\":[" A "," B "]", 2},
    {"{\"result\":[" A "," B, -1},
    {"{\"result\":[" A ",", -1},
    {"{\"result\":[" A ",]", -1},
    {"{\"result\":[" A B "]", -1},
    {"{\"result\":[7]}", -1},
    {"{\"result\":[\"00\"]}", -1},
    {"{\"result\":[\"zz000000000000000000000000000000000000000000000000000000000000zz\"]}", -1},
    {"{\"result\":null,\"error\":{\"code\":-1}}", -1},
    {"{\"result\":", -1},
    {"{\"result\"", -1},
    {"[]", -1},
    {"", -1}};

START_TEST(a_list_is_read)
{
	struct txid_list l;
	uint8_t txid[32];
	int count = 0;

	txid_list_init(&l, lists[_i].text, strlen(lists[_i].text));
	while (txid_list_next(&l, txid)) {
		ck_assert_uint_eq(count == 0 ? txid[0] : txid[31], count == 0 ? 0xaa : 0xbb);
		count++;
	}
	ck_assert_int_eq(l.failed ? -1 : count, lists[_i].count);
	ck_assert_int_eq(l.ended, lists[_i].count >= 0);
}
END_TEST

/* --- a node -------------------------------------------------------------------------------------
 */

static void setup(void)
{
	host = fake_host_new("node", adit_node_manifest, NULL, NULL);
	mock_node_init(&mock, fake_host_base(host));
	fake_host_set_config(host, "backend", "bitcoin-rpc");
	rig_use_rpc(host, mock.port, mock.cookie, "100");
	fake_host_set_config(host, "mempool_interval", "100");
}

static void teardown(void)
{
	mock_node_free(&mock);
	fake_host_free(host);
}

static void fill(unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		mock.pool[mock.pool_count++] = first + i;
}

static uint64_t known_by_wtxid(void)
{
	return (uint64_t)rig_number(host, "get_status", "mempool_tx_by_wtxid");
}

static bool knows_all(void *user)
{
	(void)user;
	return known_by_wtxid() == mock.pool_count;
}

static void start(void)
{
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(host, rig_is_ready, host, 60000));
}

static void wait_known(void)
{
	ck_assert_msg(fake_host_wait(host, knows_all, NULL, 60000), "%llu of %zu are known",
		      (unsigned long long)known_by_wtxid(), mock.pool_count);
}

/* Asks for the COUNT transactions from FIRST, and checks what comes. */
static size_t find(unsigned first, unsigned count)
{
	uint8_t *wtxids = calloc(count, 32);
	struct fake_reply *reply;
	const uint8_t *at;
	size_t found = 0;

	for (unsigned i = 0; i < count; i++) {
		struct traffic_tx t;

		traffic_make(first + i, &t);
		memcpy(wtxids + (size_t)32 * i, t.wtxid, 32);
	}
	reply = fake_host_call(host, "get_transactions_by_wtxid", "{}", wtxids, (size_t)32 * count);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	at = reply->attachment;
	for (unsigned i = 0; i < count; i++) {
		struct traffic_tx t;
		uint32_t size;

		traffic_make(first + i, &t);
		memcpy(&size, at, 4);
		at += 4;
		if (size == 0)
			continue;
		ck_assert_uint_eq(size, t.size);
		ck_assert_mem_eq(at, t.data, size);
		at += size;
		found++;
	}
	ck_assert_ptr_eq(at, reply->attachment + reply->attachment_size);
	fake_reply_free(reply);
	free(wtxids);
	return found;
}

START_TEST(wtxids_are_found)
{
	fake_host_want_events(host, false);
	fill(100, 250);
	start();
	/* Those of the template are there at once; the first question begins the mirror. */
	ck_assert_uint_eq(find(0, 8), mock.tx_count);
	ck_assert_uint_eq(find(100, 3), 0);
	wait_known();
	ck_assert_uint_eq(find(0, 8), mock.tx_count);
	ck_assert_uint_eq(find(99, 300), 250);
	/* What has left since is not found, and what has come is by and by. */
	mock.pool_count = 200;
	ck_assert_uint_eq(find(100, 250), 200);
	fill(500, 30);
	wait_known();
	ck_assert_uint_eq(find(500, 30), 30);
	ck_assert_uint_eq(find(300, 50), 0);
}
END_TEST

START_TEST(nobody_wants_to_know)
{
	fake_host_want_events(host, false);
	fill(100, 5);
	start();
	fake_host_run(host, 500);
	ck_assert_uint_eq(mock.lists + mock.batches, 0);
	ck_assert_uint_eq(known_by_wtxid(), 0);
}
END_TEST

START_TEST(a_node_without_entries)
{
	fill(100, 300);
	mock.no_entries = true;
	start();
	for (int i = 0; i < 600 && strstr(fake_host_status(host), "height") != NULL &&
			!fake_host_logged(host, "the node has no getmempoolentry");
	     i++)
		fake_host_run(host, 100);
	ck_assert(fake_host_logged(host, "the node has no getmempoolentry"));
	ck_assert_uint_eq(find(100, 3), 0);
}
END_TEST

struct wish {
	const char *type;
	size_t count;
};

static bool told(void *user)
{
	const struct wish *wish = user;

	return fake_host_published(host, wish->type) >= wish->count;
}

static void wait_told(const char *type, size_t count)
{
	struct wish wish = {type, count};

	ck_assert_msg(fake_host_wait(host, told, &wish, 60000), "%zu times %s",
		      fake_host_published(host, type), type);
}

START_TEST(arrivals_and_departures_are_told)
{
	struct traffic_tx t;
	char txid[65];

	fill(100, 20);
	start();
	wait_known();
	ck_assert_uint_eq(fake_host_published(host, "NewTransaction"), 0);
	fill(300, 2);
	wait_told("MempoolTransactionAdded", 2);
	ck_assert_uint_eq(fake_host_published(host, "NewTransaction"), 2);
	traffic_make(300, &t);
	hex_encode_reversed(t.txid, 32, txid);
	ck_assert_ptr_nonnull(strstr(fake_host_event(host, "NewTransaction", 0), txid));
	ck_assert_ptr_nonnull(strstr(fake_host_event(host, "MempoolTransactionAdded", 0),
				     "\"fee_rate\":2.500,\"mempool_size\":22}"));
	/* Two leave otherwise, and then three with a block. */
	mock.pool_count -= 2;
	wait_told("MempoolTransactionRemoved", 2);
	ck_assert_ptr_nonnull(strstr(fake_host_event(host, "MempoolTransactionRemoved", 0),
				     "\"reason\":\"unknown\""));
	fake_host_forget_events(host);
	for (unsigned i = 0; i < 3; i++)
		mock.block_pool[mock.block_pool_count++] = mock.pool[--mock.pool_count];
	mock_node_add_block(&mock, 70);
	wait_told("MempoolTransactionRemoved", 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(strstr(fake_host_event(host, "MempoolTransactionRemoved", i),
					     "\"reason\":\"confirmed\""));
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionAdded"), 0);
}
END_TEST

START_TEST(many_at_once_are_counted)
{
	fill(100, 3);
	start();
	wait_known();
	fill(1000, 700);
	wait_known();
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionAdded"), 500);
	ck_assert_uint_eq(fake_host_published(host, "NewTransaction"), 500);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(host, "MempoolTransactionAdded", 0), "\"skipped\":200}"));
	mock.pool_count = 3;
	wait_told("MempoolTransactionRemoved", 500);
	wait_known();
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionRemoved"), 500);
	fill(2000, 1);
	wait_told("MempoolTransactionAdded", 501);
	mock.pool_count = 3;
	wait_told("MempoolTransactionRemoved", 501);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(host, "MempoolTransactionRemoved", 500), "\"skipped\":200}"));
}
END_TEST

START_TEST(a_mirror_too_small_says_so)
{
	fake_host_set_config(host, "mempool_mirror", "10");
	fill(100, 50);
	start();
	for (int i = 0; i < 600 && known_by_wtxid() < 10; i++)
		fake_host_run(host, 100);
	ck_assert_uint_eq(known_by_wtxid(), 10);
	ck_assert(fake_host_logged(host, "of which only 10 are known"));
	ck_assert_uint_eq(find(100, 50), 10);
}
END_TEST

static const char *const nonsense[] = {
    "",
    "[",
    "[]",
    "{}",
    "[1,2,3]",
    "[{\"id\":0}]",
    "[{\"id\":9,\"result\":7}]",
    "[{\"id\":1,\"result\":[1,2,{}]},{\"id\":0,\"result\":7},{\"id\":2,\"result\":null}]",
    "[{\"id\":-1,\"result\":[]},{\"id\":\"1\"},[],null]",
    "{\"error\":{\"code\":-32600,\"message\":\"no batches\"}}"};

START_TEST(nonsense_is_survived)
{
	fill(100, 20);
	mock.only = MOCK_OTHER;
	mock.body = nonsense[_i];
	start();
	fake_host_run(host, 400);
	ck_assert_uint_eq(find(100, 3), 0);
	mock_node_heal(&mock);
	wait_known();
	mock.only = MOCK_OTHER;
	mock.body = nonsense[_i];
	ck_assert_uint_eq(find(100, 20), 0);
	mock_node_heal(&mock);
	ck_assert_uint_eq(find(100, 20), 20);
}
END_TEST

static const char *const no_lists[] = {"7", "null", "[7]", "[" A "," B ",7]", "{\"txids\":[]}"};

START_TEST(what_is_no_list_changes_nothing)
{
	fill(100, 20);
	start();
	wait_known();
	mock.pool_count = 0;
	mock_node_can(&mock, "getrawmempool", no_lists[_i]);
	for (int i = 0; i < 600 && !fake_host_logged(host, "no list of txids"); i++)
		fake_host_run(host, 100);
	ck_assert(fake_host_logged(host, "no list of txids"));
	ck_assert_uint_ge(known_by_wtxid(), 20);
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionRemoved"), 0);
	fill(100, 25);
	wait_known();
	ck_assert_uint_eq(find(100, 25), 25);
}
END_TEST

START_TEST(a_restart_begins_anew)
{
	fill(100, 20);
	start();
	wait_known();
	mock_node_down(&mock);
	for (int i = 0; i < 600 && known_by_wtxid() > 0; i++)
		fake_host_run(host, 100);
	ck_assert_uint_eq(known_by_wtxid(), 0);
	mock.pool_count = 0;
	fill(400, 10);
	fake_host_forget_events(host);
	mock_node_up(&mock);
	wait_known();
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionAdded"), 0);
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionRemoved"), 0);
	ck_assert_uint_eq(find(400, 10), 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node, mempool");
	TCase *alone = tcase_create("mirror");
	TCase *node = tcase_create("node");
	SRunner *runner;
	int failed;

	tcase_set_timeout(alone, 180);
	tcase_set_timeout(node, 180);
	tcase_add_loop_test(alone, the_mirror_is_what_a_list_would_be, 0, 4);
	tcase_add_test(alone, the_mirror_is_bounded);
	tcase_add_loop_test(alone, a_list_is_read, 0, (int)(sizeof(lists) / sizeof(lists[0])));
	tcase_add_checked_fixture(node, setup, teardown);
	tcase_add_test(node, wtxids_are_found);
	tcase_add_test(node, nobody_wants_to_know);
	tcase_add_test(node, a_node_without_entries);
	tcase_add_test(node, arrivals_and_departures_are_told);
	tcase_add_test(node, many_at_once_are_counted);
	tcase_add_test(node, a_mirror_too_small_says_so);
	tcase_add_loop_test(node, nonsense_is_survived, 0,
			    (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_loop_test(node, what_is_no_list_changes_nothing, 0,
			    (int)(sizeof(no_lists) / sizeof(no_lists[0])));
	tcase_add_test(node, a_restart_begins_anew);
	suite_add_tcase(suite, alone);
	suite_add_tcase(suite, node);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
