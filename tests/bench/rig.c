/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/aditctl/json.h"
#include "tests/bench/bench.h"
#include "tests/bench/swarm.h"

/* About a million hashes a block: a tenth of a second for the node, and a share is a block once in
 * a million. */
#define NBITS "1e0fffff"
#define NBITS_EASY "207fffff" /* what regtest begins with */
/* Every hash is a share: the load generator would else take more of the machine than the server. */
#define DIFFICULTY "0.000000000001"
#define PAYOUT "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define TRANSACTIONS_LEAST 2100 /* 2,048 and a few make 12 levels */
#define SPARE 200               /* connections and descriptors besides those that are asked for */

uint16_t rig_free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) != 0)
		bench_broken("no port");
	(void)close(fd);
	return ntohs(at.sin_port);
}

/* Also for aditd, which inherits it. */
static void lift_descriptors(size_t connections)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		bench_broken("RLIMIT_NOFILE");
	if (files.rlim_max < connections + SPARE) {
		fprintf(stderr,
			"adit-bench: %zu connections, but the hard limit of open files is %llu\n",
			connections, (unsigned long long)files.rlim_max);
		bench_broken("raise it: ulimit -Hn");
	}
	if (files.rlim_cur >= connections + SPARE)
		return;
	fprintf(stderr, "adit-bench: lifted: open files %llu -> %llu\n",
		(unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_max);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		bench_broken("RLIMIT_NOFILE");
}

static void say_lifted(const struct rig_kind *k)
{
	fprintf(stderr,
		"adit-bench: lifted: max_connections 4096 -> %zu, max_handshakes 512 -> %zu,"
		" fixed_difficulty " DIFFICULTY
		", max_share_rate 20000 -> 0, template-provider: min_interval 5s -> 0,"
		" fee_threshold 1000 -> 0, empty_first 1000 -> %u\n",
		k->connections + SPARE, k->connections + SPARE, k->empty_first);
}

static void configure_source(const struct rig *r, const struct rig_kind *k)
{
	const struct daemon *d = &r->daemon;

	daemon_configure(d,
			 "[node]\nbackend = embedded\nnetwork = regtest\n"
			 "embedded_nbits = %s\nembedded_tx_interval = 0\n"
			 "embedded_mempool = 5000\n",
			 k->easy ? NBITS_EASY : NBITS);
	daemon_configure(d,
			 "[template-provider]\ngrant = all\nprocess = templates\n"
			 "listen = unix:%s/tdp.sock\nfee_threshold = 0\nmin_interval = 0\n"
			 "empty_first = %u\n",
			 d->directory, k->empty_first);
	if (k->ipc_socket != NULL)
		daemon_configure(d, "source = bitcoin-ipc\nsocket = %s\n", k->ipc_socket);
}

static void configure(struct rig *r, const struct rig_kind *k)
{
	struct daemon *d = &r->daemon;

	configure_source(r, k);
	daemon_configure(d,
			 "[sv2-server]\ngrant = all\nprocess = mining\nworkers = %u\n"
			 "listen = 127.0.0.1:%u\nmax_connections = %zu\nmax_handshakes = %zu\n",
			 k->workers, r->port, k->connections + SPARE, k->connections + SPARE);
	daemon_configure(d,
			 "[pool]\ngrant = all\nprocess = mining\nworkers = %u\n"
			 "payout = " PAYOUT "\ntemplate_provider = unix:%s/tdp.sock\n"
			 "fixed_difficulty = " DIFFICULTY "\nmax_share_rate = 0\n",
			 k->workers, d->directory);
	say_lifted(k);
}

/* The chain's first block, which can only come from a miner. */
static void first_block(const struct rig *r)
{
	struct swarm s;

	swarm_open(&s, SWARM_STANDARD, r->port, 1);
	swarm_mine_block(&s);
	swarm_await(&s, &s.counts.tips, 2);
	swarm_close(&s);
}

void rig_start_as(struct rig *r, const struct rig_kind *kind)
{
	lift_descriptors(kind->connections);
	daemon_prepare(&r->daemon, ADIT_STAGE_PLUGINS);
	r->port = rig_free_port();
	r->ticker = 0;
	configure(r, kind);
	daemon_start(&r->daemon);
	daemon_wait_running(&r->daemon);
	daemon_watch(&r->daemon, "sv2-server");
	if (kind->ipc_socket == NULL)
		first_block(r);
}

void rig_start(struct rig *r, size_t connections, unsigned workers)
{
	rig_start_as(r, &(struct rig_kind){.connections = connections, .workers = workers});
}

void rig_stop(struct rig *r)
{
	daemon_stop(&r->daemon);
}

/* A transaction count or a depth; what waits in the mempool after it, -1 when it was refused. */
static int64_t order(struct daemon *d, const char *method, const char *key, unsigned number)
{
	struct json_object *answer;
	char parameters[64];
	int64_t waiting;

	(void)snprintf(parameters, sizeof(parameters), "{\"%s\":%u}", key, number);
	answer = daemon_call(d, "node", method, parameters);
	waiting = answer != NULL ? json_integer(answer, "mempool_tx", 0) : -1;
	json_object_put(answer);
	return waiting;
}

void rig_add_transactions(struct rig *r, unsigned count)
{
	if (order(&r->daemon, "add_transactions", "count", count) < 0)
		bench_broken("the embedded node takes no transactions");
}

/* A reorganisation of one block: its transactions, if any, are back in the mempool, so that the
 * merkle path keeps its length. */
void rig_new_tip(struct rig *r)
{
	if (order(&r->daemon, "reorganise", "depth", 1) < 0)
		bench_broken("the embedded node makes no block");
}

void rig_tick_start(struct rig *r)
{
	struct rig own = *r;
	struct error e = {0};
	int64_t waiting;

	r->ticker = fork();
	if (r->ticker < 0)
		bench_broken("no process");
	if (r->ticker > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	own.daemon.control = (struct control){.fd = -1};
	if (control_open(&own.daemon.control, own.daemon.socket, &e) != ADIT_OK)
		_exit(1);
	for (;;) {
		(void)usleep(500000);
		/* Refused while one that an earlier ticker began is under way. */
		(void)order(&own.daemon, "reorganise", "depth", 1);
		(void)usleep(400000);
		waiting = order(&own.daemon, "add_transactions", "count", 1);
		if (waiting >= 0 && waiting < TRANSACTIONS_LEAST)
			(void)order(&own.daemon, "add_transactions", "count", RIG_TRANSACTIONS);
	}
}

void rig_tick_stop(struct rig *r)
{
	(void)kill(r->ticker, SIGKILL);
	(void)waitpid(r->ticker, NULL, 0);
	r->ticker = 0;
}
