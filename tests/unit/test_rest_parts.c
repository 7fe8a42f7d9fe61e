/* SPDX-License-Identifier: MIT */
/* plugins/miningos, REST: requests as they are written, answers and tokens as they are read, the
 * cache file. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/http/url.h"
#include "lib/util/buf.h"
#include "plugins/miningos/oauth_answers.h"
#include "plugins/miningos/oauth_request.h"
#include "plugins/miningos/oauth_token.h"
#include "plugins/miningos/rest.h"
#include "plugins/miningos/rest_answer.h"
#include "plugins/miningos/rest_endpoints.h"
#include "plugins/miningos/token_cache.h"

/* --- requests -----------------------------------------------------------------------------------
 */

static const struct {
	const char *endpoint;
	const char *arguments;
	const char *url;
	const char *body;
} requests[] = {
    {"list-things", NULL, "/auth/list-things", ""},
    {"list-things",
     "{\"query\":{\"tags\":{\"$in\":[\"t-miner\"]}},\"status\":true,\"limit\":50,\"offset\":100,"
     "\"fields\":{\"id\":1}}",
     "/auth/list-things?query=%7B%22tags%22%3A%7B%22%24in%22%3A%5B%22t-miner%22%5D%7D%7D&status=1"
     "&offset=100&limit=50&fields=%7B%22id%22%3A1%7D",
     ""},
    {"list-things", "{\"status\":false,\"overwriteCache\":true}",
     "/auth/list-things?overwriteCache=true", ""},
    {"list-racks", "{\"type\":\"miner & more\"}", "/auth/list-racks?type=miner%20%26%20more", ""},
    {"miners", "{\"search\":\"caf\xc3\xa9\",\"limit\":200}",
     "/auth/miners?search=caf%C3%A9&limit=200", ""},
    {"action", "{\"type\":\"done\",\"id\":1790000000000}", "/auth/actions/done/1790000000000", ""},
    {"actions", "{\"queries\":[{\"type\":\"voting\"}],\"groupBatch\":false}",
     "/auth/actions?queries=%5B%7B%22type%22%3A%22voting%22%7D%5D&groupBatch=false", ""},
    {"actions-batch", "{\"ids\":[1,2,3]}", "/auth/actions/batch?ids=1,2,3", ""},
    {"push-action", "{\"query\":{\"id\":\"x\"},\"action\":\"reboot\",\"params\":[]}",
     "/auth/actions/voting", "{\"query\":{\"id\":\"x\"},\"action\":\"reboot\",\"params\":[]}"},
    {"push-actions",
     "{\"batchActionsPayload\":[{\"query\":{},\"action\":\"a\",\"params\":[]}],"
     "\"batchActionUID\":\"u\"}",
     "/auth/actions/voting/batch",
     "{\"batchActionsPayload\":[{\"query\":{},\"action\":\"a\",\"params\":[]}],"
     "\"batchActionUID\":\"u\"}"},
    {"vote-action", "{\"id\":7,\"approve\":false}", "/auth/actions/voting/7/vote",
     "{\"approve\":false}"},
    {"vote-action", "{\"id\":\"1790000000000\",\"approve\":true}",
     "/auth/actions/voting/1790000000000/vote", "{\"approve\":true}"},
    {"cancel-actions", "{\"ids\":7}", "/auth/actions/voting/cancel?ids=7", ""},
    {"pool-balance-history", "{\"pool\":\"a/b?c\",\"start\":0,\"end\":9007199254740992}",
     "/auth/pools/a%2Fb%3Fc/balance-history?start=0&end=9007199254740992", ""},
    {"delete-comment", "{\"rackId\":\"r\",\"thingId\":\"t\",\"ts\":5}", "/auth/thing/comment",
     "{\"rackId\":\"r\",\"thingId\":\"t\",\"ts\":5}"},
    {"save-settings", "{\"rackId\":\"r\",\"entries\":{\"a\":[1]}}", "/auth/settings",
     "{\"rackId\":\"r\",\"entries\":{\"a\":[1]}}"},
    {"tail-log",
     "{\"key\":\"stat-5m\",\"tag\":\"t-miner\",\"type\":\"miner\",\"start\":1,\"end\":2,"
     "\"aggrFields\":{\"hashrate_mhs_5m_sum_aggr\":1},\"aggrTimes\":[{\"a\":1}],"
     "\"applyAggrCrossthg\":true}",
     "/auth/tail-log?key=stat-5m&type=miner&tag=t-miner&start=1&end=2&aggrFields=%7B%22hashrate_"
     "mhs_5m_sum_aggr%22%3A1%7D&aggrTimes=%5B%7B%22a%22%3A1%7D%5D&applyAggrCrossthg=true",
     ""},
    {"start-miner-logs", "{\"minerId\":\"m\"}", "/auth/miners/m/download-logs", ""},
    {"miner-logs-file", "{\"minerId\":\"m\",\"jobId\":\"j\"}",
     "/auth/miners/m/download-logs/j/file", ""},
};

START_TEST(requests_are_written)
{
	const struct rest_endpoint *endpoint = rest_endpoint_find(requests[_i].endpoint);
	struct json_object *arguments =
	    requests[_i].arguments != NULL ? json_tokener_parse(requests[_i].arguments) : NULL;
	struct buf url = {0};
	struct buf body = {0};
	struct error e = {0};

	ck_assert_ptr_nonnull(endpoint);
	ck_assert_msg(rest_endpoint_write(endpoint, arguments, &url, &body, &e) == ADIT_OK, "%s",
		      e.text);
	buf_append_u8(&url, 0);
	buf_append_u8(&body, 0);
	ck_assert_str_eq((const char *)url.data, requests[_i].url);
	ck_assert_str_eq((const char *)body.data, requests[_i].body);
	json_object_put(arguments);
	buf_free(&url);
	buf_free(&body);
}
END_TEST

static const struct {
	const char *endpoint;
	const char *arguments;
	const char *named; /* in the error's text */
} wrong_requests[] = {
    {"list-racks", "{}", "\"type\""},
    {"list-racks", "{\"type\":\"miner\",\"keys\":true}", "\"keys\""},
    {"list-racks", "{\"type\":5}", "\"type\""},
    {"list-racks", "{\"type\":\"\"}", "\"type\""},
    {"list-racks", "{\"type\":null}", "\"type\""},
    {"list-racks", "[]", "object"},
    {"list-things", "{\"query\":\"{}\"}", "\"query\""},
    {"list-things", "{\"limit\":-1}", "\"limit\""},
    {"list-things", "{\"limit\":1.5}", "\"limit\""},
    {"list-things", "{\"limit\":9007199254740993}", "\"limit\""},
    {"list-things", "{\"status\":1}", "\"status\""},
    {"actions", "{\"queries\":{}}", "\"queries\""},
    {"actions-batch", "{\"ids\":[]}", "\"ids\""},
    {"actions-batch", "{\"ids\":[\"1\"]}", "\"ids\""},
    {"push-action", "{\"action\":\"reboot\",\"params\":[]}", "\"query\""},
    {"push-action", "{\"query\":{},\"action\":\"reboot\",\"params\":[],\"id\":1}", "\"id\""},
    {"vote-action", "{\"id\":1,\"approve\":\"yes\"}", "\"approve\""},
    {"vote-action", "{\"id\":\"1a\",\"approve\":true}", "\"id\""},
    {"vote-action", "{\"id\":\"\",\"approve\":true}", "\"id\""},
    {"list-things", "{\"limit\":\"1\"}", "\"limit\""},
    {"pool-config", "{\"id\":\"..\"}", "\"id\""},
    {"pool-config", "{\"id\":\".\"}", "\"id\""},
    {"userinfo", "{\"id\":\".\"}", "\"id\""},
};

START_TEST(wrong_arguments_are_named)
{
	const struct rest_endpoint *endpoint = rest_endpoint_find(wrong_requests[_i].endpoint);
	struct json_object *arguments = json_tokener_parse(wrong_requests[_i].arguments);
	struct buf url = {0};
	struct buf body = {0};
	struct error e = {0};

	ck_assert_int_eq(rest_endpoint_write(endpoint, arguments, &url, &body, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_msg(strstr(e.text, wrong_requests[_i].named) != NULL, "%s", e.text);
	json_object_put(arguments);
	buf_free(&url);
	buf_free(&body);
}
END_TEST

START_TEST(address_is_bounded)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *query = json_object_new_object();
	struct buf url = {0};
	struct buf body = {0};
	struct error e = {0};
	char name[16];

	for (int i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		json_object_object_add(query, name, json_object_new_int(1));
	}
	json_object_object_add(arguments, "fields", query);
	ck_assert_int_eq(
	    rest_endpoint_write(rest_endpoint_find("list-things"), arguments, &url, &body, &e),
	    ADIT_E_LIMIT);
	json_object_put(arguments);
	buf_free(&url);
	buf_free(&body);
}
END_TEST

/* Every argument in a path is one of the list, and no name is there twice. */
START_TEST(table_is_consistent)
{
	struct json_object *list = rest_endpoints();
	size_t count = json_object_array_length(list);

	ck_assert_uint_gt(count, 30);
	for (size_t i = 0; i < count; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *name = json_object_get_string(json_object_object_get(o, "name"));
		const char *path = json_object_get_string(json_object_object_get(o, "path"));
		struct json_object *arguments = json_object_object_get(o, "arguments");
		size_t in_path = 0;
		size_t colons = 0;

		ck_assert_str_eq(rest_endpoint_find(name)->path, path);
		for (const char *at = path; *at != '\0'; at++)
			colons += *at == ':';
		for (size_t k = 0; k < json_object_array_length(arguments); k++) {
			struct json_object *a = json_object_array_get_idx(arguments, k);
			char mark[64];

			if (strcmp(json_object_get_string(json_object_object_get(a, "place")),
				   "path") != 0)
				continue;
			in_path++;
			snprintf(mark, sizeof(mark), "/:%s",
				 json_object_get_string(json_object_object_get(a, "name")));
			ck_assert_ptr_nonnull(strstr(path, mark));
		}
		ck_assert_uint_eq(in_path, colons);
	}
	json_object_put(list);
	ck_assert_ptr_null(rest_endpoint_find("register-rack"));
	ck_assert(rest_endpoint_has_pages(rest_endpoint_find("list-things")));
	ck_assert(!rest_endpoint_has_pages(rest_endpoint_find("tail-log-multi")));
	ck_assert(!rest_endpoint_has_pages(rest_endpoint_find("pools")));
}
END_TEST

/* --- answers ------------------------------------------------------------------------------------
 */

static const struct {
	enum rest_shape shape;
	long status;
	const char *text;
	int32_t error;
	size_t orks;
	size_t failed;
	const char *message; /* a part of it; "" for none */
	bool refused;
} answers[] = {
    {REST_LISTS, 200, "[]", ADIT_OK, 0, 0, "", false},
    {REST_LISTS, 200, "[[{\"id\":\"a\"}],[]]", ADIT_OK, 2, 0, "", false},
    {REST_LISTS, 200, "[[{\"id\":\"a\",\"error\":\"x\"}]]", ADIT_OK, 1, 0, "", false},
    {REST_LISTS, 200, "[{\"id\":\"a\"}]", ADIT_E_PROTOCOL, 1, 0, "list of lists", false},
    {REST_LISTS, 200, "{}", ADIT_E_PROTOCOL, 0, 0, "each ork", false},
    {REST_LISTS, 200, "[[1],{\"error\":\"ERR_ORK_DOWN\"}]", ADIT_OK, 2, 1, "ERR_ORK_DOWN", false},
    {REST_LISTS, 200, "[\"[HRPC_ERR]=ERR_TYPE_INVALID\"]", ADIT_E_INVALID_ARGUMENT, 1, 1,
     "ERR_TYPE_INVALID", false},
    {REST_LISTS, 200, "[\"other\"]", ADIT_E_PROTOCOL, 1, 0, "list of lists", false},
    {REST_LISTS, 200, "<html>", ADIT_E_PROTOCOL, 0, 0, "no JSON", false},
    {REST_LISTS, 200, "", ADIT_E_PROTOCOL, 0, 0, "no JSON", false},
    {REST_LISTS, 200, "[] []", ADIT_E_PROTOCOL, 0, 0, "no JSON", false},
    {REST_PER_ORK, 200, "[{\"success\":1}]", ADIT_OK, 1, 0, "", false},
    {REST_PER_ORK, 200, "[{\"success\":{\"a\":1}}]", ADIT_OK, 1, 0, "", false},
    {REST_PER_ORK, 200, "[{\"error\":\"ERR_THING_NOTFOUND\"}]", ADIT_E_NOT_FOUND, 1, 1,
     "ERR_THING_NOTFOUND", false},
    /* pushAction */
    {REST_PER_ORK, 200, "[{\"id\":5,\"data\":[],\"errors\":[]}]", ADIT_OK, 1, 0, "", false},
    {REST_PER_ORK, 200, "[{\"id\":5,\"data\":[],\"errors\":[\"ERR_X\"]}]", ADIT_OK, 1, 0, "ERR_X",
     false},
    {REST_PER_ORK, 200, "[{\"id\":null,\"errors\":[\"ERR_X\",\"ERR_ORK_ACTION_CALLS_EMPTY\"]}]",
     ADIT_E_INVALID_ARGUMENT, 1, 1, "ERR_X", false},
    {REST_PER_ORK, 200, "[{\"id\":null,\"errors\":[]}]", ADIT_E_INVALID_ARGUMENT, 1, 1, "no action",
     false},
    {REST_LISTS, 200, "[[{\"id\":null,\"errors\":[\"E\"]},{\"id\":6,\"errors\":[]}]]", ADIT_OK, 1,
     0, "E", false},
    {REST_LISTS, 200, "[[{\"id\":null,\"errors\":[\"E\"]}]]", ADIT_E_INVALID_ARGUMENT, 1, 1, "E",
     false},
    /* voteAction: one ork has the action, the other does not know it */
    {REST_PER_ORK, 200,
     "[{\"res\":{\"success\":false,\"error\":\"ERR_ACTION_ID_NOT_FOUND\"}},{\"res\":1}]", ADIT_OK,
     2, 1, "ERR_ACTION_ID_NOT_FOUND", false},
    {REST_PER_ORK, 200, "[{\"res\":{\"success\":false,\"error\":\"ERR_ACTION_DENIED\"}}]",
     ADIT_E_PERMISSION_DENIED, 1, 1, "ERR_ACTION_DENIED", false},
    {REST_PER_ORK, 200, "[{\"res\":{\"success\":false,\"error\":\"ERR_VOTER_EXISTS\"}}]",
     ADIT_E_EXISTS, 1, 1, "ERR_VOTER_EXISTS", false},
    {REST_PER_ORK, 200, "[{\"res\":[{\"id\":1,\"success\":true}]}]", ADIT_OK, 1, 0, "", false},
    {REST_PER_ORK, 200, "[{\"res\":[{\"id\":1,\"success\":false,\"error\":\"ERR_N\"}]}]",
     ADIT_E_INVALID_ARGUMENT, 1, 1, "ERR_N", false},
    /* an action that failed is an answer */
    {REST_PER_ORK, 200,
     "[{\"id\":1,\"action\":\"reboot\",\"error\":\"ERR_X\",\"status\":\"FAILED\"}]", ADIT_OK, 1, 0,
     "", false},
    {REST_PAGE, 200, "[1,2]", ADIT_OK, 0, 0, "", false},
    {REST_PAGE, 200, "{\"data\":[1],\"totalCount\":1}", ADIT_OK, 0, 0, "", false},
    {REST_PAGE, 200, "{\"data\":1}", ADIT_E_PROTOCOL, 0, 0, "no list", false},
    {REST_OBJECT_ANSWER, 200, "{}", ADIT_OK, 0, 0, "", false},
    {REST_OBJECT_ANSWER, 202, "{\"jobId\":\"j\"}", ADIT_OK, 0, 0, "", false},
    {REST_OBJECT_ANSWER, 200, "[]", ADIT_E_PROTOCOL, 0, 0, "no object", false},
    {REST_ANY_ANSWER, 200, "5", ADIT_OK, 0, 0, "", false},
    {REST_BYTES, 200, "\x1f\x8b", ADIT_OK, 0, 0, "", false},
    /* statuses */
    {REST_LISTS, 400, "{\"statusCode\":400,\"message\":\"ERR_QUERIES_LIMIT_EXCEEDED\"}",
     ADIT_E_LIMIT, 0, 0, "ERR_QUERIES_LIMIT_EXCEEDED", false},
    {REST_LISTS, 400, "{\"statusCode\":400,\"error\":\"Bad Request\",\"message\":\"Bad Request\"}",
     ADIT_E_INVALID_ARGUMENT, 0, 0, "without a reason", false},
    {REST_LISTS, 400, "", ADIT_E_INVALID_ARGUMENT, 0, 0, "HTTP 400", false},
    {REST_LISTS, 400, "{\"message\":\"ERR_WRITE_PERM_REQUIRED\"}", ADIT_E_PERMISSION_DENIED, 0, 0,
     "actions:w", false},
    {REST_LISTS, 400, "{\"message\":\"ERR_AUTH_FAIL\"}", ADIT_E_PERMISSION_DENIED, 0, 0, "token",
     true},
    {REST_LISTS, 401, "{\"statusCode\":401,\"message\":\"ERR_AUTH_FAIL\"}",
     ADIT_E_PERMISSION_DENIED, 0, 0, "ERR_AUTH_FAIL", true},
    {REST_LISTS, 401, "{\"statusCode\":401,\"message\":\"ERR_AUTH_FAIL_NO_PERMS\"}",
     ADIT_E_PERMISSION_DENIED, 0, 0, "lacks the permission", false},
    {REST_LISTS, 401, "<html>", ADIT_E_PERMISSION_DENIED, 0, 0, "HTTP 401", true},
    {REST_BYTES, 403, "{\"error\":\"ERR_WRITE_PERM_REQUIRED\"}", ADIT_E_PERMISSION_DENIED, 0, 0,
     "actions:w", false},
    {REST_BYTES, 403, "", ADIT_E_PERMISSION_DENIED, 0, 0, "", false},
    {REST_LISTS, 404, "<html>", ADIT_E_NOT_FOUND, 0, 0, "404", false},
    {REST_BYTES, 410, "", ADIT_E_NOT_FOUND, 0, 0, "gone", false},
    {REST_LISTS, 429, "", ADIT_E_LIMIT, 0, 0, "429", false},
    {REST_LISTS, 500, "{\"message\":\"a\\u0007b\"}", ADIT_E_UNAVAILABLE, 0, 0, "500: a?b", false},
    {REST_LISTS, 503, "", ADIT_E_UNAVAILABLE, 0, 0, "503", false},
    {REST_LISTS, 302, "", ADIT_E_PROTOCOL, 0, 0, "http://elsewhere.example/x,", false},
    {REST_LISTS, 204, "", ADIT_E_PROTOCOL, 0, 0, "204", false},
};

START_TEST(answers_are_read)
{
	struct rest_verdict v;

	rest_answer_read(&v, answers[_i].shape, answers[_i].status,
			 "http://elsewhere.example/x?authToken=secret", answers[_i].text,
			 strlen(answers[_i].text));
	ck_assert_msg(v.error == answers[_i].error, "%ld %s: %s, %s", answers[_i].status,
		      answers[_i].text, adit_error_name(v.error), v.message);
	ck_assert_uint_eq(v.orks, answers[_i].orks);
	ck_assert_uint_eq(v.failed, answers[_i].failed);
	ck_assert_int_eq(v.refused, answers[_i].refused);
	ck_assert_msg(strstr(v.message, answers[_i].message) != NULL, "%s", v.message);
	ck_assert_ptr_null(strstr(v.message, "secret"));
	if (v.error != ADIT_OK)
		ck_assert_int_ne(v.message[0], '\0');
	else if (answers[_i].message[0] == '\0')
		ck_assert_str_eq(v.message, "");
	json_object_put(v.json);
}
END_TEST

START_TEST(items_are_joined)
{
	static const struct {
		enum rest_shape shape;
		const char *text;
		const char *items;
	} cases[] = {
	    {REST_LISTS, "[[1,2],[],[3]]", "[1,2,3]"},
	    {REST_LISTS, "[[1],{\"error\":\"E\"},[2]]", "[1,2]"},
	    {REST_LISTS, "{}", "[]"},
	    {REST_PAGE, "[1,[2]]", "[1,[2]]"},
	    {REST_PAGE, "{\"data\":[1,2]}", "[1,2]"},
	    {REST_PAGE, "{}", "[]"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *json = json_tokener_parse(cases[i].text);
		struct json_object *items = rest_answer_items(cases[i].shape, json);

		ck_assert_str_eq(json_object_to_json_string_ext(items, JSON_C_TO_STRING_PLAIN),
				 cases[i].items);
		json_object_put(items);
		json_object_put(json);
	}
}
END_TEST

/* --- tokens -------------------------------------------------------------------------------------
 */

static void make_jwt(const char *claims, char *out, size_t room)
{
	char text[2048];

	http_base64url_encode(claims, strlen(claims), text);
	snprintf(out, room, "eyJhbGciOiJIUzI1NiJ9.%.1900s.c2ln", text);
}

START_TEST(tokens_say_what_they_are)
{
	struct oauth_claims c;
	char token[2048];
	char roles[64];

	make_jwt("{\"sub\":\"1\",\"roles\":[\"site_manager\",\"admin\"],\"iat\":1700000000,"
		 "\"exp\":1700000900}",
		 token, sizeof(token));
	oauth_token_read(token, &c);
	ck_assert_int_eq(c.issued, 1700000000);
	ck_assert_int_eq(c.expires, 1700000900);
	oauth_roles_text(&c.roles, roles, sizeof(roles));
	ck_assert_str_eq(roles, "site_manager, admin");

	oauth_token_read(
	    "pub:api:0d4c6f5e-0000-4000-8000-000000000000-12-roles:admin:field_operator", &c);
	ck_assert_int_eq(c.expires, 0);
	oauth_roles_text(&c.roles, roles, sizeof(roles));
	ck_assert_str_eq(roles, "admin, field_operator");

	oauth_token_read("pub:api:0d4c6f5e-12-roles:", &c);
	ck_assert(c.roles.known);
	ck_assert_uint_eq(c.roles.count, 0);
}
END_TEST

START_TEST(odd_tokens_say_nothing)
{
	static const char *const odd[] = {"abc",      "a.b.c",    "a..c",       "..",       "a.b",
					  "a.eyJ9.c", "a.WzFd.c", "a.bnVsbA.c", "pub:api:x"};
	static const char *const claims[] = {"{\"iat\":-1,\"exp\":\"soon\",\"roles\":5}",
					     "{\"exp\":1e300}",
					     "{\"exp\":1.5}",
					     "{\"exp\":999999999999999}",
					     "[1]",
					     "5"};
	struct oauth_claims c;
	char token[2048];

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		oauth_token_read(odd[i], &c);
		ck_assert_msg(!c.roles.known && c.expires == 0 && c.issued == 0, "%s", odd[i]);
	}
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		make_jwt(claims[i], token, sizeof(token));
		oauth_token_read(token, &c);
		ck_assert_msg(!c.roles.known && c.expires == 0 && c.issued == 0, "%s", claims[i]);
	}
}
END_TEST

START_TEST(roles_are_bounded_and_compared)
{
	struct json_object *list = json_object_new_array();
	struct oauth_roles roles;
	struct oauth_roles lost;
	struct oauth_roles less = {.known = true, .count = 1, .names = {"r1"}};
	char name[100];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		json_object_array_add(list, json_object_new_string(name));
	}
	json_object_array_put_idx(list, 2, json_object_new_string("two words"));
	json_object_array_put_idx(list, 3, json_object_new_int(3));
	json_object_array_put_idx(list, 4, json_object_new_string("r1"));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	json_object_array_put_idx(list, 5, json_object_new_string(name));
	ck_assert(oauth_roles_read(list, &roles));
	ck_assert_uint_eq(roles.count, OAUTH_ROLES);
	ck_assert(oauth_roles_have(&roles, "r6"));
	ck_assert(!oauth_roles_have(&roles, "r4"));
	json_object_put(list);
	oauth_roles_lost(&roles, &less, &lost);
	ck_assert_uint_eq(lost.count, OAUTH_ROLES - 1);
	ck_assert(!oauth_roles_have(&lost, "r1"));
	less.known = false;
	oauth_roles_lost(&roles, &less, &lost);
	ck_assert_uint_eq(lost.count, 0);
	list = json_object_new_string("a:b, c");
	ck_assert(oauth_roles_read(list, &roles));
	ck_assert_uint_eq(roles.count, 3);
	json_object_put(list);
	ck_assert(!oauth_roles_read(NULL, &roles));
}
END_TEST

START_TEST(answers_about_tokens)
{
	static const char userinfo[] =
	    "{\"userId\":7,\"ips\":[\"127.0.0.1\"],\"metadata\":{\"email\":\"a@b.example\","
	    "\"roles\":[\"admin\"]}}";
	static const char grant[] =
	    "{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":60}";
	static const char newer[] = "{\"access_token\":\"a\",\"token_type\":\"Bearer\","
				    "\"expires_in\":\"60\",\"refresh_token\":\"r2\"}";
	struct oauth_user user;
	struct oauth_token token = {.refresh = "r1"};
	char text[OAUTH_TOKEN_MAX + 1];
	struct error e = {0};
	bool write = false;

	ck_assert_int_eq(oauth_read_userinfo(userinfo, strlen(userinfo), &user, &e), ADIT_OK);
	ck_assert_str_eq(user.user, "7");
	ck_assert_str_eq(user.email, "a@b.example");
	ck_assert(oauth_roles_have(&user.roles, "admin"));
	ck_assert_int_eq(oauth_read_userinfo("[]", 2, &user, &e), ADIT_E_PROTOCOL);
	ck_assert_int_eq(
	    oauth_read_permissions("{\"permissions\":{\"write\":true}}", 30, &write, &e), ADIT_OK);
	ck_assert(write);
	ck_assert_int_eq(oauth_read_permissions("{\"permissions\":{}}", 18, &write, &e),
			 ADIT_E_PROTOCOL);
	ck_assert_int_eq(oauth_read_renewal("{\"token\":\"t\"}", 13, text, &e), ADIT_OK);
	ck_assert_str_eq(text, "t");
	ck_assert_int_eq(oauth_read_renewal("{\"token\":\"\"}", 12, text, &e), ADIT_E_PROTOCOL);
	ck_assert_int_eq(oauth_read_renewal("{\"token\":\"a b\"}", 15, text, &e), ADIT_E_PROTOCOL);
	ck_assert_int_eq(oauth_read_renewal("{\"token\":5}", 11, text, &e), ADIT_E_PROTOCOL);
	ck_assert_int_eq(oauth_read_grant(grant, strlen(grant), &token, &e), ADIT_OK);
	ck_assert_int_eq(token.lifetime, 60);
	ck_assert_str_eq(token.refresh, "r1");
	ck_assert_int_eq(oauth_read_grant(newer, strlen(newer), &token, &e), ADIT_OK);
	ck_assert_int_eq(token.lifetime, 0);
	ck_assert_str_eq(token.refresh, "r2");
	ck_assert_int_eq(oauth_read_grant("{\"access_token\":\"a\"}", 20, &token, &e),
			 ADIT_E_PROTOCOL);
	ck_assert_int_eq(
	    oauth_read_grant("{\"access_token\":\"a\",\"token_type\":\"mac\"}", 39, &token, &e),
	    ADIT_E_PROTOCOL);
}
END_TEST

/* --- the cache file -----------------------------------------------------------------------------
 */

static char directory[64];
static char path[128];

static void make_directory(void)
{
	strcpy(directory, "/tmp/adit-rest.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/token.json", directory);
}

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(token_survives_in_its_file)
{
	static struct oauth_token token = {.access = "abc.def.ghi",
					   .refresh = "rrr",
					   .kind = OAUTH_OAUTH2,
					   .app_node = "http://localhost:3000",
					   .expires = 1700000900,
					   .lifetime = 900,
					   .user = "7",
					   .email = "a@b.example",
					   .roles = {true, 2, {"admin", "site_manager"}}};
	static struct oauth_token back;
	struct error e = {0};
	struct stat st;
	char old[128];

	ck_assert_int_eq(token_cache_load(path, &back, &e), ADIT_E_NOT_FOUND);
	umask(0);
	ck_assert_msg(token_cache_store(path, &token, &e) == ADIT_OK, "%s", e.text);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_msg(token_cache_load(path, &back, &e) == ADIT_OK, "%s", e.text);
	ck_assert_mem_eq(&back, &token, sizeof(token));
	/* It is another file that takes its place, and none of the old is changed. */
	snprintf(old, sizeof(old), "%s/old", directory);
	ck_assert_int_eq(link(path, old), 0);
	strcpy(token.access, "new");
	ck_assert_int_eq(token_cache_store(path, &token, &e), ADIT_OK);
	ck_assert_int_eq(token_cache_load(old, &back, &e), ADIT_OK);
	ck_assert_str_eq(back.access, "abc.def.ghi");
	ck_assert_int_eq(token_cache_load(path, &back, &e), ADIT_OK);
	ck_assert_str_eq(back.access, "new");
	ck_assert_int_eq(token_cache_remove(path, &e), ADIT_OK);
	ck_assert_int_eq(token_cache_remove(path, &e), ADIT_OK);
	ck_assert_int_eq(token_cache_load(path, &back, &e), ADIT_E_NOT_FOUND);
}
END_TEST

static const char good_file[] =
    "{\"version\":1,\"app_node\":\"http://localhost:3000\",\"kind\":\"app-node\","
    "\"access_token\":\"abc\"}";

START_TEST(file_that_is_not_safe_is_refused)
{
	static struct oauth_token token;
	struct error e = {0};
	char other[256];

	write_file(good_file, 0600);
	ck_assert_msg(token_cache_load(path, &token, &e) == ADIT_OK, "%s", e.text);
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(token_cache_load(path, &token, &e), ADIT_E_PERMISSION_DENIED);
	ck_assert_ptr_nonnull(strstr(e.text, "0640"));
	ck_assert_int_eq(chmod(path, 0604), 0);
	ck_assert_int_eq(token_cache_load(path, &token, &e), ADIT_E_PERMISSION_DENIED);
	ck_assert_int_eq(chmod(path, 0600), 0);
	snprintf(other, sizeof(other), "%s/link", directory);
	ck_assert_int_eq(symlink(path, other), 0);
	ck_assert_int_eq(token_cache_load(other, &token, &e), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "symbolic link"));
	ck_assert_int_eq(token_cache_load(directory, &token, &e), ADIT_E_CONFIG);
	snprintf(other, sizeof(other), "%s/fifo", directory);
	ck_assert_int_eq(mkfifo(other, 0600), 0);
	ck_assert_int_eq(token_cache_load(other, &token, &e), ADIT_E_CONFIG);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(path, 65534, 65534), 0);
		ck_assert_int_eq(token_cache_load(path, &token, &e), ADIT_E_PERMISSION_DENIED);
	}
	ck_assert_str_eq(token.access, "");
}
END_TEST

START_TEST(file_that_is_too_large_is_refused)
{
	static struct oauth_token token;
	static char text[TOKEN_CACHE_MAX + 100];
	struct error e = {0};

	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, good_file, strlen(good_file));
	write_file(text, 0600);
	ck_assert_int_eq(token_cache_load(path, &token, &e), ADIT_E_CONFIG);
	text[TOKEN_CACHE_MAX] = '\0';
	write_file(text, 0600);
	ck_assert_msg(token_cache_load(path, &token, &e) == ADIT_OK, "%s", e.text);
}
END_TEST

static const char *const bad_files[] = {
    "",
    "{}",
    "[]",
    "{\"version\":2,\"app_node\":\"x\",\"kind\":\"app-node\",\"access_token\":\"abc\"}",
    "{\"version\":1,\"kind\":\"app-node\",\"access_token\":\"abc\"}",
    "{\"version\":1,\"app_node\":\"x\",\"access_token\":\"abc\"}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"other\",\"access_token\":\"abc\"}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"app-node\"}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"app-node\",\"access_token\":5}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"app-node\",\"access_token\":\"a\\r\\nb\"}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"app-node\",\"access_token\":\"a\\u0000b\"}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"oauth2\",\"access_token\":\"a\",\"refresh_"
    "token\":"
    "\"\"}",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"app-node\",\"access_token\":\"abc\"",
    "{\"version\":1,\"app_node\":\"x\",\"kind\":\"app-node\",\"access_token\":\"abc\"} more",
};

START_TEST(file_of_another_form_is_refused)
{
	static struct oauth_token token;
	struct error e = {0};

	ck_assert_msg(token_cache_parse(bad_files[_i], strlen(bad_files[_i]), &token, &e) ==
			  ADIT_E_CONFIG,
		      "%s", bad_files[_i]);
	ck_assert_str_eq(token.access, "");
}
END_TEST

START_TEST(store_fails_as_a_whole)
{
	static struct oauth_token token = {.access = "abc", .app_node = "x"};
	struct error e = {0};

	ck_assert_int_eq(token_cache_store("/nonexistent/token.json", &token, &e), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/"));
	ck_assert_ptr_null(strstr(e.text, "abc"));
	/* The name is taken by a directory: what was written beside it does not stay. */
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(token_cache_store(path, &token, &e), ADIT_E_IO);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(directory), 0);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
}
END_TEST

/* --- the listener's requests --------------------------------------------------------------------
 */

static const struct {
	const char *head;
	int status;
	const char *path;
	const char *query;
	const char *cookie;
} heads[] = {
    {"GET /callback?code=a&state=b HTTP/1.1\r\nHost: 127.0.0.1:8400\r\n\r\n", 0, "/callback",
     "code=a&state=b", ""},
    {"GET / HTTP/1.0\r\nhost:127.0.0.1:8400\r\nCookie: x=1; adit_login=abc; y=2\r\n\r\n", 0, "/",
     "", "abc"},
    {"GET /?a?b HTTP/1.1\r\nHost: x\r\nCookie: adit_login2=abc\r\n\r\n", 0, "/", "a?b", ""},
    {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405, NULL, NULL, NULL},
    {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 405, NULL, NULL, NULL},
    {"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET /\r\nHost: x\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET / HTTP/1.1\nHost: x\n\n", 400, NULL, NULL, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400, NULL, NULL, NULL},
    {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, NULL, NULL, NULL},
    {"\r\n\r\n", 400, NULL, NULL, NULL},
    {"", 400, NULL, NULL, NULL},
};

START_TEST(heads_are_read)
{
	static struct oauth_request r;

	ck_assert_int_eq(oauth_request_read(heads[_i].head, strlen(heads[_i].head), &r),
			 heads[_i].status);
	if (heads[_i].status != 0)
		return;
	ck_assert_str_eq(r.path, heads[_i].path);
	ck_assert_str_eq(r.query, heads[_i].query);
	ck_assert_str_eq(r.cookie, heads[_i].cookie);
}
END_TEST

START_TEST(long_heads_are_refused)
{
	static struct oauth_request r;
	static char head[OAUTH_REQUEST_MAX];

	memset(head, 'a', sizeof(head));
	memcpy(head, "GET /", 5);
	strcpy(head + 1000, " HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(oauth_request_read(head, strlen(head), &r), 414);
	head[5] = '?';
	ck_assert_int_eq(oauth_request_read(head, strlen(head), &r), 0);
	memset(head + 6, 'a', sizeof(head) - 6);
	strcpy(head + 12000, " HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(oauth_request_read(head, strlen(head), &r), 414);
}
END_TEST

START_TEST(results_of_logins)
{
	static struct oauth_result r;
	static const char *const none[] = {"",
					   "code=",
					   "authToken=",
					   "authToken=a%20b",
					   "authToken=a&error=b",
					   "code=a&error=b",
					   "code=a&authToken=b",
					   "state=s",
					   "authToken=a&authToken=b"};

	ck_assert(oauth_result_read("authToken=a.b-c%3A_", 19, &r));
	ck_assert_str_eq(r.token, "a.b-c:_");
	ck_assert(oauth_result_read("code=x%2Fy&state=s&iss=z", 24, &r));
	ck_assert_str_eq(r.code, "x/y");
	ck_assert_str_eq(r.state, "s");
	ck_assert(oauth_result_read("error=ERR%0A_X", 14, &r));
	ck_assert_str_eq(r.error, "ERR?_X");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert_msg(!oauth_result_read(none[i], strlen(none[i]), &r), "%s", none[i]);
}
END_TEST

static TCase *file_case(void)
{
	TCase *tc = tcase_create("cache");

	tcase_add_checked_fixture(tc, make_directory, remove_directory);
	tcase_add_test(tc, token_survives_in_its_file);
	tcase_add_test(tc, file_that_is_not_safe_is_refused);
	tcase_add_test(tc, file_that_is_too_large_is_refused);
	tcase_add_test(tc, store_fails_as_a_whole);
	tcase_add_loop_test(tc, file_of_another_form_is_refused, 0,
			    sizeof(bad_files) / sizeof(bad_files[0]));
	return tc;
}

static Suite *parts_suite(void)
{
	Suite *suite = suite_create("miningos REST, parts");
	TCase *tc = tcase_create("requests");

	tcase_add_loop_test(tc, requests_are_written, 0, sizeof(requests) / sizeof(requests[0]));
	tcase_add_loop_test(tc, wrong_arguments_are_named, 0,
			    sizeof(wrong_requests) / sizeof(wrong_requests[0]));
	tcase_add_test(tc, address_is_bounded);
	tcase_add_test(tc, table_is_consistent);
	suite_add_tcase(suite, tc);
	tc = tcase_create("answers");
	tcase_add_loop_test(tc, answers_are_read, 0, sizeof(answers) / sizeof(answers[0]));
	tcase_add_test(tc, items_are_joined);
	suite_add_tcase(suite, tc);
	tc = tcase_create("tokens");
	tcase_add_test(tc, tokens_say_what_they_are);
	tcase_add_test(tc, odd_tokens_say_nothing);
	tcase_add_test(tc, roles_are_bounded_and_compared);
	tcase_add_test(tc, answers_about_tokens);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, file_case());
	tc = tcase_create("listener");
	tcase_add_loop_test(tc, heads_are_read, 0, sizeof(heads) / sizeof(heads[0]));
	tcase_add_test(tc, long_heads_are_refused);
	tcase_add_test(tc, results_of_logins);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(parts_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
