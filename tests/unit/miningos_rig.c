/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/miningos_rig.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/query.h"

extern const struct adit_plugin_descriptor adit_plugin;

#define WAIT_MS 60000

struct rig rig;
static struct adit_host *others[8];
static size_t other_count;
static char directory[64];
static char error_text[128];
static const struct fake_option *begun_with;

/* --- others ------------------------------------------------------------------------------------
 */

static void reply(struct adit_host *h, struct adit_request *request, struct json_object *o)
{
	const char *text = json_object_to_json_string(o);

	fake_host_api()->reply(h, request, ADIT_OK, "", text, strlen(text), NULL, 0);
	json_object_put(o);
}

static void refuse(struct adit_host *h, struct adit_request *request, int32_t code,
		   const char *text)
{
	fake_host_api()->reply(h, request, code, text, "", 0, NULL, 0);
}

/* A page of at most `limit` channels after the name `after`. */
static struct json_object *page(struct json_object *params)
{
	const char *after = get_text(params, "after", NULL), *next = NULL;
	size_t limit = (size_t)get_count(params, "limit", 200), i = 0;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	size_t count = json_object_array_length(rig.channels);

	while (after != NULL && i < count &&
	       strcmp(get_text(json_object_array_get_idx(rig.channels, i++), "channel", ""),
		      after) != 0)
		continue;
	for (; i < count && json_object_array_length(list) < limit; i++) {
		struct json_object *one = json_object_array_get_idx(rig.channels, i);

		json_object_array_add(list, json_object_get(one));
		next = i + 1 < count ? get_text(one, "channel", NULL) : NULL;
	}
	add_count(o, "count", count);
	add_object(o, "channels", list);
	add_text(o, "next", next);
	return o;
}

static void on_list_channels(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	struct adit_host *h = user;
	struct json_object *params, *all, *one;

	rig.pages++;
	if (rig.pool_gone) {
		refuse(h, request, ADIT_E_UNAVAILABLE, "pool does not run at present");
		return;
	}
	ck_assert(parse_json(info->json, info->json_size, &params));
	if (get_member(params, "after") != NULL) { /* a worker, asked by its name */
		reply(h, request, page(params));
		json_object_put(params);
		return;
	}
	all = json_object_new_array();
	one = json_object_new_object();
	add_text(one, "worker", "pool.1");
	add_object(one, "result", page(params));
	json_object_array_add(all, one);
	json_object_put(params);
	reply(h, request, all);
}

static void on_pool_status(void *user, struct adit_request *request,
			   const struct adit_request_info *info)
{
	(void)info;
	if (rig.status != NULL)
		reply(user, request, json_object_get(rig.status));
	else
		refuse(user, request, ADIT_E_NOT_FOUND, "no such method");
}

static void note(const char *role, const struct adit_request_info *info)
{
	if (rig.asked_count < 64)
		snprintf(rig.asked[rig.asked_count++], sizeof(rig.asked[0]), "%s %s %.*s", role,
			 info->method, (int)info->json_size, info->json);
}

static void on_pool(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct json_object *o;

	note("pool", info);
	if (strcmp(info->method, "update_pool_config") == 0) {
		if (rig.pool_mute)
			return; /* fake_host frees what nobody answered */
		if (rig.pool_wrong) {
			refuse(user, request, ADIT_E_INVALID_ARGUMENT, "pool_url: not allowed");
			return;
		}
	}
	o = json_object_new_object();
	add_count(o, "changed", 1);
	add_count(o, "disconnected", 1);
	reply(user, request, o);
}

static void on_device_status(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	(void)info;
	reply(user, request, json_object_get(rig.device));
}

static void on_device(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	note("cpu-miner", info);
	if (strcmp(info->method, "pause") == 0)
		add_bool(rig.device, "paused", true);
	if (strcmp(info->method, "resume") == 0)
		add_bool(rig.device, "paused", false);
	reply(user, request, json_object_new_object());
}

static void on_node(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	static const struct {
		const char *method;
		const char *json;
	} answers[] = {
	    {"get_chain_info",
	     "{\"hash\":\"00ab\",\"height\":7,\"bits\":\"207fffff\",\"difficulty\":2.5}"},
	    {"get_sync_status", "{\"phase\":\"ready\",\"synced\":true,\"height\":7}"},
	    {"get_network_stats", "{\"peer_count\":8,\"bytes_sent\":10,\"bytes_received\":20,"
				  "\"hash_rate\":1e6}"},
	    {"get_mempool_size", "{\"transaction_count\":3,\"size_bytes\":600,\"total_fee\":900}"},
	    {"get_block_template",
	     "{\"id\":12,\"prev_hash\":\"00ab\",\"height\":8,\"version\":536870912,"
	     "\"bits\":\"207fffff\",\"target\":\"7fff\",\"curtime\":1700000000,\"mintime\":"
	     "1699999999,"
	     "\"coinbase_value\":5000001000,\"transactions\":[{},{}]}"},
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (strcmp(answers[i].method, info->method) == 0) {
			reply(user, request, rig_parse(answers[i].json));
			return;
		}
	}
	refuse(user, request, ADIT_E_NOT_FOUND, "no such method");
}

static struct adit_host *other(const char *role)
{
	return others[other_count++] = fake_host_new(role, NULL, NULL, rig.host);
}

static void answers(struct adit_host *h, const char *method, adit_method_fn fn)
{
	ck_assert_int_eq(fake_host_api()->register_method(h, method, ADIT_METHOD_ANY, fn, h, NULL),
			 ADIT_OK);
}

static void make_others(void)
{
	static const char *const node[] = {"get_chain_info", "get_sync_status", "get_network_stats",
					   "get_mempool_size", "get_block_template"};
	static const char *const pools[] = {"pool", "pool.1"};
	static const char *const devices[] = {"cpu-miner", "cpu-miner.1"};
	struct adit_host *h = other("node");

	for (size_t i = 0; i < sizeof(node) / sizeof(node[0]); i++)
		answers(h, node[i], on_node);
	for (size_t i = 0; i < 2; i++) {
		h = other(pools[i]);
		answers(h, "list_channels", on_list_channels);
		answers(h, "status", on_pool_status);
		answers(h, "set_difficulty", on_pool);
		answers(h, "disconnect_miner", on_pool);
		answers(h, "host.restart", on_pool);
		h = other(devices[i]);
		answers(h, "status", on_device_status);
		answers(h, "pause", on_device);
		answers(h, "resume", on_device);
		answers(h, "set_hashrate", on_device);
		answers(h, "host.restart", on_device);
	}
	h = other("stratum-v2");
	answers(h, "update_pool_config", on_pool);
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static bool has_looked(void *user)
{
	const uint64_t *before = user;

	return rig.m->looks.looked_ms != *before && rig.m->looks.open == 0;
}

void rig_look(void)
{
	uint64_t before;

	/* Looks end at another millisecond than the last one's. */
	while (mos_now_ms() <= rig.m->looks.looked_ms)
		usleep(1000);
	before = rig.m->looks.looked_ms;
	looks_soon(rig.m);
	ck_assert(fake_host_wait(rig.host, has_looked, &before, WAIT_MS));
}

static void start(void)
{
	uint64_t never = 0;

	ck_assert_msg(fake_host_start(rig.host, &adit_plugin) == ADIT_OK, "%s",
		      fake_host_error(rig.host));
	rig.m = fake_host_instance(rig.host);
	ck_assert(fake_host_wait(rig.host, has_looked, &never, WAIT_MS));
}

static void make_host(void)
{
	const char *srcdir = getenv("srcdir");
	char path[512], *manifest;

	snprintf(path, sizeof(path), "%s/plugins/miningos/miningos.manifest",
		 srcdir != NULL ? srcdir : ".");
	manifest = fake_host_read_file(path);
	ck_assert_msg(manifest != NULL, "can't read %s", path);
	rig.host =
	    fake_host_new("miningos", manifest, begun_with, other_count > 0 ? others[0] : NULL);
	free(manifest);
	fake_host_set_state_dir(rig.host, directory);
	fake_host_set_config(rig.host, "p2p_enabled", "false");
	fake_host_set_config(rig.host, "http_enabled", "false");
}

void rig_begin(const struct fake_option *options)
{
	rig = (struct rig){0};
	other_count = 0;
	begun_with = options;
	snprintf(directory, sizeof(directory), "/tmp/adit-miningos-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	rig.channels = json_object_new_array();
	rig.device = rig_parse("{\"connected\":true,\"paused\":false,\"hashrate\":1000000,"
			       "\"hashrate_limit\":0,\"local_address\":\"127.0.0.1:4001\"}");
	make_host();
	make_others();
	start();
}

void rig_restart(void)
{
	ck_assert_int_eq(fake_host_stop(rig.host), ADIT_OK);
	fake_host_free(rig.host);
	make_host();
	start();
}

void rig_end(void)
{
	char command[160];

	ck_assert_int_eq(fake_host_stop(rig.host), ADIT_OK);
	fake_host_free(rig.host);
	for (size_t i = other_count; i > 0; i--)
		fake_host_free(others[i - 1]);
	json_object_put(rig.channels);
	json_object_put(rig.device);
	json_object_put(rig.status);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

/* --- the pool's miners -------------------------------------------------------------------------
 */

void rig_channel(unsigned conn, unsigned channel, const char *user, const char *endpoint)
{
	struct json_object *o = json_object_new_object();
	char name[64];

	snprintf(name, sizeof(name), "pool.1/%u/%u", conn, channel);
	add_text(o, "channel", name);
	add_text(o, "user", user);
	add_text(o, "kind", "standard");
	add_text(o, "endpoint", endpoint);
	add_double(o, "hashrate", 0);
	add_count(o, "accepted", 0);
	add_count(o, "rejected", 0);
	add_count(o, "stale", 0);
	add_double(o, "difficulty", 1);
	json_object_array_add(rig.channels, o);
}

void rig_shares(unsigned conn, unsigned channel, unsigned accepted, unsigned rejected,
		unsigned stale)
{
	char name[64];

	snprintf(name, sizeof(name), "pool.1/%u/%u", conn, channel);
	for (size_t i = 0; i < json_object_array_length(rig.channels); i++) {
		struct json_object *o = json_object_array_get_idx(rig.channels, i);

		if (strcmp(get_text(o, "channel", ""), name) != 0)
			continue;
		add_count(o, "accepted", accepted);
		add_count(o, "rejected", rejected);
		add_count(o, "stale", stale);
		return;
	}
	ck_abort_msg("there is no channel %s", name);
}

void rig_no_channels(void)
{
	json_object_put(rig.channels);
	rig.channels = json_object_new_array();
}

/* --- calls --------------------------------------------------------------------------------------
 */

struct outcome {
	bool done;
	struct json_object *result;
};

static void on_rack(void *ctx, struct json_object *result, const char *error)
{
	struct outcome *outcome = ctx;

	ck_assert(!outcome->done);
	outcome->done = true;
	outcome->result = json_object_get(result);
	snprintf(error_text, sizeof(error_text), "%s", error != NULL ? error : "");
}

static bool is_done(void *user)
{
	return ((struct outcome *)user)->done;
}

struct json_object *rig_call_rack(const char *rack, const char *method, const char *params)
{
	struct outcome outcome = {0};
	struct json_object *o = rig_parse(params);

	rack_call(rig.m, rack, method, o, on_rack, &outcome);
	json_object_put(o);
	ck_assert(fake_host_wait(rig.host, is_done, &outcome, WAIT_MS));
	return outcome.result;
}

struct json_object *rig_call(const char *method, const char *params)
{
	return rig_call_rack(rig.m->settings.rack_id, method, params);
}

const char *rig_error(void)
{
	return error_text;
}

void rig_expect(const char *method, const char *params, const char *result)
{
	struct json_object *o = rig_call(method, params), *wanted = rig_parse(result);

	ck_assert_msg(error_text[0] == '\0', "%s %s: %s", method, params, error_text);
	ck_assert_msg(json_object_equal(o, wanted), "%s %s: %s", method, params,
		      json_object_to_json_string(o));
	json_object_put(o);
	json_object_put(wanted);
}

void rig_expect_error(const char *method, const char *params, const char *error)
{
	struct json_object *o = rig_call(method, params);

	ck_assert_msg(strcmp(error_text, error) == 0, "%s %s: \"%s\" %s", method, params,
		      error_text, json_object_to_json_string(o));
	json_object_put(o);
}

struct json_object *rig_method(const char *method, const char *params, int32_t *code)
{
	struct fake_reply *r = fake_host_call(rig.host, method, params, NULL, 0);
	struct json_object *o = NULL;

	snprintf(error_text, sizeof(error_text), "%s", r->message);
	if (code != NULL)
		*code = r->error;
	else
		ck_assert_msg(r->error == ADIT_OK, "%s %s: %s", method, params, r->message);
	if (r->error == ADIT_OK)
		o = rig_parse(r->json);
	fake_reply_free(r);
	return o;
}

struct json_object *rig_parse(const char *text)
{
	struct json_object *o = NULL;

	ck_assert_msg(parse_json(text, strlen(text), &o), "not JSON: %s", text);
	return o;
}

const char *rig_text(struct json_object *o, const char *path)
{
	struct json_object *value = query_at(o, path);

	ck_assert_msg(json_object_is_type(value, json_type_string), "no text at %s: %s", path,
		      json_object_to_json_string(o));
	return json_object_get_string(value);
}

double rig_number(struct json_object *o, const char *path)
{
	struct json_object *value = query_at(o, path);

	ck_assert_msg(json_object_is_type(value, json_type_int) ||
			  json_object_is_type(value, json_type_double),
		      "no number at %s: %s", path, json_object_to_json_string(o));
	return json_object_get_double(value);
}

const char *rig_thing(const char *user)
{
	char name[300];
	struct thing *t;

	snprintf(name, sizeof(name), "pool/1/%s", user);
	t = things_find_name(&rig.m->things, name);
	ck_assert_msg(t != NULL, "no thing of %s", user);
	return t->id;
}

const char *rig_asked(void)
{
	return rig.asked_count > 0 ? rig.asked[rig.asked_count - 1] : "";
}
