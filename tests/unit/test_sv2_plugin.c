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

#include "lib/noise/identity.h"
#include "lib/noise/keys.h"
#include "lib/sv2/client.h"
#include "lib/util/clock.h"
#include "tests/unit/fake_host.h"

extern const struct adit_plugin_descriptor adit_plugin;

struct fixture {
	struct adit_host *host;
	char *manifest;
	char address[64];
	char directory[64];
	const struct adit_sv2_server_service *service;
	struct sv2_client *client;
	struct adit_sv2_client *made;
	struct adit_sv2_conn *upstream;
	struct adit_sv2_conn *below; /* the server's end */
	uint8_t secret[32];          /* of an authority elsewhere */
	uint32_t refused;
	uint32_t warned;
	uint32_t targets; /* sum of what they carried */
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

	f->refused += strstr(reason, "unsupported-protocol") != NULL;
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

static bool all_opened(void *user)
{
	return ((struct fixture *)user)->opened == 3;
}

static bool is_closed(void *user)
{
	return ((struct fixture *)user)->closed > 0;
}

static bool was_refused(void *user)
{
	return ((struct fixture *)user)->refused > 0;
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

/* `listen =`: no server, no key; clients are offered all the same. */
START_TEST(test_no_listener)
{
	struct fixture f;
	struct json_object *o;

	setup(&f);
	fake_host_set_config(f.host, "listen", "");
	ck_assert_int_eq(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_null(fake_host_api()->service_find(f.host, ADIT_SV2_SERVER_SERVICE));
	ck_assert_ptr_nonnull(fake_host_api()->service_find(f.host, ADIT_SV2_CLIENT_SERVICE));
	o = status_of(&f);
	ck_assert_int_eq(number(o, "connections"), 0);
	json_object_put(o);
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	teardown(&f); /* the directory is empty: no key was made */
}
END_TEST

/* Addresses that the host did not open are no reason to run deaf. */
START_TEST(test_listener_missing)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_ne(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "listen"));
	teardown(&f);
}
END_TEST

/* Two instances with listeners in one process: which of them would the pool get? */
START_TEST(test_two_servers)
{
	struct fixture f;
	struct adit_host *second;

	setup(&f);
	listen_and_start(&f);
	second = fake_host_new("sv2-server@two", f.manifest, NULL, f.host);
	ck_assert_int_eq(fake_host_start(second, &adit_plugin), ADIT_E_EXISTS);
	ck_assert_ptr_nonnull(strstr(fake_host_error(second), "another process"));
	fake_host_free(second);
	second = fake_host_new("sv2-server@clients", f.manifest, NULL, f.host);
	fake_host_set_config(second, "listen", "");
	ck_assert_int_eq(fake_host_start(second, &adit_plugin), ADIT_OK);
	ck_assert_int_eq(fake_host_stop(second), ADIT_OK);
	fake_host_free(second);
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
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_E_EXISTS);
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
	f.service->withdraw(f.service->server, ADIT_SV2_MINING);
	teardown(&f);
}
END_TEST

static void path_in(const struct fixture *f, const char *name, char path[128])
{
	(void)snprintf(path, 128, "%s/%s", f->directory, name);
}

/* Has the server's key signed by the authority with SECRET, LIFE seconds from AGE seconds ago on,
 * and configures it. */
static void sign_with(struct fixture *f, const uint8_t secret[32], uint32_t age, uint32_t life)
{
	char key[128], request[128], certificate[128];
	uint8_t static_x[32];
	struct noise_identity id;
	struct error e;

	path_in(f, "static.key", key);
	path_in(f, "request", request);
	path_in(f, "certificate", certificate);
	ck_assert_int_eq(noise_request_create(key, request, static_x, &e), ADIT_OK);
	ck_assert_int_eq(
	    noise_request_sign(secret, request, certificate, clock_unix() - age, life, 60, &id, &e),
	    ADIT_OK);
	fake_host_set_config(f->host, "static_key", key);
	fake_host_set_config(f->host, "certificate", certificate);
}

/* The same with an authority of its own, whose key is left for the client. */
static void sign_elsewhere(struct fixture *f, uint32_t age, uint32_t life)
{
	char public_path[128];
	uint8_t x[32];
	struct error e;

	path_in(f, "authority.pub", public_path);
	ck_assert_int_eq(noise_key_generate(f->secret, x), ADIT_OK);
	ck_assert_int_eq(noise_public_store(public_path, x, &e), ADIT_OK);
	sign_with(f, f->secret, age, life);
}

static void remove_signed(struct fixture *f)
{
	static const char *const names[] = {"static.key", "request", "certificate"};
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		path_in(f, names[i], path);
		ck_assert_int_eq(unlink(path), 0);
	}
	path_in(f, "authority.key", path);
	ck_assert_int_ne(access(path, F_OK), 0); /* no secret of an authority was made */
}

/* Miners who know the authority trust the server, which has never seen its secret. */
START_TEST(test_signed_elsewhere)
{
	struct fixture f;
	struct json_object *o;

	setup(&f);
	sign_elsewhere(&f, 0, 86400);
	listen_and_start(&f);
	ck_assert(!fake_host_logged(f.host, "keys sign")); /* it is young */
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	o = status_of(&f);
	ck_assert_int_ge(number(o, "certificate_expires"), (int64_t)clock_unix() + 86400 - 60);
	ck_assert_int_eq(number(o, "certificate_renewed"), 0);
	json_object_put(o);
	f.service->withdraw(f.service->server, ADIT_SV2_MINING);
	remove_signed(&f);
	teardown(&f);
}
END_TEST

static bool is_renewed(void *user)
{
	return fake_host_logged(((struct fixture *)user)->host, "a new certificate is in use");
}

static bool is_kept(void *user)
{
	return fake_host_logged(((struct fixture *)user)->host, "it goes on with what it had");
}

/* As the host says it at each reload, also when this role's section is as it was. */
static void config_is_loaded(const struct fixture *f)
{
	struct adit_host *other = fake_host_new("aditd", NULL, NULL, f->host);

	ck_assert_int_eq(fake_host_api()->publish(other, "ConfigLoaded", "{}", 2, NULL, 0),
			 ADIT_OK);
	fake_host_run(f->host, 1);
	fake_host_free(other);
}

/* The certificate is renewed, and nobody is disconnected for it; a file that can't be used changes
 * nothing. */
START_TEST(test_certificate_renewed)
{
	struct fixture f;
	struct json_object *o;
	char path[128];
	FILE *file;

	setup(&f);
	sign_elsewhere(&f, 0, 10000);
	listen_and_start(&f);
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	sign_with(&f, f.secret, 0, 90000);
	config_is_loaded(&f);
	ck_assert(fake_host_wait(f.host, is_renewed, &f, 3000));
	o = status_of(&f);
	ck_assert_int_ge(number(o, "certificate_expires"), (int64_t)clock_unix() + 90000 - 60);
	json_object_put(o);
	path_in(&f, "certificate", path);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs("half of a certifi", file), 0);
	ck_assert_int_eq(fclose(file), 0);
	config_is_loaded(&f);
	ck_assert(fake_host_wait(f.host, is_kept, &f, 3000));
	ck_assert_int_eq(fake_host_reload(f.host), ADIT_E_CONFIG);
	ck_assert_uint_eq(f.closed, 0);
	sv2_client_free(f.client); /* the next one shakes hands with the new certificate */
	f.opened = 0;
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	ck_assert(!fake_host_logged(f.host, "another authority"));
	f.service->withdraw(f.service->server, ADIT_SV2_MINING);
	remove_signed(&f);
	teardown(&f);
}
END_TEST

/* Limits and time-outs are taken over as it runs, listeners are not, and what is wrong changes
 * nothing. */
START_TEST(test_reload)
{
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	fake_host_set_config(f.host, "max_connections", "1");
	fake_host_set_config(f.host, "write_timeout", "5000");
	ck_assert_msg(fake_host_reload(f.host) == ADIT_OK, "%s", fake_host_error(f.host));
	fake_host_set_config(f.host, "listen", "127.0.0.1:1");
	ck_assert_int_eq(fake_host_reload(f.host), ADIT_E_UNSUPPORTED);
	fake_host_set_config(f.host, "listen", "127.0.0.1:3333");
	fake_host_set_config(f.host, "certificate", "/nowhere");
	ck_assert_int_eq(fake_host_reload(f.host), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "static_key is missing"));
	fake_host_set_config(f.host, "certificate", "");
	fake_host_run(f.host, 50);
	ck_assert_uint_eq(f.closed, 0);
	fake_host_set_config(f.host, "idle_timeout", "100");
	ck_assert_int_eq(fake_host_reload(f.host), ADIT_OK);
	ck_assert(fake_host_wait(f.host, is_closed, &f, 3000));
	f.service->withdraw(f.service->server, ADIT_SV2_MINING);
	teardown(&f);
}
END_TEST

/* Without listeners there is nothing to take over but the wish to have some. */
START_TEST(test_reload_without_listeners)
{
	struct fixture f;

	setup(&f);
	fake_host_set_config(f.host, "listen", "");
	ck_assert_int_eq(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	fake_host_set_config(f.host, "max_connections", "7");
	ck_assert_int_eq(fake_host_reload(f.host), ADIT_OK);
	fake_host_set_config(f.host, "listen", "127.0.0.1:3333");
	ck_assert_int_eq(fake_host_reload(f.host), ADIT_E_UNSUPPORTED);
	teardown(&f);
}
END_TEST

START_TEST(test_signed_elsewhere_expires)
{
	struct fixture f;

	setup(&f);
	sign_elsewhere(&f, 8000, 10000);
	listen_and_start(&f);
	ck_assert(fake_host_logged(f.host, "the certificate expires in 0 hours 33 minutes"));
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	next_process(&f);
	sign_elsewhere(&f, 11000, 10000);
	ck_assert_int_ne(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "has expired"));
	remove_signed(&f);
	teardown(&f);
}
END_TEST

START_TEST(test_signed_elsewhere_in_part)
{
	struct fixture f;

	setup(&f);
	sign_elsewhere(&f, 0, 10000);
	fake_host_set_config(f.host, "certificate", "");
	ck_assert_int_ne(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "certificate is missing"));
	next_process(&f);
	sign_elsewhere(&f, 0, 10000);
	fake_host_set_config(f.host, "authority_key", "/nowhere/authority.key");
	ck_assert_int_ne(fake_host_start(f.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(f.host), "only one of them"));
	remove_signed(&f);
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
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	ck_assert_uint_eq(fake_host_published(f.host, NULL), 0);
	f.service->withdraw(f.service->server, ADIT_SV2_MINING);
	teardown(&f);
}
END_TEST

/* Withdrawn by the pool, then stopped: the miner is told to reconnect and the stop completes. */
START_TEST(test_stop)
{
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	f.service->withdraw(f.service->server, ADIT_SV2_MINING);
	ck_assert_uint_eq(f.served_closed, 1);
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	ck_assert(fake_host_wait(f.host, is_closed, &f, 3000));
	teardown(&f);
}
END_TEST

/* --- sv2.client/1 ------------------------------------------------------------------------------
 */

static const struct adit_sv2_client_service *client_service(const struct fixture *f)
{
	const struct adit_sv2_client_service *s =
	    fake_host_api()->service_find(f->host, ADIT_SV2_CLIENT_SERVICE);

	ck_assert_ptr_nonnull(s);
	return s;
}

/* A miner that only knows the services; its key comes with the address or alone. */
static void client_connects(struct fixture *f, bool together)
{
	const struct adit_sv2_client_service *s = client_service(f);
	struct adit_sv2_client_options o = {.size = sizeof(o)};
	char text[NOISE_KEY_TEXT_SIZE];
	char line[200];
	uint8_t x[32];
	char why[200] = "";

	public_of(f, x);
	noise_public_format(x, text);
	(void)snprintf(line, sizeof(line), "%s%s%s", f->address, together ? " " : "",
		       together ? text : "");
	o.address = line;
	o.authority = together ? NULL : text;
	ck_assert_msg(adit_sv2_client_mining(s, &o, &miner, f, &f->made, why, sizeof(why)) ==
			  ADIT_OK,
		      "%s", why);
	ck_assert_ptr_null(s->conn(s->service, f->made));
	ck_assert(fake_host_wait(f->host, is_opened, f, 3000));
	ck_assert_ptr_eq(s->conn(s->service, f->made), f->upstream);
	ck_assert(!fake_host_logged(f->host, "no authority key"));
}

START_TEST(test_client)
{
	struct fixture f;
	const struct adit_sv2_client_service *s;
	struct json_object *o;

	setup(&f);
	listen_and_start(&f);
	s = client_service(&f);
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	client_connects(&f, _i == 1);
	o = status_of(&f);
	ck_assert_int_eq(number(o, "clients"), 1);
	json_object_put(o);
	s->free(s->service, f.made);
	ck_assert_uint_eq(f.closed, 1);
	ck_assert(fake_host_wait(f.host, is_disconnected, &f, 3000));
	s->free(s->service, NULL);
	teardown(&f);
}
END_TEST

/* A plugin that forgets its client: the role frees it, and `closed` is called. */
START_TEST(test_client_forgotten)
{
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	client_connects(&f, true);
	ck_assert_int_eq(fake_host_stop(f.host), ADIT_OK);
	ck_assert_uint_eq(f.closed, 1);
	teardown(&f);
}
END_TEST

static void to_plugin(void *context, int32_t level, const char *text)
{
	struct fixture *f = context;

	f->warned += level == ADIT_LOG_WARNING && strstr(text, "no authority key") != NULL;
}

/* No key: a warning each time, to the role's log or to whom the plugin says. */
START_TEST(test_client_without_key)
{
	struct fixture f;
	const struct adit_sv2_client_service *s;
	struct adit_sv2_client_options o = {.size = sizeof(o)};

	setup(&f);
	listen_and_start(&f);
	s = client_service(&f);
	o.address = f.address;
	ck_assert_int_eq(adit_sv2_client_mining(s, &o, &miner, &f, &f.made, NULL, 0), ADIT_OK);
	ck_assert(fake_host_logged(f.host, "no authority key"));
	s->free(s->service, f.made);
	o.log = to_plugin;
	for (uint32_t i = 1; i <= 2; i++) {
		ck_assert_int_eq(adit_sv2_client_mining(s, &o, &miner, &f, &f.made, NULL, 0),
				 ADIT_OK);
		ck_assert_uint_eq(f.warned, i);
		s->free(s->service, f.made);
	}
	o.plain = true; /* is not checked because it is not wanted: nothing to warn of */
	ck_assert_int_eq(adit_sv2_client_mining(s, &o, &miner, &f, &f.made, NULL, 0), ADIT_OK);
	ck_assert_uint_eq(f.warned, 2);
	s->free(s->service, f.made);
	teardown(&f);
}
END_TEST

static const struct {
	const char *address;
	const char *authority;
	uint8_t protocol;
	int32_t error;
} bad_clients[] = {
    {NULL, NULL, ADIT_SV2_MINING, ADIT_E_INVALID_ARGUMENT},
    {"", NULL, ADIT_SV2_MINING, ADIT_OK /* any */},
    {"127.0.0.1", NULL, ADIT_SV2_MINING, ADIT_OK},
    {"127.0.0.1:1 garbage", NULL, ADIT_SV2_MINING, ADIT_OK},
    {"127.0.0.1:1", "9bad", ADIT_SV2_MINING, ADIT_OK},
    {"unix:/x", "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72", ADIT_SV2_MINING,
     ADIT_E_CONFIG},
    {"127.0.0.1:1", NULL, 77, ADIT_E_UNSUPPORTED},
};

START_TEST(test_client_refused)
{
	struct fixture f;
	const struct adit_sv2_client_service *s;
	struct adit_sv2_client_options o = {.size = sizeof(o)};
	char why[100] = "";
	int32_t r;

	setup(&f);
	listen_and_start(&f);
	s = client_service(&f);
	o.address = bad_clients[_i].address;
	o.authority = bad_clients[_i].authority;
	r = s->create(s->service, &o, bad_clients[_i].protocol, &miner, &f, &f.made, why,
		      sizeof(why));
	ck_assert_int_ne(r, ADIT_OK);
	if (bad_clients[_i].error != ADIT_OK)
		ck_assert_int_eq(r, bad_clients[_i].error);
	ck_assert_ptr_null(f.made);
	ck_assert_str_ne(why, "");
	teardown(&f);
}
END_TEST

static void expect_where(const struct fixture *f, const char *who)
{
	char line[200];

	(void)snprintf(line, sizeof(line), "%s to stratum2+tcp://%s/", who, f->address);
	ck_assert_msg(fake_host_logged(f->host, line), "%s", line);
}

/* A protocol that the service does not know, and one that is not served. The log says who connects
 * where. */
START_TEST(test_serve_protocols)
{
	struct fixture f;
	const struct adit_sv2_template_server_handlers templates = {.size = sizeof(templates)};
	const struct adit_sv2_job_declaration_server_handlers jobs = {.size = sizeof(jobs)};

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(f.service->serve(f.service->server, 77, &pool, &f), ADIT_E_UNSUPPORTED);
	ck_assert_int_eq(f.service->serve(f.service->server, ADIT_SV2_MINING, NULL, &f),
			 ADIT_E_INVALID_ARGUMENT);
	f.service->withdraw(f.service->server, 77);
	ck_assert(!fake_host_logged(f.host, " connect"));
	ck_assert_int_eq(adit_sv2_serve_template(f.service, &templates, &f), ADIT_OK);
	expect_where(&f, "template clients connect");
	ck_assert_int_eq(adit_sv2_serve_job_declaration(f.service, &jobs, &f), ADIT_OK);
	expect_where(&f, "job declarators connect (jds_address)");
	ck_assert(!fake_host_logged(f.host, "miners connect"));
	f.service->set_open(f.service->server, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
	connect_client(&f);
	ck_assert(fake_host_wait(f.host, was_refused, &f, 3000));
	f.service->withdraw(f.service->server, ADIT_SV2_TEMPLATE_DISTRIBUTION);
	teardown(&f);
}
END_TEST

static int32_t ignore_template(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_new_template *m)
{
	(void)context;
	(void)conn;
	(void)m;
	return ADIT_OK;
}

/* Each protocol has its table, its server and its client; all three at the same time. */
START_TEST(test_three_protocols)
{
	static const struct adit_sv2_template_server_handlers ts = {
	    .size = sizeof(ts), .opened = served, .closed = served_closed};
	static const struct adit_sv2_job_declaration_server_handlers js = {
	    .size = sizeof(js), .opened = served, .closed = served_closed};
	static const struct adit_sv2_template_client_handlers tc = {.size = sizeof(tc),
								    .opened = opened,
								    .closed = closed,
								    .new_template =
									ignore_template};
	static const struct adit_sv2_job_declaration_client_handlers jc = {
	    .size = sizeof(jc), .opened = opened, .closed = closed};
	struct adit_sv2_client_options o = {.size = sizeof(o)};
	const struct adit_sv2_client_service *s;
	struct adit_sv2_client *clients[3];
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	s = client_service(&f);
	o.address = f.address;
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &pool, &f), ADIT_OK);
	ck_assert_int_eq(adit_sv2_serve_template(f.service, &ts, &f), ADIT_OK);
	ck_assert_int_eq(adit_sv2_serve_job_declaration(f.service, &js, &f), ADIT_OK);
	for (uint8_t protocol = 0; protocol < 3; protocol++)
		f.service->set_open(f.service->server, protocol, true);
	ck_assert_int_eq(adit_sv2_client_mining(s, &o, &miner, &f, &clients[0], NULL, 0), ADIT_OK);
	ck_assert_int_eq(adit_sv2_client_template(s, &o, &tc, &f, &clients[1], NULL, 0), ADIT_OK);
	ck_assert_int_eq(adit_sv2_client_job_declaration(s, &o, &jc, &f, &clients[2], NULL, 0),
			 ADIT_OK);
	ck_assert(fake_host_wait(f.host, all_opened, &f, 5000));
	ck_assert_uint_eq(f.served, 3);
	f.service->withdraw(f.service->server, ADIT_SV2_JOB_DECLARATION);
	ck_assert_uint_eq(f.served_closed, 1); /* the others stay */
	for (size_t i = 0; i < 3; i++)
		s->free(s->service, clients[i]);
	teardown(&f);
}
END_TEST

/* --- siblings ----------------------------------------------------------------------------------
 */

/* A relay: what its client hears goes out to its miners, from inside the handler, and a new miner
 * gets the last of it by a direct call of the client's handler. */
struct relay {
	struct adit_sv2_conn *below;
	uint32_t heard;
	uint32_t relayed;
};

static int32_t relay_target(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_set_target *m)
{
	struct relay *relay = context;

	(void)conn;
	relay->heard++;
	if (relay->below != NULL)
		relay->relayed += adit_sv2_send(relay->below, ADIT_SV2_SET_TARGET, m) == ADIT_OK;
	return ADIT_OK;
}

static const struct adit_sv2_mining_client_handlers relay_above = {.size = sizeof(relay_above),
								   .set_target = relay_target};

static void relay_opened(void *context, struct adit_sv2_conn *conn)
{
	static const struct adit_sv2_set_target first = {.channel_id = 7};
	struct relay *relay = context;

	relay->below = conn;
	(void)relay_above.set_target(relay, NULL, &first);
}

static const struct adit_sv2_mining_server_handlers relay_below = {.size = sizeof(relay_below),
								   .opened = relay_opened};

static int32_t miner_target(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_set_target *m)
{
	(void)conn;
	((struct fixture *)context)->targets += m->channel_id;
	return ADIT_OK;
}

static bool has_both_targets(void *user)
{
	return ((struct fixture *)user)->targets == 7 + 9;
}

START_TEST(test_siblings)
{
	static const struct adit_sv2_mining_client_handlers under = {
	    .size = sizeof(under), .opened = opened, .closed = closed, .set_target = miner_target};
	const struct adit_sv2_set_target m = {.channel_id = 9};
	const struct adit_sv2_client_service *s;
	struct adit_sv2_client_options o = {.size = sizeof(o)};
	struct relay relay = {0};
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	s = client_service(&f);
	o.address = f.address;
	ck_assert_int_eq(adit_sv2_serve_mining(f.service, &relay_below, &relay), ADIT_OK);
	f.service->set_open(f.service->server, ADIT_SV2_MINING, true);
	ck_assert_int_eq(adit_sv2_client_mining(s, &o, &under, &f, &f.made, NULL, 0), ADIT_OK);
	ck_assert(fake_host_wait(f.host, is_opened, &f, 3000));
	/* As if it had come from above. */
	ck_assert_int_eq(relay_above.set_target(&relay, NULL, &m), ADIT_OK);
	ck_assert(fake_host_wait(f.host, has_both_targets, &f, 3000));
	ck_assert_uint_eq(relay.heard, 2);
	ck_assert_uint_eq(relay.relayed, 2);
	s->free(s->service, f.made);
	teardown(&f);
}
END_TEST

/* --- trace -------------------------------------------------------------------------------------
 */

static bool is_traced(struct fixture *f, const char *direction, const char *text)
{
	for (size_t i = 0; i < fake_host_published(f->host, "Sv2Trace"); i++) {
		const char *json = fake_host_event(f->host, "Sv2Trace", i);

		if (strstr(json, direction) != NULL && strstr(json, text) != NULL)
			return true;
	}
	return false;
}

/* The answer to METHOD; how many connections it names, -1 when it is an error. */
static int64_t trace_call(struct fixture *f, const char *method, const char *params)
{
	struct fake_reply *reply = fake_host_call(f->host, method, params, NULL, 0);
	struct json_object *o = reply->error == ADIT_OK ? json_tokener_parse(reply->json) : NULL;
	int64_t count = o != NULL ? number(o, "connections") : -1;

	json_object_put(o);
	fake_reply_free(reply);
	return count;
}

static bool has_ended(void *user)
{
	return is_traced(user, "\"end\"", "ends: done");
}

static bool is_off(void *user)
{
	return is_traced(user, "\"off\"", "the trace ends");
}

static bool has_said(void *user)
{
	return is_traced(user, "\"out\"", "SetTarget channel_id=3");
}

static void served_says(void *context, struct adit_sv2_conn *conn)
{
	const struct adit_sv2_set_target m = {.channel_id = 3};
	uint8_t frame[100];
	size_t size;

	((struct fixture *)context)->below = conn;
	(void)adit_sv2_send(conn, ADIT_SV2_SET_TARGET, &m);
	(void)adit_sv2_encode(conn, ADIT_SV2_SET_TARGET, &m, frame, sizeof(frame), &size);
	(void)adit_sv2_send_frame(conn, frame, size);
}

static int32_t ignore_target(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_set_target *m)
{
	(void)context;
	(void)conn;
	(void)m;
	return ADIT_OK;
}

static void serve_and_connect(struct fixture *f)
{
	static const struct adit_sv2_mining_server_handlers says = {.size = sizeof(says),
								    .opened = served_says};
	static const struct adit_sv2_mining_client_handlers hears = {
	    .size = sizeof(hears), .opened = opened, .closed = closed, .set_target = ignore_target};
	const struct adit_sv2_client_service *s = client_service(f);
	struct adit_sv2_client_options o = {.size = sizeof(o), .address = f->address};

	ck_assert_int_eq(adit_sv2_serve_mining(f->service, &says, f), ADIT_OK);
	f->service->set_open(f->service->server, ADIT_SV2_MINING, true);
	ck_assert_int_eq(adit_sv2_client_mining(s, &o, &hears, f, &f->made, NULL, 0), ADIT_OK);
	ck_assert(fake_host_wait(f->host, is_opened, f, 3000));
}

/* Of all: also connections that come later, both ends here; until it is stopped. */
START_TEST(test_trace_all)
{
	struct fixture f;
	size_t count;

	setup(&f);
	listen_and_start(&f);
	ck_assert_int_eq(trace_call(&f, "trace_start", "{\"connection\":\"all\"}"), 0);
	serve_and_connect(&f);
	ck_assert(fake_host_wait(f.host, has_said, &f, 3000));
	ck_assert(is_traced(&f, "\"in\"", "SetupConnection protocol=0"));
	ck_assert(is_traced(&f, "\"out\"", "SetupConnection protocol=0"));
	ck_assert(is_traced(&f, "\"in\"", "SetupConnection.Success used_version=2"));
	adit_sv2_close(f.upstream, "done");
	ck_assert(fake_host_wait(f.host, has_ended, &f, 3000));
	ck_assert_int_eq(trace_call(&f, "trace_stop", "{}"), 0);
	ck_assert(is_off(&f));
	count = fake_host_published(f.host, "Sv2Trace");
	f.opened = 0;
	ck_assert(fake_host_wait(f.host, is_opened, &f, 5000)); /* it comes again, unseen */
	ck_assert_uint_eq(fake_host_published(f.host, "Sv2Trace"), count);
	teardown(&f);
}
END_TEST

/* One connection of two. */
START_TEST(test_trace_one)
{
	const struct adit_sv2_set_target m = {.channel_id = 5};
	char params[64], other[64];
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	serve_and_connect(&f);
	(void)snprintf(params, sizeof(params), "{\"connection\":%u}", adit_sv2_conn_id(f.below));
	(void)snprintf(other, sizeof(other), "\"connection\":%u,", adit_sv2_conn_id(f.upstream));
	ck_assert_int_eq(trace_call(&f, "trace_start", params), 1);
	ck_assert_int_eq(adit_sv2_send(f.below, ADIT_SV2_SET_TARGET, &m), ADIT_OK);
	fake_host_run(f.host, 50);
	ck_assert_uint_eq(fake_host_published(f.host, "Sv2Trace"), 1);
	ck_assert(is_traced(&f, "\"out\"", "SetTarget channel_id=5"));
	ck_assert(!is_traced(&f, other, ""));
	ck_assert_int_eq(trace_call(&f, "trace_start", "{\"connection\":99999}"), 0);
	teardown(&f);
}
END_TEST

/* Bounded: as many messages as asked for, then it is off by itself. */
START_TEST(test_trace_bounded)
{
	const struct adit_sv2_set_target m = {.channel_id = 5};
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	serve_and_connect(&f);
	ck_assert_int_eq(trace_call(&f, "trace_start", "{\"connection\":\"all\",\"messages\":3}"),
			 2);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(adit_sv2_send(f.below, ADIT_SV2_SET_TARGET, &m), ADIT_OK);
	ck_assert(fake_host_wait(f.host, is_off, &f, 2000));
	ck_assert_uint_eq(fake_host_published(f.host, "Sv2Trace"), 3 + 1);
	fake_host_forget_events(f.host);
	ck_assert_int_eq(trace_call(&f, "trace_start", "{\"connection\":\"all\",\"seconds\":1}"),
			 2);
	ck_assert(fake_host_wait(f.host, is_off, &f, 3000));
	teardown(&f);
}
END_TEST

/* A message that is longer than a line may be. */
START_TEST(test_trace_long)
{
	static const uint8_t coinbase[5000];
	const struct adit_sv2_new_extended_mining_job m = {
	    .coinbase_tx_prefix = {.data = coinbase, .size = sizeof(coinbase)}};
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	serve_and_connect(&f);
	ck_assert_int_eq(trace_call(&f, "trace_start", "{\"connection\":\"all\"}"), 2);
	ck_assert_int_eq(adit_sv2_send(f.below, ADIT_SV2_NEW_EXTENDED_MINING_JOB, &m), ADIT_OK);
	ck_assert_uint_ge(fake_host_published(f.host, "Sv2Trace"), 1);
	ck_assert(is_traced(&f, "\"out\"", " ...\""));
	teardown(&f);
}
END_TEST

START_TEST(test_trace_refused)
{
	static const char *const bad[] = {"{}",
					  "[]",
					  "garbage",
					  "{\"connection\":0}",
					  "{\"connection\":-1}",
					  "{\"connection\":4294967296}",
					  "{\"connection\":\"some\"}",
					  "{\"connection\":\"all\",\"messages\":0}",
					  "{\"connection\":\"all\",\"messages\":1000001}",
					  "{\"connection\":\"all\",\"seconds\":86401}",
					  "{\"connection\":\"all\",\"seconds\":\"1\"}"};
	struct fixture f;

	setup(&f);
	listen_and_start(&f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(trace_call(&f, "trace_start", bad[i]) == -1, "%s", bad[i]);
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
	tcase_add_test(tcase, test_listener_missing);
	tcase_add_test(tcase, test_two_servers);
	tcase_add_test(tcase, test_serves);
	tcase_add_test(tcase, test_signed_elsewhere);
	tcase_add_test(tcase, test_certificate_renewed);
	tcase_add_test(tcase, test_reload);
	tcase_add_test(tcase, test_reload_without_listeners);
	tcase_add_test(tcase, test_signed_elsewhere_expires);
	tcase_add_test(tcase, test_signed_elsewhere_in_part);
	tcase_add_test(tcase, test_unwanted_events);
	tcase_add_test(tcase, test_stop);
	tcase_add_loop_test(tcase, test_client, 0, 2);
	tcase_add_test(tcase, test_client_forgotten);
	tcase_add_test(tcase, test_client_without_key);
	tcase_add_loop_test(tcase, test_client_refused, 0,
			    sizeof(bad_clients) / sizeof(bad_clients[0]));
	tcase_add_test(tcase, test_serve_protocols);
	tcase_add_test(tcase, test_three_protocols);
	tcase_add_test(tcase, test_siblings);
	tcase_add_test(tcase, test_trace_all);
	tcase_add_test(tcase, test_trace_one);
	tcase_add_test(tcase, test_trace_bounded);
	tcase_add_test(tcase, test_trace_long);
	tcase_add_test(tcase, test_trace_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
