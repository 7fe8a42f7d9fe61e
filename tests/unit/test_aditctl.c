/* SPDX-License-Identifier: MIT */
/*
 * aditctl: formatting, the joining of block events, and the program itself against a control socket
 * that answers from a script: good answers, wrong ones, hostile ones.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/aditctl/blocks.h"
#include "host/aditctl/control.h"
#include "host/aditctl/edit.h"
#include "host/aditctl/json.h"
#include "host/aditctl/table.h"
#include "host/aditctl/text.h"
#include "host/paths.h"
#include "lib/util/clock.h"

#define HASH_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define HASH_B "00000000000000000000000000000000000000000000000000000000000000bb"

/* --- the program against a script ---------------------------------------------------------------
 */

#define OUTPUT_MAX (256u * 1024)

struct run {
	char directory[64];
	char socket[96];
	int listener;
	pid_t pid;
	int pty; /* -1: standard output is a file */
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
	char requests[OUTPUT_MAX]; /* all lines that came */
	int status;
};

static struct run run;

static void setup(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(&run, 0, sizeof(run));
	snprintf(run.directory, sizeof(run.directory), "/tmp/adit-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(run.directory));
	snprintf(run.socket, sizeof(run.socket), "%s/control.sock", run.directory);
	run.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", run.socket);
	ck_assert_int_eq(bind(run.listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(run.listener, 4), 0);
	run.pty = -1;
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", run.directory, name);
	unlink(path);
}

static void teardown(void)
{
	if (run.pid > 0) {
		kill(run.pid, SIGKILL);
		waitpid(run.pid, NULL, 0);
	}
	if (run.listener >= 0)
		close(run.listener);
	remove_file("control.sock");
	remove_file("out");
	remove_file("err");
	remove_file("summary");
	rmdir(run.directory);
}

static void redirect(const char *name, int to)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", run.directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, to) < 0)
		_exit(99);
}

/* Whether there are pseudo-terminals: a bare chroot has no /dev/pts. ./check tells of the line. */
static bool terminals(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	else
		printf("skipped: what needs a terminal: no pseudo-terminals here: %s\n",
		       strerror(errno));
	fflush(stdout);
	return fd >= 0;
}

/* Starts aditctl with the arguments up to NULL; on a pseudo-terminal when TTY, an int because
 * va_start wants a type that promotion leaves alone. */
static void start(int tty, ...)
{
	char *arguments[16] = {(char *)(uintptr_t)ADITCTL, (char *)(uintptr_t) "-s", run.socket};
	size_t n = 3;
	va_list list;

	va_start(list, tty);
	while (n < 15 && (arguments[n] = va_arg(list, char *)) != NULL)
		n++;
	va_end(list);
	if (tty) {
		struct winsize size = {.ws_row = 24, .ws_col = 100};

		run.pid = forkpty(&run.pty, NULL, NULL, &size);
	} else {
		run.pid = fork();
	}
	ck_assert_int_ge(run.pid, 0);
	if (run.pid == 0) {
		setenv("TERM", "xterm", 1);
		if (!tty)
			redirect("out", STDOUT_FILENO);
		redirect("err", STDERR_FILENO);
		execv(ADITCTL, arguments);
		_exit(99);
	}
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* Waits for the program's connection. */
static int accept_it(void)
{
	ck_assert_msg(readable(run.listener, 10000), "aditctl did not connect");
	return accept4(run.listener, NULL, NULL, SOCK_CLOEXEC);
}

/* Reads one request line and returns its id; -1 at the end of the connection. */
static long read_request(int fd)
{
	size_t before = strlen(run.requests), used = before;
	const char *id;

	do {
		ck_assert_msg(readable(fd, 10000), "aditctl sent no request");
		if (recv(fd, run.requests + used, 1, 0) != 1)
			return -1;
	} while (run.requests[used++] != '\n');
	run.requests[used] = '\0';
	id = strstr(run.requests + before, "\"id\":");
	ck_assert_ptr_nonnull(id);
	return strtol(id + 5, NULL, 10);
}

static void send_text(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the program has had enough */
		text += n;
		size -= (size_t)n;
	}
}

/* Sends a line {"jsonrpc":"2.0","id":ID,REST}. */
static void answer(int fd, long id, const char *rest)
{
	char head[64];

	snprintf(head, sizeof(head), "{\"jsonrpc\":\"2.0\",\"id\":%ld,", id);
	send_text(fd, head, strlen(head));
	send_text(fd, rest, strlen(rest));
	send_text(fd, "}\n", 2);
}

static void notify(int fd, const char *type, const char *data)
{
	char line[1024];

	snprintf(line, sizeof(line),
		 "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"type\":\"%s\",\"source\":"
		 "\"pool.1\",\"sequence\":1,\"lost\":0,\"time_ms\":1700000000123,\"data\":%s}}\n",
		 type, data);
	send_text(fd, line, strlen(line));
}

static void slurp(const char *name, char *out)
{
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", run.directory, name);
	f = fopen(path, "r");
	if (f == NULL)
		return;
	n = fread(out, 1, OUTPUT_MAX - 1, f);
	out[n] = '\0';
	fclose(f);
}

/* Reads the terminal until NEEDLE has come (or, with NULL, to its end). */
static void read_terminal(const char *needle)
{
	size_t used = strlen(run.out);

	while (needle == NULL || strstr(run.out, needle) == NULL) {
		ssize_t n;

		ck_assert_msg(readable(run.pty, 10000), "the terminal shows only: %s", run.out);
		ck_assert_uint_lt(used, OUTPUT_MAX - 1);
		n = read(run.pty, run.out + used, OUTPUT_MAX - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
		run.out[used] = '\0';
	}
}

/* Waits for the end and collects status and output. */
static void finish(int fd)
{
	int status = 0;
	uint64_t until = clock_monotonic_ms() + 60000;

	if (fd >= 0)
		close(fd);
	if (run.pty >= 0) {
		read_terminal(NULL);
		close(run.pty);
		run.pty = -1;
	}
	while (waitpid(run.pid, &status, WNOHANG) == 0) {
		ck_assert_msg(clock_monotonic_ms() < until, "aditctl does not end");
		poll(NULL, 0, 5);
	}
	run.pid = 0;
	ck_assert_msg(WIFEXITED(status), "aditctl was ended by signal %d", WTERMSIG(status));
	run.status = WEXITSTATUS(status);
	slurp("err", run.err);
	if (run.out[0] == '\0')
		slurp("out", run.out);
}

/* One request, one answer. */
static void exchange(const char *rest, const char *command)
{
	int fd;

	start(false, command, NULL);
	fd = accept_it();
	answer(fd, read_request(fd), rest);
	finish(fd);
}

static void contains(const char *text, const char *needle)
{
	ck_assert_msg(strstr(text, needle) != NULL, "'%s' is not in:\n%s", needle, text);
}

static void contains_not(const char *text, const char *needle)
{
	ck_assert_msg(strstr(text, needle) == NULL, "'%s' is in:\n%s", needle, text);
}

#define STATUS                                                                                     \
	"\"result\":{\"version\":\"0.1.0\",\"pid\":4711,\"uptime_ms\":192000,\"config\":\"/etc/"   \
	"adit/"                                                                                    \
	"adit.conf\",\"network\":\"regtest\",\"node\":{\"backend\":\"embedded\",\"state\":"        \
	"\"ready\","                                                                               \
	"\"height\":127,\"difficulty\":4.66e-10,\"blocks_accepted\":27,\"blocks_rejected\":0,"     \
	"\"mempool_"                                                                               \
	"tx\":3,\"detail\":\"\"},\"roles\":[{\"name\":\"pool\",\"plugin\":\"pool\",\"process\":"   \
	"\"mining\",\"state\":\"running\",\"text\":\"1 "                                           \
	"miner\",\"restarts\":2,\"workers\":[{\"name\":"                                           \
	"\"pool.1\",\"pid\":4713,\"state\":\"running\",\"uptime_ms\":7265000,\"status\":{"         \
	"\"hashrate\":"                                                                            \
	"1520000.0,\"shares_accepted\":1234,\"shares_rejected\":5,\"blocks_found\":27,\"miners\":" \
	"[{"                                                                                       \
	"\"channel\":\"pool.1/3/"                                                                  \
	"1\",\"user\":\"demo\",\"kind\":\"extended\",\"hashrate\":1520000.0,"                      \
	"\"accepted\":1234,\"rejected\":5,\"difficulty\":0.000123,\"last_share_ms\":1200}]}}]},{"  \
	"\"name\":\"cpu-miner\",\"plugin\":\"cpu-miner\",\"process\":\"cpu-miner\",\"state\":"     \
	"\"failing\","                                                                             \
	"\"last_exit\":\"killed by signal 9\",\"restarts\":4,\"workers\":[]}],"                    \
	"\"share_log\":[{\"producer\":\"pool.1\",\"id\":\"00\",\"capacity\":32768,"                \
	"\"written\":1239,\"readers\":[{\"name\":\"ledger.1\",\"read\":1200,\"lost\":0,"           \
	"\"behind\":39},{\"name\":\"bridge.1\",\"read\":1239,\"lost\":1100,\"behind\":0}]},"       \
	"{\"producer\":\"pool.2\",\"id\":\"01\",\"capacity\":32768,\"written\":0,"                 \
	"\"readers\":[]}]}"

START_TEST(status_is_a_table)
{
	exchange(STATUS, "status");
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"method\":\"status\"");
	contains(run.out, "adit 0.1.0  pid 4711  up 3m 12s  network regtest");
	contains(run.out, "height 127");
	contains(run.out, "blocks accepted 27, rejected 0");
	contains(run.out,
		 "\nROLE       STATE    PROCESS     PID      UP  RESTARTS  TEXT\n"
		 "pool       running  mining     4713  2h 01m         2  1 miner\n"
		 "cpu-miner  failing  cpu-miner     -       -         4  killed by signal 9\n");
	contains(run.out, "pool.1/3/1  demo  extended  1.52 MH/s    0.000123     1,234         5");
	contains(run.out, "\nSHARE LOG  WRITTEN  READER    BEHIND   LOST\n"
			  "pool.1       1,239  ledger.1      39      0\n"
			  "                    bridge.1       0  1,100\n"
			  "pool.2           0  -              -      -\n");
	contains_not(run.out, "\033");
}
END_TEST

START_TEST(status_shows_upstreams)
{
	exchange("\"result\":{\"roles\":[{\"name\":\"jdc\",\"state\":\"running\",\"workers\":["
		 "{\"name\":\"jdc.1\",\"status\":{\"upstreams\":["
		 "{\"name\":\"one\",\"address\":\"one.example:3333\",\"state\":\"active\","
		 "\"mode\":\"full-template\",\"since_ms\":192000,\"jobs_acknowledged\":7,"
		 "\"shares_accepted\":1234,\"shares_refused\":0,\"fault_text\":null},"
		 "{\"name\":\"two\",\"address\":\"two.example:3333\",\"state\":\"cooling\","
		 "\"mode\":null,\"since_ms\":1000,\"jobs_acknowledged\":0,\"shares_accepted\":0,"
		 "\"shares_refused\":1,\"fault_text\":\"a target of zero\"},3]}}]}]}",
		 "status");
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "\nUPSTREAM OF  NAME  ADDRESS           STATE    MODE            SINCE  JOBS  "
			  "ACCEPTED  REFUSED  LAST FAULT\n"
			  "jdc.1        one   one.example:3333  active   full-template  3m 12s     7  "
			  "   1,234        0  \n"
			  "jdc.1        two   two.example:3333  cooling  -                  1s     0  "
			  "       0        1  a target of zero\n");
}
END_TEST

/* A role that can't start has the reason as its text, and ended with it. */
START_TEST(failure_is_said_once)
{
	exchange("\"result\":{\"roles\":[{\"name\":\"pool\",\"state\":\"failing\","
		 "\"text\":\"no key; make one\",\"last_exit\":\"no key; make one\"},"
		 "{\"name\":\"jds\",\"state\":\"failing\",\"text\":\"waits\","
		 "\"last_exit\":\"crash\"}]}",
		 "status");
	contains(run.out, "  no key; make one\n");
	contains_not(run.out, "make one; no key");
	contains(run.out, "  crash; waits\n");
}
END_TEST

/* How old the genesis block is says nothing about the node. */
START_TEST(genesis_has_no_age)
{
	int fd;

	start(false, "status", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"node\":{\"state\":\"ready\",\"height\":0,\"tip_time\":1296688602},"
	       "\"roles\":[]}");
	finish(fd);
	contains(run.out, "height 0  tip genesis  difficulty");
}
END_TEST

START_TEST(status_on_a_terminal_is_coloured_and_fits)
{
	int fd;

	if (!terminals())
		return;
	start(true, "status", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), STATUS);
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "\033[32mrunning\033[0m");
	contains(run.out, "\033[31mfailing\033[0m");
}
END_TEST

START_TEST(no_color_is_honoured)
{
	int fd;

	if (!terminals())
		return;
	setenv("NO_COLOR", "1", 1);
	start(true, "status", NULL);
	unsetenv("NO_COLOR");
	fd = accept_it();
	answer(fd, read_request(fd), STATUS);
	finish(fd);
	contains(run.out, "failing");
	contains_not(run.out, "\033");
}
END_TEST

START_TEST(json_is_the_raw_result)
{
	int fd;

	start(false, "--json", "status", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"a\":[1,2.5,null],\"b\":\"x/y\"}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "{\"a\":[1,2.5,null],\"b\":\"x/y\"}\n");
}
END_TEST

START_TEST(roles_lists_what_is_installed)
{
	exchange(
	    "\"result\":{\"roles\":[{\"name\":\"sv2-server\",\"plugin\":\"sv2-server\",\"version\":"
	    "\"0.1.0\",\"process\":\"mining\",\"state\":\"running\",\"enabled\":true,\"workers\":[{"
	    "}]"
	    ",\"listen\":[\"127.0.0.1:3333\",\"[::1]:3333\"],\"dependencies\":[\"pool\"],"
	    "\"description\":\"Stratum V2 server\"}]}",
	    "roles");
	ck_assert_int_eq(run.status, 0);
	contains(run.out,
		 "sv2-server  0.1.0    running  mining         1  127.0.0.1:3333, [::1]:3333"
		 "  pool   Stratum V2 server");
}
END_TEST

START_TEST(not_running_says_what_to_do)
{
	close(run.listener);
	run.listener = -1;
	start(false, "status", NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 3);
	contains(run.err, "aditd is not running: nobody listens at");
	contains(run.err, "start it with");
	unlink(run.socket);
	start(false, "status", NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 3);
	contains(run.err, "aditd is not running: no socket at");
	contains(run.err, "start it with");
}
END_TEST

START_TEST(refusal_is_status_1)
{
	int fd;

	start(false, "call", "pool", "nonsense", "{\"a\":1}", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"error\":{\"code\":-32000,\"message\":\"no method\\u001b[2J nonsense\",\"data\":{"
	       "\"code\":\"not-found\"}}");
	finish(fd);
	ck_assert_int_eq(run.status, 1);
	contains(run.requests,
		 "\"params\":{\"target\":\"pool\",\"method\":\"nonsense\",\"params\":{"
		 "\"a\":1}}");
	ck_assert_str_eq(run.err, "aditctl: no method?[2J nonsense (not-found)\n");
	ck_assert_str_eq(run.out, "");
}
END_TEST

START_TEST(call_prints_the_result)
{
	int fd;

	start(false, "call", "pool", "status", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"connections\":1}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "{\"connections\":1}\n");
}
END_TEST

START_TEST(call_refuses_bad_json)
{
	start(false, "call", "pool", "status", "{\"a\":}", NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 2);
	contains(run.err, "not valid JSON");
}
END_TEST

/* A command that is nearly one. */
START_TEST(what_was_meant)
{
	start(false, "staus", NULL, NULL, NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 2);
	contains(run.err, "staus: no such command; did you mean `status`?; ");
	start(false, "nonsense", NULL, NULL, NULL);
	finish(-1);
	contains(run.err, "nonsense: no such command; `aditctl --help`");
}
END_TEST

START_TEST(usage_errors_are_status_2)
{
	static const char *const lines[][3] = {
	    {"nonsense", NULL, NULL},     {"status", "more", NULL},
	    {"call", "pool", NULL},       {"watch", "--blocks", "zero"},
	    {"watch", "--blocks", "0"},   {"status", "--blocks", "3"},
	    {"--nonsense", NULL, NULL},   {"new-plugin", NULL, NULL},
	    {"new-plugin", "A!", NULL},   {"roles", "more", NULL},
	    {"events", "-n", "x"},        {"stop", "more", NULL},
	    {"call", NULL, NULL},         {"pool", "nonsense", NULL},
	    {"pool", "disconnect", NULL}, {"pool", "stats", "more"},
	    {"jdc", "order", "h:1"},      {"jdc", "--key", "k"},
	    {"trace", NULL, NULL},        {"trace", "--off", NULL},
	    {"config", "set", NULL},      {"config", "set", "pool"},
	    {"config", "reset", NULL},    {"reload", "more", NULL},
	    {"enable", NULL, NULL},       {"enable", "pool/a", NULL},
	    {"disable", NULL, NULL},      {"restart", NULL, NULL},
	    {"log", "info", "more"},      {"miningos", "nonsense", NULL},
	    {"miningos", "vote", "5"},    {"miningos", "approve", NULL},
	    {"describe", NULL, NULL},     {"node", "more", NULL},
	    {"keys", NULL, NULL},         {"keys", "nonsense", NULL},
	    {"keys", "generate", NULL},   {"keys", "sign", "a"},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		start(false, lines[i][0], lines[i][1], lines[i][2], NULL);
		finish(-1);
		ck_assert_msg(run.status == 2, "%s: status %d", lines[i][0], run.status);
		/* what to do next */
		ck_assert_msg(strstr(run.err, "`aditctl --help`") != NULL ||
				  strstr(run.err, ": expected ") != NULL ||
				  strstr(run.err, "`aditctl reload`") != NULL,
			      "%s: %s", lines[i][0], run.err);
	}
}
END_TEST

/* What an action is asked for with, and how its end comes out. */
START_TEST(miningos_action)
{
	int fd;

	start(false, "miningos", "trigger-action", "setHashrate", "SV2-0001", "hashrate=5e3", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"action_id\":17,\"action\":\"setHashrate\",\"status\":\"EXECUTING\"}");
	answer(fd, read_request(fd),
	       "\"result\":{\"action_id\":17,\"action\":\"setHashrate\",\"target\":\"x\",\"user\":"
	       "\"control\",\"status\":\"FAILED\",\"error\":\"ERR_ACTION_FAILED: no\"}");
	finish(fd);
	ck_assert_int_eq(run.status, 1);
	contains(run.requests, "\"method\":\"trigger_action\",\"params\":{\"action_type\":"
			       "\"setHashrate\",\"target\":\"SV2-0001\",\"hashrate\":5e3}");
	contains(run.requests, "\"method\":\"get_action_status\",\"params\":{\"action_id\":17}");
	contains(run.out, "ERR_ACTION_FAILED: no");
}
END_TEST

/* What is to be approved is seen, each parameter on a line. */
START_TEST(miningos_action_parameters)
{
	int fd;

	start(false, "miningos", "action", "17", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"action_id\":17,\"action\":\"updatePoolConfig\",\"status\":\"VOTING\","
	       "\"params\":{\"pool_url\":\"stratum2+tcp://p.example:3333/9auqWE\","
	       "\"pool_user\":\"a\\nb\"}}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "  pool_url=\"stratum2+tcp://p.example:3333/9auqWE\"\n");
	contains(run.out, "  pool_user=\"a\\nb\"\n");
	contains(run.out, "it waits for an approval");
}
END_TEST

START_TEST(miningos_actions_parameters)
{
	int fd;

	start(false, "miningos", "list-actions", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"supported\":[],\"actions\":[{\"action_id\":17,\"action\":"
	       "\"setHashrate\",\"status\":\"VOTING\",\"params\":{\"hashrate\":null}}]}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "17 hashrate=null\n");
}
END_TEST

/* Who has the role started anew does not hear of it from that role. */
START_TEST(miningos_rack_reboot)
{
	int fd;

	start(false, "miningos", "trigger-action", "rackReboot", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"action_id\":18,\"action\":\"rackReboot\",\"status\":\"EXECUTING\"}");
	answer(fd, read_request(fd),
	       "\"error\":{\"code\":-32000,\"message\":\"action_id: there is no such action\"}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "COMPLETED");
}
END_TEST

START_TEST(miningos_miners)
{
	int fd;

	start(false, "miningos", "list-miners", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"count\":1,\"miners\":[{\"code\":\"SV2-0001\",\"id\":\"k3\",\"user\":"
	       "\"alice\",\"status\":\"mining\",\"hashrate\":1500000,\"accepted\":7}]}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "SV2-0001");
	contains(run.out, "1.50 MH/s");
}
END_TEST

START_TEST(stop_waits_for_the_end)
{
	int fd;

	start(false, "stop", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"stopping\":true}");
	/* Still connected: the program has to wait. */
	poll(NULL, 0, 50);
	ck_assert_int_eq(waitpid(run.pid, NULL, WNOHANG), 0);
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "aditd has stopped\n");
}
END_TEST

START_TEST(events_are_lines)
{
	int fd;

	start(false, "events", "-n", "2", "BlockMined", "NewBlock", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	contains(run.requests, "\"types\":[\"BlockMined\",\"NewBlock\"]");
	notify(fd, "BlockMined", "{\"block_hash\":\"aa\",\"height\":8,\"miner_id\":null}");
	notify(fd, "NewBlock", "{\"block_hash\":\"a\\u001b[31mb\",\"height\":8}");
	finish(-1);
	close(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, ".123  pool.1             BlockMined  block_hash aa  height 8\n");
	contains(run.out, "NewBlock  block_hash a?[31mb  height 8\n");
}
END_TEST

START_TEST(events_as_json_are_one_a_line)
{
	int fd;

	start(false, "events", "--json", "-n", "1", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	notify(fd, "NewBlock", "{\"height\":8}");
	finish(-1);
	close(fd);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out,
			 "{\"type\":\"NewBlock\",\"source\":\"pool.1\",\"sequence\":1,\"lost\":0,"
			 "\"time_ms\":1700000000123,\"data\":{\"height\":8}}\n");
}
END_TEST

START_TEST(events_end_well_on_ctrl_c)
{
	int fd;

	start(false, "events", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	notify(fd, "NewBlock", "{\"height\":8}");
	for (int i = 0; i < 12000 && run.out[0] == '\0'; i++) {
		poll(NULL, 0, 5);
		slurp("out", run.out);
	}
	run.out[0] = '\0';
	kill(run.pid, SIGINT);
	finish(-1);
	close(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "height 8");
}
END_TEST

/* Answers `status` requests of a watch until it ends. */
static void serve_status(int fd)
{
	for (;;) {
		long id = read_request(fd);

		if (id < 0)
			return;
		answer(fd, id, STATUS);
	}
}

START_TEST(watch_joins_the_two_events)
{
	char summary[128], text[OUTPUT_MAX] = "";
	int fd;

	snprintf(summary, sizeof(summary), "%s/summary", run.directory);
	start(false, "watch", "--blocks", "2", "--summary", summary, NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	contains(run.requests, "\"types\":[\"BlockFound\",\"BlockMined\"]");
	/* In either order, one of them twice, one that is never accepted. */
	notify(fd, "BlockFound",
	       "{\"block_hash\":\"" HASH_A "\",\"height\":8,\"channel\":\"pool.1/1/1\"}");
	notify(fd, "BlockMined", "{\"block_hash\":\"" HASH_A "\",\"height\":8}");
	notify(fd, "BlockMined", "{\"block_hash\":\"" HASH_A "\",\"height\":8}");
	notify(fd, "BlockFound", "{\"block_hash\":\"nonsense\",\"height\":9,\"channel\":\"x\"}");
	notify(fd, "BlockMined", "{\"block_hash\":\"" HASH_B "\",\"height\":9}");
	notify(fd, "BlockFound",
	       "{\"block_hash\":\"" HASH_B "\",\"height\":9,\"channel\":\"pool.1/2/1\"}");
	serve_status(fd);
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "block 8  " HASH_A "  channel pool.1/1/1\n"
				  "block 9  " HASH_B "  channel pool.1/2/1\n");
	slurp("summary", text);
	ck_assert_str_eq(text, "2 blocks found, 1234 shares accepted, 5 rejected\n");
}
END_TEST

START_TEST(watch_on_a_terminal_has_a_live_line)
{
	const struct winsize narrow = {.ws_row = 24, .ws_col = 31};
	int fd;

	if (!terminals())
		return;
	start(true, "watch", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	answer(fd, read_request(fd), STATUS);
	read_terminal("blocks 27");
	contains(run.out, "height 127  1.52 MH/s  shares 1,234 accepted, 5 rejected  blocks 27");
	contains(run.out, "cpu-miner is failing");
	/* the window as it is now */
	ck_assert_int_eq(ioctl(run.pty, TIOCSWINSZ, &narrow), 0);
	answer(fd, read_request(fd), STATUS);
	read_terminal("height 127  1.52 MH/s  shares>");
	kill(run.pid, SIGINT);
	serve_status(fd);
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	/* The line is wiped at the end: what follows starts on a clean one. */
	ck_assert_str_eq(run.out + strlen(run.out) - 4, "\r\033[K");
}
END_TEST

START_TEST(watch_says_when_the_connection_ends)
{
	int fd;

	start(false, "watch", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	finish(fd);
	ck_assert_int_eq(run.status, 3);
	contains(run.err, "aditd closed the connection");
}
END_TEST

#define TWO_WORKERS                                                                                \
	"\"result\":[{\"worker\":\"pool.1\",\"result\":{}},{\"worker\":\"pool.2\",\"result\":{}}]"
#define CHANNEL(name)                                                                              \
	"{\"channel\":\"" name "\",\"user\":\"u\",\"fixed_difficulty\":true,"                      \
	"\"difficulty\":2}"
#define PAGE(entries, next) "\"result\":{\"channels\":[" entries "],\"next\":" next "}"

/* Every worker is asked for its own, from where the page before has ended. */
START_TEST(pool_lists_are_taken_in_pages)
{
	int fd;

	start(false, "pool", "channels", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), TWO_WORKERS);
	answer(fd, read_request(fd), PAGE(CHANNEL("pool.1/1/2"), "\"pool.1/1/2\""));
	answer(fd, read_request(fd), PAGE(CHANNEL("pool.1/3/2"), "null"));
	answer(fd, read_request(fd), PAGE(CHANNEL("pool.2/9/2"), "null"));
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"target\":\"pool.1\",\"method\":\"list_channels\",\"params\":{"
			       "\"limit\":500}");
	contains(run.requests, "\"limit\":500,\"after\":\"pool.1\\/1\\/2\"");
	contains(run.requests, "\"target\":\"pool.2\"");
	contains(run.out, "pool.1/1/2  u     fixed 2");
	contains(run.out, "pool.1/3/2");
	contains(run.out, "pool.2/9/2");
	contains_not(run.out, "more");
}
END_TEST

START_TEST(pool_list_ends_at_the_count)
{
	int fd;

	start(false, "--json", "pool", "-n", "1", "channels", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), TWO_WORKERS);
	answer(fd, read_request(fd), PAGE(CHANNEL("pool.1/1/2"), "null"));
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"limit\":1}");
	contains(run.out, "{\"worker\":\"pool.1\",\"result\":{\"channels\":[{\"channel\":");
	run.out[0] = '\0';
	start(false, "pool", "-n", "1", "channels", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), TWO_WORKERS);
	answer(fd, read_request(fd), PAGE(CHANNEL("pool.1/1/2"), "null"));
	finish(fd);
	contains(run.out, "there are more channels");
}
END_TEST

/* The others are shown, and the status says that one is missing. */
START_TEST(pool_worker_without_an_answer)
{
	exchange("\"result\":[{\"worker\":\"pool.1\",\"result\":{\"miner_count\":3}},{\"worker\":"
		 "\"pool.2\",\"error\":{\"code\":\"timeout\",\"message\":\"no answer in time\"}}]",
		 "pool");
	ck_assert_int_eq(run.status, 1);
	contains(run.out, "pool.1");
	contains_not(run.out, "pool.2");
	contains(run.err, "aditctl: pool.2: no answer in time");
}
END_TEST

#define JDC_STATUS                                                                                 \
	"\"result\":[{\"worker\":\"jdc\",\"result\":{\"upstream\":\"primary\",\"mode\":"                  \
	"\"full-template\",\"solo\":false,\"switches\":2,\"solo_times\":1,\"held_shares\":4,"         \
	"\"held_shares_dropped\":0,\"lost_shares\":5,\"order\":null,\"order_result\":\"rolled "      \
	"back\",\"channels\":3,\"hashrate\":1500000,\"height\":8,\"upstreams\":[{\"name\":"          \
	"\"primary\",\"address\":\"p:3333\",\"state\":\"active\",\"since_ms\":65000,\"mode\":"      \
	"\"full-template\",\"shares_sent\":1234,\"shares_accepted\":1200,\"shares_refused\":30,"    \
	"\"jobs_declared\":12,\"jobs_acknowledged\":11,\"jobs_stale\":1,\"jobs_dropped\":0},{"      \
	"\"name\":\"second\",\"address\":\"q:3333\",\"state\":\"cooling\",\"since_ms\":2000,"       \
	"\"next_ms\":28000,\"mode\":null,\"fault\":\"closed\",\"fault_text\":\"went \\u001b[2J\","   \
	"\"jobs_declared\":3}]}}]"

/* A line a pool, then what became of jobs and shares. */
START_TEST(jdc_status_is_readable)
{
	exchange(JDC_STATUS, "jdc");
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"target\":\"jdc\",\"method\":\"status\"");
	contains(run.out,
		 "mining for primary, full-template, at height 8; channels 3, 1.50 MH/s\n");
	contains(run.out, "primary  p:3333   active");
	contains(run.out, "1m 05s");
	contains(run.out, "1,234     1,200       30");
	contains(run.out, "28s");
	contains(run.out, "went ?[2J");
	contains(run.out,
		 "jobs: declared 15, acknowledged 11, refused as stale 1, dropped 0\n"
		 "shares: held 4, held in vain 0, without a pool 5\n"
		 "times: solo 1, from pool to pool 2\norder: rolled back\n");
}
END_TEST

START_TEST(jdc_status_as_json)
{
	int fd;

	start(false, "--json", "jdc", "-r", "jdc-2", "status", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), JDC_STATUS);
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"target\":\"jdc-2\"");
	contains(run.out, "\"worker\":\"jdc\"");
	contains(run.out, "\"jobs_acknowledged\":11");
}
END_TEST

/* The lists are those of a pool. */
START_TEST(jdc_lists)
{
	int fd;

	start(false, "jdc", "-n", "1", "channels", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":[{\"worker\":\"jdc\",\"result\":{}}]");
	answer(fd, read_request(fd), PAGE(CHANNEL("jdc/1/2"), "null"));
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"target\":\"jdc\",\"method\":\"list_channels\"");
	contains(run.out, "jdc/1/2");
}
END_TEST

START_TEST(jdc_order)
{
	int fd;

	start(false, "jdc", "order", "q:3333", "account", "--key", "9K", "--jds", "q:34264", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"ok\":true,\"pool_url\":\"q:3333\",\"user\":\"account\",\"mode\":"
	       "\"full-template\",\"rollback_after_ms\":30000}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests,
		 "\"target\":\"jdc\",\"method\":\"update_pool_config\",\"params\":{\"pool_url\":"
		 "\"q:3333\",\"pool_user\":\"account\",\"authority_key\":\"9K\",\"jds_url\":"
		 "\"q:34264\"}");
	contains(run.out, "trying q:3333 for account, full-template; unless it gives work within "
			  "30s, all is as before");
	start(false, "jdc", "order", "q:3333", "account", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"error\":{\"code\":-32000,\"message\":\"pool_url: q:3333 is neither in a section "
	       "[jdc/NAME] nor in allow_pool\"}");
	finish(fd);
	ck_assert_int_eq(run.status, 1);
	contains(run.requests, "\"pool_user\":\"account\"}");
	contains(run.err, "nor in allow_pool");
}
END_TEST

/* Answers of the wrong shape: shown as well as can be, or refused, but never a crash. %s: nothing.
 */
static const char *const wrong_results[] = {
    "\"result\":null",
    "\"result\":7",
    "\"result\":[]",
    "\"result\":\"text\"",
    "\"result\":{}",
    "\"result\":{\"roles\":{}}",
    "\"result\":{\"roles\":[null,1,\"x\",[],{}]}",
    "\"result\":{\"node\":[],\"roles\":[{\"workers\":{}},{\"workers\":[null,2,{\"status\":[]},{"
    "\"status\":{\"miners\":{}}},{\"status\":{\"miners\":[null,3,{}]}}]}]}",
    "\"result\":{\"version\":7,\"pid\":\"x\",\"uptime_ms\":-1,\"node\":{\"height\":1e300,"
    "\"difficulty\":-1,\"tip_time\":99999999999999999,\"detail\":[]}}",
    "\"result\":{\"pid\":9223372036854775807,\"uptime_ms\":9223372036854775807,\"roles\":[{"
    "\"name\":null,\"plugin\":\"pool\",\"restarts\":-9223372036854775808,\"workers\":[{\"pid\":-1,"
    "\"uptime_ms\":-9223372036854775808,\"status\":{\"hashrate\":1e308,\"shares_accepted\":"
    "9223372036854775807,\"miners\":[{\"hashrate\":-1e308,\"difficulty\":1e308,\"accepted\":"
    "9223372036854775807,\"last_share_ms\":9223372036854775807}]}},{\"status\":{\"hashrate\":"
    "1e308,\"shares_accepted\":9223372036854775807}}]}]}",
    "\"result\":{\"version\":\"\\u0000\\u001b]0;x\\u0007\\u009b31m\\u202e\",\"roles\":[{\"name\":"
    "\"a\\nb\\tc\\u007f\",\"listen\":[1,null,\"\\u001b\"],\"dependencies\":\"x\"}]}",
    "\"result\":[{\"worker\":7,\"result\":{\"accepted_shares\":9223372036854775807,"
    "\"uptime_seconds\":9223372036854775807,\"rejects\":[]}},{\"worker\":\"\\u001b\",\"result\":{"
    "\"accepted_shares\":9223372036854775807,\"hashrate\":1e308,\"rejects\":{\"\\u001b[1m\":-1,"
    "\"b\":\"x\"}}},{\"error\":7},{\"error\":{\"message\":\"\\u001b\"}},{\"result\":[]}]",
    "\"error\":null",
    "\"error\":7",
    "\"error\":{\"message\":[],\"data\":7}",
    "\"nothing\":1",
};

START_TEST(wrong_shapes_are_survived)
{
	static const char *const methods[] = {"status", "roles", "stop", "pool", "jdc"};
	size_t m = (size_t)_i % 5, i = (size_t)_i / 5;

	exchange(wrong_results[i], methods[m]);
	ck_assert_int_le(run.status, 4);
	contains_not(run.out, "\033");
	contains_not(run.out, "\302\233");
	contains_not(run.out, "\177");
}
END_TEST

/* json-c clamps such a number up to its version 0.16 and refuses it from 0.17 on: both will do. */
START_TEST(number_beyond_64_bits)
{
	exchange("\"result\":{\"pid\":99999999999999999999999999}", "status");
	ck_assert_msg(run.status == 0 || run.status == 4, "status %d", run.status);
}
END_TEST

START_TEST(wrong_shapes_do_not_stop_a_watch)
{
	static const char odd[] = "{\"method\":[],\"params\":7}\n{}\n{\"id\":{}}\n";
	int fd;

	start(false, "watch", "--blocks", "1", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"subscribed\":true}");
	answer(fd, read_request(fd), wrong_results[_i]);
	notify(fd, "BlockFound", "[]");
	notify(fd, "BlockMined", "{\"block_hash\":[],\"height\":{}}");
	send_text(fd, odd, strlen(odd));
	notify(fd, "BlockMined", "{\"block_hash\":\"" HASH_A "\",\"height\":\"x\"}");
	notify(fd, "BlockFound", "{\"block_hash\":\"" HASH_A "\",\"channel\":\"a\\u001b[2J\"}");
	serve_status(fd);
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "block -1  " HASH_A "  channel a?[2J\n");
}
END_TEST

START_TEST(garbage_is_status_4)
{
	static const char *const garbage[] = {
	    "hello\n", "\n",         "{\"id\":1\n", "[]\n",    "7\n",     "{} {}\n",
	    "{]\n",    "\xff\xfe\n", "nul\n",       "{1:2}\n", "\"abc\n",
	};
	int fd;

	start(false, "status", NULL);
	fd = accept_it();
	read_request(fd);
	send_text(fd, garbage[_i], strlen(garbage[_i]));
	finish(fd);
	ck_assert_int_eq(run.status, 4);
	ck_assert_str_eq(run.out, "");
	contains(run.err, "aditctl: ");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	static char text[200002];
	int fd;

	memset(text, '[', 200000);
	text[200000] = '\n';
	start(false, "status", NULL);
	fd = accept_it();
	read_request(fd);
	send_text(fd, text, 200001);
	finish(fd);
	ck_assert_int_eq(run.status, 4);
}
END_TEST

START_TEST(endless_line_is_refused)
{
	static char text[1024 * 1024];
	int fd;

	memset(text, 'x', sizeof(text));
	start(false, "status", NULL);
	fd = accept_it();
	read_request(fd);
	for (int i = 0; i < 20; i++)
		send_text(fd, text, sizeof(text));
	finish(fd);
	ck_assert_int_eq(run.status, 4);
	contains(run.err, "line of more than");
}
END_TEST

START_TEST(end_of_connection_is_status_3)
{
	int fd;

	start(false, "status", NULL);
	fd = accept_it();
	read_request(fd);
	send_text(fd, "{\"jsonrpc\":", 11);
	finish(fd);
	ck_assert_int_eq(run.status, 3);
	contains(run.err, "aditd closed the connection");
}
END_TEST

/* --- parts --------------------------------------------------------------------------------------
 */

START_TEST(units)
{
	static const struct {
		double value;
		const char *text;
	} rates[] = {
	    {0, "0 H/s"},
	    {7, "7.00 H/s"},
	    {999, "999 H/s"},
	    {999.9, "1.00 kH/s"},
	    {1520000, "1.52 MH/s"},
	    {15.2e6, "15.2 MH/s"},
	    {152e6, "152 MH/s"},
	    {1e18, "1.00 EH/s"},
	    {9.996e6, "10.0 MH/s"},
	    {-1, "-"},
	    {NAN, "-"},
	    {INFINITY, "-"},
	    {1e308, "-"},
	};
	char text[TEXT_UNIT_SIZE];

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		text_hashrate(rates[i].value, text, sizeof(text));
		ck_assert_str_eq(text, rates[i].text);
	}
	text_difficulty(4.656542e-10, text, sizeof(text));
	ck_assert_str_eq(text, "4.66e-10");
	text_difficulty(126.98e12, text, sizeof(text));
	ck_assert_str_eq(text, "127 T");
	text_difficulty(1, text, sizeof(text));
	ck_assert_str_eq(text, "1.00");
}
END_TEST

START_TEST(durations_and_counts)
{
	static const struct {
		int64_t ms;
		const char *text;
	} durations[] = {
	    {0, "0s"},           {59999, "59s"},        {60000, "1m 00s"}, {3599999, "59m 59s"},
	    {7265000, "2h 01m"}, {360000000, "4d 04h"}, {-1, "-"},
	};
	static const struct {
		int64_t count;
		const char *text;
	} counts[] = {
	    {0, "0"},
	    {999, "999"},
	    {1000, "1,000"},
	    {-1234, "-1,234"},
	    {1234567, "1,234,567"},
	    {INT64_MAX, "9,223,372,036,854,775,807"},
	    {INT64_MIN, "-9,223,372,036,854,775,808"},
	};
	char text[TEXT_UNIT_SIZE];

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		text_duration(durations[i].ms, text, sizeof(text));
		ck_assert_str_eq(text, durations[i].text);
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		text_count(counts[i].count, text, sizeof(text));
		ck_assert_str_eq(text, counts[i].text);
	}
}
END_TEST

START_TEST(cleaning)
{
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
	    {"plain", "plain"},
	    {"\033[2Jx\r\n", "?[2Jx??"},
	    {"m\303\274ller", "m\303\274ller"},
	    {"\302\233x", "?x"},          /* C1 */
	    {"a\342\200\256b", "a?b"},    /* U+202E */
	    {"\300\200", "??"},           /* overlong NUL */
	    {"\355\240\200", "???"},      /* surrogate */
	    {"\364\220\200\200", "????"}, /* past U+10FFFF */
	    {"\303", "?"},                /* cut off */
	    {"\360\237\222", "???"},      /* cut off */
	    {"\360\237\222\260", "\360\237\222\260"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_clean(cases[i].in, out, sizeof(out));
		ck_assert_str_eq(out, cases[i].out);
	}
	text_clean("aaa\303\274", out, 5); /* no room for both bytes: neither */
	ck_assert_str_eq(out, "aaa");
	snprintf(out, sizeof(out), "m\303\274ller");
	ck_assert_uint_eq(text_columns(out), 6);
	text_cut(out, 3);
	ck_assert_str_eq(out, "m\303\274>");
	text_cut(out, 3);
	ck_assert_str_eq(out, "m\303\274>");
	text_cut(out, 0);
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(table_is_cut_to_the_terminal)
{
	struct terminal terminal = {.tty = true, .width = 16};
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	struct table t;

	table_init(&t, "A|EMPTY|>NUMBER|TEXT");
	table_add(&t, STYLE_PLAIN, "first");
	table_add(&t, STYLE_PLAIN, "-");
	table_add(&t, STYLE_PLAIN, "12");
	table_add(&t, STYLE_PLAIN, "long text");
	table_print(&t, f, &terminal);
	table_free(&t);
	fclose(f);
	ck_assert_str_eq(text, "A      NUMBER  >\n"
			       "first      12  >\n");
	free(text);
}
END_TEST

START_TEST(json_is_parsed_strictly)
{
	static const char *const good[] = {"{}", " [1] ", "7", "null", "\"a\"", "{\"a\":{}}\r"};
	static const char *const bad[] = {"", " ", "{", "{}{}", "{} x", "nul", "[1,]", "\"a"};
	struct json_object *value;
	struct error e;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(json_parse(good[i], strlen(good[i]), &value, &e) == ADIT_OK, "%s",
			      good[i]);
		json_object_put(value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(json_parse(bad[i], strlen(bad[i]), &value, &e) == ADIT_E_PROTOCOL,
			      "%s", bad[i]);
		ck_assert_ptr_null(value);
	}
	/* A NUL in the middle hides nothing. */
	ck_assert_int_eq(json_parse("{}\0{}", 5, &value, &e), ADIT_E_PROTOCOL);
}
END_TEST

START_TEST(blocks_are_joined_and_bounded)
{
	static struct blocks b;
	char hash[BLOCKS_HASH_SIZE];
	struct block block;

	memset(&b, 0, sizeof(b));
	blocks_accepted(&b, HASH_A, 8, 100);
	ck_assert(!blocks_take_accepted(&b, 200, 1000, &block)); /* waits for its channel */
	ck_assert(blocks_take_accepted(&b, 1101, 1000, &block)); /* not for ever */
	ck_assert_str_eq(block.channel, "");
	blocks_found(&b, HASH_A, 8, "pool.1/1/1", 1200);
	ck_assert_uint_eq(b.used, 0); /* that one has been told */
	blocks_found(&b, HASH_B, 9, "pool.1/1/1", 1300);
	ck_assert(!blocks_take_accepted(&b, 99999, 1000, &block));
	ck_assert(blocks_take_overdue(&b, 99999, 1000, &block));
	ck_assert_str_eq(block.channel, "pool.1/1/1");
	for (int i = 0; i < 1000; i++) {
		snprintf(hash, sizeof(hash), "%064x", i);
		blocks_found(&b, hash, i, "c", 100);
	}
	ck_assert_uint_eq(b.used, BLOCKS_MAX);
	ck_assert(blocks_take_overdue(&b, 99999, 1000, &block));
	ck_assert_int_eq(block.height, 1000 - BLOCKS_MAX);
}
END_TEST

START_TEST(socket_path)
{
	char config[128], path[256], expected[256];
	FILE *f;

	snprintf(config, sizeof(config), "%s/summary", run.directory);
	f = fopen(config, "w");
	fputs("[pool]\nrun_dir = /wrong\n[host]\nrun_dir = /run/elsewhere\n", f);
	fclose(f);
	control_path(config, path, sizeof(path));
	ck_assert_str_eq(path, "/run/elsewhere/control.sock");
	f = fopen(config, "a");
	fputs("control_socket = /run/adit.sock\n", f);
	fclose(f);
	control_path(config, path, sizeof(path));
	ck_assert_str_eq(path, "/run/adit.sock");
	/* as aditd takes it: from the directory of the file */
	f = fopen(config, "w");
	fputs("[host]\nrun_dir = run\n", f);
	fclose(f);
	snprintf(expected, sizeof(expected), "%s/run/control.sock", run.directory);
	control_path(config, path, sizeof(path));
	ck_assert_str_eq(path, expected);
	f = fopen(config, "a");
	fputs("control_socket = c.sock\n", f);
	fclose(f);
	snprintf(expected, sizeof(expected), "%s/c.sock", run.directory);
	control_path(config, path, sizeof(path));
	ck_assert_str_eq(path, expected);
	control_path("/nonexistent", path, sizeof(path));
	ck_assert_str_eq(path, ADIT_RUNDIR "/control.sock");
	setenv("ADIT_SOCKET", "/run/env.sock", 1);
	control_path(config, path, sizeof(path));
	ck_assert_str_eq(path, "/run/env.sock");
	unsetenv("ADIT_SOCKET");
}
END_TEST

/* Text, section, wish, and what comes out; NULL: nothing has to be changed, "" no such section. */
START_TEST(one_line_is_edited)
{
	static const struct {
		const char *text;
		bool enabled;
		const char *after;
		unsigned line;
	} cases[] = {
	    {"[a]\nenabled = no\n", true, "[a]\nenabled = yes\n", 2},
	    {"[b]\nenabled=no\n[a] ; x\r\n enabled:\ton\t; why\r\nk = v", false,
	     "[b]\nenabled=no\n[a] ; x\r\n enabled:\tno\t; why\r\nk = v", 4},
	    {"[a]\nk = v\n", false, "[a]\nenabled = no\nk = v\n", 2},
	    {"[b]\n[a]", false, "[b]\n[a]\nenabled = no\n", 3},
	    {"[a]\nk = v\n[b]\nenabled = no\n", true, NULL, 1},
	    {"[a]\nenabled = 1\n", true, NULL, 2},
	    {"[a]\nenabled = off\n", false, NULL, 2},
	    {"[a]\nenabled =\n", true, "[a]\nenabled =yes\n", 2},
	    {"[a]\nenabledx = no\n#enabled = no\n;enabled = no\n", true, NULL, 1},
	    {"\xef\xbb\xbf[a]\nenabled = no", true, "\xef\xbb\xbf[a]\nenabled = yes", 2},
	    {"[a@b]\nenabled = no\n; [a]\n", true, "", 0},
	    {"", true, "", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = {.limit = 1000};
		unsigned line = 0;
		enum edit_result result = edit_enabled(cases[i].text, strlen(cases[i].text), "a",
						       cases[i].enabled, &out, &line);

		ck_assert_uint_eq(line, cases[i].line);
		if (cases[i].after == NULL) {
			ck_assert_int_eq(result, EDIT_SAME);
		} else if (*cases[i].after == '\0') {
			ck_assert_int_eq(result, EDIT_MISSING);
		} else {
			ck_assert_int_eq(result, EDIT_DONE);
			ck_assert(buf_append_u8(&out, 0));
			ck_assert_str_eq((const char *)out.data, cases[i].after);
		}
		buf_free(&out);
	}
}
END_TEST

/* --- commands that drive ------------------------------------------------------------------------
 */

START_TEST(describe_shows_keys_and_methods)
{
	int fd;

	start(false, "describe", "pool", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"name\":\"pool\",\"plugin\":\"pool\",\"version\":\"0.1.0\","
	       "\"description\":\"A pool\",\"author\":\"we\",\"manifest\":\"/p/pool.manifest\","
	       "\"workers\":\"many\",\"enabled\":true,\"capabilities\":[\"call_module\","
	       "\"publish_events\"],\"dependencies\":[{\"name\":\"sv2-server\",\"version\":"
	       "\">=0.1\",\"optional\":false},{\"name\":\"x\",\"version\":\"\",\"optional\":true}],"
	       "\"methods\":[{\"name\":\"status\",\"mode\":\"all\"}],\"keys\":[{\"key\":\"payout\","
	       "\"type\":\"script\",\"default\":null,\"range\":\"\",\"help\":\"who is paid\","
	       "\"required\":true,\"secret\":false},{\"key\":\"n\",\"type\":\"int\",\"default\":"
	       "\"6\",\"range\":\"1..9\",\"help\":\"\\u001b[31mhow many\",\"required\":false}]}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"method\":\"describe\",\"params\":{\"role\":\"pool\"}");
	contains(run.out, "pool 0.1.0  enabled\nA pool\n");
	contains(run.out, "needs         sv2-server >=0.1, x (optional)\n");
	contains(run.out, "capabilities  call_module, publish_events\n");
	contains(run.out, "methods       status\n");
	contains(run.out, "  payout  (script, required)\n      who is paid\n");
	contains(run.out, "  n = 6  (int, 1..9)\n      ?[31mhow many\n");
}
END_TEST

START_TEST(node_is_readable)
{
	int fd;

	start(false, "node", NULL);
	fd = accept_it();
	answer(fd, read_request(fd),
	       "\"result\":{\"backend\":\"embedded\",\"network\":\"regtest\",\"state\":\"ready\","
	       "\"detail\":\"\",\"height\":7,\"hash\":\"aa\",\"bits\":\"207fffff\",\"difficulty\":"
	       "4.66e-10,\"tip_time\":1700000000,\"mempool_tx\":3,\"blocks_accepted\":2,"
	       "\"blocks_rejected\":1}");
	answer(fd, read_request(fd),
	       "\"result\":{\"hash\":\"" HASH_A "\",\"height\":8,\"next_bits\":\"207ffffe\","
	       "\"block_interval_ms\":10000,\"median_time\":1700000000}");
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"method\":\"get_chain_info\"");
	contains(run.out, "state           ready\nheight          8\ntip             " HASH_A "\n");
	contains(run.out, "median time     2023-11-14 22:13:20 UTC, ");
	contains(run.out, "block interval  10s\nmempool         3 transactions\n");
	contains(run.out, "blocks          2 accepted, 1 rejected\n");
}
END_TEST

/* While the node starts there is a status; why there is no more is said. */
START_TEST(node_without_a_chain)
{
	int fd;

	start(false, "--json", "node", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"state\":\"connecting\"}");
	answer(fd, read_request(fd),
	       "\"error\":{\"code\":-32000,\"message\":\"the node is away\",\"data\":{\"code\":"
	       "\"unavailable\"}}");
	finish(fd);
	ck_assert_int_eq(run.status, 1);
	contains(run.out, "\"state\":\"connecting\"");
	contains(run.out, "\"chain\":null");
	contains(run.err, "the node is away");
}
END_TEST

START_TEST(log_level_is_shown_and_set)
{
	int fd;

	exchange("\"result\":{\"level\":\"info\",\"configured\":\"info\"}", "log");
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, "info\n");
	run.out[0] = '\0';
	start(false, "log", "debug", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), "\"result\":{\"level\":\"debug\",\"configured\":\"info\"}");
	finish(fd);
	contains(run.requests, "\"params\":{\"level\":\"debug\"}");
	contains(run.out, "debug until the next reload or start of aditd");
}
END_TEST

#define WORKER(pid, state)                                                                         \
	"\"result\":{\"roles\":[{\"name\":\"pool\",\"last_exit\":\"killed by signal 9\","          \
	"\"workers\":[{\"name\":\"pool.1\",\"pid\":" pid ",\"state\":\"" state "\"}]}]}"

#define RESTARTING                                                                                 \
	"\"result\":{\"restarting\":[{\"name\":\"pool.1\",\"role\":\"pool\",\"pid\":41}]}"

START_TEST(restart_waits_for_the_new_process)
{
	int fd;

	start(false, "restart", "pool.1", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), RESTARTING);
	answer(fd, read_request(fd), WORKER("41", "running"));
	answer(fd, read_request(fd), WORKER("41", "stopping"));
	answer(fd, read_request(fd), WORKER("42", "starting"));
	answer(fd, read_request(fd), WORKER("42", "running"));
	finish(fd);
	ck_assert_int_eq(run.status, 0);
	contains(run.requests, "\"method\":\"restart\",\"params\":{\"role\":\"pool.1\"}");
	ck_assert_str_eq(run.out, "restarted: pool.1\n");
}
END_TEST

START_TEST(restart_tells_of_a_failure)
{
	int fd;

	start(false, "restart", "pool", NULL);
	fd = accept_it();
	answer(fd, read_request(fd), RESTARTING);
	for (int i = 0; i < 100 && readable(fd, 1000); i++) {
		long id = read_request(fd);

		if (id < 0)
			break;
		answer(fd, id, WORKER("0", "failing"));
	}
	finish(fd);
	ck_assert_int_eq(run.status, 1);
	contains(run.err, "pool.1 does not come back: killed by signal 9; `aditctl status`");
}
END_TEST

static void keys(const char *verb, const char *path)
{
	run.out[0] = '\0';
	start(false, "keys", verb, path, NULL);
	finish(-1);
}

START_TEST(keys_are_signed)
{
	char authority[128], key[128], request[128], certificate[128];
	struct stat st;
	FILE *text;
	char line[256];

	snprintf(authority, sizeof(authority), "%s/authority.key", run.directory);
	snprintf(key, sizeof(key), "%s/static.key", run.directory);
	snprintf(request, sizeof(request), "%s/request", run.directory);
	snprintf(certificate, sizeof(certificate), "%s/certificate", run.directory);
	keys("generate", authority);
	start(false, "keys", "request", key, request, NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 0);
	ck_assert_int_eq(stat(key, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777u, 0600);
	run.out[0] = '\0';
	start(false, "keys", "sign", authority, request, certificate, "365d", NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 0);
	contains(run.out, "valid until 2");
	text = fopen(certificate, "r");
	ck_assert(text != NULL && fgets(line, sizeof(line), text) != NULL);
	fclose(text);
	contains(line, "authority 9");
	start(false, "keys", "sign", authority, request, certificate, "forever", NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 2);
	contains(run.err, "90m, 24h, 365d");
	start(false, "keys", "sign", authority, key, certificate, "1d", NULL);
	finish(-1);
	ck_assert_int_eq(run.status, 1); /* a secret is no request */
	remove_file("authority.key");
	remove_file("static.key");
	remove_file("request");
	remove_file("certificate");
}
END_TEST

START_TEST(keys_are_made_and_shown)
{
	char path[128], public_text[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/authority.key", run.directory);
	keys("generate", path);
	ck_assert_int_eq(run.status, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777u, 0600);
	/* Base58Check of 01 00 and 32 bytes always begins with a 9 */
	ck_assert_int_eq(run.out[0], '9');
	snprintf(public_text, sizeof(public_text), "%s", run.out);
	keys("public", path);
	ck_assert_int_eq(run.status, 0);
	ck_assert_str_eq(run.out, public_text);
	/* never overwritten */
	keys("generate", path);
	ck_assert_int_eq(run.status, 1);
	contains(run.err, "exists already");
	ck_assert_int_eq(chmod(path, 0644), 0);
	keys("public", path);
	ck_assert_int_eq(run.status, 1);
	contains(run.err, "chmod 600");
	keys("shred", path);
	ck_assert_int_eq(run.status, 2);
	contains(run.err, "expected `generate FILE`");
	remove_file("authority.key");
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static TCase *program_case(void)
{
	TCase *c = tcase_create("program");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, status_is_a_table);
	tcase_add_test(c, status_shows_upstreams);
	tcase_add_test(c, failure_is_said_once);
	tcase_add_test(c, status_on_a_terminal_is_coloured_and_fits);
	tcase_add_test(c, genesis_has_no_age);
	tcase_add_test(c, no_color_is_honoured);
	tcase_add_test(c, json_is_the_raw_result);
	tcase_add_test(c, roles_lists_what_is_installed);
	tcase_add_test(c, not_running_says_what_to_do);
	tcase_add_test(c, refusal_is_status_1);
	tcase_add_test(c, call_prints_the_result);
	tcase_add_test(c, call_refuses_bad_json);
	tcase_add_test(c, what_was_meant);
	tcase_add_test(c, usage_errors_are_status_2);
	tcase_add_test(c, miningos_action);
	tcase_add_test(c, miningos_action_parameters);
	tcase_add_test(c, miningos_actions_parameters);
	tcase_add_test(c, miningos_rack_reboot);
	tcase_add_test(c, miningos_miners);
	tcase_add_test(c, stop_waits_for_the_end);
	tcase_add_test(c, pool_lists_are_taken_in_pages);
	tcase_add_test(c, pool_list_ends_at_the_count);
	tcase_add_test(c, pool_worker_without_an_answer);
	tcase_add_test(c, jdc_status_is_readable);
	tcase_add_test(c, jdc_status_as_json);
	tcase_add_test(c, jdc_lists);
	tcase_add_test(c, jdc_order);
	tcase_add_test(c, events_are_lines);
	tcase_add_test(c, events_as_json_are_one_a_line);
	tcase_add_test(c, events_end_well_on_ctrl_c);
	tcase_add_test(c, watch_joins_the_two_events);
	tcase_add_test(c, watch_on_a_terminal_has_a_live_line);
	tcase_add_test(c, watch_says_when_the_connection_ends);
	tcase_add_loop_test(c, wrong_shapes_are_survived, 0, COUNT(wrong_results) * 5);
	tcase_add_loop_test(c, wrong_shapes_do_not_stop_a_watch, 0, COUNT(wrong_results));
	tcase_add_test(c, number_beyond_64_bits);
	tcase_add_loop_test(c, garbage_is_status_4, 0, 11);
	tcase_add_test(c, deep_nesting_is_refused);
	tcase_add_test(c, endless_line_is_refused);
	tcase_add_test(c, end_of_connection_is_status_3);
	tcase_add_test(c, socket_path);
	tcase_add_test(c, describe_shows_keys_and_methods);
	tcase_add_test(c, node_is_readable);
	tcase_add_test(c, node_without_a_chain);
	tcase_add_test(c, log_level_is_shown_and_set);
	tcase_add_test(c, restart_waits_for_the_new_process);
	tcase_add_test(c, restart_tells_of_a_failure);
	tcase_add_test(c, keys_are_made_and_shown);
	tcase_add_test(c, keys_are_signed);
	return c;
}

static TCase *parts_case(void)
{
	TCase *c = tcase_create("parts");

	tcase_add_test(c, units);
	tcase_add_test(c, durations_and_counts);
	tcase_add_test(c, cleaning);
	tcase_add_test(c, table_is_cut_to_the_terminal);
	tcase_add_test(c, json_is_parsed_strictly);
	tcase_add_test(c, blocks_are_joined_and_bounded);
	tcase_add_test(c, one_line_is_edited);
	return c;
}

int main(void)
{
	Suite *suite = suite_create("aditctl");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, parts_case());
	suite_add_tcase(suite, program_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
