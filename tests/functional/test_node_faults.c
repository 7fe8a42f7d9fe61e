/* SPDX-License-Identifier: MIT */
/*
 * aditd on a node whose RPC fails in many ways: what an operator reads in `aditctl node` names what
 * is wrong and the key to look at, the daemon runs on, and mining goes on by itself when the node
 * is well. The node is the one of the unit tests, in a process of its own.
 */
#include "config.h"

#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"
#include "tests/unit/mock_node.h"

/* As `aditctl node` has them. */
#define READY "state           ready"
#define CONNECTING "state           connecting"

/* What the test tells the node to do. */
struct order {
	enum {
		HEAL,
		BODY,
		STATUS,
		HANG,
		DROP,
		FLOOD,
		NETWORK,
		COOKIE,
		NEW_COOKIE,
		DOWN,
		UP,
		BLOCK,
		REORG
	} what;
	int number;
	char text[128];
};

struct birth {
	uint16_t port;
	char cookie[128];
};

static struct mock_node mock;
static pid_t node;
static int orders = -1;
static struct birth birth;

/* --- the node's process -------------------------------------------------------------------------
 */

static void obey(const struct order *order)
{
	static struct order kept; /* the node borrows its text */

	kept = *order;
	switch (order->what) {
	case HEAL:
		mock_node_heal(&mock);
		mock.network = "regtest";
		break;
	case BODY:
		mock.body = kept.text;
		break;
	case STATUS:
		mock.http_status = order->number;
		break;
	case HANG:
		mock.hold = true;
		break;
	case DROP:
		mock.drop = (unsigned)order->number;
		break;
	case FLOOD:
		mock.flood = (size_t)order->number;
		break;
	case NETWORK:
		mock.network = kept.text;
		break;
	case COOKIE:
		mock_node_write_cookie(&mock, order->text);
		break;
	case NEW_COOKIE:
		snprintf(mock.user_password, sizeof(mock.user_password), "%s", order->text);
		mock_node_write_cookie(&mock, order->text);
		break;
	case DOWN:
		mock_node_down(&mock);
		break;
	case UP:
		mock_node_up(&mock);
		break;
	case BLOCK:
		mock_node_add_block(&mock, (uint32_t)order->number);
		break;
	default:
		mock_node_reorganise(&mock, 2, (uint32_t)order->number);
		break;
	}
}

static void on_order(evutil_socket_t fd, short what, void *user)
{
	struct order order;
	ssize_t size = recv(fd, &order, sizeof(order), 0);

	(void)what;
	if (size != (ssize_t)sizeof(order)) {
		event_base_loopbreak(user);
		return;
	}
	obey(&order);
	/* So that the test knows that it is so. */
	(void)!send(fd, "", 1, MSG_NOSIGNAL);
}

static void run_node(int fd)
{
	struct event_base *base = event_base_new();
	struct event *event = event_new(base, fd, EV_READ | EV_PERSIST, on_order, base);

	mock_node_init(&mock, base);
	for (uint32_t i = 3; i < 8; i++)
		mock_node_add_block(&mock, i);
	birth.port = mock.port;
	snprintf(birth.cookie, sizeof(birth.cookie), "%s", mock.cookie);
	(void)!send(fd, &birth, sizeof(birth), MSG_NOSIGNAL);
	event_add(event, NULL);
	event_base_dispatch(base);
	mock_node_free(&mock);
	_exit(0);
}

static void setup(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	node = fork();
	ck_assert_int_ge(node, 0);
	if (node == 0) {
		close(pair[0]);
		run_node(pair[1]);
	}
	close(pair[1]);
	orders = pair[0];
	ck_assert_int_eq(recv(orders, &birth, sizeof(birth), 0), (int)sizeof(birth));
	harness_setup();
	harness.beside = true;
}

static void teardown(void)
{
	int status;

	harness_teardown();
	close(orders);
	ck_assert_int_eq(waitpid(node, &status, 0), node);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void tell(struct order order)
{
	char done;

	ck_assert_int_eq(send(orders, &order, sizeof(order), MSG_NOSIGNAL), (int)sizeof(order));
	ck_assert_int_eq(recv(orders, &done, 1, 0), 1);
}

static void heal(void)
{
	tell((struct order){.what = HEAL});
}

/* --- the operator -------------------------------------------------------------------------------
 */

static bool is_read(const char *text)
{
	char *output;
	bool found;

	(void)harness_aditctl("node", &output);
	found = strstr(output, text) != NULL;
	free(output);
	return found;
}

static void must_read(const char *text)
{
	uint64_t end = clock_monotonic_ms() + harness_limit(HARNESS_WAIT_MS);
	char *output;

	while (!is_read(text)) {
		if (clock_monotonic_ms() < end) {
			poll(NULL, 0, 100);
			continue;
		}
		(void)harness_aditctl("node", &output);
		must(false, "`%s` is not in what aditctl node says: %s", text, output);
	}
}

static void must_be_well(void)
{
	heal();
	must_read(READY);
}

static void configure(void)
{
	harness_configure("[host]\nstate_dir = %s/state\nrun_dir = %s\nplugin_dir = %s\n\n"
			  "[node]\nbackend = bitcoin-rpc\nnetwork = regtest\n"
			  "rpc_cookie_file = %s\nrpc_url = http://127.0.0.1:%u/\n"
			  "tip_interval = 100ms\nrpc_timeout = 1s\n",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS, birth.cookie,
			  birth.port);
}

static const struct {
	struct order order;
	const char *text;
} faults[] = {
    {{BODY, 0, "<html>"}, "rpc_url leads to"},
    {{BODY, 0, "{\"result\":{\"chain\":"}, "not JSON-RPC"},
    {{BODY, 0, "{\"result\":{\"chain\":7,\"blocks\":\"x\"}}"}, "fields are missing"},
    {{STATUS, 302, ""}, "rpc_url has to lead to the node itself"},
    {{STATUS, 403, ""}, "rpcallowip"},
    {{STATUS, 503, ""}, "too many requests"},
    {{HANG, 0, ""}, "timed out"},
    {{DROP, 1000, ""}, CONNECTING},
    {{FLOOD, 40 << 20, ""}, "too large"},
    {{NETWORK, 0, "main"}, "is on main, but network = regtest"},
    {{COOKIE, 0, "nonsense"}, "see rpc_cookie_file"},
    {{DOWN, 0, ""}, "http://127.0.0.1:"},
};

/* One after the other, with the same daemon, which never restarts anything. */
START_TEST(faults_are_read_and_pass)
{
	pid_t pid;

	configure();
	harness_start();
	must_read(READY);
	pid = harness_pid("node");
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		tell(faults[i].order);
		must_read(faults[i].text);
		if (faults[i].order.what == DOWN)
			tell((struct order){.what = UP});
		if (faults[i].order.what == COOKIE)
			tell((struct order){.what = NEW_COOKIE, .text = "__cookie__:another"});
		must_be_well();
	}
	must(harness_pid("node") == pid, "the role node was restarted");
	harness_stop();
}
END_TEST

static bool at_height(void *user)
{
	return harness_number("node", "height") == *(int64_t *)user;
}

static void wait_height(int64_t height)
{
	harness_wait(HARNESS_WAIT_MS, at_height, &height, "the height is seen");
}

/* The node is there after the daemon, goes, and comes back with another chain and another cookie.
 */
START_TEST(a_node_comes_goes_and_returns)
{
	int64_t height = 7;

	tell((struct order){.what = DOWN});
	configure();
	harness_start();
	must_read(CONNECTING);
	tell((struct order){.what = UP});
	must_read(READY);
	wait_height(height);
	tell((struct order){.what = BLOCK, .number = 50});
	wait_height(++height);
	tell((struct order){.what = REORG, .number = 60});
	wait_height(++height);
	must(harness_log_has("left the best chain"), "the reorganisation went unnoticed");
	must(harness_log_has("reorganisation from"), "the reorganisation went unnoticed");
	tell((struct order){.what = DOWN});
	must_read(CONNECTING);
	tell((struct order){.what = REORG, .number = 70});
	tell((struct order){.what = NEW_COOKIE, .text = "__cookie__:after the restart"});
	tell((struct order){.what = UP});
	must_read(READY);
	wait_height(++height);
	harness_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node faults");
	TCase *tcase = tcase_create("node faults");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, HARNESS_TEST_S);
	tcase_add_test(tcase, faults_are_read_and_pass);
	tcase_add_test(tcase, a_node_comes_goes_and_returns);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
