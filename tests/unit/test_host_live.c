/* SPDX-License-Identifier: MIT */
/* A real aditd with the plugin tests/plugins/echo.c, which misbehaves on demand. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include <adit/plugin.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"

#define WAIT_MS HARNESS_WAIT_MS
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define OWN_VERSION TEXT(ADIT_ABI_MAJOR) "." TEXT(ADIT_ABI_MINOR)

/* gcc says it by a macro, clang by a feature */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

/* JSON-RPC 2.0, section 5.1 */
#define CODE_INVALID (-32600)
#define CODE_NO_METHOD (-32601)

/* --- set-up -------------------------------------------------------------------------------------
 */

/* The plugins of the build in the test's own folder: links, since who may write a plugin is looked
 * at. */
static void put_plugin(const char *name)
{
	char from[512];
	char to[256];
	char line[1024];
	FILE *in;
	FILE *out;

	(void)snprintf(from, sizeof(from), TEST_PLUGINS "/%s.so", name);
	(void)snprintf(to, sizeof(to), "%s/plugins/%s.so", harness.directory, name);
	ck_assert_int_eq(symlink(from, to), 0);
	(void)snprintf(to, sizeof(to), "%s/plugins/%s.manifest", harness.directory, name);
	in = fopen(TEST_MANIFEST, "r");
	out = fopen(to, "w");
	ck_assert(in != NULL && out != NULL);
	while (fgets(line, sizeof(line), in) != NULL) {
		if (strncmp(line, "name = ", 7) == 0)
			(void)fprintf(out, "name = %s\n", name);
		else if (strncmp(line, "entry_point = ", 14) == 0)
			(void)fprintf(out, "entry_point = %s.so\n", name);
		else
			(void)fputs(line, out);
	}
	(void)fclose(in);
	(void)fclose(out);
}

static void configure_host(const char *watchdog)
{
	harness_configure("[host]\nstate_dir = state\nrun_dir = .\nplugin_dir = plugins\n"
			  "watchdog = %s\n[node]\nbackend = embedded\n",
			  watchdog);
}

/* The watchdog lets processes of a busy machine be. */
static void setup(void)
{
	char path[128];

	harness_setup();
	(void)snprintf(path, sizeof(path), "%s/plugins", harness.directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put_plugin("echo");
	configure_host("10m");
}

static struct json_object *params(const char *format, ...) __attribute__((format(printf, 1, 2)));
static struct json_object *params(const char *format, ...)
{
	char text[1024];
	va_list args;
	struct json_object *o;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	o = json_tokener_parse(text);
	ck_assert_ptr_nonnull(o);
	return o;
}

/* What `call` answers, as JSON text; or "CODE: message". Static. (The client appends the code.) */
static const char *call(const char *target, const char *method, const char *json)
{
	static char text[65536];
	struct json_object *p =
	    params("{\"target\":\"%s\",\"method\":\"%s\",\"params\":%s}", target, method, json);
	struct json_object *result = NULL;
	struct error e;
	int32_t code =
	    control_request(&harness.control, "call", p, (int)harness_limit(WAIT_MS), &result, &e);

	(void)json_object_put(p);
	if (code != ADIT_OK)
		(void)snprintf(text, sizeof(text), "%s: %.*s", adit_error_name(code),
			       (int)(strlen(e.text) - strlen(adit_error_name(code)) - 3), e.text);
	else
		(void)snprintf(text, sizeof(text), "%s",
			       json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
	(void)json_object_put(result);
	return text;
}

/* A call whose answer nobody waits for. */
static void call_away(const char *target, const char *method)
{
	struct json_object *p =
	    params("{\"target\":\"%s\",\"method\":\"%s\",\"params\":{}}", target, method);
	struct error e;

	ck_assert_int_eq(control_send(&harness.control, "call", p, NULL, &e), ADIT_OK);
	(void)json_object_put(p);
}

/* KEY of role NAME in a fresh status, as text. Static. */
static const char *role_text(const char *name, const char *key)
{
	static char text[2048];
	struct json_object *status = harness_status();
	struct json_object *role = harness_role(status, name);

	must(role != NULL, "no role %s in the status", name);
	(void)snprintf(text, sizeof(text), "%s", json_text(role, key, ""));
	(void)json_object_put(status);
	return text;
}

struct expected {
	const char *role;
	const char *key;
	const char *part;
};

static bool role_has(void *user)
{
	const struct expected *x = user;

	return strstr(role_text(x->role, x->key), x->part) != NULL;
}

static void wait_role(const char *role, const char *key, const char *part)
{
	struct expected x = {role, key, part};

	harness_wait(WAIT_MS, role_has, &x, part);
}

static bool log_has(void *user)
{
	return harness_log_has(*(const char *const *)user);
}

static void wait_log(const char *text)
{
	char what[256];

	(void)snprintf(what, sizeof(what), "the log has: %s", text);
	harness_wait(WAIT_MS, log_has, &text, what);
}

/* --- calls, events, the ABI
 * ----------------------------------------------------------------------- */

START_TEST(test_calls)
{
	harness_configure("[echo]\nworkers = 2\n[echo@other]\n");
	harness_start();
	harness_wait_running();
	ck_assert_str_eq(call("echo", "echo", "{\"a\":[1,2]}"), "{\"a\":[1,2]}");
	ck_assert_str_eq(call("echo@other", "echo", "\"x\""), "\"x\"");
	ck_assert_str_eq(call("nobody", "echo", "{}"), "not-found: there is no role `nobody`; `aditctl roles` lists them");
	ck_assert_str_eq(call("echo", "nothing", "{}"), "not-found: echo has no method `nothing`; `aditctl describe ROLE` lists "
			 "those of a role");
	ck_assert_str_eq(call("echo.3", "echo", "{}"), "not-found: there is no role `echo.3`; `aditctl roles` lists them");
	ck_assert_str_eq(call("echo", "refuse", "{}"), "limit: as you?wish");
	ck_assert_str_eq(call("echo", "hold", "{}"),
			 "invalid-argument: echo: `hold` is for one worker, name it as in echo.1");
	/* gathered, or of one worker */
	ck_assert_ptr_nonnull(
	    strstr(call("echo", "status", "{}"), "[{\"worker\":\"echo.1\",\"result\":{"));
	ck_assert_ptr_nonnull(
	    strstr(call("echo", "status", "{}"), "{\"worker\":\"echo.2\",\"result\":{"));
	ck_assert_ptr_nonnull(strstr(call("echo.2", "status", "{}"), "{\"worker\":2,"));
	/* what is no JSON never reaches a client */
	ck_assert_str_eq(
	    call("echo", "garbage", "{}"),
	    "[{\"worker\":\"echo.1\",\"result\":null},{\"worker\":\"echo.2\",\"result\":null}]");
	ck_assert_str_eq(call("echo.1", "garbage", "{}"), "null");
	/* from role to role, 3 MiB there and back */
	ck_assert_str_eq(call("echo", "ask", "{\"to\":\"echo@other echo\"}"), "{\"a\":1}");
	ck_assert_str_eq(call("echo", "ask", "{\"to\":\"nobody echo\"}"),
			 "not-found: there is no role `nobody`; `aditctl roles` lists them");
	ck_assert_str_eq(call("echo", "ask", "{\"to\":\"echo@other hold\"}"),
			 "timeout: no answer in time");
	ck_assert_str_eq(
	    call("echo", "ask", "{\"to\":\"node get_chain_tip\"}"),
	    "permission-denied: the capability read_blockchain is missing in its manifest");
	ck_assert_ptr_nonnull(
	    strstr(call("echo", "ask", "{\"to\":\"node get_status\"}"), "\"backend\""));
	harness_stop();
}
END_TEST

START_TEST(test_abi)
{
	harness_configure("[echo]\nlisten = 127.0.0.1:0, unix:echo.sock\n");
	harness_start();
	harness_wait_running();
	ck_assert_str_eq(call("echo", "selftest", "{}"),
			 "{\"configuration\":true,\"listener\":true,\"services\":true,\"io\":true,"
			 "\"order\":\"good\",\"destroyed\":3}");
	wait_role("echo", "text", "self?test");
	ck_assert_str_eq(
	    call("echo", "publish", "{}"),
	    "{\"own\":\"ok\",\"core\":\"permission-denied\",\"none\":\"invalid-argument\","
	    "\"wanted\":true}");
	wait_log("info echo.1: evil ?[31m?te");
	harness_stop();
}
END_TEST

static struct json_object *next_event(const char *type)
{
	for (;;) {
		struct json_object *message;
		struct json_object *event;
		struct error e;
		int32_t code =
		    control_receive(&harness.control, (int)harness_limit(WAIT_MS), &message, &e);

		must(code == ADIT_OK, "no event %s: %s", type, e.text);
		event = json_object_member(message, "params");
		if (event != NULL && strcmp(json_text(event, "type", ""), type) == 0) {
			event = json_object_get(event);
			(void)json_object_put(message);
			return event;
		}
		(void)json_object_put(message);
	}
}

START_TEST(test_events)
{
	struct control other = {.fd = -1};
	struct json_object *result;
	struct json_object *p =
	    params("{\"target\":\"echo\",\"method\":\"publish\",\"params\":{\"n\":1}}");
	struct error e;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	ck_assert_int_eq(control_open(&other, harness.socket, &e), ADIT_OK);
	(void)json_object_put(harness_request("events", NULL));
	for (int i = 1; i <= 2; i++) {
		struct json_object *event;

		ck_assert_int_eq(control_request(&other, "call", p, WAIT_MS, &result, &e), ADIT_OK);
		(void)json_object_put(result);
		event = next_event("EchoSaid");
		ck_assert_str_eq(json_text(event, "source", ""), "echo.1");
		ck_assert_int_eq(json_integer(event, "sequence", 0), i);
		ck_assert_int_eq(json_integer(event, "lost", -1), 0);
		ck_assert_int_eq(json_integer(json_object_member(event, "data"), "n", 0), 1);
		(void)json_object_put(event);
	}
	(void)json_object_put(p);
	/* a crash is told */
	p = params("{\"target\":\"echo\",\"method\":\"exit\",\"params\":{}}");
	ck_assert_int_eq(control_request(&other, "call", p, WAIT_MS, &result, &e),
			 ADIT_E_UNAVAILABLE);
	(void)json_object_put(p);
	result = next_event("ModuleCrashed");
	ck_assert_str_eq(json_text(json_object_member(result, "data"), "error", ""),
			 "exited with status 3");
	(void)json_object_put(result);
	(void)json_object_put(next_event("ModuleStarted"));
	control_close(&other);
	harness_stop();
}
END_TEST

/* A subscriber that stands still while 50 MiB of events arrive is told how many it has missed. */
START_TEST(test_events_lost)
{
	struct json_object *status;
	struct json_object *said;
	pid_t slow;

	harness_configure("[echo]\n[echo@slow]\n");
	harness_start();
	harness_wait_running();
	slow = harness_pid("echo@slow");
	ck_assert_int_gt(slow, 0);
	ck_assert_int_eq(kill(slow, SIGSTOP), 0);
	ck_assert_str_eq(call("echo", "flood", "{}"), "true"); /* all before it is with the host */
	ck_assert_int_eq(kill(slow, SIGCONT), 0);
	(void)call("echo", "publish", "{}");
	(void)harness_wait_number("echo@slow", "last_sequence", 1, WAIT_MS);
	for (int i = 0; i < 3000 && harness_number("echo@slow", "last_sequence") < 201; i++) {
		(void)call("echo", "publish", "{}");
		harness_pause();
	}
	status = harness_status();
	said = harness_said(status, "echo@slow");
	ck_assert_int_gt(json_integer(said, "lost", 0), 0);
	ck_assert_int_eq(json_integer(said, "lost", 0) + json_integer(said, "events", 0),
			 json_integer(said, "last_sequence", 0));
	ck_assert(!json_truth(said, "gap", true));
	(void)json_object_put(status);
	harness_stop();
}
END_TEST

/* --- supervision --------------------------------------------------------------------------------
 */

static unsigned open_files(void)
{
	char path[64];
	unsigned count = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)harness.pid);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		count++;
	(void)closedir(d);
	return count;
}

START_TEST(test_kill)
{
	struct json_object *status;
	int64_t slice;
	pid_t before;
	unsigned files;

	harness_configure("[echo]\nlisten = 127.0.0.1:%u\n", harness.port);
	harness_start();
	harness_wait_running();
	slice = harness_number("echo", "slice");
	before = harness_pid("echo");
	files = open_files();
	ck_assert_int_ne(harness_kill("echo"), before);
	ck_assert_str_eq(call("echo", "echo", "1"), "1");
	ck_assert_int_gt(harness_number("echo", "slice"), slice);
	status = harness_status();
	ck_assert_int_eq(json_integer(harness_role(status, "echo"), "restarts", 0), 1);
	ck_assert_str_eq(json_text(harness_role(status, "echo"), "last_exit", ""),
			 "killed by signal 9 (SIGKILL)");
	(void)json_object_put(status);
#if !defined(SANITIZED) /* where the sanitizer reports and exits instead */
	/* a crash of its own leaves a reason; the caller is told */
	ck_assert_str_eq(call("echo", "crash", "{}"), "unavailable: echo.1 has gone");
	wait_log("fatal echo.1: SIGSEGV");
	wait_log("killed by signal 11 (SIGSEGV)");
	wait_role("echo", "state", "running");
#endif
	call_away("echo", "fail");
	wait_log("gave up: asked to fail");
	wait_role("echo", "state", "running");
	ck_assert_uint_eq(open_files(), files);
	harness_stop();
}
END_TEST

START_TEST(test_watchdog)
{
	uint64_t asked;
	uint64_t spinning;
	struct json_object *status;

	ck_assert_int_eq(unlink(harness.config), 0);
	configure_host("6s");
	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	spinning = clock_monotonic_ms();
	call_away("echo", "spin");
	/* a hung role delays nobody: status answers, with null for it */
	asked = clock_monotonic_ms();
	status = harness_status();
	ck_assert_uint_lt(clock_monotonic_ms() - asked, 6000);
	ck_assert_ptr_null(harness_said(status, "echo"));
	ck_assert_ptr_nonnull(json_object_member(status, "node"));
	(void)json_object_put(status);
	wait_log("watchdog: its loop does not answer");
	wait_role("echo", "last_exit", "killed by signal 6 (SIGABRT): watchdog");
	wait_role("echo", "state", "running");
	fprintf(stderr, "a spinning plugin was killed and replaced after %llu ms\n",
		(unsigned long long)(clock_monotonic_ms() - spinning));
	harness_stop();
}
END_TEST

/* Connections made while the role is down are served by its successor: the socket is the host's. */
START_TEST(test_listener_survives)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	harness_configure("[echo]\nlisten = unix:echo.sock\n");
	harness_start();
	harness_wait_running();
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/state/echo.sock",
		       harness.directory);
	ck_assert_int_eq(kill(harness_pid("echo"), SIGKILL), 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
	harness_stop();
	ck_assert_int_ne(access(address.sun_path, F_OK), 0);
}
END_TEST

/* The processes don't outlive a host that is killed. */
START_TEST(test_host_killed)
{
	pid_t pid;
	pid_t host;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	pid = harness_pid("echo");
	host = harness.pid;
	control_close(&harness.control);
	harness.connected = false;
	ck_assert_int_eq(kill(host, SIGKILL), 0);
	for (int i = 0; i < 3000 && kill(pid, 0) == 0; i++) {
		(void)waitpid(-1, NULL, WNOHANG); /* orphans become ours */
		harness_pause();
	}
	ck_assert_int_ne(kill(pid, 0), 0);
	harness.pid = 0;
	/* and its sockets don't keep the next one from starting */
	harness_start();
	harness_wait_running();
	harness_stop();
}
END_TEST

START_TEST(test_hung_stop)
{
	harness_configure("[echo]\nfail = stop\n");
	harness_start();
	harness_wait_running();
	harness_stop();
	ck_assert(harness_log_has("did not stop within 5 s"));
}
END_TEST

/* `stop` may end later, with a timer and an answer on the way. */
START_TEST(test_late_stop)
{
	harness_configure(
	    "[echo]\nfail = late\nprocess = both\n[echo@second]\nfail = late\nprocess = both\n");
	harness_start();
	harness_wait_running();
	harness_stop();
	ck_assert(harness_log_has("echo.1: stopped late"));
	ck_assert(harness_log_has("echo@second.1: stopped late"));
	ck_assert(!harness_log_has("did not stop"));
}
END_TEST

/* The one that was started is stopped when the next one can't be. */
START_TEST(test_half_start)
{
	harness_configure(
	    "[echo]\nfail = late\nprocess = both\n[echo@second]\nfail = start\nprocess = both\n");
	harness_start();
	wait_role("echo", "text", "echo@second.1: start: can't start today");
	harness_stop();
}
END_TEST

START_TEST(test_stop_twice)
{
	uint64_t asked;

	harness_configure("[echo]\nfail = stop\n");
	harness_start();
	harness_wait_running();
	asked = clock_monotonic_ms();
	ck_assert_int_eq(kill(harness.pid, SIGTERM), 0);
	wait_log("stopping");
	/* at once it would be the same wish */
	while (clock_monotonic_ms() - asked < 1100)
		harness_pause();
	ck_assert_int_eq(kill(harness.pid, SIGINT), 0);
	harness_await_end();
	ck_assert_uint_lt(clock_monotonic_ms() - asked, 4000);
}
END_TEST

/* --- starts that fail ---------------------------------------------------------------------------
 */

START_TEST(test_refused_plugins)
{
	static const char *const names[] = {"major", "minor", "short", "named"};

	for (size_t i = 0; i < 4; i++) {
		put_plugin(names[i]);
		harness_configure("[%s]\n", names[i]);
	}
	harness_configure("[echo]\n[echo@init]\nfail = init\n[echo@start]\nfail = start\n"
			  "[echo@config]\nfail = config\n");
	harness_start();
	wait_role("echo", "state", "running"); /* the others don't disturb it */
	wait_role("major", "text",
		  "major.so: built for plugin interface 2." TEXT(
		      ADIT_ABI_MINOR) ", this aditd has " OWN_VERSION ": "
				      "install a newer aditd");
	wait_role("minor", "text", "needs plugin interface 1.99");
	wait_role("short", "text", "its descriptor of 24 bytes is shorter");
	wait_role("named", "text", "calls itself `other`, its manifest says `named`");
	wait_role("echo@init", "text",
		  "could not be started: echo@init.1: init: the word is wrong");
	wait_role("echo@start", "text", "echo@start.1: start: can't start today");
	wait_role("echo@config", "text",
		  "refused its configuration: echo@config.1: init: the word");
	ck_assert_str_eq(role_text("major", "state"), "failing");
	harness_stop();
}
END_TEST

START_TEST(test_writable_plugin)
{
	char path[128];
	char copy[512];

	(void)snprintf(path, sizeof(path), "%s/plugins/echo.so", harness.directory);
	ck_assert_int_eq(unlink(path), 0);
	(void)snprintf(copy, sizeof(copy), "cp " TEST_PLUGINS "/echo.so %s && chmod 777 %s", path,
		       path);
	ck_assert_int_eq(system(copy), 0);
	harness_configure("[echo]\n");
	harness_start();
	wait_role("echo", "text", "others than root and the user of aditd can write it");
	harness_stop();
}
END_TEST

START_TEST(test_address_taken)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", harness.directory);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	harness_configure("[echo]\nlisten = unix:%s\n", address.sun_path);
	harness_start();
	wait_role("echo", "text", "another process listens there");
	harness_stop();
	(void)close(fd);
}
END_TEST

START_TEST(test_check_option)
{
	char *output;

	harness_configure("[echo]\n");
	ck_assert_int_eq(harness_run("--check", &output), 0);
	ck_assert_str_eq(output, "configuration ok\n");
	free(output);
	harness_configure("wrod = x\ncount = 5\n");
	ck_assert_int_eq(harness_run("--check", &output), 78);
	ck_assert_ptr_nonnull(
	    strstr(output, "adit.conf:10: wrod: unknown key in [echo]; did you mean `word`?\n"));
	ck_assert_ptr_nonnull(strstr(output, "adit.conf:11: count: expected a duration like"));
	free(output);
	ck_assert_int_eq(harness_run(NULL, &output), 78); /* nor does it start */
	free(output);
}
END_TEST

/* --- reload -------------------------------------------------------------------------------------
 */

/* Replaces OLD in the file, which stands there once. */
static void rewrite(FILE *f, const char *old, const char *new)
{
	static char text[8192];
	size_t size;
	char *at;

	rewind(f);
	size = fread(text, 1, sizeof(text) - 1, f);
	text[size] = '\0';
	at = strstr(text, old);
	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(ftruncate(fileno(f), 0), 0);
	rewind(f);
	ck_assert_int_ge(fprintf(f, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)), 0);
	ck_assert_int_eq(fflush(f), 0);
}

struct replaced {
	const char *instance;
	pid_t before;
};

static bool is_replaced(void *user)
{
	const struct replaced *r = user;

	return harness_pid(r->instance) != r->before;
}

/* The old process serves until the new one does. */
static void wait_replaced(const char *instance, pid_t before)
{
	struct replaced r = {instance, before};

	harness_wait(WAIT_MS, is_replaced, &r, instance);
}

START_TEST(test_reload)
{
	pid_t taken;
	pid_t changed;
	pid_t kept;
	pid_t moved;
	pid_t node;
	FILE *f;

	harness_configure("[echo@kept]\n[echo@gone]\n[echo@moved]\n[echo@taken]\n[echo]\n");
	harness_start();
	harness_wait_running();
	taken = harness_pid("echo@taken");
	changed = harness_pid("echo");
	kept = harness_pid("echo@kept");
	moved = harness_pid("echo@moved");
	node = harness_pid("node");
	f = fopen(harness.config, "r+");
	ck_assert_ptr_nonnull(f);
	rewrite(f, "[echo@moved]\n", "[echo@moved]\nlisten = unix:new.sock\n");
	rewrite(f, "[echo@taken]\n", "[echo@taken]\nword = other\n");
	rewrite(f, "[echo]\n", "[echo@new]\ngrant = all\nworkers = 2\n[echo]\nword = restart\n");
	rewrite(f, "[echo@gone]\ngrant = all\n", "");
	ck_assert_int_eq(fclose(f), 0);
	(void)json_object_put(harness_request("reload", NULL));
	wait_role("echo@new", "state", "running");
	wait_role("echo@taken", "text", "other"); /* its plugin took the new value over */
	wait_log("info echo.1: is replaced with its new settings");
	wait_log("info echo.moved: its configuration changed");
	harness_wait_running();
	ck_assert_int_eq(harness_pid("echo@taken"), taken);
	wait_replaced("echo", changed); /* its plugin asked for a restart */
	wait_replaced("echo@moved", moved);
	harness_wait_running();
	ck_assert_int_eq(harness_pid("echo@kept"), kept);
	ck_assert_int_eq(harness_pid("node"), node);
	ck_assert_str_eq(call("echo@gone", "echo", "1"), "not-found: there is no role `echo@gone`; `aditctl roles` lists them");
	/* one that is wrong changes nothing */
	harness_configure("[echo@wrong]\nword =\nnonsense = 1\n");
	ck_assert_int_eq(kill(harness.pid, SIGHUP), 0);
	wait_log("the new configuration is not used");
	ck_assert(harness_log_has("nonsense: unknown key in [echo@wrong]"));
	ck_assert_str_eq(call("echo@new", "echo", "1"), "1");
	/* and all roles may go */
	f = fopen(harness.config, "w");
	ck_assert_int_gt(
	    fprintf(f, "[host]\nstate_dir = state\nrun_dir = .\nplugin_dir = plugins\n"), 0);
	ck_assert_int_eq(fclose(f), 0);
	(void)json_object_put(harness_request("reload", NULL));
	for (int i = 0; i < 3000 && kill(kept, 0) == 0; i++)
		harness_pause();
	ck_assert_int_ne(kill(kept, 0), 0);
	for (int i = 0; i < 3000 && strcmp(call("echo", "echo", "1"), "1") != 0; i++) {
		if (strcmp(call("echo", "echo", "1"),
			   "not-found: there is no role `echo`; `aditctl roles` lists them") == 0)
			break;
		harness_pause();
	}
	ck_assert_str_eq(call("echo", "echo", "1"), "not-found: there is no role `echo`; `aditctl roles` lists them");
	harness_stop();
}
END_TEST

/* --- the control socket -------------------------------------------------------------------------
 */

static int control_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness.socket);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends TEXT and returns the first line of the answer, "" at the end of the stream. Static. */
static const char *exchange(int fd, const char *text, size_t size)
{
	static char line[32768];
	size_t used = 0;

	for (size_t sent = 0; sent < size;) {
		ssize_t n = send(fd, text + sent, size - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	while (used < sizeof(line) - 1 && (used == 0 || line[used - 1] != '\n')) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		must(poll(&p, 1, (int)harness_limit(WAIT_MS)) == 1, "no answer");
		if (read(fd, line + used, 1) != 1)
			break;
		used++;
	}
	line[used] = '\0';
	return line;
}

START_TEST(test_control_hostile)
{
	static const char *const lines[][2] = {
	    {"rubbish\n", "-32700"},
	    {"[]\n", "-32600"},
	    {"{}\n", "-32600"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"status\"}\n", "-32600"},
	    {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"status\"}\n", "-32600"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}\n", "-32600"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":[]}\n", "-32602"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":5}\n", "-32600"},
	    {"5\n", "-32600"},
	    {"[1,\n", "-32700"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"method\":\"nothing\"}\n",
	     "\"id\":\"a\\\"b\",\"error\":{\"code\":-32601"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{}}\n", "-32602"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\",\"params\":{\"types\":[5]}}\n",
	     "-32602"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\",\"params\":{\"types\":[null]}}\n",
	     "-32602"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"roles\"}\n", "\"id\":null,\"result\""},
	};
	char *large = malloc(3 << 20);
	int fd;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	fd = control_connect();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *answer = exchange(fd, lines[i][0], strlen(lines[i][0]));

		ck_assert_msg(strstr(answer, lines[i][1]) != NULL, "%s: %s", lines[i][0], answer);
	}
	(void)close(fd);
	/* a line without end is refused, and its sender closed */
	ck_assert_ptr_nonnull(large);
	memset(large, 'x', 3 << 20);
	fd = control_connect();
	ck_assert_ptr_nonnull(strstr(exchange(fd, large, 3 << 20), "longer than 1 MiB"));
	(void)close(fd);
	free(large);
	/* half a request, then nothing: others go on */
	fd = control_connect();
	ck_assert_int_eq((int)write(fd, "{\"json", 6), 6);
	ck_assert_str_eq(call("echo", "echo", "1"), "1");
	(void)close(fd);
	harness_stop();
}
END_TEST

/* Who sends a request and ends his side at once is answered all the same. */
START_TEST(test_control_half_closed)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
	int fd;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	fd = control_connect();
	ck_assert_int_eq((int)write(fd, request, strlen(request)), (int)strlen(request));
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	ck_assert_ptr_nonnull(strstr(exchange(fd, "", 0), "\"result\":{"));
	(void)close(fd);
	harness_stop();
}
END_TEST

/* One state directory, one aditd. */
START_TEST(test_locked)
{
	char *output;

	harness_configure("[echo]\n");
	harness_start();
	ck_assert_int_eq(harness_run(NULL, &output), 71);
	ck_assert_ptr_nonnull(strstr(output, "another aditd uses this state directory"));
	free(output);
	harness_wait_running();
	harness_stop();
}
END_TEST

/* More clients than are served: an administrator's come through when others leave. */
START_TEST(test_control_many)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roles\"}\n";
	int fds[40];
	int served = 0;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	for (int i = 0; i < 40; i++)
		fds[i] = control_connect();
	for (int i = 0; i < 40; i++)
		served += strstr(exchange(fds[i], request, strlen(request)), "\"result\"") != NULL;
	ck_assert_int_eq(served, 31); /* and the harness's own */
	for (int i = 0; i < 40; i++)
		(void)close(fds[i]);
	ck_assert_str_eq(call("echo", "echo", "1"), "1");
	harness_stop();
}
END_TEST

/* Who is neither root nor the user of aditd reads only. */
START_TEST(test_control_reader)
{
	static const char *const requests[][2] = {
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stop\"}\n", "permission-denied"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reload\"}\n", "permission-denied"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"target\":\"echo\","
	     "\"method\":"
	     "\"echo\"}}\n",
	     "permission-denied"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"restart\",\"params\":{\"role\":\"echo\"}}"
	     "\n",
	     "permission-denied"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"log\",\"params\":{\"level\":\"debug\"}}\n",
	     "permission-denied"},
	    {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stop\"}]\n", "permission-denied"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"log\"}\n", "\"level\":\"info\""},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"describe\",\"params\":{\"role\":\"echo\"}}"
	     "\n",
	     "\"result\""},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"target\":\"echo\","
	     "\"method\":\"status\"}}\n",
	     "\"result\""},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"target\":\"node\","
	     "\"method\":\"get_chain_info\"}}\n",
	     "\"result\""},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"target\":\"node\","
	     "\"method\":\"submit_block\"}}\n",
	     "permission-denied"},
	    {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roles\"}\n", "\"result\""},
	};
	static char answer[65536];
	int fd;

	if (geteuid() != 0)
		return; /* it takes root to be somebody else */
	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	ck_assert_int_eq(chmod(harness.directory, 0755), 0);
	ck_assert_int_eq(chmod(harness.socket, 0666), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	fd = control_connect(); /* credentials are those of the moment of connect() */
	ck_assert_int_eq(seteuid(0), 0);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		(void)snprintf(answer, sizeof(answer), "%s",
			       exchange(fd, requests[i][0], strlen(requests[i][0])));
		ck_assert_msg(strstr(answer, requests[i][1]) != NULL, "%s: %s", requests[i][0],
			      answer);
	}
	(void)close(fd);
	harness_stop();
}
END_TEST

/* Sends LINE and returns what came; the caller's. */
static struct json_object *exchange_json(int fd, const char *line)
{
	struct json_object *o = json_tokener_parse(exchange(fd, line, strlen(line)));

	ck_assert_ptr_nonnull(o);
	return o;
}

static int64_t error_code(struct json_object *answer)
{
	return json_integer(json_object_member(answer, "error"), "code", 0);
}

/* JSON-RPC 2.0, section 6 */
START_TEST(test_control_batch)
{
	static const char mixed[] =
	    "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"target\":\"echo\","
	    "\"method\":\"echo\",\"params\":[7]}},"
	    "{\"jsonrpc\":\"2.0\",\"method\":\"log\"},5,"
	    "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"nothing\"},"
	    "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"log\"}]\n";
	static const char quiet[] = "[{\"jsonrpc\":\"2.0\",\"method\":\"log\"}]\n";
	static const char call_one[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"call\",\"params\":{\"target\":\"echo\","
	    "\"method\":\"echo\"}}";
	struct json_object *answers;
	struct buf many = {.limit = 65536};
	unsigned seen = 0;
	int fd;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	fd = control_connect();
	ck_assert_int_eq((int)write(fd, quiet, strlen(quiet)), (int)strlen(quiet));
	answers = exchange_json(fd, mixed); /* and not to the batch of notifications */
	ck_assert_uint_eq(json_count(answers), 4);
	for (size_t i = 0; i < 4; i++) {
		struct json_object *a = json_element(answers, i);
		struct json_object *id = json_member(a, "id");

		if (error_code(a) == CODE_INVALID && id == NULL)
			seen |= 1;
		else if (error_code(a) == CODE_NO_METHOD &&
			 strcmp(json_text(a, "id", ""), "x") == 0)
			seen |= 2;
		else if (json_integer(a, "id", 0) == 3 && json_object_member(a, "result") != NULL)
			seen |= 4;
		else if (json_integer(a, "id", 0) == 1 &&
			 json_count(json_array_member(a, "result")) == 1)
			seen |= 8;
	}
	ck_assert_uint_eq(seen, 15);
	(void)json_object_put(answers);
	/* as many as may be, then one more */
	for (int i = 0; i < 32; i++)
		(void)buf_printf(&many, "%s%s", i == 0 ? "[" : ",", call_one);
	(void)buf_append(&many, "]\n", 3);
	answers = exchange_json(fd, (const char *)many.data);
	ck_assert_uint_eq(json_count(answers), 32);
	(void)json_object_put(answers);
	buf_clear(&many);
	for (int i = 0; i < 33; i++)
		(void)buf_printf(&many, "%s%s", i == 0 ? "[" : ",", call_one);
	(void)buf_append(&many, "]\n", 3);
	answers = exchange_json(fd, (const char *)many.data);
	ck_assert_int_eq(error_code(answers), CODE_INVALID);
	(void)json_object_put(answers);
	buf_free(&many);
	/* who leaves before the answer harms nobody */
	ck_assert_int_eq((int)write(fd, mixed, strlen(mixed)), (int)strlen(mixed));
	(void)close(fd);
	ck_assert_str_eq(call("echo", "echo", "1"), "1");
	harness_stop();
}
END_TEST

/* What METHOD answers to JSON, or "CODE: message". Static. */
static const char *ask(const char *method, const char *json)
{
	static char text[65536];
	struct json_object *p = params("%s", json);
	struct json_object *result = NULL;
	struct error e;

	if (control_request(&harness.control, method, p, (int)harness_limit(WAIT_MS), &result,
			    &e) != ADIT_OK)
		(void)snprintf(text, sizeof(text), "%s: %s", adit_error_name(e.code), e.text);
	else
		(void)snprintf(text, sizeof(text), "%s",
			       json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	(void)json_object_put(p);
	(void)json_object_put(result);
	return text;
}

static bool pid_differs(void *user)
{
	const pid_t *old = user;
	pid_t now = harness_pid("echo");

	return now != 0 && now != *old;
}

START_TEST(test_restart)
{
	pid_t old, other;

	put_plugin("minor");
	harness_configure("[echo]\n[echo@other]\n[echo@off]\nenabled = false\n");
	harness_start();
	harness_wait_running();
	old = harness_pid("echo");
	other = harness_pid("echo@other");
	ck_assert_ptr_nonnull(strstr(ask("restart", "{\"role\":\"echo.1\"}"),
				     "{\"restarting\":[{\"name\":\"echo.1\",\"role\":\"echo\","));
	harness_wait(WAIT_MS, pid_differs, &old, "echo has another process");
	harness_wait_running();
	ck_assert_str_eq(role_text("echo", "last_exit"), "replaced");
	ck_assert_int_eq(harness_pid("echo@other"), other);
	wait_log("is replaced as asked");
	/* by role; and a process that is just being restarted is once */
	old = harness_pid("echo");
	(void)ask("restart", "{\"role\":\"echo\"}");
	ck_assert_ptr_nonnull(strstr(ask("restart", "{\"role\":\"echo\"}"), "restarting"));
	harness_wait(WAIT_MS, pid_differs, &old, "echo has another process");
	harness_wait_running();
	ck_assert_int_eq(harness_pid("echo@other"), other);
	ck_assert_ptr_nonnull(
	    strstr(ask("restart", "{\"role\":\"ecko\"}"), "did you mean `echo`?"));
	ck_assert_ptr_nonnull(
	    strstr(ask("restart", "{\"role\":\"echo@off\"}"), "aditctl enable echo@off"));
	ck_assert_ptr_nonnull(
	    strstr(ask("restart", "{\"role\":\"minor\"}"), "section [minor]: write one"));
	ck_assert_ptr_nonnull(strstr(ask("restart", "{\"role\":\"node\"}"), "\"node\""));
	harness_wait_running();
	ck_assert_ptr_nonnull(strstr(ask("restart", "{}"), "expected {\"role\""));
	harness_stop();
}
END_TEST

START_TEST(test_log_level)
{
	pid_t old;

	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	ck_assert_str_eq(ask("log", "{}"), "{\"level\":\"info\",\"configured\":\"info\"}");
	ck_assert_str_eq(ask("log", "{\"level\":\"warning\"}"),
			 "{\"level\":\"warning\",\"configured\":\"info\"}");
	/* the role knows it, also when it is started later */
	ck_assert_str_eq(call("echo", "log", "{\"n\":1}"), "\"ew\"");
	old = harness_pid("echo");
	(void)ask("restart", "{\"role\":\"echo\"}");
	harness_wait(WAIT_MS, pid_differs, &old, "echo has another process");
	harness_wait_running();
	ck_assert_str_eq(call("echo", "log", "{\"n\":2}"), "\"ew\"");
	ck_assert_str_eq(ask("log", "{\"level\":\"debug\"}"),
			 "{\"level\":\"debug\",\"configured\":\"info\"}");
	ck_assert_str_eq(call("echo", "log", "{\"n\":3}"), "\"ewid\"");
	wait_log("info echo.1: {\"n\":3}");
	ck_assert(!harness_log_has("{\"n\":1}"));
	ck_assert(!harness_log_has("{\"n\":2}"));
	ck_assert_ptr_nonnull(
	    strstr(ask("log", "{\"level\":\"loud\"}"), "expected error, warning"));
	ck_assert_ptr_nonnull(strstr(ask("log", "{\"level\":5}"), "expected error, warning"));
	/* the file's word counts again after a reload */
	(void)ask("reload", "{}");
	ck_assert_str_eq(ask("log", "{}"), "{\"level\":\"info\",\"configured\":\"info\"}");
	harness_stop();
}
END_TEST

static bool has_status(void *user)
{
	return strcmp(role_text("echo", "text"), user) == 0;
}

/* Sections [ROLE/NAME] reach the running plugin, in their order, and can be overridden. */
START_TEST(test_parts)
{
	char *config;

	harness_configure("[echo/b]\nsize = 9\npin = 1234\n[echo]\n[echo/a]\n");
	harness_start();
	harness_wait_running();
	(void)ask("config_set", "{\"role\":\"echo\",\"key\":\"word\",\"value\":\"x\"}");
	harness_wait(WAIT_MS, has_status, "b=9 a=7 ", "the things are known");
	ck_assert_ptr_nonnull(strstr(ask("config_set", "{\"role\":\"echo/a\",\"key\":\"size\","
						       "\"value\":\"8\"}"),
				     "\"reloaded\":true"));
	harness_wait(WAIT_MS, has_status, "b=9 a=8 ", "the override is taken over");
	ck_assert_ptr_nonnull(strstr(ask("config_set", "{\"role\":\"echo/a\",\"key\":\"size\","
						       "\"value\":\"101\"}"),
				     "expected 0..100"));
	ck_assert_ptr_nonnull(strstr(ask("config_set", "{\"role\":\"echo/a\",\"key\":\"word\","
						       "\"value\":\"x\"}"),
				     "unknown key in [echo/a]"));
	config = strdup(ask("config", "{}"));
	ck_assert_ptr_nonnull(strstr(config, "\"name\":\"echo/b\""));
	ck_assert_ptr_nonnull(strstr(config, "\"key\":\"pin\",\"value\":null,\"secret\":true"));
	ck_assert_ptr_null(strstr(config, "1234"));
	ck_assert_ptr_null(strstr(config, "b.size"));
	free(config);
	config = strdup(ask("config", "{\"role\":\"echo/a\"}"));
	ck_assert_ptr_nonnull(strstr(config, "\"key\":\"size\",\"value\":\"8\",\"secret\":false,"
					     "\"origin\":\"override\""));
	ck_assert_ptr_null(strstr(config, "word"));
	free(config);
	ck_assert_ptr_nonnull(strstr(ask("config", "{\"role\":\"echo/c\"}"), "stands in no file"));
	ck_assert_ptr_nonnull(strstr(ask("describe", "{\"role\":\"echo\"}"), "\"part\":\"thing\""));
	ck_assert_ptr_nonnull(
	    strstr(ask("config_reset", "{\"role\":\"echo/a\"}"), "\"reloaded\":true"));
	harness_wait(WAIT_MS, has_status, "b=9 a=7 ", "the override is gone");
	harness_configure("[echo/c]\nsize = 3\n");
	ck_assert_ptr_nonnull(strstr(ask("reload", "{}"), "\"reloaded\":true"));
	harness_wait(WAIT_MS, has_status, "b=9 a=7 c=3 ", "the new thing is taken over");
	/* a wrong one changes nothing */
	harness_configure("[echo/d]\nsise = 4\n");
	ck_assert_ptr_nonnull(strstr(ask("reload", "{}"), "sise: unknown key in [echo/d]; did you "
							  "mean `size`?"));
	ck_assert(has_status("b=9 a=7 c=3 "));
	harness_stop();
}
END_TEST

START_TEST(test_describe)
{
	struct json_object *o;

	put_plugin("minor");
	harness_configure("[echo]\n");
	harness_start();
	harness_wait_running();
	o = json_tokener_parse(ask("describe", "{\"role\":\"echo\"}"));
	ck_assert_str_eq(json_text(o, "plugin", ""), "echo");
	ck_assert(json_truth(o, "enabled", false));
	ck_assert_uint_gt(json_count(json_array_member(o, "keys")), 3);
	ck_assert_uint_gt(json_count(json_array_member(o, "capabilities")), 1);
	ck_assert_uint_gt(json_count(json_array_member(o, "methods")), 3);
	(void)json_object_put(o);
	/* installed, but without a section */
	o = json_tokener_parse(ask("describe", "{\"role\":\"minor\"}"));
	ck_assert(!json_truth(o, "enabled", true));
	ck_assert_uint_gt(json_count(json_array_member(o, "keys")), 3);
	ck_assert_ptr_null(json_member(o, "methods"));
	(void)json_object_put(o);
	o = json_tokener_parse(ask("describe", "{\"role\":\"host\"}"));
	ck_assert_uint_gt(json_count(json_array_member(o, "keys")), 3);
	(void)json_object_put(o);
	ck_assert_ptr_nonnull(strstr(ask("describe", "{\"role\":\"node\"}"), "\"backend\""));
	ck_assert_ptr_nonnull(strstr(ask("describe", "{\"role\":\"xyzzy-99\"}"), "aditctl roles"));
	ck_assert_ptr_nonnull(strstr(ask("describe", "{\"role\":\"ecko\"}"), "did you mean"));
	harness_stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    test_calls,
	    test_parts,
	    test_abi,
	    test_events,
	    test_events_lost,
	    test_kill,
	    test_watchdog,
	    test_listener_survives,
	    test_host_killed,
	    test_hung_stop,
	    test_stop_twice,
	    test_late_stop,
	    test_half_start,
	    test_refused_plugins,
	    test_writable_plugin,
	    test_address_taken,
	    test_check_option,
	    test_reload,
	    test_control_hostile,
	    test_control_many,
	    test_control_half_closed,
	    test_locked,
	    test_control_reader,
	    test_control_batch,
	    test_restart,
	    test_log_level,
	    test_describe,
	};
	Suite *suite = suite_create("host-live");
	TCase *c = tcase_create("live");
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_checked_fixture(c, setup, harness_teardown);
	tcase_set_timeout(c, (double)harness_limit(60000) / 1000);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
