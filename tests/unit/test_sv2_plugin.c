/* SPDX-License-Identifier: MIT */
/* Tests of the role sv2-server in a fake host. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>
#include <json.h>

#include "lib/noise/keys.h"
#include "lib/sv2/client.h"
#include "tests/unit/fake_host.h"

extern const struct adit_plugin_descriptor adit_plugin;

struct fixture {
	struct adit_host *host;
	char *manifest;
	char address[64];
	char directory[64];
	const struct adit_sv2_server_service *service;
	struct sv2_client *client;
	struct adit_sv2_conn *upstream;
	uint32_t served;
	uint32_t served_closed;
	uint32_t opened;
	uint32_t closed;
};

static void served(void *context, struct adit_sv2_conn *conn)
{
	(void)conn;
	((struct fixture *)context)->served++;
}

static void served_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)conn;
	(void)reason;
	((struct fixture *)context)->served_closed++;
}

static const struct adit_sv2_mining_server_handlers pool = {
    .size = sizeof(pool), .opened = served, .closed = served_closed};

static void opened(void *context, struct adit_sv2_conn *conn,
		   const struct adit_sv2_setup_connection_success *success)
{
	struct fixture *f = context;

	(void)success;
	f->upstream = conn;
	f->opened++;
}

static void closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct fixture *f = context;

	(void)reason;
	if (conn != NULL)
		f->closed++;
	f->upstream = NULL;
}

static const struct adit_sv2_mining_client_handlers miner = {
    .size = sizeof(miner), .opened = opened, .closed = closed};

static bool is_opened(void *user)
{
	return ((struct fixture *)user)->opened > 0;
}

static bool is_closed(void *user)
{
	return ((struct fixture *)user)->closed > 0;
}

static bool is_disconnected(void *user)
{
	return fake_host_published(((struct fixture *)user)->host, "StratumClientDisconnected") > 0;
}

static void setup(struct fixture *f)
{
	char path[4096];
	const char *srcdir = getenv("srcdir");

	memset(f, 0, sizeof(*f));
	(void)snprintf(path, sizeof(path), "%s/plugins/sv2-server/sv2-server.manifest",
		       srcdir != NULL ? srcdir : ".");
	f->manifest = fake_host_read_file(path);
	ck_assert_ptr_nonnull(f->manifest);
	(void)snprintf(f->directory, sizeof(f->directory), "/tmp/test-sv2-plugin.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f->directory));
	f->host = fake_host_new("sv2-server", f->manifest, NULL, NULL);
	fake_host_set_state_dir(f->host, f->directory);
}

/* The same role in a new process. */
static void next_process(struct fixture *f)
{
	fake_host_free(f->host);
	f->host = fake_host_new("sv2-server", f->manifest, NULL, NULL);
	fake_host_set_state_dir(f->host, f->directory);
	ck_assert_ptr_nonnull(fake_host_listen(f->host, "listen", "127.0.0.1:0"));
}

static void listen_and_start(struct fixture *f)
{
	(void)snprintf(f->address, sizeof(f->address), "%s",
		       fake_host_listen(f->host, "listen", "127.0.0.1:0"));
	ck_assert_int_eq(fake_host_start(f->host, &adit_plugin), ADIT_OK);
	f->service = fake_host_api()->service_find(f->host, ADIT_SV2_SERVER_SERVICE);
	ck_assert_ptr_nonnull(f->service);
}

static void teardown(struct fixture *f)
{
	char path[128];

	sv2_client_free(f->client);
	fake_host_free(f->host);
	free(f->manifest);
	(void)snprintf(path, sizeof(path), "%s/authority.key", f->directory);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/authority.pub", f->directory);
	(void)unlink(path);
	ck_assert_int_eq(rmdir(f->directory), 0);
}

static void public_of(const struct fixture *f, uint8_t x[32])
{
	char path[128];
	struct error e = {0};

	(void)snprintf(path, sizeof(path), "%s/authority.pub", f->directory);
	ck_assert_msg(noise_public_load(path, x, &e) == ADIT_OK, "%s", e.text);
}

static void connect_client(struct fixture *f)
{
	uint8_t x[32];
	struct sv2_client_options o = {.address = f->address, .authority_x = x};

	public_of(f, x);
	f->client = sv2_client_new_mining(fake_host_base(f->host), &o, &miner, f, NULL);
	ck_assert_ptr_nonnull(f->client);
}

static struct json_object *status_of(struct fixture *f)
{
	struct fake_reply *reply = fake_host_call(f->host, "status", "{}", NULL, 0);
	struct json_object *o;

	ck_assert_int_eq(reply->error, ADIT_OK);
	o = json_tokener_parse(reply->json);
	ck_assert_ptr_nonnull(o);
	fake_reply_free(reply);
	return o;
}

static int64_t number(struct json_object *o, const char *key)
{
	struct json_object *value;

	ck_assert_msg(json_object_object_get_ex(o, key, &value), "%s", key);
	return json_object_get_int64(value);
}

/* First start: key and public key appear, the banner has the address; the second finds the same
 * key. */
START_TEST(test_key_files)
{
	struct fixture f;
	struct stat st;
	char path[128];
	char text[NOISE_KEY_TEXT_SIZE];
	char url[200];
	uint8_t first[32];
	uint8_t again[32];

	setup(&f);
	listen_and_start(&f);
	public_of(&f, first);
	noise_public_format(first, text);
	(void)snprintf(url, sizeof(url), "stratum2+tcp://%s/%s", f.address, text);
	ck_assert(fake_host_logged(f.host, url));
	(void)snprintf(path, sizeof(path), "%s/authority.key", f.directory);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	(void)snprintf(path, sizeof(path), "%s/authority.pub", f.directory);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	ck_assert_int_eq(unlink(path), 0); /* a lost public key is written anew */
	next_process(&f);
	ck_assert_int_eq(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	public_of(&f, again);
	ck_assert_mem_eq(first, again, 32);
	teardown(&f);
}
END_TEST

/* A key that others can read stops the start with the remedy in the text. */
START_TEST(test_bad_key_file)
{
	struct fixture f;
	char path[128];

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	next_process(&f);
	(void)snprintf(path, sizeof(path), "%s/authority.key", f.directory);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_ne(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "chmod 600"));
	teardown(&f);
}
END_TEST

START_TEST(test_no_listener)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_ne(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "listen"));
	teardown(&f);
}
END_TEST

/* A pool takes the service, a miner comes and goes; status and events tell of it. */
START_TEST(test_serves)
{
	struct fixture f;
	struct json_object *o;

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(f.service->serve_mining(f.service->server, &pool, &f), ADIT_OK);
	ck_assert_int_eq(f.service->serve_mining(f.service->server, &pool, &f), ADIT_E_EXISTS);
	connect_client(&f);
	fake_host_run(f.host, 100);
	ck_assert_uint_eq(f.opened, 0); /* not open yet */
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	ck_assert_uint_eq(f.served, 1);
	ck_assert_uint_eq(fake_host_published(f.host, "StratumClientConnected"), 1);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(f.host, "StratumClientConnected", 0), "\"protocol_version\":2"));
	o = status_of(&f);
	ck_assert_int_eq(number(o, "connections"), 1);
	ck_assert_int_eq(number(o, "accepted"), 1);
	ck_assert_int_eq(number(o, "refused"), 0);
	ck_assert_int_eq(number(o, "handshakes_failed"), 0);
	ck_assert_int_eq(number(o, "protocol_errors"), 0);
	ck_assert_int_eq(number(o, "messages_in"), 1);
	ck_assert_int_eq(number(o, "messages_out"), 1);
	ck_assert_ptr_nonnull(strstr(json_object_to_json_string(o), f.address));
	json_object_put(o);
	adit_sv2_close(f.upstream, "done");
	ck_assert(fake_host_wait(f.host, is_disconnected, &f, 3000));
	ck_assert_uint_eq(f.served_closed, 1);
	f.service->withdraw_mining(f.service->server);
	teardown(&f);
}
END_TEST

/* Events that nobody wants are not built. */
START_TEST(test_unwanted_events)
{
	struct fixture f;

	setup(&f);
	fake_host_want_events(f.host, false);
	listen_and_start(&f);
	ck_assert_int_eq(f.service->serve_mining(f.service->server, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	ck_assert_uint_eq(fake_host_published(f.host, NULL), 0);
	f.service->withdraw_mining(f.service->server);
	teardown(&f);
}
END_TEST

/* Withdrawn by the pool, then stopped: the miner is told to reconnect and the stop completes. */
START_TEST(test_stop)
{
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(f.service->serve_mining(f.service->server, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	f.service->withdraw_mining(f.service->server);
	ck_assert_uint_eq(f.served_closed, 1);
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	ck_assert(fake_host_wait(f.host, is_closed, &f, 3000));
	teardown(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sv2-plugin");
	TCase *tcase = tcase_create("plugin");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_key_files);
	tcase_add_test(tcase, test_bad_key_file);
	tcase_add_test(tcase, test_no_listener);
	tcase_add_test(tcase, test_serves);
	tcase_add_test(tcase, test_unwanted_events);
	tcase_add_test(tcase, test_stop);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
