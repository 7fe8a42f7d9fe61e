/* SPDX-License-Identifier: MIT */
/*
 * bench_declare.c: jobs declared, through a real aditd whose job declaration server, node, template
 * provider and pool are processes of their own. Measured is the CPU time, a declaration, of the
 * server and of the host, which carries the block to the node. The node's is told beside: the
 * embedded one stands for Bitcoin Core here, and makes each transaction again to check it.
 * Floor: opening the declaration and the merkle path; where the server does not have the
 * transactions, both ids of each, too.
 *
 * A block of the embedded chain is full with some 3,200 of its transactions. For 4,000 the heaviest
 * are left out.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/aditctl/json.h"
#include "host/node/traffic.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/frame.h"
#include "lib/util/clock.h"
#include "tests/bench/aead.h"
#include "tests/bench/bench.h"
#include "tests/bench/daemon.h"
#include "tests/bench/declarator.h"
#include "tests/bench/rig.h"

#define PAYOUT "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define WAITING 5000 /* transactions at the node, numbers from 0 on */
#define COUNT 4000
#define FOREIGN 300
#define WEIGHT_MOST 2000
#define ROUNDS 20
#define QUICK_ROUNDS 1
#define WAIT_MS 60000

struct scene {
	struct bench *bench;
	struct daemon server; /* of which the job declaration server is watched */
	struct daemon node;   /* the same, its node */
	uint16_t templates;
	uint16_t declaration;
	uint16_t mining;
	struct declarator d;
};

static void configure(struct scene *s)
{
	struct daemon *d = &s->server;

	s->templates = rig_free_port();
	s->declaration = rig_free_port();
	s->mining = rig_free_port();
	daemon_configure(d,
			 "[node]\nbackend = embedded\nnetwork = regtest\n"
			 "embedded_tx_interval = 0\nembedded_mempool = %d\n",
			 WAITING);
	daemon_configure(d,
			 "[template-provider]\ngrant = all\nprocess = templates\n"
			 "listen = 127.0.0.1:%u, unix:%s/tdp.sock\nfee_threshold = 0\n"
			 "min_interval = 0\nempty_first = 0\n",
			 s->templates, d->directory);
	daemon_configure(d, "[sv2-server]\ngrant = all\nprocess = mining\nlisten = 127.0.0.1:%u\n",
			 s->mining);
	daemon_configure(d,
			 "[pool]\ngrant = all\nprocess = mining\npayout = " PAYOUT "\n"
			 "template_provider = unix:%s/tdp.sock\ncustom_jobs = full-template\n",
			 d->directory);
	daemon_configure(d,
			 "[sv2-server@jds]\ngrant = all\nprocess = jds\nlisten = 127.0.0.1:%u\n"
			 "[jds]\ngrant = all\nprocess = jds\npayout = " PAYOUT "\n",
			 s->declaration);
}

static void await_number(struct scene *s, const char *role, const char *key, int64_t least)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;

	while (daemon_number(&s->server, role, 0, key) < least) {
		if (clock_monotonic_ms() > until)
			bench_broken(key);
		(void)usleep(10000);
	}
}

static void begin(struct scene *s)
{
	struct json_object *answer;
	char count[32];

	daemon_prepare(&s->server, ADIT_STAGE_PLUGINS);
	configure(s);
	daemon_start(&s->server);
	daemon_wait_running(&s->server);
	await_number(s, "jds", "token_keys", 1);
	await_number(s, "pool", "jobs_sent", 0);
	(void)snprintf(count, sizeof(count), "{\"count\":%d}", WAITING);
	answer = daemon_call(&s->server, "node", "add_transactions", count);
	if (answer == NULL || json_integer(answer, "mempool_tx", 0) != WAITING)
		bench_broken("the embedded node takes no transactions");
	json_object_put(answer);
	daemon_watch(&s->server, "jds");
	s->node = s->server;
	daemon_watch(&s->node, "node");
	s->d.templates.fd = s->d.declaration.fd = s->d.mining.fd = -1;
	declarator_mining(&s->d, s->mining);
}

static void full_template(struct scene *s)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;

	do {
		if (clock_monotonic_ms() > until)
			bench_broken("no template with transactions");
		declarator_template(&s->d, s->templates);
	} while (s->d.work.tx_count == 0);
}

/* --- what is declared --------------------------------------------------------------------------
 */

/* Its parents have to be in the block. */
static bool add_numbered(struct declarer *w, uint64_t number, bool *taken)
{
	struct traffic_tx t;

	traffic_make(number, &t);
	for (uint32_t i = 0; i < t.parents_count; i++)
		if (!taken[t.parents[i]])
			return false;
	if (t.weight > WEIGHT_MOST)
		return false;
	taken[number] = true;
	declarer_add_tx(w, t.data, t.size);
	w->value += t.fee;
	return true;
}

/* COUNT transactions, of which the node does not have FOREIGN. */
static void choose(struct declarer *w, uint32_t foreign)
{
	static bool taken[2 * WAITING];

	memset(taken, 0, sizeof(taken));
	buf_clear(&w->txs);
	w->tx_count = 0;
	w->value = 0;
	for (uint64_t number = 0; number < WAITING && w->tx_count < COUNT - foreign; number++)
		(void)add_numbered(w, number, taken);
	for (uint64_t number = WAITING; number < 2 * WAITING && w->tx_count < COUNT; number++)
		(void)add_numbered(w, number, taken);
	if (w->tx_count != COUNT)
		bench_broken("too few transactions are light enough");
}

/* --- floor -------------------------------------------------------------------------------------
 */

struct floor {
	const struct declarer *work;
	bool fresh;
	struct aead_floor aead;
	uint8_t (*txids)[32];
	uint8_t chunk[SV2_SEALED_CHUNK_SIZE];
};

static void ids(struct floor *f)
{
	const struct declarer *w = f->work;

	for (uint32_t i = 0; i < w->tx_count; i++) {
		uint8_t wtxid[32];
		struct reader r;
		struct tx tx;

		reader_init(&r, w->txs.data + w->tx_at[i], w->tx_size[i]);
		if (!tx_parse(&r, &tx))
			bench_broken("a transaction can't be read");
		tx_txid(&tx, f->txids[i]);
		tx_wtxid(&tx, wtxid);
	}
}

static void judge(void *context, size_t count)
{
	struct floor *f = context;
	uint8_t path[MERKLE_MAX_DEPTH][32];

	while (count-- > 0) {
		size_t left = f->work->wtxids.size;

		for (size_t part; left > 0; left -= part) {
			part = left < SV2_CHUNK_SIZE ? left : SV2_CHUNK_SIZE;
			aead_floor_open(&f->aead, f->chunk, part);
		}
		if (f->fresh)
			ids(f);
		(void)merkle_path(f->txids, f->work->tx_count, path);
	}
}

static double measure_floor(const struct declarer *w, bool fresh)
{
	struct floor *f = calloc(1, sizeof(*f));
	double ns;

	if (f == NULL)
		bench_broken("out of memory");
	f->work = w;
	f->fresh = fresh;
	f->txids = calloc((size_t)w->tx_count + 1, 32);
	if (f->txids == NULL)
		bench_broken("out of memory");
	aead_floor_init(&f->aead);
	ns = bench_time(judge, f);
	aead_floor_fini(&f->aead);
	free(f->txids);
	free(f);
	return ns;
}

/* --- rounds ------------------------------------------------------------------------------------
 */

struct cpu {
	double server;
	double node;
	double host;
};

static struct cpu cpu_now(const struct scene *s)
{
	return (struct cpu){.server = daemon_cpu_ns(&s->server),
			    .node = daemon_cpu_ns(&s->node),
			    .host = process_cpu_ns(s->server.pid)};
}

/* The best round, of each. */
struct found {
	struct cpu cpu;
	double total;
	double wall;
	uint32_t asked;
	double bytes; /* of the job, at the server */
};

static void took(const struct scene *s, const struct cpu *before, uint64_t wall, struct found *f)
{
	struct cpu now = cpu_now(s);
	struct cpu used = {now.server - before->server, now.node - before->node,
			   now.host - before->host};
	double total = used.server + used.host;

	if (f->wall == 0 || (double)wall < f->wall)
		f->wall = (double)wall;
	if (f->total != 0 && total >= f->total)
		return;
	f->total = total;
	f->cpu = used;
}

static void report(struct scene *s, const char *name, bool fresh, const struct found *f)
{
	struct bench_row *row = bench_row(s->bench, "%s", name);
	uint32_t count = s->d.work.tx_count;

	row->value = f->total;
	row->wall = f->wall;
	row->floor = measure_floor(&s->d.work, fresh);
	(void)snprintf(row->note, sizeof(row->note),
		       "%u transactions, %u asked of the client; CPU ms: server %.1f, node %.1f,"
		       " host %.1f; %.0f a second by the CPU; job %.0f KB",
		       count, f->asked, f->cpu.server / 1e6, f->cpu.node / 1e6, f->cpu.host / 1e6,
		       1e9 / f->total, f->bytes / 1000);
	(void)snprintf(row->json, sizeof(row->json),
		       "\"transactions\":%u,\"asked\":%u,\"server_ns\":%.0f,\"node_ns\":%.0f"
		       ",\"host_ns\":%.0f,\"job_bytes\":%.0f",
		       count, f->asked, f->cpu.server, f->cpu.node, f->cpu.host, f->bytes);
}

/* The server keeps the transactions of a connection's jobs. Without them it has none. */
static void connect_anew(struct scene *s)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;

	declarator_hang_up(&s->d.declaration);
	while (daemon_number(&s->server, "jds", 0, "transactions") != 0) {
		if (clock_monotonic_ms() > until)
			bench_broken("the server keeps transactions of nobody");
		(void)usleep(1000);
	}
	declarator_declaration(&s->d, s->declaration);
}

/* One declaration. With FRESH the server has forgotten the transactions. */
static void round_declare(struct scene *s, bool fresh, struct found *f)
{
	struct cpu before;
	uint64_t start;

	if (fresh)
		connect_anew(s);
	declarator_prepare(&s->d);
	before = cpu_now(s);
	start = clock_monotonic_ns();
	f->asked = declarator_declare(&s->d);
	took(s, &before, clock_monotonic_ns() - start, f);
	if (fresh)
		f->bytes = (double)daemon_number(&s->server, "jds", 0, "memory");
}

static void run_declare(struct scene *s, const char *name, uint32_t foreign, bool fresh)
{
	size_t rounds = s->bench->quick ? QUICK_ROUNDS : ROUNDS;
	struct found f = {0};
	struct found first = {0};

	if (!bench_wanted(s->bench, name))
		return;
	choose(&s->d.work, foreign);
	round_declare(s, true, &first);
	f.bytes = first.bytes;
	for (size_t i = 0; i < rounds; i++)
		round_declare(s, fresh, &f);
	declarator_set_job(&s->d);
	report(s, name, fresh, &f);
}

/* From the template on, at a client that takes its transactions from the provider. */
static void run_mining(struct scene *s, const char *name)
{
	size_t rounds = s->bench->quick ? QUICK_ROUNDS : ROUNDS;
	struct found f = {0};

	if (!bench_wanted(s->bench, name))
		return;
	for (size_t i = 0; i < rounds; i++) {
		struct cpu before;

		connect_anew(s);
		before = cpu_now(s);
		full_template(s);
		declarator_prepare(&s->d);
		f.asked = declarator_declare(&s->d);
		declarator_set_job(&s->d);
		took(s, &before, clock_monotonic_ns() - s->d.template_ns, &f);
		f.bytes = (double)daemon_number(&s->server, "jds", 0, "memory");
	}
	report(s, name, true, &f);
}

void bench_declare(struct bench *b)
{
	static struct scene s;

	b->title = "declare: CPU of job declaration server and host a declaration";
	s.bench = b;
	begin(&s);
	full_template(&s);
	run_declare(&s, "known to the server", 0, false);
	run_declare(&s, "asked of the node", 0, true);
	run_declare(&s, "300 asked of the client", FOREIGN, true);
	run_mining(&s, "a full template, until the pool has its job");
	declarator_free(&s.d);
	daemon_stop(&s.server);
}
