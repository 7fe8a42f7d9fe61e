/* SPDX-License-Identifier: MIT */
/* Clients on other machines: what they get, what they don't, and what they can't do to the pool of
 * this one. The rules first, with the time and the node of the test; then the role, over TCP. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/noise/keys.h"
#include "lib/sv2/client.h"
#include "plugins/template-provider/provider.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_conn.h"
#include "tests/unit/tp_fixture.h"

extern const struct adit_plugin_descriptor adit_plugin;

#define START_MS 1000000u
#define UNIX_MS 1700000000000u
#define BASE (UNIX_MS << 16)

static struct tp_provider p;
static struct fixture f;
static struct tp_conn near_conn, far_conn;
static struct tp_client *near_client, *far_client;

static void setup(void)
{
	fixture_init(&f, 1, 3);
	tp_provider_init(&p, 1000, 5000, UNIX_MS);
	tp_conn_init(&near_conn);
	tp_conn_init(&far_conn);
	near_client = tp_provider_join(&p, &near_conn.base, false, START_MS);
	far_client = tp_provider_join(&p, &far_conn.base, true, START_MS);
}

static void teardown(void)
{
	tp_provider_leave(&p, near_client);
	tp_provider_leave(&p, far_client);
	ck_assert_uint_eq(p.remote_count, 0);
	tp_provider_fini(&p);
	tp_conn_clear(&near_conn);
	tp_conn_clear(&far_conn);
	fixture_free(&f);
}

static int32_t constrain(struct tp_client *c, uint32_t size, uint32_t sigops, uint64_t now)
{
	struct error e = {0};

	return tp_provider_constrain(&p, c, size, sigops, now, &e);
}

static void update(uint64_t now)
{
	f.prev_hash[0]++;
	f.height++;
	tp_provider_update(&p, fixture_snapshot(&f, now), now);
	while (tp_provider_tick(&p, now) == now)
		;
}

static void expect(struct tp_conn *c, const char *trace)
{
	ck_assert_str_eq(tp_conn_trace(c, BASE), trace);
	tp_conn_clear(c);
}

/* --- classes -----------------------------------------------------------------------------------
 */

START_TEST(the_two_kinds_share_no_class)
{
	struct tp_classes c = {0};
	struct tp_class *near = tp_classes_join(&c, 2000, 0, false);
	struct tp_class *far = tp_classes_join(&c, 2000, 0, true);

	ck_assert_ptr_ne(near, far);
	ck_assert(far->remote && !near->remote);
	for (uint32_t i = 1; i < 20; i++)
		tp_classes_join(&c, 100000 * i, 0, true);
	ck_assert_uint_eq(near->weight, 2000);
	ck_assert_uint_eq(tp_classes_join(&c, 4000, 0, false)->weight, 4000);
}
END_TEST

/* On a new tip the pool of this machine comes first, however many there are elsewhere. */
START_TEST(this_machine_first)
{
	struct tp_conn more;
	struct tp_client *other;

	tp_conn_init(&more);
	other = tp_provider_join(&p, &more.base, true, START_MS);
	ck_assert_int_eq(constrain(other, 100, 0, START_MS), ADIT_OK);
	ck_assert_int_eq(constrain(far_client, 100, 0, START_MS), ADIT_OK);
	ck_assert_int_eq(constrain(near_client, 100, 0, START_MS), ADIT_OK);
	update(START_MS);
	expect(&near_conn, "F1 P1");
	expect(&far_conn, "F2 P2");
	expect(&more, "F2 P2");
	tp_provider_leave(&p, other);
}
END_TEST

/* --- constraints -------------------------------------------------------------------------------
 */

START_TEST(constraints_have_a_bound)
{
	p.limits = (struct tp_limits){.size = 1000, .sigops = 400};
	ck_assert_int_eq(constrain(far_client, 1001, 0, START_MS), ADIT_E_LIMIT);
	ck_assert_int_eq(constrain(far_client, 0, 401, START_MS), ADIT_E_LIMIT);
	ck_assert_int_eq(constrain(far_client, 1000, 400, START_MS), ADIT_OK);
	ck_assert_int_eq(constrain(near_client, 1001, 401, START_MS), ADIT_OK);
}
END_TEST

START_TEST(who_says_nothing_is_closed)
{
	ck_assert_uint_eq(tp_provider_tick(&p, START_MS), START_MS + TP_CONSTRAINTS_MS);
	ck_assert(!far_conn.closed);
	tp_provider_tick(&p, START_MS + TP_CONSTRAINTS_MS);
	ck_assert(far_conn.closed);
	ck_assert(!near_conn.closed);
}
END_TEST

/* --- requests ----------------------------------------------------------------------------------
 */

static int32_t request(struct tp_client *c, uint64_t id, uint64_t now)
{
	return tp_provider_transactions(&p, c, BASE + id, now);
}

START_TEST(requests_have_a_rate)
{
	p.limits.requests = 2;
	ck_assert_int_eq(constrain(far_client, 100, 0, START_MS), ADIT_OK);
	ck_assert_int_eq(constrain(near_client, 100, 0, START_MS), ADIT_OK);
	update(START_MS);
	tp_conn_clear(&far_conn);
	tp_conn_clear(&near_conn);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(request(far_client, 1, START_MS), ADIT_OK);
	ck_assert_str_eq(far_conn.sent[2].code, "too-many-requests");
	expect(&far_conn, "D1 D1 E1");
	ck_assert_int_eq(request(far_client, 1, START_MS + 1000), ADIT_OK);
	expect(&far_conn, "D1");
	ck_assert_uint_eq(p.refused_requests, 1);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(request(near_client, 1, START_MS), ADIT_OK);
	expect(&near_conn, "D1 D1 D1 D1 D1");
}
END_TEST

START_TEST(far_too_many_requests_close)
{
	int32_t r = ADIT_OK;
	int i;

	p.limits.requests = 1;
	for (i = 0; i < 100 && r == ADIT_OK; i++) {
		r = request(far_client, 1, START_MS);
		tp_conn_clear(&far_conn);
	}
	ck_assert_int_eq(r, ADIT_E_LIMIT);
	ck_assert_int_ge(i, 16);
}
END_TEST

/* Who doesn't take what was asked for gets no more of it. */
START_TEST(outstanding_bytes_have_a_bound)
{
	p.limits.outstanding = 5000;
	ck_assert_int_eq(constrain(far_client, 100, 0, START_MS), ADIT_OK);
	update(START_MS);
	tp_conn_clear(&far_conn);
	far_conn.pending = 4999;
	ck_assert_int_eq(request(far_client, 1, START_MS), ADIT_OK);
	far_conn.pending = 5000;
	ck_assert_int_eq(request(far_client, 1, START_MS), ADIT_OK);
	ck_assert_str_eq(far_conn.sent[1].code, "too-many-bytes-outstanding");
	expect(&far_conn, "D1 E1");
}
END_TEST

START_TEST(solutions_that_are_none)
{
	for (uint32_t i = 0; i < TP_MAX_BAD_SOLUTIONS; i++)
		ck_assert_int_eq(tp_provider_solution(far_client, false), ADIT_OK);
	ck_assert_int_eq(tp_provider_solution(far_client, true), ADIT_OK);
	for (uint32_t i = 0; i < TP_MAX_BAD_SOLUTIONS; i++)
		ck_assert_int_eq(tp_provider_solution(far_client, false), ADIT_OK);
	ck_assert_int_eq(tp_provider_solution(far_client, false), ADIT_E_LIMIT);
}
END_TEST

/* --- what is kept ------------------------------------------------------------------------------
 */

/* Clients elsewhere that change their constraints have templates made. The one that the pool of
 * this machine was given stays known. */
START_TEST(templates_of_this_machine_are_kept)
{
	uint64_t now = START_MS;

	ck_assert_int_eq(constrain(near_client, 100, 0, now), ADIT_OK);
	ck_assert_int_eq(constrain(far_client, 100, 0, now), ADIT_OK);
	update(now);
	ck_assert_int_eq(constrain(near_client, 100, 0, now), ADIT_OK);
	ck_assert_uint_eq(p.classes.slots[0].current->id, BASE + 3);
	for (uint32_t i = 0; i < 2 * TP_STORE_MAX; i++) {
		now += 60000;
		ck_assert_int_eq(constrain(far_client, 100, 0, now), ADIT_OK);
		tp_conn_clear(&far_conn);
	}
	ck_assert_ptr_nonnull(tp_store_find(&p.store, BASE + 1, NULL));
	ck_assert_ptr_nonnull(tp_store_find(&p.store, BASE + 3, NULL));
	ck_assert_ptr_nonnull(tp_store_find(&p.store, p.last_id, NULL));
	ck_assert_uint_eq(p.store.count, TP_STORE_MAX);
}
END_TEST

/* --- the role, over TCP ------------------------------------------------------------------------
 */

static struct adit_host *host, *node;
static const char *bound; /* HOST:PORT */
static char dir[64];
static char key_file[96];
static uint8_t authority[32];

/* What a client heard. */
struct peer {
	struct sv2_client *client;
	struct adit_sv2_conn *conn;
	int tips;
	int closed;
	uint64_t id;
	uint32_t data_count;
	char reason[128];
};

static struct peer peers[4];

static void give_template(void *user, struct adit_request *r, const struct adit_request_info *info)
{
	(void)user;
	(void)info;
	fake_host_api()->reply(node, r, ADIT_OK, "", (const char *)f.json.data, f.json.size,
			       f.data.data, f.data.size);
}

static void peer_opened(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_setup_connection_success *m)
{
	struct peer *peer = context;

	(void)m;
	peer->conn = conn;
}

static void peer_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct peer *peer = context;

	(void)conn;
	peer->conn = NULL;
	peer->closed++;
	snprintf(peer->reason, sizeof(peer->reason), "%s", reason);
}

static int32_t peer_template(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_new_template *m)
{
	struct peer *peer = context;

	(void)conn;
	peer->id = m->template_id;
	return ADIT_OK;
}

static int32_t peer_prev_hash(void *context, struct adit_sv2_conn *conn,
			      const struct adit_sv2_template_set_new_prev_hash *m)
{
	struct peer *peer = context;

	(void)conn;
	ck_assert_uint_eq(m->template_id, peer->id);
	peer->tips++;
	return ADIT_OK;
}

static int32_t peer_data(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_request_transaction_data_success *m)
{
	struct peer *peer = context;

	(void)conn;
	peer->data_count = m->transaction_list.count;
	return ADIT_OK;
}

static const struct adit_sv2_template_client_handlers peer_handlers = {
    .size = sizeof(peer_handlers),
    .opened = peer_opened,
    .closed = peer_closed,
    .new_template = peer_template,
    .template_set_new_prev_hash = peer_prev_hash,
    .request_transaction_data_success = peer_data,
};

static void role_setup(void)
{
	const char *srcdir = getenv("srcdir"); /* `make check` sets it */
	char path[512];
	char *manifest;
	uint8_t secret[32];

	snprintf(path, sizeof(path), "%s/plugins/template-provider/template-provider.manifest",
		 srcdir != NULL ? srcdir : ".");
	manifest = fake_host_read_file(path);
	ck_assert_msg(manifest != NULL, "%s: not there", path);
	memset(peers, 0, sizeof(peers));
	fixture_init(&f, 1, 5);
	fixture_render(&f);
	strcpy(dir, "/tmp/adit-test-tdp-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(key_file, sizeof(key_file), "%s/a.key", dir);
	ck_assert_int_eq(noise_key_create(key_file, secret, NULL), ADIT_OK);
	ck_assert_int_eq(noise_key_public(secret, authority), ADIT_OK);
	host = fake_host_new("template-provider", manifest, NULL, NULL);
	free(manifest);
	node = fake_host_new("node", NULL, NULL, host);
	fake_host_api()->register_method(node, "get_block_template", ADIT_METHOD_ANY, give_template,
					 NULL, NULL);
	fake_host_set_config(host, "authority_key", key_file);
	bound = fake_host_listen(host, "listen", "127.0.0.1:0");
	ck_assert_ptr_nonnull(bound);
}

static void role_teardown(void)
{
	char command[128];

	for (size_t i = 0; i < 4; i++)
		if (peers[i].client != NULL)
			sv2_client_free(peers[i].client);
	fake_host_stop(host);
	ck_assert_uint_eq(fake_host_registrations(host), 0);
	fake_host_free(node);
	fake_host_free(host);
	fixture_free(&f);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void start(void)
{
	ck_assert_msg(fake_host_start(host, &adit_plugin) == ADIT_OK, "%s", fake_host_error(host));
}

static void join(struct peer *peer, const uint8_t *key)
{
	struct sv2_client_options options = {
	    .address = bound, .authority_x = key, .retry_min_ms = 60000, .retry_max_ms = 60000};
	struct error e = {0};

	peer->client =
	    sv2_client_new_template(fake_host_base(host), &options, &peer_handlers, peer, &e);
	ck_assert_msg(peer->client != NULL, "%s", e.text);
}

static bool is_open(void *user)
{
	return ((struct peer *)user)->conn != NULL;
}

static bool is_closed(void *user)
{
	return ((struct peer *)user)->closed > 0;
}

static bool has_tip(void *user)
{
	return ((struct peer *)user)->tips > 0;
}

static bool has_data(void *user)
{
	return ((struct peer *)user)->data_count > 0;
}

static void say_constraints(struct peer *peer, uint32_t size)
{
	struct adit_sv2_coinbase_output_constraints m = {
	    .coinbase_output_max_additional_size = size,
	    .coinbase_output_max_additional_sigops = 4};

	ck_assert(fake_host_wait(host, is_open, peer, 20000));
	ck_assert_int_eq(adit_sv2_send(peer->conn, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &m),
			 ADIT_OK);
}

/* Whether the answer of `status` has TEXT. */
static bool status_has(const char *text)
{
	struct fake_reply *r = fake_host_call(host, "status", "{}", NULL, 0);
	bool found = strstr(r->json, text) != NULL;

	if (!found)
		fprintf(stderr, "no %s in %s\n", text, r->json);
	fake_reply_free(r);
	return found;
}

START_TEST(served_over_tcp)
{
	char text[NOISE_KEY_TEXT_SIZE];
	char line[256];
	struct stat s;

	start();
	noise_public_format(authority, text);
	snprintf(line, sizeof(line), "template_provider = %s %s", bound, text);
	ck_assert(fake_host_logged(host, line));
	snprintf(line, sizeof(line), "%s/a.pub", dir);
	ck_assert_int_eq(stat(line, &s), 0);
	ck_assert_int_eq(stat(key_file, &s), 0);
	ck_assert_int_eq(s.st_mode & 0777, 0600);
	join(&peers[0], authority);
	say_constraints(&peers[0], 100);
	ck_assert(fake_host_wait(host, has_tip, &peers[0], 20000));
	struct adit_sv2_request_transaction_data m = {.template_id = peers[0].id};
	ck_assert_int_eq(adit_sv2_send(peers[0].conn, ADIT_SV2_REQUEST_TRANSACTION_DATA, &m),
			 ADIT_OK);
	ck_assert(fake_host_wait(host, has_data, &peers[0], 20000));
	ck_assert_uint_eq(peers[0].data_count, 5);
	ck_assert(status_has("\"remote_clients\":1"));
	ck_assert(status_has(text));
}
END_TEST

/* A client that was configured for another server finds that out. */
START_TEST(another_key)
{
	uint8_t other[32];
	uint8_t secret[32];

	start();
	ck_assert_int_eq(noise_key_generate(secret, other), ADIT_OK);
	join(&peers[0], other);
	ck_assert(fake_host_wait(host, is_closed, &peers[0], 20000));
	ck_assert_ptr_nonnull(strstr(peers[0].reason, "authority"));
}
END_TEST

START_TEST(too_many_from_an_address)
{
	fake_host_set_config(host, "max_per_address", "2");
	start();
	for (int i = 0; i < 2; i++) {
		join(&peers[i], authority);
		ck_assert(fake_host_wait(host, is_open, &peers[i], 20000));
	}
	join(&peers[2], authority);
	ck_assert(fake_host_wait(host, is_closed, &peers[2], 20000));
	ck_assert(status_has("\"refused_address\":1"));
	ck_assert(is_open(&peers[0]) && is_open(&peers[1]));
}
END_TEST

START_TEST(too_large_a_coinbase)
{
	fake_host_set_config(host, "max_coinbase", "200");
	start();
	join(&peers[0], authority);
	join(&peers[1], authority);
	say_constraints(&peers[0], 201);
	say_constraints(&peers[1], 200);
	ck_assert(fake_host_wait(host, is_closed, &peers[0], 20000));
	ck_assert(fake_host_logged(host, "at most 200 are allowed (max_coinbase)"));
	ck_assert(fake_host_wait(host, has_tip, &peers[1], 20000));
}
END_TEST

/* Limits are taken over while clients stay; other addresses ask for another process. */
START_TEST(reloads)
{
	start();
	join(&peers[0], authority);
	say_constraints(&peers[0], 100);
	ck_assert(fake_host_wait(host, has_tip, &peers[0], 20000));
	fake_host_set_config(host, "max_coinbase", "50");
	ck_assert_int_eq(fake_host_reload(host), ADIT_OK);
	ck_assert(is_open(&peers[0]));
	say_constraints(&peers[0], 51);
	ck_assert(fake_host_wait(host, is_closed, &peers[0], 20000));
	fake_host_set_config(host, "listen", "127.0.0.1:1");
	ck_assert_int_eq(fake_host_reload(host), ADIT_E_UNSUPPORTED);
}
END_TEST

/* With a key that others can read the role does not start, and says why. */
START_TEST(a_key_for_everyone)
{
	ck_assert_int_eq(chmod(key_file, 0644), 0);
	ck_assert_int_ne(fake_host_start(host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(host), "chmod"));
}
END_TEST

Suite *tp_remote_suite(void)
{
	Suite *s = suite_create("clients on other machines");
	TCase *c = tcase_create("rules");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, the_two_kinds_share_no_class);
	tcase_add_test(c, this_machine_first);
	tcase_add_test(c, constraints_have_a_bound);
	tcase_add_test(c, who_says_nothing_is_closed);
	tcase_add_test(c, requests_have_a_rate);
	tcase_add_test(c, far_too_many_requests_close);
	tcase_add_test(c, outstanding_bytes_have_a_bound);
	tcase_add_test(c, solutions_that_are_none);
	tcase_add_test(c, templates_of_this_machine_are_kept);
	suite_add_tcase(s, c);
	c = tcase_create("role");
	tcase_add_checked_fixture(c, role_setup, role_teardown);
	tcase_set_timeout(c, 90);
	tcase_add_test(c, served_over_tcp);
	tcase_add_test(c, another_key);
	tcase_add_test(c, too_many_from_an_address);
	tcase_add_test(c, too_large_a_coinbase);
	tcase_add_test(c, reloads);
	tcase_add_test(c, a_key_for_everyone);
	suite_add_tcase(s, c);
	return s;
}
