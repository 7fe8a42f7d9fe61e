/* SPDX-License-Identifier: MIT */
/*
 * A pool on templates of bitcoin-ipc, through a real aditd, against the fake node of
 * tests/capnp/fakenode.cc: each dialect, and what a node can do wrong. The fake node verifies proof
 * of work, merkle root and parameters by code of its own.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "tests/functional/harness.h"

#define MS HARNESS_WAIT_MS
#define TIMEOUT "2s"

static const char *const dialects[] = {"v30", "v31", "v32"};
/* Which number of submitSolution the last block must have come by. */
static const int ordinals[] = {9, 7, 10};

static struct {
	pid_t pid;
	int orders;    /* its standard input */
	FILE *answers; /* its standard output */
	char socket[108];
	unsigned templates;
	unsigned accepted;
	unsigned refused;
	int by;
	unsigned left;
} node;

/* --- the fake node ------------------------------------------------------------------------------
 */

static bool is_there(void *user)
{
	struct stat st;

	(void)user;
	return stat(node.socket, &st) == 0;
}

static void start_node_as(const char *dialect, const char *how)
{
	int in[2], out[2];

	snprintf(node.socket, sizeof(node.socket), "%s/node.sock", harness.directory);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	node.pid = fork();
	if (node.pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(FAKE_NODE, FAKE_NODE, node.socket, dialect, how, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(node.pid, 0);
	close(in[0]);
	close(out[1]);
	node.orders = in[1];
	node.answers = fdopen(out[0], "r");
	harness_wait(MS, is_there, NULL, "the fake node listens");
}

static void start_node(const char *dialect)
{
	start_node_as(dialect, NULL);
}

static void order(const char *line)
{
	char text[256];

	ck_assert_int_eq(dprintf(node.orders, "%s\n", line), (int)strlen(line) + 1);
	must(fgets(text, sizeof(text), node.answers) != NULL, "the fake node is gone");
	must(sscanf(text, "templates=%u accepted=%u refused=%u by=%d left=%u", &node.templates,
		    &node.accepted, &node.refused, &node.by, &node.left) == 5,
	     "the fake node says %s", text);
}

static void stop_node(void)
{
	int status;

	if (node.pid == 0)
		return;
	close(node.orders);
	fclose(node.answers);
	ck_assert_int_eq(waitpid(node.pid, &status, 0), node.pid);
	node.pid = 0;
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the fake node failed");
}

static void setup(void)
{
	harness_setup();
}

static void teardown(void)
{
	stop_node();
	harness_teardown();
}

/* --- the pool -----------------------------------------------------------------------------------
 */

/* HASHRATE of the miner, of which every second hash is a block; 0: none. */
static void start_pool(const char *source, unsigned hashrate)
{
	snprintf(node.socket, sizeof(node.socket), "%s/node.sock", harness.directory);
	harness_configure("[host]\nstate_dir = %s/state\nrun_dir = %s\nplugin_dir = %s\n"
			  "log_level = debug\n\n[node]\nbackend = embedded\nnetwork = regtest\n",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS);
	harness_configure("\n[template-provider]\nprocess = templates\nlisten = unix:%s/tdp.sock\n"
			  "source = %s\nsocket = %s\nnode_timeout = " TIMEOUT "\n"
			  "\n[sv2-server]\nprocess = mining\nlisten = 127.0.0.1:%u\n"
			  "\n[pool]\nprocess = mining\npayout = " HARNESS_ADDRESS "\n"
			  "template_provider = unix:%s/tdp.sock\n"
			  "shares_per_minute = 600\nmin_difficulty = 0.000000001\n",
			  harness.directory, source, node.socket, harness.port, harness.directory);
	if (hashrate > 0)
		harness_configure_miner("one", "extended", hashrate);
	harness_start();
	harness_wait_running();
}

static bool node_has(void *least)
{
	order("count");
	return node.accepted >= *(unsigned *)least;
}

/* The fake node takes COUNT more blocks of ours. */
static void mine(unsigned count)
{
	unsigned least;

	order("count");
	least = node.accepted + count;
	harness_wait(MS, node_has, &least, "the fake node accepts more blocks");
}

static void must_be_well(void)
{
	must(!harness_log_has(" error "), "an error was logged");
	must(!harness_log_has("ModuleCrashed") && !harness_log_has("killed by"),
	     "something crashed");
}

/* --- the tests ----------------------------------------------------------------------------------
 */

/* Blocks get through by the right number, and no template stays at the node longer than it must. */
START_TEST(each_dialect)
{
	start_node(dialects[_i]);
	start_pool("bitcoin-ipc", 20);
	mine(10);
	order("count");
	must(node.by == ordinals[_i], "the last block came by number %d", node.by);
	must(node.refused == 0, "%u blocks were refused", node.refused);
	harness_wait_number("template-provider", "accepted", 10, MS);
	must(!harness_log_has("could not be submitted over IPC") &&
		 !harness_log_has("no answer over IPC"),
	     "a call for a block failed");
	must_be_well();
}
END_TEST

/* A node that has just been started is left alone for a while if it could not bear to be asked. */
START_TEST(a_young_node)
{
	start_node_as(dialects[_i], "young");
	start_pool("bitcoin-ipc", 20);
	mine(1);
	must_be_well();
}
END_TEST

/* A real node may end when waitNext finds a template for a client that has left. */
START_TEST(nothing_is_left_under_way)
{
	const struct timespec pause = {0, 20000000};
	uint64_t until;

	start_node(dialects[_i]);
	start_pool("bitcoin-ipc", 0);
	harness_wait_number("template-provider", "height", 201, MS);
	harness.beside = true; /* the fake node */
	harness_stop();
	until = clock_monotonic_ms() + harness_limit(MS);
	do {
		must(clock_monotonic_ms() < until, "the node does not see that its client left");
		nanosleep(&pause, NULL);
		order("count");
	} while (node.templates > 0 && node.left == 0);
	must(node.left == 0, "left with waitNext under way");
	must_be_well();
}
END_TEST

static bool few_templates(void *user)
{
	(void)user;
	order("count");
	return node.templates <= 3;
}

/* Templates of tips that are gone are given back, ten seconds after it. */
START_TEST(templates_are_destroyed)
{
	start_node("v32");
	start_pool("bitcoin-ipc", 0);
	harness_wait_number("template-provider", "height", 201, MS);
	for (int i = 0; i < 30; i++)
		order("tip");
	harness_wait_number("template-provider", "height", 231, MS);
	harness_wait(MS, few_templates, NULL, "the node is rid of old templates");
	must_be_well();
}
END_TEST

/* What a node can do wrong, and what the administrator reads then. */
static const struct {
	const char *fault;
	const char *said;
} faults[] = {
    {"hang", "the node has not answered for "}, {"cut", "the peer closed the connection"},
    {"exception", "Mining.createNewBlock: "},   {"unimplemented", "BlockTemplate.getTxSigops: "},
    {"types", "template of the node: "},        {"garbage", "the node is away ("},
};

/* The last work stays, the reason is shown, nothing crashes, and mining goes on when it is over. */
static void suffer(const char *dialect, const char *fault, const char *said)
{
	char line[64];
	pid_t before;

	start_node(dialect);
	start_pool("bitcoin-ipc", 20);
	mine(2);
	before = harness_pid("template-provider");
	snprintf(line, sizeof(line), "fault %s", fault);
	order(line);
	order("tip");
	/* An exception in createNewBlock is met when a session begins. */
	if (strcmp(fault, "exception") == 0) {
		order("fault cut");
		order("tip");
		harness_wait_status("the node is away (");
		order(line);
	}
	harness_wait_status(said);
	harness_wait_status("serving height ");
	must(harness_number("template-provider", "height") > 0, "the last work was given up");
	order("fault none");
	order("tip");
	mine(3);
	must(harness_pid("template-provider") == before, "the role was started again");
}

START_TEST(faults_of_the_node)
{
	const int count = (int)(sizeof(faults) / sizeof(faults[0]));

	suffer(dialects[_i / count], faults[_i % count].fault, faults[_i % count].said);
}
END_TEST

START_TEST(a_slow_node)
{
	start_node(dialects[_i]);
	order("fault slow");
	start_pool("bitcoin-ipc", 20);
	mine(3);
	must_be_well();
}
END_TEST

/* submitSolution fails: v32 takes the whole block over IPC; with v31 it is for the role node, whose
 * chain here is another one. Neither ends anything. */
START_TEST(submit_that_fails)
{
	start_node("v32");
	order("fault submit");
	start_pool("bitcoin-ipc", 20);
	mine(3);
	must(node.by == 107, "the block came by number %d", node.by);
	harness_wait_log("was accepted over IPC");
	must_be_well();
}
END_TEST

START_TEST(submit_that_fails_before_v32)
{
	start_node("v31");
	order("fault submit");
	start_pool("bitcoin-ipc", 20);
	harness_wait_log(" could not be submitted over IPC");
	harness_wait_log("was rejected by the node: ");
	order("fault none");
	order("tip");
	mine(2);
	must(node.by == 7, "the block came by number %d", node.by);
	must_be_well();
}
END_TEST

/* The name of the first block of which the log says AFTER. */
static void wait_for_block(const char *after, char hash[65])
{
	char line[1024], *at = NULL;
	FILE *log;

	harness_wait_log(after);
	log = fopen(harness.log, "r");
	while (log != NULL && at == NULL && fgets(line, sizeof(line), log) != NULL)
		at = strstr(line, after);
	must(at != NULL && at - line > 64, "no line says%s of a block", after);
	memcpy(hash, at - 64, 64);
	hash[64] = '\0';
	fclose(log);
}

static void must_be_accepted(const char *hash)
{
	char line[128];

	snprintf(line, sizeof(line), "block %s was accepted over IPC", hash);
	harness_wait_log(line);
}

/* The session ends while a block is on its way, and the role node is on another chain: the node
 * gets the block again as soon as it is back. Before v32 it must have the same transactions still,
 * or there be none. */
START_TEST(session_lost_with_a_block)
{
	char hash[65];

	start_node(dialects[_i / 2]);
	if (_i % 2 == 1)
		order("load 0");
	order("fault drop once");
	start_pool("bitcoin-ipc", 1);
	wait_for_block(" could not be submitted over IPC", hash);
	must_be_accepted(hash);
	must_be_well();
}
END_TEST

/* A node that never takes a solution takes whole blocks. */
START_TEST(session_lost_with_each_solution)
{
	start_node("v32");
	order("fault drop");
	start_pool("bitcoin-ipc", 5);
	mine(2);
	must(node.by == 107, "the block came by number %d", node.by);
	must_be_well();
}
END_TEST

/* A verdict after the three seconds counts, whatever the role node says meanwhile. */
START_TEST(a_late_verdict)
{
	char hash[65], line[128];

	start_node(dialects[_i]);
	order("fault late");
	start_pool("bitcoin-ipc", 1);
	wait_for_block(": no answer over IPC within", hash);
	must_be_accepted(hash);
	snprintf(line, sizeof(line), "block %s was rejected", hash);
	must(!harness_log_has(line), "the role node's word counted");
	must_be_well();
}
END_TEST

/* With transactions that the node has not (any more), a version before v32 can't take it. */
START_TEST(other_transactions_before_v32)
{
	char hash[65], line[128];

	start_node(dialects[_i]);
	order("fault drop");
	start_pool("bitcoin-ipc", 1);
	wait_for_block(" could not be submitted over IPC", hash);
	order("load 5");
	order("fault none");
	snprintf(line, sizeof(line), "block %s was not taken over IPC: this version", hash);
	harness_wait_log(line);
	mine(1);
	must_be_well();
}
END_TEST

/* A block on the fake node's first tip, noted as by a run before this one. FILE gets its path, HASH
 * its name. */
static void leave_a_block(char file[512], char hash[65])
{
	uint8_t block[200] = {0, 0, 0, 0x20}, digest[32];
	char hex[2 * sizeof(block) + 1], directory[400];
	FILE *out;

	do {
		block[76]++;
		sha256d_header(block, digest);
	} while (digest[31] > 0x7f);
	hex_encode_reversed(digest, 32, hash);
	snprintf(directory, sizeof(directory), "%s/state", harness.directory);
	must(mkdir(directory, 0700) == 0 || errno == EEXIST, "no %s", directory);
	snprintf(directory, sizeof(directory), "%s/state/template-provider", harness.directory);
	must(mkdir(directory, 0700) == 0 || errno == EEXIST, "no %s", directory);
	snprintf(file, 512, "%s/block-%s.hex", directory, hash);
	out = fopen(file, "w");
	must(out != NULL, "no %s", file);
	hex_encode(block, sizeof(block), hex);
	fprintf(out, "%s\n", hex);
	fclose(out);
}

static bool is_gone(void *path)
{
	return access(path, F_OK) != 0;
}

/* A block of an earlier run goes to the node that templates come from, even when that is there
 * later than the role node, whose chain is another one and refuses it. */
START_TEST(a_block_of_an_earlier_run)
{
	char file[512], hash[65], line[128];
	bool late = _i % 2 == 1, second = _i >= 2;

	leave_a_block(file, hash);
	if (!late)
		start_node("v32");
	start_pool(second ? "node, bitcoin-ipc" : "bitcoin-ipc", 0);
	if (late) {
		harness_wait_status("no socket ");
		harness_wait_number("template-provider", "pending", 1, MS);
		start_node("v32");
	}
	snprintf(line, sizeof(line), "block %s was accepted over IPC", hash);
	harness_wait_log(line);
	harness_wait(MS, is_gone, file, "the block's file is removed");
	order("count");
	must(node.accepted == 1 && node.by == 107, "%u blocks, by number %d", node.accepted,
	     node.by);
	must(!harness_log_has("was rejected"), "the block was rejected");
	must(!second || !harness_log_has("templates come from"), "the source was changed");
	must_be_well();
}
END_TEST

/* A node that takes no whole blocks: the role node's word is the last, as ever. */
START_TEST(a_block_of_an_earlier_run_before_v32)
{
	char file[512], hash[65], line[128];

	leave_a_block(file, hash);
	start_node("v31");
	start_pool("bitcoin-ipc", 0);
	snprintf(line, sizeof(line), "block %s was rejected by the node: ", hash);
	harness_wait_log(line);
	harness_wait(MS, is_gone, file, "the block's file is removed");
	must_be_well();
}
END_TEST

static bool is_full(void *user)
{
	(void)user;
	return harness_number("template-provider", "tx_count") == 4990;
}

/* 4,000,000 weight units with what is reserved: taken, mined on and submitted; the empty template
 * goes ahead of it. */
START_TEST(a_full_block)
{
	start_node(dialects[_i]);
	order("load 4990");
	start_pool("bitcoin-ipc", 20);
	harness_wait(MS, is_full, NULL, "the whole template is there");
	mine(3);
	must_be_well();
}
END_TEST

/* On a network whose nodes have others to catch up with; then it turns out that it is not on it. */
START_TEST(initial_download_and_another_network)
{
	start_node(dialects[_i]);
	order("fault download");
	start_pool("bitcoin-ipc\nnetwork = testnet4", 0);
	harness_wait_status("waiting for the node: initial block download: height 200");
	order("fault none");
	harness_wait_status(" is on regtest, but network = testnet4");
	must_be_well();
}
END_TEST

/* The node goes and comes back in another version; the role node's chain stands in meanwhile. */
START_TEST(another_version_after_a_restart)
{
	start_node("v31");
	start_pool("bitcoin-ipc, node", 20);
	mine(2);
	stop_node();
	harness_wait_status("bitcoin-ipc: ");
	start_node("v30");
	harness_wait_log("which speaks v30");
	mine(2);
	must(node.by == 9, "the block came by number %d", node.by);
}
END_TEST

/* Not even a conversation: any bytes, at once and for each connection other ones. */
START_TEST(noise)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint8_t bytes[3000];
	uint32_t seed = 1;
	pid_t before;
	int listener, fd;

	snprintf(node.socket, sizeof(node.socket), "%s/node.sock", harness.directory);
	memcpy(address.sun_path, node.socket, strlen(node.socket) + 1);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	start_pool("bitcoin-ipc, node", 20);
	before = harness_pid("template-provider");
	for (int i = 0; i < 8; i++) {
		struct pollfd p = {.fd = listener, .events = POLLIN};

		must(poll(&p, 1, (int)harness_limit(MS)) == 1, "no connection came");
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		for (size_t n = 0; n < sizeof(bytes); n++) {
			seed = seed * 1664525 + 1013904223;
			/* Every second time something like the head of a message goes ahead. */
			bytes[n] = i % 2 == 0 || n >= 8 ? (uint8_t)(seed >> 24)
							: (uint8_t)(n == 4 ? 40 + i : 0);
		}
		(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	harness_wait_status("bitcoin-ipc: ");
	harness_wait_status(" from node to ");
	must(harness_pid("template-provider") == before, "the role was started again");
	close(listener);
	must_be_well();
}
END_TEST

static TCase *blocks_that_come_again(void)
{
	TCase *c = tcase_create("blocks that come again");

	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, session_lost_with_a_block, 0, 6);
	tcase_add_test(c, session_lost_with_each_solution);
	tcase_add_loop_test(c, a_late_verdict, 0, 3);
	tcase_add_loop_test(c, other_transactions_before_v32, 0, 2);
	tcase_add_loop_test(c, a_block_of_an_earlier_run, 0, 4);
	tcase_add_test(c, a_block_of_an_earlier_run_before_v32);
	return c;
}

int main(void)
{
	Suite *suite = suite_create("a node over IPC");
	TCase *c = tcase_create("a node over IPC");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, each_dialect, 0, 3);
	tcase_add_loop_test(c, a_young_node, 0, 3);
	tcase_add_loop_test(c, nothing_is_left_under_way, 0, 3);
	tcase_add_test(c, templates_are_destroyed);
	/* In each dialect. */
	tcase_add_loop_test(c, faults_of_the_node, 0,
			    3 * (int)(sizeof(faults) / sizeof(faults[0])));
	tcase_add_loop_test(c, a_slow_node, 0, 3);
	tcase_add_test(c, submit_that_fails);
	tcase_add_test(c, submit_that_fails_before_v32);
	tcase_add_loop_test(c, a_full_block, 0, 3);
	tcase_add_loop_test(c, initial_download_and_another_network, 0, 3);
	tcase_add_test(c, another_version_after_a_restart);
	tcase_add_test(c, noise);
	suite_add_tcase(suite, c);
	suite_add_tcase(suite, blocks_that_come_again());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
