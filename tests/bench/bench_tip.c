/* SPDX-License-Identifier: MIT */
/*
 * bench_tip.c: a new tip of the node, to the first byte that the first of many miners gets and to
 * the last miner's SetNewPrevHash, through a real aditd, by source of templates and by their size.
 *
 * What counts is adit's own time: CPU of aditd, of the template provider's process and of the one
 * with sv2-server and pool, kernel included, from the order to make a tip on. The process of the
 * role `node` is left out and said beside it: with the embedded chain it is the node. The first
 * byte is seen by another process, which then stops those of adit and looks: what they did until
 * then is counted too, a bound from above.
 */
#include "config.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/fanout_floor.h"
#include "tests/bench/rig.h"
#include "tests/bench/swarm.h"
#include "tests/bench/tipper.h"

#define ROUNDS 9
#define CONNECTIONS 1000
#define FEW 10
#define EMPTY_FIRST 1000 /* the default */
#define QUICK_CONNECTIONS 20
#define QUICK_TRANSACTIONS 50
#define QUICK_EMPTY_FIRST 20
#define PROCESSES 3
#define PAUSE_US 20
#define SETTLE_MS 200
#define SILENCE_MS 60000
#define FIRST_LIMIT 1e6 /* nanoseconds: the goal for the first miner */

enum source { EMBEDDED, FAKE, REAL };

struct shape {
	const char *name;
	enum source source;
	unsigned transactions;
	unsigned empty_first;
};

/* CPU nanoseconds by process; or the clock's. */
struct times {
	double host;
	double node; /* the role's */
	double templates;
	double mining;
	double wall;
};

struct tip {
	struct bench *bench;
	const struct shape *shape;
	char directory[64];
	char socket[96];
	size_t connections;
	struct rig rig;
	struct swarm swarm;
	struct tipper tipper;
	pid_t node;
	pid_t templates;
	struct times first; /* of the best round each */
	struct times last;
	struct fanout_wave wave; /* of the latter */
};

/* --- rounds ------------------------------------------------------------------------------------
 */

static struct times now(const struct tip *t)
{
	return (struct times){
	    .mining = daemon_cpu_ns(&t->rig.daemon),
	    .templates = process_cpu_ns(t->templates),
	    .host = process_cpu_ns(t->rig.daemon.pid),
	    .node = process_cpu_ns(t->node),
	    .wall = (double)clock_monotonic_ns(),
	};
}

static bool is_stopped(pid_t pid)
{
	char path[64];
	char state = 'T';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		bench_broken("a measured process is gone");
	(void)fclose(f);
	return state == 'T';
}

/* Stops the processes to look at their clocks: of one that runs on another processor the kernel
 * says what it had used when it last was interrupted, up to a tick ago. */
static struct times now_stopped(const struct tip *t)
{
	const pid_t pids[] = {t->rig.daemon.workers[0], t->templates, t->rig.daemon.pid};
	double wall = (double)clock_monotonic_ns();
	struct times times;

	for (size_t i = 0; i < PROCESSES; i++)
		(void)kill(pids[i], SIGSTOP);
	for (size_t i = 0; i < PROCESSES; i++) {
		while (!is_stopped(pids[i]))
			(void)usleep(PAUSE_US);
	}
	times = now(t);
	times.wall = wall;
	for (size_t i = PROCESSES; i-- > 0;)
		(void)kill(pids[i], SIGCONT);
	return times;
}

static double own(const struct times *t)
{
	return t->host + t->templates + t->mining;
}

/* Whether it is the best so far, of ALL or of the process with the miners, of what began at FROM.
 */
static bool keep(struct times *best, const struct times *from, const struct times *to, bool all)
{
	struct times d = {
	    .host = to->host - from->host,
	    .node = to->node - from->node,
	    .templates = to->templates - from->templates,
	    .mining = to->mining - from->mining,
	    .wall = to->wall - from->wall,
	};

	if (best->wall > 0 && (all ? own(&d) >= own(best) : d.mining >= best->mining))
		return false;
	*best = d;
	return true;
}

/* To the first byte, or to the last miner: to look at the former disturbs the latter. */
static void round_to(struct tip *t, bool first)
{
	struct swarm *s = &t->swarm;
	struct pollfd miners = {.fd = s->epoll, .events = POLLIN};
	struct swarm_counts before;
	struct times from, to = {0};

	swarm_settle(s, SETTLE_MS);
	before = s->counts;
	from = now(t);
	tipper_say(&t->tipper, "tip");
	if (poll(&miners, 1, SILENCE_MS) <= 0)
		bench_broken("the server is silent");
	if (first)
		to = now_stopped(t);
	swarm_await(s, &s->counts.tips, before.tips + t->connections);
	if (!first)
		to = now_stopped(t);
	tipper_answer(&t->tipper);
	if (!keep(first ? &t->first : &t->last, &from, &to, first) || first)
		return;
	t->wave.bytes = (double)(s->counts.bytes - before.bytes) / (double)t->connections;
	t->wave.frames = (double)(s->counts.frames - before.frames) / (double)t->connections;
}

/* --- a shape -----------------------------------------------------------------------------------
 */

static void start(struct tip *t)
{
	const struct shape *shape = t->shape;
	struct rig_kind kind = {
	    .connections = t->connections,
	    .workers = 1,
	    .empty_first = shape->empty_first,
	    .easy = true,
	};
	char order[32];

	if (shape->source != EMBEDDED)
		kind.ipc_socket = shape->source == FAKE ? t->socket : t->bench->node_socket;
	if (shape->source == FAKE) {
		tipper_fake(&t->tipper, t->socket);
		(void)snprintf(order, sizeof(order), "load %u", shape->transactions);
		tipper_say(&t->tipper, order);
		tipper_answer(&t->tipper);
	}
	rig_start_as(&t->rig, &kind);
	if (shape->source == EMBEDDED) {
		rig_add_transactions(&t->rig, shape->transactions);
		tipper_embedded(&t->tipper, &t->rig);
	} else if (shape->source == REAL) {
		tipper_command(&t->tipper, t->bench->tip_command);
	}
	t->node = daemon_pid(&t->rig.daemon, "node");
	t->templates = daemon_pid(&t->rig.daemon, "template-provider");
}

static size_t levels_of(const struct shape *shape)
{
	size_t levels = 0;

	if (shape->empty_first > 0 && shape->transactions >= shape->empty_first)
		return 0;
	while (((size_t)1 << levels) < shape->transactions + 1)
		levels++;
	return levels;
}

static void add_row(const struct tip *t, const char *which, const struct times *v, double floor,
		    double goal)
{
	struct bench_row *row = bench_row(t->bench, "%s: %s", t->shape->name, which);

	row->value = own(v);
	row->wall = v->wall;
	row->floor = floor;
	(void)snprintf(row->note, sizeof(row->note),
		       "host %.0f us, templates %.0f, mining %.0f; beside it the role node %.0f",
		       v->host / 1e3, v->templates / 1e3, v->mining / 1e3, v->node / 1e3);
	(void)snprintf(row->json, sizeof(row->json),
		       "\"goal\":%.3f,\"connections\":%zu,\"host_us\":%.1f,\"templates_us\":%.1f,"
		       "\"mining_us\":%.1f,\"node_us\":%.1f",
		       goal, t->connections, v->host / 1e3, v->templates / 1e3, v->mining / 1e3,
		       v->node / 1e3);
}

/* What aditd and the template provider do once the first miner has the tip (pass on and read the
 * whole template, after an empty one) is not on the last one's way. */
static void report(struct tip *t, size_t rounds)
{
	struct times last = t->last;
	double floor;

	last.host = t->first.host;
	last.templates = t->first.templates;
	t->wave.frames = round(t->wave.frames);
	t->wave.root = true;
	t->wave.levels = levels_of(t->shape);
	floor = fanout_crypto_floor(&t->wave, rounds) +
		fanout_send_floor(&t->wave, t->connections, rounds);
	add_row(t, "first miner", &t->first, FIRST_LIMIT, 1);
	add_row(t, "last miner", &last, floor * (double)t->connections, 1 / 1.7);
}

static void run(struct bench *b, const struct shape *shape)
{
	struct tip t = {.bench = b, .shape = shape};
	size_t rounds = b->quick ? 1 : ROUNDS;

	if (!bench_wanted(b, shape->name))
		return;
	t.connections = b->quick ? QUICK_CONNECTIONS : CONNECTIONS;
	(void)snprintf(t.directory, sizeof(t.directory), "/tmp/adit-bench-node-XXXXXX");
	if (mkdtemp(t.directory) == NULL)
		bench_broken("no directory");
	(void)snprintf(t.socket, sizeof(t.socket), "%s/node.sock", t.directory);
	start(&t);
	swarm_open(&t.swarm, SWARM_STANDARD, t.rig.port, t.connections);
	for (size_t i = 0; i < rounds; i++) {
		round_to(&t, true);
		round_to(&t, false);
	}
	swarm_close(&t.swarm);
	tipper_stop(&t.tipper);
	rig_stop(&t.rig);
	(void)unlink(t.socket);
	(void)rmdir(t.directory);
	report(&t, rounds);
}

void bench_tip(struct bench *b)
{
	unsigned full = b->quick ? QUICK_TRANSACTIONS : RIG_TRANSACTIONS;
	unsigned empty_first = b->quick ? QUICK_EMPTY_FIRST : EMPTY_FIRST;
	const struct shape shapes[] = {
	    {"node, few", EMBEDDED, FEW, empty_first},
	    {"node, full, empty first", EMBEDDED, full, empty_first},
	    {"node, full, whole", EMBEDDED, full, 0},
	    {"bitcoin-ipc, few", FAKE, FEW, empty_first},
	    {"bitcoin-ipc, full, empty first", FAKE, full, empty_first},
	    {"bitcoin-ipc, full, whole", FAKE, full, 0},
	    {"bitcoin-ipc, --node-socket", REAL, 0, empty_first},
	    {"bitcoin-ipc, --node-socket, whole", REAL, 0, 0},
	};

	b->title =
	    "tip: CPU of adit from a tip to the miners; goals: first under 1 ms (its \"floor\"),"
	    " last within 1.7 times its floor";
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if ((shapes[i].source == FAKE && !tipper_has_fake()) ||
		    (shapes[i].source == REAL && b->node_socket == NULL))
			continue;
		run(b, &shapes[i]);
	}
}
