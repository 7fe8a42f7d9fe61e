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
#include "tests/bench/farm_row.h"
#include "tests/bench/rig.h"

#define PAYOUT "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define WAITING 5000 /* transactions at the node, numbers from 0 on */
#define COUNT 4000
#define FOREIGN 300
#define WEIGHT_MOST 2000
#define ROUNDS 20
#define QUICK_ROUNDS 1
#define WAIT_MS 60000
/* Clients at a time; each may have four declarations that are not answered. */
#define CLIENTS 250
#define QUICK_CLIENTS 2
#define EACH 4
#define AT_ONCE 16

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
			 "embedded_tx_interval = 0\nembedded_mempool = %d\n"
			 "query_rate = 100000\nquery_burst = 100000\n",
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
			 "[jds]\ngrant = all\nprocess = jds\npayout = " PAYOUT "\n"
			 "memory = 2048\nanswer_timeout = 10m\n",
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

/* --- many at a time ----------------------------------------------------------------------------
 */

/* Connects COUNT clients of the same work, in place of the one that there is. */
static struct declarator_line *connect_many(struct scene *s, size_t count)
{
	struct declarator_line *lines = calloc(count, sizeof(*lines));

	if (lines == NULL)
		bench_broken("out of memory");
	declarator_hang_up(&s->d.declaration);
	for (size_t i = 0; i < count; i++) {
		s->d.declaration = (struct declarator_line){.fd = -1};
		declarator_declaration(&s->d, s->declaration);
		lines[i] = s->d.declaration;
	}
	return lines;
}

static void hang_up_many(struct scene *s, struct declarator_line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		declarator_hang_up(&lines[i]);
	free(lines);
	s->d.declaration = (struct declarator_line){.fd = -1};
}

static uint64_t timed_declare(struct scene *s)
{
	uint64_t start;

	declarator_prepare(&s->d);
	start = clock_monotonic_ns();
	(void)declarator_declare(&s->d);
	return clock_monotonic_ns() - start;
}

static double per(const struct cpu *before, const struct cpu *after, size_t count, struct found *f)
{
	double n = (double)count;

	f->cpu = (struct cpu){(after->server - before->server) / n,
			      (after->node - before->node) / n, (after->host - before->host) / n};
	f->total = f->cpu.server + f->cpu.host;
	return f->total;
}

static void report_many(struct scene *s, const char *name, const struct found *f, const char *more)
{
	struct bench_row *row = bench_row(s->bench, "%s", name);

	row->value = f->total;
	row->wall = f->wall;
	row->floor = measure_floor(&s->d.work, false);
	(void)snprintf(row->note, sizeof(row->note),
		       "%u transactions; CPU ms each: server %.2f, node %.2f, host %.2f; %s",
		       s->d.work.tx_count, f->cpu.server / 1e6, f->cpu.node / 1e6,
		       f->cpu.host / 1e6, more);
	(void)snprintf(row->json, sizeof(row->json),
		       "\"transactions\":%u,\"server_ns\":%.0f,\"node_ns\":%.0f,\"host_ns\":%.0f"
		       ",\"job_bytes\":%.0f",
		       s->d.work.tx_count, f->cpu.server, f->cpu.node, f->cpu.host, f->bytes);
}

/* Declarations whose one missing transaction does not come, of many clients; and how another client
 * fares meanwhile, whose transactions are all known. */
static void run_outstanding(struct scene *s, const char *name)
{
	size_t clients = s->bench->quick ? QUICK_CLIENTS : CLIENTS;
	struct declarator_line *lines;
	struct found f = {0};
	struct cpu before, after;
	double resident, memory;
	uint64_t start, alone, beside;
	char more[128];

	if (!bench_wanted(s->bench, name))
		return;
	choose(&s->d.work, 0);
	connect_anew(s);
	(void)timed_declare(s);
	alone = timed_declare(s);
	lines = connect_many(s, clients + 1);
	s->d.declaration = lines[clients];
	(void)timed_declare(s);
	choose(&s->d.work, 1);
	declarator_prepare(&s->d);
	lines[clients] = s->d.declaration;
	memory = (double)daemon_number(&s->server, "jds", 0, "memory");
	resident = daemon_resident(&s->server);
	before = cpu_now(s);
	start = clock_monotonic_ns();
	for (size_t i = 0; i < clients * EACH; i++) {
		s->d.declaration = lines[i / EACH];
		declarator_begin(&s->d);
		declarator_await_asked(&s->d);
		lines[i / EACH] = s->d.declaration;
	}
	f.wall = (double)(clock_monotonic_ns() - start) / (double)(clients * EACH);
	after = cpu_now(s);
	(void)per(&before, &after, clients * EACH, &f);
	f.bytes = ((double)daemon_number(&s->server, "jds", 0, "memory") - memory) /
		  (double)(clients * EACH);
	resident = (daemon_resident(&s->server) - resident) / (double)(clients * EACH);
	choose(&s->d.work, 0);
	s->d.declaration = lines[clients];
	beside = timed_declare(s);
	lines[clients] = s->d.declaration;
	(void)snprintf(more, sizeof(more),
		       "%.0f KB each (resident %.0f); another client's: %.0f ms, alone %.0f",
		       f.bytes / 1000, resident / 1000, (double)beside / 1e6, (double)alone / 1e6);
	report_many(s, name, &f, more);
	hang_up_many(s, lines, clients + 1);
}

/* All at the same moment, as at a new tip; the server has the transactions. */
static void run_at_once(struct scene *s, const char *name)
{
	size_t clients = s->bench->quick ? QUICK_CLIENTS : AT_ONCE;
	struct declarator_line *lines;
	struct found f = {0};
	struct cpu before, after;
	uint64_t start, first = 0, last;
	char more[128];

	if (!bench_wanted(s->bench, name))
		return;
	choose(&s->d.work, 0);
	lines = connect_many(s, clients);
	s->d.declaration = lines[0];
	(void)timed_declare(s);
	declarator_prepare(&s->d);
	lines[0] = s->d.declaration;
	f.bytes = (double)daemon_number(&s->server, "jds", 0, "memory");
	before = cpu_now(s);
	start = clock_monotonic_ns();
	for (size_t i = 0; i < clients; i++) {
		s->d.declaration = lines[i];
		declarator_begin(&s->d);
		lines[i] = s->d.declaration;
	}
	for (size_t i = 0; i < clients; i++) {
		s->d.declaration = lines[i];
		declarator_await_accepted(&s->d);
		lines[i] = s->d.declaration;
		if (i == 0)
			first = clock_monotonic_ns() - start;
	}
	last = clock_monotonic_ns() - start;
	after = cpu_now(s);
	f.wall = (double)last / (double)clients;
	(void)per(&before, &after, clients, &f);
	f.bytes =
	    ((double)daemon_number(&s->server, "jds", 0, "memory") - f.bytes) / (double)clients;
	(void)snprintf(more, sizeof(more),
		       "the first after %.0f ms, the last after %.0f; %.0f KB each past the shared "
		       "transactions",
		       (double)first / 1e6, (double)last / 1e6, f.bytes / 1000);
	report_many(s, name, &f, more);
	hang_up_many(s, lines, clients);
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
	run_at_once(&s, "16 clients at once");
	run_outstanding(&s, "1,000 outstanding");
	declarator_free(&s.d);
	daemon_stop(&s.server);
	farm_row(b, "a new template, through jdc");
}
