/* SPDX-License-Identifier: MIT */
/*
 * Templates of a real Bitcoin Core over its IPC socket, and blocks back to it. Run by `make
 * check-bitcoind` with a bitcoin-node of version 30 or newer; with another node it is skipped.
 */
#include "config.h"

#include <dirent.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/bitcoind/node.h"
#include "tests/functional/harness.h"

#define MS HARNESS_WAIT_MS
#define BLOCKS 20

/* A way to the node's socket that the test can bend. */
static char link_path[128];

static void bend(const char *to)
{
	char fresh[140];

	if (to == NULL) {
		unlink(link_path);
		return;
	}
	snprintf(fresh, sizeof(fresh), "%s.new", link_path);
	unlink(fresh);
	ck_assert_int_eq(symlink(to, fresh), 0);
	ck_assert_int_eq(rename(fresh, link_path), 0);
}

/* A pool on templates of SOURCE, and a miner of HASHRATE. NODE is the section [node] after its
 * network, KEYS are more lines for [template-provider]. */
static void configure_with(const char *node, const char *source, const char *keys,
			   unsigned hashrate)
{
	snprintf(link_path, sizeof(link_path), "%s/node.sock", harness.directory);
	harness_configure("[host]\nstate_dir = %s/state\nrun_dir = %s\nplugin_dir = %s\n"
			  "log_level = debug\n\n[node]\nnetwork = regtest\n%s\n",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS, node);
	harness_configure("\n[template-provider]\nprocess = templates\nlisten = unix:%s/tdp.sock\n"
			  "source = %s\n%s\n"
			  "\n[sv2-server]\nprocess = mining\nlisten = 127.0.0.1:%u\n"
			  "\n[pool]\nprocess = mining\npayout = " HARNESS_ADDRESS "\n"
			  "template_provider = unix:%s/tdp.sock\n"
			  "shares_per_minute = 600\nmin_difficulty = 0.000000001\n",
			  harness.directory, source, keys, harness.port, harness.directory);
	harness_configure_miner("one", "extended", hashrate);
}

static void configure(const char *source, const char *keys)
{
	char node[400];

	snprintf(node, sizeof(node),
		 "backend = bitcoin-rpc\nrpc_datadir = %s\nrpc_url = http://127.0.0.1:%s/",
		 getenv("BITCOIN_DATADIR"), getenv("BITCOIN_RPCPORT"));
	configure_with(node, source, keys, 8);
}

static void configure_bent(void)
{
	char keys[200];

	snprintf(keys, sizeof(keys), "socket = %s/node.sock\nnode_timeout = 2s", harness.directory);
	configure("bitcoin-ipc, node", keys);
}

static void start(void)
{
	harness_start();
	harness_wait_running();
}

static int64_t accepted(void)
{
	return harness_number("template-provider", "accepted");
}

/* COUNT more blocks of ours become the chain's. */
static void mine(int64_t count)
{
	int64_t height = node_number("getblockcount") + count;
	uint64_t until = clock_monotonic_ms() + harness_limit(120000);

	while (node_number("getblockcount") < height) {
		must(clock_monotonic_ms() < until, "only height %lld was reached, not %lld",
		     (long long)node_number("getblockcount"), (long long)height);
		(void)node_add_transactions();
	}
}

/* --- mining -------------------------------------------------------------------------------------
 */

static bool node_counted(void *user)
{
	int64_t *least = user;

	return harness_number("node", "blocks_accepted") >= *least;
}

/* Each block pays what is due, went over IPC, and was told to the role node. */
START_TEST(blocks_over_ipc)
{
	int64_t base = node_number("getblockcount");
	char keys[300];
	int64_t fees = 0, count;

	snprintf(keys, sizeof(keys), "datadir = %s", getenv("BITCOIN_DATADIR"));
	configure("bitcoin-ipc", keys);
	start();
	mine(BLOCKS);
	count = BLOCKS;
	harness_wait(MS, node_counted, &count, "the role node has counted the blocks");
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
	must(!harness_log_has("could not be submitted over IPC"), "a call for a block failed");
	must(harness_log_has("was accepted over IPC"), "no block went over IPC");
	count = node_number("getblockcount") - base;
	for (int64_t i = 1; i <= count; i++)
		fees += node_check_payout(base + i, PAYOUT_SCRIPT);
	must(fees > 0, "no block had fees");
	printf("%lld blocks over IPC, %lld satoshi of fees\n", (long long)count, (long long)fees);
}
END_TEST

static bool has_height(void *user)
{
	int64_t *height = user;

	return harness_number("template-provider", "height") >= *height;
}

/* Somebody else's block is seen without being asked for. */
START_TEST(a_foreign_block)
{
	char keys[300];
	int64_t height;
	uint64_t before;

	snprintf(keys, sizeof(keys), "datadir = %s\nmin_interval = 1h", getenv("BITCOIN_DATADIR"));
	configure("bitcoin-ipc", keys);
	start();
	mine(1);
	node_generate(1, 0);
	before = clock_monotonic_ms();
	height = node_number("getblockcount") + 1;
	harness_wait(MS, has_height, &height, "the new block is seen");
	printf("a foreign block was seen within %llu ms of its maker's return\n",
	       (unsigned long long)(clock_monotonic_ms() - before));
}
END_TEST

/* --- what can happen to a node ------------------------------------------------------------------
 */

START_TEST(the_node_restarts)
{
	char keys[300];

	snprintf(keys, sizeof(keys), "datadir = %s", getenv("BITCOIN_DATADIR"));
	configure("bitcoin-ipc", keys);
	start();
	mine(2);
	node_restart();
	mine(3);
	must(harness_log_has("no template from the node"), "the restart went unnoticed");
	harness_wait_status(" clients");
	must(harness_log_has("was accepted over IPC"), "no block went over IPC");
}
END_TEST

/* 30.0 and the branch of 31 end with an assertion or a segmentation fault when a connection is
 * closed on which they have calls to answer. */
static bool node_outlives_clients(void)
{
	return node_version() >= 319900;
}

/* A node that takes connections and calls and answers nothing: clients keep their work, status says
 * so, and when it goes on so does mining. */
START_TEST(the_node_hangs)
{
	char keys[300];
	int64_t height, before;
	pid_t pid = node_pid();

	if (!node_outlives_clients()) {
		printf("a node of this version ends when a client leaves it while it hangs\n");
		return;
	}
	snprintf(keys, sizeof(keys), "datadir = %s\nnode_timeout = 2s", getenv("BITCOIN_DATADIR"));
	configure("bitcoin-ipc", keys);
	start();
	mine(1);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	harness_wait_status("the node has not answered for 2000 ms");
	harness_wait_status(" clients; the node is away (");
	height = harness_number("template-provider", "height");
	must(height > 0, "the last template was given up");
	before = accepted();
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	must(before >= 0, "the template provider does not answer");
	mine(3);
	harness_wait_number("template-provider", "accepted", before + 1, MS);
}
END_TEST

/* No socket at first: the other source serves. With the socket the preferred one gets its place. */
START_TEST(stand_in_and_return)
{
	configure_bent();
	start();
	harness_wait_status(" from node to ");
	harness_wait_status("bitcoin-ipc: no socket ");
	mine(2);
	must(!harness_log_has("was accepted over IPC"), "a block went over no socket");
	bend(getenv("BITCOIN_IPC"));
	harness_wait_log("templates come from bitcoin-ipc now");
	mine(3);
	harness_wait_log("was accepted over IPC");
}
END_TEST

/* A listening socket that takes connections, and nothing more. */
static int deaf_socket(char path[108])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, 108, "%s/deaf.sock", harness.directory);
	memcpy(address.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	return fd;
}

START_TEST(the_socket_is_replaced)
{
	char path[108];
	int fd = deaf_socket(path);

	configure_bent();
	bend(getenv("BITCOIN_IPC"));
	start();
	mine(2);
	harness_wait_log("was accepted over IPC");
	bend(path);
	harness_wait_log("is another socket now");
	harness_wait_log("the node has not answered for 2000 ms");
	harness_wait_status(" from node to ");
	mine(2);
	bend(getenv("BITCOIN_IPC"));
	harness_wait_log("templates come from bitcoin-ipc now");
	mine(2);
	close(fd);
}
END_TEST

/* [node] stays on regtest: only the source is told otherwise. */
START_TEST(another_network)
{
	static const char *const networks[] = {"main", "testnet4"};
	static const char *const complaints[] = {
	    "is on a test network, but network = main",
	    "is on regtest, but network = testnet4",
	};
	char keys[300];

	snprintf(keys, sizeof(keys), "socket = %s\nnetwork = %s", getenv("BITCOIN_IPC"),
		 networks[_i]);
	configure("bitcoin-ipc", keys);
	start();
	harness_wait_status(complaints[_i]);
	must(harness_number("template-provider", "height") == 0, "a template was served");
}
END_TEST

/* --- blocks of an earlier run -------------------------------------------------------------------
 */

#define LEFT_MAX 64

/* What the template provider had noted when it was killed. */
static struct {
	char hashes[LEFT_MAX][65];
	size_t count;
} left;

static size_t look_for_blocks(void)
{
	char path[300];
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/state/template-provider", harness.directory);
	d = opendir(path);
	left.count = 0;
	while (d != NULL && left.count < LEFT_MAX && (entry = readdir(d)) != NULL) {
		if (sscanf(entry->d_name, "block-%64[0-9a-f].hex", left.hashes[left.count]) == 1)
			left.count++;
	}
	if (d != NULL)
		closedir(d);
	return left.count;
}

static bool is_left(void *user)
{
	(void)user;
	return look_for_blocks() > 0;
}

static bool one_was_taken(void *user)
{
	char line[128];

	(void)user;
	for (size_t i = 0; i < left.count; i++) {
		snprintf(line, sizeof(line), "block %s was accepted over IPC", left.hashes[i]);
		if (harness_log_has(line))
			return true;
	}
	return false;
}

/* A block is found while the node is away, and the role is killed: the next run gives it to the
 * node over IPC, when that is back. The role node is on another chain and refuses it. */
START_TEST(a_block_of_an_earlier_run)
{
	char keys[300];
	int64_t height;
	pid_t before;

	snprintf(keys, sizeof(keys), "datadir = %s\nnode_timeout = 2s", getenv("BITCOIN_DATADIR"));
	configure_with("backend = embedded", "bitcoin-ipc", keys, 20);
	start();
	height = 1;
	harness_wait(MS, has_height, &height, "there is a template");
	height = node_number("getblockcount");
	free(node_text("stop"));
	harness_wait_status("the node is away");
	harness_wait(MS, is_left, NULL, "a block waits for the node");
	before = harness_pid("template-provider");
	ck_assert_int_eq(kill(before, SIGKILL), 0);
	harness_wait_log("killed by signal 9");
	(void)look_for_blocks();
	harness_wait(MS, one_was_taken, NULL, "a block of the earlier run is taken over IPC");
	must(node_number("getblockcount") > height, "the chain is no longer than before");
}
END_TEST

/* --- the socket's permissions -------------------------------------------------------------------
 */

/* The socket is for nobody, then for its owner again. Root may open it whatever it is; so aditd is
 * started without that right. */
START_TEST(permission_denied)
{
	const char *ipc = getenv("BITCOIN_IPC");
	char keys[300];
	struct stat st;

	ck_assert_int_eq(stat(ipc, &st), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0), 0);
		ck_assert_int_eq(prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0), 0);
	}
	snprintf(keys, sizeof(keys), "datadir = %s", getenv("BITCOIN_DATADIR"));
	configure("bitcoin-ipc", keys);
	ck_assert_int_eq(chmod(ipc, 0), 0);
	start();
	harness_wait_status("may not be opened: it is for the node's own user");
	ck_assert_int_eq(chmod(ipc, st.st_mode & 07777), 0);
	mine(2);
	harness_wait_log("was accepted over IPC");
}
END_TEST

/* --- initial download ---------------------------------------------------------------------------
 */

/* A node of testnet4 that knows nobody. */
static pid_t start_lonely_node(void)
{
	char datadir[200];
	pid_t pid = fork();

	snprintf(datadir, sizeof(datadir), "-datadir=%s", harness.directory);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(getenv("BITCOIN_NODE"), "bitcoin-node", "-testnet4", datadir, "-ipcbind=unix",
		      "-connect=0", "-listen=0", "-dnsseed=0", "-fixedseeds=0", "-networkactive=0",
		      "-server=0", "-printtoconsole=0", (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(pid, 0);
	return pid;
}

START_TEST(initial_download)
{
	char keys[300];
	pid_t pid = start_lonely_node();

	snprintf(keys, sizeof(keys), "network = testnet4\ndatadir = %s", harness.directory);
	configure_with("backend = embedded", "bitcoin-ipc", keys, 1);
	start();
	harness_wait_status("waiting for the node: initial block download: height 0");
	must(harness_number("template-provider", "height") == 0, "a template was served");
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

static void make_first_blocks(void)
{
	node_generate(150, 0);
}

static TCase *beginnings(void)
{
	TCase *tcase = tcase_create("beginnings");

	tcase_set_timeout(tcase, 0);
	tcase_add_unchecked_fixture(tcase, make_first_blocks, NULL);
	tcase_add_checked_fixture(tcase, harness_setup, harness_teardown);
	tcase_add_test(tcase, a_block_of_an_earlier_run);
	tcase_add_test(tcase, permission_denied);
	tcase_add_test(tcase, initial_download);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("bitcoin-ipc");
	TCase *tcase = tcase_create("bitcoin-ipc");
	const char *ipc = getenv("BITCOIN_IPC");
	SRunner *runner;
	int failed;

	if (getenv("BITCOIN_CLI") == NULL) {
		fprintf(stderr, "run this by: make check-bitcoind BITCOIN_NODE=PATH\n");
		return 77;
	}
	if (ipc == NULL || ipc[0] == '\0') {
		printf("this node has no IPC: nothing to test\n");
		return EXIT_SUCCESS;
	}
	tcase_set_timeout(tcase, 0);
	tcase_add_unchecked_fixture(tcase, make_first_blocks, NULL);
	tcase_add_checked_fixture(tcase, harness_setup, harness_teardown);
	tcase_add_test(tcase, blocks_over_ipc);
	tcase_add_test(tcase, a_foreign_block);
	tcase_add_test(tcase, the_node_restarts);
	tcase_add_test(tcase, the_node_hangs);
	tcase_add_test(tcase, stand_in_and_return);
	tcase_add_test(tcase, the_socket_is_replaced);
	tcase_add_loop_test(tcase, another_network, 0, 2);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, beginnings());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_VERBOSE);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
