/* SPDX-License-Identifier: MIT */
/*
 * bench_shares.c: shares through a real aditd: every one unique, validated, looked up among the
 * duplicates and acknowledged, while a new tip and a new job come each second. Measured is the CPU
 * time of the processes that hold sv2-server and pool, an accepted share.
 *
 * burst: 64 connections that send BATCH shares in one write and wait for their answer. Floor: the
 * crypto, that is opening the share's frame, its hashes (of an extended channel's share also the
 * coinbase and twelve levels of the merkle path), and its part of sealing the answer.
 * field: 5,000 connections, one share a read. Floor: the crypto, and a bare server that reads and
 * writes the same bytes on as many sockets: the shares, their answers, and the jobs and tips that
 * went out meanwhile. How many of those come on a share depends on how busy the machine is, so what
 * the floor is without them is said besides.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "tests/bench/aead.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/rig.h"
#include "tests/bench/swarm.h"

#define BURST_CONNECTIONS 64
#define BURST_BATCH 32
#define FIELD_CONNECTIONS 5000
#define FIELD_WINDOW                                                                               \
	256 /* of them have a share on its way at a time: the others are stale at a tip */
#define ROUNDS 5
#define ROUND_MS 1500
#define ROUND_MOST_NS 10e9   /* until everyone has had a new tip, or this long */
#define ROUND_SHARES 1000000 /* at most */
#define WARM_MS 700
#define QUICK_MS 150
#define QUICK_FIELD_CONNECTIONS 100

/* Payloads without TLVs, in plaintext. */
#define STANDARD_SIZE 24
#define EXTENDED_SIZE (STANDARD_SIZE + 1 + 13)
#define SUCCESS_SIZE 20
#define STALE_SIZE (4 + 4 + 1 + 11) /* SubmitShares.Error, stale-share */
#define STANDARD_COINBASE 200       /* bytes, about */
#define SEALED(size) (SV2_SEALED_HEADER_SIZE + (size) + NOISE_MAC_SIZE)

struct crypto {
	struct aead_floor aead;
	size_t payload;    /* of a share */
	size_t coinbase;   /* bytes; 0: no merkle path either */
	size_t job_frames; /* of one send of a job or a tip */
	size_t job_size;   /* payload of each */
	uint8_t frame[1024];
	uint8_t tx[1024];
	uint8_t root[32];
	uint8_t path[RIG_LEVELS][32];
	uint8_t header[80];
};

struct shape {
	struct bench *bench;
	const char *name;
	struct rig *rig;
	enum swarm_kind kind;
	bool field;
	size_t connections;
	size_t batch;
	struct swarm swarm;
	struct crypto crypto;
	/* of the best rounds, nanoseconds a share */
	double value;
	double wall;
	double shares_floor; /* crypto, reading and writing of shares and answers */
	double jobs_floor;   /* sealing and writing jobs and tips, merkle roots */
	double jobs;         /* sends of jobs and tips a share */
};

/* --- the floor ---------------------------------------------------------------------------------
 */

static void judge(void *context, size_t count)
{
	struct crypto *c = context;
	uint8_t hash[32];

	while (count-- > 0) {
		aead_floor_open(&c->aead, c->frame, SV2_HEADER_SIZE);
		aead_floor_open(&c->aead, c->frame + SV2_SEALED_HEADER_SIZE, c->payload);
		if (c->coinbase > 0) {
			sha256d(c->tx, c->coinbase, c->root);
			for (size_t i = 0; i < RIG_LEVELS; i++)
				sha256d_pair(c->root, c->path[i], c->root);
		}
		sha256d_header(c->header, hash);
		c->header[76] = hash[0];
	}
}

static void answer(void *context, size_t count)
{
	struct crypto *c = context;

	while (count-- > 0) {
		aead_floor_seal(&c->aead, c->frame, SV2_HEADER_SIZE);
		aead_floor_seal(&c->aead, c->frame + SV2_SEALED_HEADER_SIZE, SUCCESS_SIZE);
	}
}

/* A job or a tip to one connection; of a standard channel's the merkle root. */
static void announce(void *context, size_t count)
{
	struct crypto *c = context;

	while (count-- > 0) {
		if (c->coinbase == 0) {
			sha256d(c->tx, STANDARD_COINBASE, c->root);
			for (size_t i = 0; i < RIG_LEVELS; i++)
				sha256d_pair(c->root, c->path[i], c->root);
		}
		for (size_t i = 0; i < c->job_frames; i++) {
			aead_floor_seal(&c->aead, c->frame, SV2_HEADER_SIZE);
			aead_floor_seal(&c->aead, c->frame + SV2_SEALED_HEADER_SIZE, c->job_size);
		}
	}
}

static void crypto_init(struct shape *p)
{
	struct crypto *c = &p->crypto;
	bool standard = p->kind == SWARM_STANDARD;

	c->payload = standard ? STANDARD_SIZE : EXTENDED_SIZE;
	c->coinbase = standard ? 0 : p->swarm.clients[0].coinbase_size + 20;
	if (c->coinbase > sizeof(c->tx))
		bench_broken("a coinbase of that size was not expected");
	aead_floor_init(&c->aead);
}

/* A share, and its part of an answer. */
static double round_crypto(struct shape *p)
{
	const struct swarm_counts *n = &p->swarm.counts;

	return bench_time(judge, &p->crypto) +
	       bench_time(answer, &p->crypto) * (double)n->acknowledgements / (double)n->accepted;
}

/* --- the server --------------------------------------------------------------------------------
 */

static uint32_t round_ms(const struct shape *p)
{
	return p->bench->quick ? QUICK_MS : ROUND_MS;
}

static size_t window(const struct shape *p)
{
	return p->field ? FIELD_WINDOW : p->connections;
}

/* What a round of the server found. */
struct found {
	double value;
	double wall;
	double jobs;      /* sends of jobs and tips a share */
	size_t job_bytes; /* of each */
};

static void count_jobs(struct shape *p, const struct swarm_counts *before, double shares,
		       struct found *f)
{
	const struct swarm_counts *now = &p->swarm.counts;
	uint64_t answers = now->acknowledgements - before->acknowledgements;
	uint64_t refused = now->refused - before->refused;
	uint64_t sends = now->tips - before->tips + now->jobs - before->jobs;
	uint64_t frames = now->frames - before->frames - answers - refused;
	uint64_t bytes = now->bytes - before->bytes - answers * SEALED(SUCCESS_SIZE) -
			 refused * SEALED(STALE_SIZE);

	f->jobs = (double)sends / shares;
	f->job_bytes = sends > 0 ? bytes / sends : 0;
	if (sends == 0 || frames < sends || bytes / frames <= SEALED(0))
		return;
	p->crypto.job_frames = (frames + sends - 1) / sends;
	p->crypto.job_size = bytes / frames - SEALED(0);
	if (p->crypto.job_size > sizeof(p->crypto.frame) - SEALED(0))
		bench_broken("jobs of that size were not expected");
}

static void round_server(struct shape *p, struct found *f)
{
	struct swarm_counts before;
	double shares;
	double cpu;

	swarm_settle(&p->swarm, 10); /* jobs that came meanwhile */
	before = p->swarm.counts;
	cpu = daemon_cpu_ns(&p->rig->daemon);
	f->wall = 0;
	do
		f->wall +=
		    (double)swarm_submit(&p->swarm, window(p), p->batch, ROUND_SHARES, round_ms(p));
	while (!p->bench->quick && f->wall < ROUND_MOST_NS &&
	       p->swarm.counts.tips - before.tips < p->connections);
	cpu = daemon_cpu_ns(&p->rig->daemon) - cpu;
	shares = (double)(p->swarm.counts.accepted - before.accepted);
	f->value = cpu / shares;
	f->wall /= shares;
	count_jobs(p, &before, shares, f);
}

/* Reading a share and writing its answer. */
static double round_echo(const struct shape *p, const struct bare *b, struct swarm *s)
{
	uint64_t before = s->counts.accepted;
	double cpu = bare_cpu_ns(b);

	(void)swarm_submit(s, window(p), 1, ROUND_SHARES, round_ms(p));
	return (bare_cpu_ns(b) - cpu) / (double)(s->counts.accepted - before);
}

/* Writing a job to one connection. */
static double round_send(const struct shape *p, const struct bare *b, struct swarm *s, size_t bytes)
{
	uint64_t before = s->counts.bytes;
	double cpu = bare_cpu_ns(b);
	size_t answer_size = s->answer;

	s->answer = 0;
	bare_send(b, bytes);
	swarm_await(s, &s->counts.bytes, before + bytes * p->connections);
	s->answer = answer_size;
	return (bare_cpu_ns(b) - cpu) / (double)p->connections;
}

static void keep(double *best, double value)
{
	if (*best == 0 || value < *best)
		*best = value;
}

struct floors {
	double crypto;
	double echo;
	double send;
	double announce;
};

static void round_bare(struct shape *p, const struct bare *b, struct swarm *s,
		       const struct found *f, struct floors *best)
{
	keep(&best->echo, round_echo(p, b, s));
	if (f->job_bytes == 0)
		return;
	keep(&best->send, round_send(p, b, s, f->job_bytes));
	keep(&best->announce, bench_time(announce, &p->crypto));
}

/* The server and its floor take turns, and of each the best round counts: what others on the
 * machine do makes either only slower. */
static void rounds(struct shape *p)
{
	size_t share = SEALED(p->crypto.payload);
	struct found best = {0};
	struct floors floors = {0};
	struct swarm plain;
	struct bare bare;

	if (p->field) {
		bare_start(&bare, BARE_ECHO, share, SEALED(SUCCESS_SIZE));
		swarm_open_bare(&plain, bare.port, p->connections, share, SEALED(SUCCESS_SIZE));
	}
	for (size_t i = 0; i < (p->bench->quick ? 1 : ROUNDS); i++) {
		struct found f;

		round_server(p, &f);
		if (best.value == 0 || f.value < best.value)
			best = f;
		keep(&floors.crypto, round_crypto(p));
		if (p->field)
			round_bare(p, &bare, &plain, &f, &floors);
	}
	if (p->field) {
		swarm_close(&plain);
		bare_stop(&bare);
	}
	p->value = best.value;
	p->wall = best.wall;
	p->jobs = best.jobs;
	p->shares_floor = floors.crypto + floors.echo;
	p->jobs_floor = best.jobs * (floors.send + floors.announce);
}

static void report(const struct shape *p, double one)
{
	const struct swarm_counts *n = &p->swarm.counts;
	struct bench_row *row = bench_row(p->bench, "%s", p->name);
	double answers = (double)n->accepted / (double)n->acknowledgements;
	double levels =
	    p->kind == SWARM_STANDARD ? RIG_LEVELS : (double)n->levels / (double)n->accepted;
	double times;
	char more[64] = "";

	row->value = p->value;
	row->wall = p->wall;
	row->floor = p->shares_floor + p->jobs_floor;
	times = row->value / row->floor;
	if (one > 0)
		(void)snprintf(more, sizeof(more), "; %.1f%% over one worker",
			       (times / one - 1) * 100);
	(void)snprintf(row->note, sizeof(row->note),
		       "%.0f shares a read, %.1f merkle levels, %.2f jobs and tips a share (floor"
		       " %.0f without them); %llu accepted, %llu refused%s%s%s",
		       answers, levels, p->jobs, p->shares_floor, (unsigned long long)n->accepted,
		       (unsigned long long)n->refused, n->refused > 0 ? ": " : "", p->swarm.refusal,
		       more);
	if (one > 0)
		(void)snprintf(more, sizeof(more), ",\"over_one_worker\":%.3f", times / one);
	(void)snprintf(row->json, sizeof(row->json),
		       "\"goal\":0.5,\"connections\":%zu,\"shares_a_read\":%.1f,\"levels\":%.1f"
		       ",\"jobs_a_share\":%.3f,\"floor_without_jobs\":%.1f,\"accepted\":%llu"
		       ",\"refused\":%llu%s",
		       p->connections, answers, levels, p->jobs, p->shares_floor,
		       (unsigned long long)n->accepted, (unsigned long long)n->refused, more);
}

/* ONE: how many times its floor a share cost one worker, or 0. */
static void run(struct shape *p, double one)
{
	uint32_t warm_ms = p->bench->quick ? QUICK_MS : WARM_MS;

	if (!bench_wanted(p->bench, p->name))
		return;
	swarm_open(&p->swarm, p->kind, p->rig->port, p->connections);
	rig_tick_start(p->rig);
	(void)swarm_submit(&p->swarm, window(p), p->batch, ROUND_SHARES, warm_ms);
	p->swarm.counts = (struct swarm_counts){0};
	crypto_init(p);
	rounds(p);
	aead_floor_fini(&p->crypto.aead);
	rig_tick_stop(p->rig);
	report(p, one);
	swarm_close(&p->swarm);
}

static double run_burst(struct bench *b, struct rig *r, const char *name, enum swarm_kind kind,
			double one)
{
	struct shape p = {
	    .bench = b,
	    .name = name,
	    .rig = r,
	    .kind = kind,
	    .connections = BURST_CONNECTIONS,
	    .batch = BURST_BATCH,
	};

	run(&p, one);
	return p.value / (p.shares_floor + p.jobs_floor);
}

static void run_field(struct bench *b, struct rig *r, const char *name, enum swarm_kind kind)
{
	struct shape p = {
	    .bench = b,
	    .name = name,
	    .rig = r,
	    .kind = kind,
	    .field = true,
	    .connections = b->quick ? QUICK_FIELD_CONNECTIONS : FIELD_CONNECTIONS,
	    .batch = 1,
	};

	run(&p, 0);
}

void bench_shares(struct bench *b)
{
	struct rig r;
	double one;

	b->title = "shares: CPU of sv2-server and pool a share, through a real aditd; goal 0.5";
	/* The bare server's connections are this process's, too. */
	rig_start(&r, 2 * (b->quick ? QUICK_FIELD_CONNECTIONS : FIELD_CONNECTIONS), 1);
	rig_add_transactions(&r, RIG_TRANSACTIONS);
	one = run_burst(b, &r, "burst, standard", SWARM_STANDARD, 0);
	(void)run_burst(b, &r, "burst, extended", SWARM_EXTENDED, 0);
	run_field(b, &r, "field, standard", SWARM_STANDARD);
	run_field(b, &r, "field, extended", SWARM_EXTENDED);
	rig_stop(&r);
	rig_start(&r, BURST_CONNECTIONS, 2);
	rig_add_transactions(&r, RIG_TRANSACTIONS);
	(void)run_burst(b, &r, "burst, standard, two workers", SWARM_STANDARD, one);
	rig_stop(&r);
}
