/* SPDX-License-Identifier: MIT */
/* The role's side of the bridge to MiningOS, with children that behave as they like. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/miningos/bridge.h"
#include "plugins/miningos/lines.h"
#include "tests/unit/fake_host.h"

#define WAIT_MS 60000
#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define ORK "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct bridge_rack racks[] = {
    {.id = "one", .type = "miner-sv2", .seed = ""},
    {.id = "two", .type = "minerpool-sv2", .seed = "minerpool"},
};

static struct adit_host *host;
static struct bridge *bridge;
static char folder[64];
static const char child[] = BRIDGE_CHILD;
static char answered[1024]; /* by on_reply */
static unsigned replies;
static unsigned changes;
static unsigned stops;
static char requested[512]; /* by on_request */
static uint64_t held;       /* a request that is not answered yet */
static bool hold;

/* --- callbacks --- */

static void on_reply(void *user, const char *error, const struct json_object *result)
{
	(void)user;
	replies++;
	(void)snprintf(answered, sizeof(answered), "%.1000s",
		       error != NULL
			   ? error
			   : json_object_to_json_string_ext((struct json_object *)(uintptr_t)result,
							    JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void on_request(void *user, uint64_t request, const char *rack_id, const char *method,
		       const char *peer, struct json_object *params)
{
	ck_assert_ptr_eq(user, &host);
	(void)snprintf(requested, sizeof(requested), "%s %s %.4s %s", rack_id, method, peer,
		       json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	if (hold)
		held = request;
	else if (strcmp(method, "wrong") == 0)
		bridge_answer(bridge, request, "ERR_THING_NOTFOUND", NULL, 0);
	else
		bridge_answer(bridge, request, NULL, "[1]", 3);
}

static void on_state(void *user)
{
	ck_assert_ptr_eq(user, &host);
	changes++;
}

static void on_stopped(void *user)
{
	(void)user;
	stops++;
}

/* --- what is waited for --- */

static bool is_listening(void *user)
{
	(void)user;
	return bridge_listening(bridge, "two");
}

static bool has_replied(void *user)
{
	return replies >= *(const unsigned *)user;
}

static bool has_stopped(void *user)
{
	(void)user;
	return stops > 0;
}

static bool is_logged(void *user)
{
	return fake_host_logged(host, user);
}

static bool says(void *user)
{
	return strstr(bridge_text(bridge), user) != NULL;
}

static unsigned starts(void)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/starts", folder);
	return stat(path, &st) == 0 ? (unsigned)st.st_size : 0;
}

static bool started_thrice(void *user)
{
	(void)user;
	return starts() >= 3;
}

#define until(condition, user) ck_assert(fake_host_wait(host, condition, user, WAIT_MS))

static void until_said(const char *text)
{
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	until(says, copy);
}

/* --- fixture --- */

static void behave(const char *word)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/bridge.js", folder);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fprintf(f, "%s\n%s/starts\n", word, folder), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static struct bridge_options options_now(void)
{
	return (struct bridge_options){
	    .api = fake_host_api(),
	    .host = host,
	    .node_binary = child,
	    .folder = folder,
	    .state_dir = folder,
	    .retry_ms = 10,
	    .racks = racks,
	    .rack_count = 2,
	    .on_request = on_request,
	    .on_state = on_state,
	    .user = &host,
	};
}

static void setup(void)
{
	struct error e = {0};
	struct bridge_options options;

	(void)snprintf(folder, sizeof(folder), "/tmp/adit-bridge-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	host = fake_host_new("miningos", NULL, NULL, NULL);
	options = options_now();
	ck_assert_msg(bridge_new(&options, &bridge, &e) == ADIT_OK, "%s", e.text);
}

static void teardown(void)
{
	char command[128];

	bridge_free(bridge);
	fake_host_free(host);
	(void)snprintf(command, sizeof(command), "/bin/rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void run(const char *word)
{
	behave(word);
	bridge_start(bridge);
}

static void run_until_listening(const char *word)
{
	run(word);
	until(is_listening, NULL);
}

static const char *ask_for(const char *method, const char *params)
{
	const unsigned expected = replies + 1;

	bridge_call(bridge, ORK, method, params, WAIT_MS, on_reply, NULL);
	ck_assert_uint_eq(replies, expected - 1); /* never from inside */
	until(has_replied, (void *)(uintptr_t)&expected);
	return answered;
}

static const char *state_value(const char *key)
{
	static char value[512];
	struct json_object *state = bridge_state(bridge);
	struct json_object *o = NULL;

	ck_assert(json_object_object_get_ex(state, key, &o));
	(void)snprintf(value, sizeof(value), "%s", o != NULL ? json_object_get_string(o) : "null");
	json_object_put(state);
	return value;
}

/* --- a child that behaves --- */

START_TEST(keys)
{
	ck_assert_str_eq(bridge_rack_key(bridge, "one"), "");
	run_until_listening("good");
	ck_assert_str_eq(bridge_rack_key(bridge, "one"), KEY "1");
	ck_assert_str_eq(bridge_rack_key(bridge, "two"), KEY "2");
	ck_assert_str_eq(bridge_rack_key(bridge, "three"), "");
	ck_assert_str_eq(bridge_client_key(bridge), KEY "0");
	ck_assert(bridge_listening(bridge, "one"));
	ck_assert_str_eq(bridge_text(bridge), "running");
	ck_assert_str_eq(state_value("state"), "running");
	ck_assert_str_eq(state_value("remedy"), "null");
	ck_assert_str_eq(state_value("starts"), "1");
	ck_assert_uint_ge(changes, 2);
}
END_TEST

START_TEST(calls)
{
	static char params[8 << 10] = "\"";

	memset(params + 1, 'x', sizeof(params) - 3);
	params[sizeof(params) - 2] = '"';
	run_until_listening("good");
	ck_assert_str_eq(ask_for("echo", "{\"a\":[1,null]}"), "{\"a\":[1,null]}");
	ck_assert_str_eq(ask_for("echo", NULL), "null");
	ck_assert_int_eq(strncmp(ask_for("echo", params), params, 250), 0);
	ck_assert_str_eq(ask_for("fail", "{}"), "ERR_RACK_ID_INVALID");
}
END_TEST

START_TEST(requests)
{
	run_until_listening("good");
	ck_assert_str_eq(ask_for("ask", "{\"id\":5,\"rack\":\"two\",\"method\":\"listThings\","
					"\"peer\":\"" KEY "f\",\"params\":{\"limit\":1}}"),
			 "\"{'id':5,'result':[1]}\"");
	ck_assert_str_eq(requested, "two listThings 0123 {\"limit\":1}");
	ck_assert_str_eq(ask_for("ask", "{\"id\":2147483647,\"rack\":\"one\",\"method\":\"wrong\","
					"\"peer\":\"\"}"),
			 "\"{'id':2147483647,'error':'ERR_THING_NOTFOUND'}\"");
	ck_assert_str_eq(requested, "one wrong  null");
	ck_assert_str_eq(
	    ask_for("ask", "{\"id\":5,\"rack\":\"six\",\"method\":\"a\",\"peer\":\"\"}"),
	    "\"{'id':5,'error':'ERR_RACK_NOTFOUND'}\"");
	ck_assert_str_eq(requested, "one wrong  null");
	ck_assert_str_eq(state_value("requests"), "3");
	ck_assert_str_eq(state_value("requests_open"), "0");
}
END_TEST

/* It gets what it needs and nothing of ours. */
START_TEST(surroundings)
{
	const char *text;

	ck_assert_int_eq(setenv("ADIT_SECRET", "1", 1), 0);
	ck_assert_int_eq(setenv("NODE_OPTIONS", "--require=/etc/passwd", 1), 0);
	run_until_listening("good");
	text = ask_for("self", "1");
	ck_assert_ptr_nonnull(strstr(text, "fds 0 1 2 3;"));
	ck_assert_ptr_nonnull(strstr(text, "; PATH; HOME; LANG; --max-old-space-size=256; in "));
	ck_assert_ptr_nonnull(strstr(text, folder));
	ck_assert_ptr_nonnull(strstr(text, "pipes default"));
}
END_TEST

START_TEST(stops_when_told)
{
	run_until_listening("good");
	ck_assert(bridge_stop(bridge, on_stopped, NULL));
	ck_assert_uint_eq(stops, 0);
	until(has_stopped, NULL);
	ck_assert_str_eq(state_value("state"), "stopped");
	ck_assert_str_eq(state_value("last_exit"), "exit status 0");
	ck_assert_uint_eq(fake_host_registrations(host), 0);
	ck_assert(!bridge_stop(bridge, on_stopped, NULL));
	ck_assert_uint_eq(stops, 1);
	bridge_start(bridge); /* and begins again */
	until(is_listening, NULL);
}
END_TEST

START_TEST(stops_with_calls)
{
	run_until_listening("good");
	bridge_call(bridge, ORK, "mute", "1", WAIT_MS, on_reply, NULL);
	ck_assert(bridge_stop(bridge, on_stopped, NULL));
	ck_assert_uint_eq(replies, 1);
	ck_assert_str_eq(answered, "ERR_BRIDGE_DOWN");
	until(has_stopped, NULL);
}
END_TEST

/* --- and those that do not --- */

START_TEST(dies_with_a_call)
{
	run_until_listening("good");
	ck_assert_str_eq(ask_for("die", "1"), "ERR_BRIDGE_DOWN");
	ck_assert(!bridge_listening(bridge, "one"));
	ck_assert_str_eq(bridge_rack_key(bridge, "one"), KEY "1"); /* it keeps them */
	ck_assert_str_eq(ask_for("echo", "1"), "ERR_BRIDGE_DOWN");
	until(is_listening, NULL);
	ck_assert_str_eq(ask_for("echo", "1"), "1");
	ck_assert_str_eq(state_value("starts"), "2");
	ck_assert_str_eq(state_value("last_exit"), "exit status 9");
}
END_TEST

START_TEST(killed_with_a_request)
{
	unsigned expected = replies + 1;
	pid_t pid;

	run_until_listening("good");
	hold = true;
	bridge_call(bridge, ORK, "ask",
		    "{\"id\":1,\"rack\":\"one\",\"method\":\"a\",\"peer\":\"\"}", WAIT_MS, on_reply,
		    NULL);
	while (held == 0)
		fake_host_run(host, 10);
	pid = (pid_t)atoi(state_value("pid"));
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	until(has_replied, &expected);
	ck_assert_str_eq(answered, "ERR_BRIDGE_DOWN");
	ck_assert_str_eq(state_value("last_exit"), "killed by signal 9");
	ck_assert_str_eq(state_value("requests_open"), "0");
	until(is_listening, NULL);
	bridge_answer(bridge, held, NULL, "\"late\"", 6); /* to nobody */
	ck_assert_str_eq(ask_for("echo", "2"), "2");
}
END_TEST

START_TEST(exits_at_once)
{
	run("exits");
	until(started_thrice, NULL);
	until_said("exit status 7");
	ck_assert(fake_host_logged(host, "the bridge has ended: exit status 7"));
	behave("good");
	until(is_listening, NULL);
	ck_assert(fake_host_logged(host, "the bridge runs again"));
}
END_TEST

static const char *const breakers[][2] = {
    {"garbage", "nobody understands"},
    {"long", "a line is too long"},
    {"keyless", "does not tell its keys"},
    {"closed", "does not exit"},
};

START_TEST(is_killed_and_comes_again)
{
	char text[64];

	run(breakers[_i][0]);
	(void)snprintf(text, sizeof(text), "%s", breakers[_i][1]);
	until(is_logged, text);
	behave("good");
	until(is_listening, NULL);
	ck_assert_str_eq(ask_for("echo", "3"), "3");
}
END_TEST

START_TEST(silent)
{
	run("silent");
	until_said("starting");
	ck_assert_str_eq(ask_for("echo", "1"), "ERR_BRIDGE_DOWN");
	ck_assert(bridge_stop(bridge, on_stopped, NULL));
	until(has_stopped, NULL);
}
END_TEST

START_TEST(stubborn)
{
	run_until_listening("stubborn");
	ck_assert(bridge_stop(bridge, on_stopped, NULL));
	until(has_stopped, NULL);
	ck_assert_str_eq(state_value("last_exit"), "killed by signal 9");
}
END_TEST

START_TEST(ids_of_every_type)
{
	run_until_listening("ids");
	ck_assert_str_eq(state_value("bad_lines"), "20");
	ck_assert_str_eq(ask_for("echo", "1"), "1");
}
END_TEST

START_TEST(slices)
{
	run_until_listening("slices");
	ck_assert(!bridge_listening(bridge, "one"));
	ck_assert_ptr_nonnull(strstr(bridge_text(bridge), "running, but the DHT does not answer"));
}
END_TEST

START_TEST(noisy)
{
	run_until_listening("noisy");
	ck_assert_str_eq(ask_for("echo", "1"), "1");
	until(is_logged, (void *)(uintptr_t) "the next lines are dropped");
	ck_assert(fake_host_logged(host, "bridge: a line of ?[31mours"));
	ck_assert(fake_host_logged(host, "bridge: a line of ?[31mits own"));
}
END_TEST

/* It does not read: what waits for it is bounded. */
START_TEST(deaf)
{
	static char params[(size_t)8 << 20];

	memset(params, ' ', sizeof(params) - 1);
	params[0] = '1';
	run_until_listening("deaf");
	for (unsigned i = 0; i < 20; i++)
		bridge_call(bridge, ORK, "echo", params, WAIT_MS, on_reply, NULL);
	while (replies == 0)
		fake_host_run(host, 10);
	ck_assert_str_eq(answered, "ERR_BRIDGE_BUSY");
	ck_assert_uint_ge(replies, 10);
	ck_assert_str_eq(state_value("state"), "running");
}
END_TEST

/* Nor its answers, which become errors then. Ten megabytes each. */
START_TEST(deaf_to_answers)
{
	static char answer[(size_t)10 << 20];
	const size_t size = sizeof(answer) - 1;

	memset(answer, ' ', size);
	answer[0] = '1';
	hold = true;
	run_until_listening("greedy");
	while (atoi(state_value("requests_open")) < 200)
		fake_host_run(host, 10);
	for (uint32_t id = 1; id <= 200; id++)
		bridge_answer(bridge, (uint64_t)1 << 32 | id, NULL, answer, size);
	ck_assert_str_eq(state_value("requests_open"), "0");
	ck_assert_str_eq(state_value("state"), "running");
	ck_assert_str_eq(state_value("starts"), "1");
}
END_TEST

START_TEST(too_many_requests)
{
	hold = true;
	run_until_listening("flood");
	while (atoi(state_value("requests")) < 300)
		fake_host_run(host, 10);
	ck_assert_str_eq(state_value("requests_open"), "256");
}
END_TEST

START_TEST(too_many_calls)
{
	run_until_listening("good");
	for (unsigned i = 0; i < BRIDGE_CALLS_MAX; i++)
		bridge_call(bridge, ORK, "mute", "1", WAIT_MS, on_reply, NULL);
	ck_assert_str_eq(ask_for("echo", "1"), "ERR_BRIDGE_BUSY");
	ck_assert_uint_eq(replies, 1);
	bridge_forget(bridge, NULL);
	ck_assert_str_eq(state_value("calls_open"), "0");
	ck_assert_str_eq(ask_for("echo", "1"), "1");
}
END_TEST

START_TEST(deadline)
{
	const unsigned expected = 1;

	run_until_listening("good");
	bridge_call(bridge, ORK, "mute", "1", 1, on_reply, NULL);
	until(has_replied, (void *)(uintptr_t)&expected);
	ck_assert_str_eq(answered, "ERR_BRIDGE_TIMEOUT");
}
END_TEST

/* --- what is missing --- */

START_TEST(no_modules)
{
	char remedy[160];

	run("modules");
	until_said("modules of the bridge are missing: Cannot find it; do: (cd '");
	(void)snprintf(remedy, sizeof(remedy), "(cd '%s' && npm ci --omit=dev)", folder);
	ck_assert_str_eq(state_value("remedy"), remedy);
	behave("good");
	until(is_listening, NULL); /* by itself */
	ck_assert_str_eq(state_value("remedy"), "null");
}
END_TEST

START_TEST(refuses)
{
	run("broken");
	until_said("the bridge can't start: Cannot find it");
	ck_assert_str_eq(state_value("remedy"), "null");
}
END_TEST

static void begin_with(const char *program, const char *directory)
{
	struct bridge_options options = options_now();
	struct error e;

	bridge_free(bridge);
	options.node_binary = program;
	options.folder = directory;
	ck_assert_int_eq(bridge_new(&options, &bridge, &e), ADIT_OK);
	run("good");
}

START_TEST(no_node)
{
	ck_assert_int_eq(setenv("PATH", "/nonexistent", 1), 0);
	begin_with("", folder);
	until_said(
	    "Node.js is missing: there is no program node in PATH; do: apt-get install nodejs");
	ck_assert_str_eq(state_value("state"), "missing");
	ck_assert_str_eq(ask_for("echo", "1"), "ERR_BRIDGE_DOWN");
	ck_assert(!bridge_stop(bridge, on_stopped, NULL));
}
END_TEST

START_TEST(node_comes_later)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/node", folder);
	begin_with(path, folder);
	until_said("Node.js is missing");
	ck_assert_int_eq(symlink(child, path), 0);
	until(is_listening, NULL);
}
END_TEST

/* As seen from where the role is, not from where the child will be. */
START_TEST(relative_node)
{
	char up[1024] = "";
	char path[2048];

	ck_assert_ptr_nonnull(getcwd(path, sizeof(path)));
	for (const char *c = path + 1; *c != '\0'; c++) {
		if (*c == '/' || c == path + 1)
			(void)strncat(up, "../", sizeof(up) - strlen(up) - 1);
	}
	(void)snprintf(path, sizeof(path), "%s%s", up, child + 1);
	begin_with(path, folder);
	until(is_listening, NULL);
}
END_TEST

START_TEST(no_script)
{
	begin_with(child, "/nonexistent");
	until_said("/nonexistent/bridge.js can't be read");
}
END_TEST

START_TEST(no_program)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/text", folder);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fprintf(f, "no program\n"), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	begin_with(path, folder);
	until_said("exit status 127");
}
END_TEST

/* --- options --- */

START_TEST(options)
{
	static const struct {
		const char *bootstrap, *bind, *allow, *transport, *text;
	} bad[] = {
	    {"nowhere", NULL, NULL, NULL, "dht_bootstrap: \"nowhere\" is not HOST:PORT"},
	    {"a:1,b:0", NULL, NULL, NULL, "dht_bootstrap: \"b:0\""},
	    {"a:65536", NULL, NULL, NULL, "a:65536"},
	    {"a:-1", NULL, NULL, NULL, "a:-1"},
	    {"a:1x", NULL, NULL, NULL, "a:1x"},
	    {":1", NULL, NULL, NULL, ":1"},
	    {"a\"b:1", NULL, NULL, NULL, "a\"b:1"},
	    {NULL, "a:b", NULL, NULL, "dht_bind: \"a:b\""},
	    {NULL, NULL, "abc", NULL, "allow_keys: \"abc\" is no key"},
	    {NULL, NULL, "none, " ORK, NULL, "allow_keys: \"none\" is no key"},
	    {NULL, NULL, NULL, "pigeons", "neither dht nor socket"},
	    {NULL, NULL, NULL, "socket", "needs a bridge_socket_dir"},
	};
	struct bridge_options o = options_now();
	struct bridge *b = NULL;
	struct error e = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o.bootstrap = bad[i].bootstrap;
		o.bind = bad[i].bind;
		o.allow = bad[i].allow;
		o.transport = bad[i].transport;
		ck_assert_int_eq(bridge_new(&o, &b, &e), ADIT_E_INVALID_ARGUMENT);
		ck_assert_msg(strstr(e.text, bad[i].text) != NULL, "%s", e.text);
	}
	o = options_now();
	o.bootstrap = "127.0.0.1:49737, node.example.com:1";
	o.bind = "127.0.0.1";
	o.allow = ORK " , " KEY "f";
	o.allow_read_only = "none";
	ck_assert_int_eq(bridge_new(&o, &b, &e), ADIT_OK);
	bridge_free(b);
	o.rack_count = 0;
	ck_assert_int_eq(bridge_new(&o, &b, &e), ADIT_E_INVALID_ARGUMENT);
	bridge_free(NULL);
}
END_TEST

/* --- lines --- */

START_TEST(lines)
{
	static const char text[] = "one\n\nthree33\nfour\n5";

	for (size_t step = 1; step <= sizeof(text); step++) {
		struct lines l = {.max = 5};
		char seen[64] = "";
		const char *line;
		size_t size;

		for (size_t at = 0; at < sizeof(text) - 1; at += step) {
			const size_t left = sizeof(text) - 1 - at;
			enum lines_result r;

			memcpy(lines_room(&l), text + at, step < left ? step : left);
			lines_added(&l, step < left ? step : left);
			while ((r = lines_next(&l, &line, &size)) != LINES_NONE) {
				ck_assert_int_ne(r, LINES_NO_MEMORY);
				if (r == LINES_LINE)
					(void)strncat(seen, line, size);
				else
					lines_skip(&l);
				(void)strcat(seen, r == LINES_LINE ? "|" : "-");
			}
		}
		/* of a long one the end may come as a line of its own */
		ck_assert_msg(strncmp(seen, "one||-", 6) == 0 && strstr(seen + 5, "four|") != NULL,
			      "%zu: %s", step, seen);
		lines_free(&l);
	}
}
END_TEST

static void add(Suite *s, const char *name, const TTest *test)
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, test);
	suite_add_tcase(s, c);
}

static Suite *suite(void)
{
	Suite *s = suite_create("bridge");
	TCase *broken = tcase_create("broken");

	add(s, "keys", keys);
	add(s, "calls", calls);
	add(s, "requests", requests);
	add(s, "surroundings", surroundings);
	add(s, "stop", stops_when_told);
	add(s, "stop-calls", stops_with_calls);
	add(s, "die", dies_with_a_call);
	add(s, "kill", killed_with_a_request);
	add(s, "exits", exits_at_once);
	add(s, "silent", silent);
	add(s, "stubborn", stubborn);
	add(s, "ids", ids_of_every_type);
	add(s, "slices", slices);
	add(s, "noisy", noisy);
	add(s, "deaf", deaf);
	add(s, "deaf-to-answers", deaf_to_answers);
	add(s, "flood", too_many_requests);
	add(s, "busy", too_many_calls);
	add(s, "deadline", deadline);
	add(s, "modules", no_modules);
	add(s, "refuses", refuses);
	add(s, "no-node", no_node);
	add(s, "node-later", node_comes_later);
	add(s, "relative-node", relative_node);
	add(s, "no-script", no_script);
	add(s, "no-program", no_program);
	add(s, "options", options);
	add(s, "lines", lines);
	tcase_add_checked_fixture(broken, setup, teardown);
	tcase_add_loop_test(broken, is_killed_and_comes_again, 0,
			    sizeof(breakers) / sizeof(breakers[0]));
	suite_add_tcase(s, broken);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
