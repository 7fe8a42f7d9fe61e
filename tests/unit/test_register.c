/* SPDX-License-Identifier: MIT */
/* Registration at an ork. The bridge is this file: it shows the registrar's calls, and answers them
 * as an ork that the test has in mind. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/register.h"
#include "tests/unit/fake_host.h"

#define WAIT_MS 60000
#define ORK "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_ONE "1111111111111111111111111111111111111111111111111111111111111111"
#define KEY_NEW "2222222222222222222222222222222222222222222222222222222222222222"

static const struct bridge_rack racks[] = {
    {.id = "one", .type = "miner-sv2", .seed = ""},
    {.id = "two", .type = "minerpool-sv2", .seed = "minerpool"},
};

static struct adit_host *host;
static struct registrar *registrar;
static unsigned told; /* by on_registered */

/* --- the bridge and the ork --- */

static bool up;
static const char *key_of_one;
static const char *register_answer; /* JSON, or an error that begins with "E" */
static const char *list_answer;
static bool silent;
static unsigned registers;
static unsigned lists;
static char last_params[512];
static bridge_reply_fn open_fn;
static void *open_user;
static const void *forgotten[4];
static unsigned forgotten_count;

const char *bridge_rack_key(const struct bridge *bridge, const char *rack_id)
{
	(void)bridge;
	return strcmp(rack_id, "one") == 0 ? key_of_one : "";
}

bool bridge_listening(const struct bridge *bridge, const char *rack_id)
{
	(void)bridge;
	return up && strcmp(rack_id, "one") == 0;
}

void bridge_forget(struct bridge *bridge, const void *user)
{
	(void)bridge;
	ck_assert_uint_lt(forgotten_count, 4);
	forgotten[forgotten_count++] = user;
}

static void answer(void *user)
{
	const char *text = user;
	struct json_object *o = text[0] == 'E' ? NULL : json_tokener_parse(text);

	open_fn(open_user, text[0] == 'E' ? text : NULL, o);
	json_object_put(o);
}

void bridge_call(struct bridge *bridge, const char *key, const char *method, const char *params,
		 uint32_t deadline_ms, bridge_reply_fn fn, void *user)
{
	const bool is_list = strcmp(method, "listRacks") == 0;
	const char *text = is_list ? list_answer : register_answer;

	(void)bridge;
	ck_assert_str_eq(key, ORK);
	ck_assert_uint_gt(deadline_ms, 0);
	ck_assert_str_eq(method, is_list ? "listRacks" : "registerRack");
	(void)snprintf(last_params, sizeof(last_params), "%s", params);
	if (is_list)
		lists++;
	else
		registers++;
	open_fn = fn;
	open_user = user;
	if (!silent)
		ck_assert_int_eq(fake_host_api()->timer_add(host, 0, 0, answer,
							    (void *)(uintptr_t)text, NULL, NULL),
				 ADIT_OK);
}

/* --- fixture --- */

static void on_registered(void *user, const char *rack_id, const char *type, const char *key)
{
	ck_assert_ptr_eq(user, &host);
	ck_assert_str_eq(rack_id, "one");
	ck_assert_str_eq(type, "miner-sv2");
	ck_assert_str_eq(key, key_of_one);
	told++;
}

static int32_t make(const char *ork, bool automatic, struct error *e)
{
	const struct registrar_options options = {
	    .api = fake_host_api(),
	    .host = host,
	    .ork_key = ork,
	    .automatic = automatic,
	    .retry_ms = 5,
	    .check_ms = 5,
	    .racks = racks,
	    .rack_count = 2,
	    .on_registered = on_registered,
	    .user = &host,
	};

	return registrar_new(&options, &registrar, e);
}

static void begin(const char *ork, bool automatic)
{
	struct error e = {0};

	ck_assert_msg(make(ork, automatic, &e) == ADIT_OK, "%s", e.text);
	registrar_kick(registrar);
}

static void setup(void)
{
	host = fake_host_new("miningos", NULL, NULL, NULL);
	up = true;
	key_of_one = KEY_ONE;
	register_answer = "1";
	list_answer = "[{\"id\":\"one\",\"info\":{\"rpcPublicKey\":\"" KEY_ONE "\"}}]";
}

static void teardown(void)
{
	registrar_free(registrar);
	fake_host_free(host);
}

static bool told_as_often(void *user)
{
	return told >= *(const unsigned *)user;
}

static bool listed_as_often(void *user)
{
	return lists >= *(const unsigned *)user;
}

static bool registered_as_often(void *user)
{
	return registers >= *(const unsigned *)user;
}

static void until(bool (*condition)(void *user), unsigned times)
{
	ck_assert(fake_host_wait(host, condition, &times, WAIT_MS));
}

static const char *state_of_one(const char *key)
{
	static char value[512];
	struct json_object *state = registrar_state(registrar);
	struct json_object *o = NULL;

	ck_assert(json_object_object_get_ex(state, "racks", &o));
	ck_assert_uint_eq(json_object_array_length(o), 2);
	ck_assert(json_object_object_get_ex(json_object_array_get_idx(o, 0), key, &o));
	(void)snprintf(value, sizeof(value), "%s",
		       json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(state);
	return value;
}

/* --- tests --- */

START_TEST(registers_and_looks)
{
	begin(ORK, true);
	ck_assert_str_eq(last_params, "{\"id\":\"one\",\"type\":\"miner-sv2\",\"info\":"
				      "{\"rpcPublicKey\":\"" KEY_ONE "\"}}");
	ck_assert(!registrar_done(registrar, "one"));
	until(told_as_often, 1);
	ck_assert(registrar_done(registrar, "one"));
	ck_assert(!registrar_done(registrar, "two")); /* has no key yet */
	ck_assert_str_eq(registrar_text(registrar), "two is not registered yet");
	until(listed_as_often, 5);
	ck_assert_str_eq(last_params, "{\"type\":\"miner-sv2\",\"keys\":true}");
	ck_assert_uint_eq(registers, 1);
	ck_assert_uint_eq(told, 1);
	ck_assert_str_eq(state_of_one("last_error"), "null");
	ck_assert(fake_host_logged(host, "rack one is registered at the ork"));
}
END_TEST

START_TEST(waits_for_the_bridge)
{
	up = false;
	begin(ORK, true);
	fake_host_run(host, 50);
	ck_assert_uint_eq(registers, 0);
	up = true;
	registrar_kick(registrar);
	until(told_as_often, 1);
}
END_TEST

static const char *const refusals[][2] = {
    {"ERR_RACK_ID_INVALID", "\"registerRack: ERR_RACK_ID_INVALID\""},
    {"E_TIMEOUT", "\"registerRack: E_TIMEOUT\""},
    {"E\x1b[2J\n\xc3\xa4", "\"registerRack: E?[2J???\""},
    {"0", "\"registerRack: the ork did not answer 1\""},
    {"\"1\"", "\"registerRack: the ork did not answer 1\""},
    {"null", "\"registerRack: the ork did not answer 1\""},
    {"{}", "\"registerRack: the ork did not answer 1\""},
};

START_TEST(tries_until_it_is)
{
	register_answer = refusals[_i][0];
	begin(ORK, true);
	until(registered_as_often, 4);
	ck_assert_str_eq(state_of_one("last_error"), refusals[_i][1]);
	ck_assert_str_eq(state_of_one("registered"), "false");
	ck_assert_int_eq(strncmp(registrar_text(registrar), "one is not registered: r", 24), 0);
	ck_assert_uint_eq(lists, 0);
	register_answer = "1";
	until(told_as_often, 1);
	ck_assert_str_eq(state_of_one("last_error"), "null");
}
END_TEST

/* Lists in which the rack is not, or not with its key. */
static const char *const forgetful[] = {
    "[]",
    "[7,null,{},{\"id\":1},{\"id\":\"two\"}]",
    "[{\"id\":\"one\",\"info\":{\"rpcPublicKey\":\"" KEY_NEW "\"}}]",
};

START_TEST(registers_again)
{
	list_answer = forgetful[_i];
	begin(ORK, true);
	until(told_as_often, 3);
	ck_assert(
	    fake_host_logged(host, _i == 2 ? "has another key" : "does not know it any more"));
}
END_TEST

/* Nothing to conclude from. */
static const char *const unclear[][2] = {
    {"[{\"id\":\"one\"}]", "null"},
    {"[{\"id\":\"one\",\"info\":{}}]", "null"},
    {"{}", "\"listRacks: the ork answered no list\""},
    {"null", "\"listRacks: the ork answered no list\""},
    {"EUNKNOWN_METHOD", "\"listRacks: EUNKNOWN_METHOD\""},
};

START_TEST(stays_registered)
{
	list_answer = unclear[_i][0];
	begin(ORK, true);
	until(listed_as_often, 3);
	ck_assert_uint_eq(registers, 1);
	ck_assert(registrar_done(registrar, "one"));
	ck_assert_str_eq(state_of_one("last_error"), unclear[_i][1]);
}
END_TEST

START_TEST(other_keys)
{
	begin(ORK, true);
	until(told_as_often, 1);
	key_of_one = KEY_NEW;
	list_answer = "[{\"id\":\"one\",\"info\":{\"rpcPublicKey\":\"" KEY_NEW "\"}}]";
	until(told_as_often, 2);
	ck_assert_uint_eq(told, 2);
	until(listed_as_often, 3);
	ck_assert_uint_eq(told, 2);
}
END_TEST

static const struct {
	const char *ork;
	bool automatic;
} by_hand[] = {{ORK, false}, {NULL, true}, {"", true}};

START_TEST(left_to_the_operator)
{
	begin(by_hand[_i].ork, by_hand[_i].automatic);
	registrar_kick(registrar);
	fake_host_run(host, 50);
	ck_assert_uint_eq(registers + lists, 0);
	ck_assert(fake_host_logged(host, "registerRack {\"id\":\"one\",\"type\":\"miner-sv2\","
					 "\"info\":{\"rpcPublicKey\":\"" KEY_ONE "\"}}"));
	ck_assert_str_eq(registrar_text(registrar),
			 "register one at the ork, its rpcPublicKey is " KEY_ONE);
	ck_assert_str_eq(state_of_one("call"),
			 "{\"method\":\"registerRack\",\"params\":{\"id\":\"one\",\"type\":"
			 "\"miner-sv2\",\"info\":{\"rpcPublicKey\":\"" KEY_ONE "\"}}}");
}
END_TEST

START_TEST(ends_with_a_call)
{
	silent = true;
	begin(ORK, true);
	ck_assert_uint_eq(registers, 1);
	registrar_free(registrar);
	registrar = NULL;
	ck_assert_uint_eq(forgotten_count, 2);
	ck_assert(forgotten[0] == open_user || forgotten[1] == open_user);
	ck_assert_uint_eq(fake_host_registrations(host), 0);
}
END_TEST

START_TEST(no_key)
{
	struct error e = {0};

	ck_assert_int_eq(make("abc", true, &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "\"abc\" is not 64 hex digits"));
	ck_assert_int_eq(make(ORK "0", true, &e), ADIT_E_INVALID_ARGUMENT);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("register");
	TCase *c = tcase_create("register");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, registers_and_looks);
	tcase_add_test(c, waits_for_the_bridge);
	tcase_add_loop_test(c, tries_until_it_is, 0, COUNT(refusals));
	tcase_add_loop_test(c, registers_again, 0, COUNT(forgetful));
	tcase_add_loop_test(c, stays_registered, 0, COUNT(unclear));
	tcase_add_test(c, other_keys);
	tcase_add_loop_test(c, left_to_the_operator, 0, COUNT(by_hand));
	tcase_add_test(c, ends_with_a_call);
	tcase_add_test(c, no_key);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
