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
 * writes the same bytes on as many sockets.
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
#define ROUND_SHARES 1000000 /* at most */
#define WARM_MS 700
#define QUICK_MS 150
#define QUICK_FIELD_CONNECTIONS 100

/* Payloads without TLVs, in plaintext. */
#define STANDARD_SIZE 24
#define EXTENDED_SIZE (STANDARD_SIZE + 1 + 13)
#define SUCCESS_SIZE 20
#define SEALED(size) (SV2_SEALED_HEADER_SIZE + (size) + NOISE_MAC_SIZE)

struct crypto {
	struct aead_floor aead;
	size_t payload;  /* of a share */
	size_t coinbase; /* bytes; 0: no merkle path either */
	uint8_t frame[512];
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
	double floor;
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

static void round_server(struct shape *p, double *value, double *wall)
{
	const struct swarm_counts *n = &p->swarm.counts;
	uint64_t before;
	double cpu;

	swarm_settle(&p->swarm, 10); /* jobs that came meanwhile */
	before = n->accepted;
	cpu = daemon_cpu_ns(&p->rig->daemon);
	*wall = (double)swarm_submit(&p->swarm, window(p), p->batch, ROUND_SHARES, round_ms(p));
	*value = (daemon_cpu_ns(&p->rig->daemon) - cpu) / (double)(n->accepted - before);
	*wall /= (double)(n->accepted - before);
}

static double round_bare(const struct shape *p, const struct bare *b, struct swarm *s)
{
	uint64_t before = s->counts.accepted;
	double cpu = bare_cpu_ns(b);

	(void)swarm_submit(s, window(p), 1, ROUND_SHARES, round_ms(p));
	return (bare_cpu_ns(b) - cpu) / (double)(s->counts.accepted - before);
}

static double least(const double *values, size_t count)
{
	double best = values[0];

	for (size_t i = 1; i < count; i++)
		best = values[i] < best ? values[i] : best;
	return best;
}

/* The server and its floor take turns, and of each the best round counts: what others on the
 * machine do makes either only slower. */
static void rounds(struct shape *p)
{
	size_t count = p->bench->quick ? 1 : ROUNDS;
	double values[ROUNDS];
	double walls[ROUNDS];
	double crypto[ROUNDS];
	double calls[ROUNDS] = {0};
	struct swarm plain;
	struct bare bare;

	if (p->field) {
		bare_start(&bare, BARE_ECHO, SEALED(p->crypto.payload), SEALED(SUCCESS_SIZE));
		swarm_open_bare(&plain, bare.port, p->connections, SEALED(p->crypto.payload),
				SEALED(SUCCESS_SIZE));
	}
	for (size_t i = 0; i < count; i++) {
		round_server(p, &values[i], &walls[i]);
		crypto[i] = round_crypto(p);
		if (p->field)
			calls[i] = round_bare(p, &bare, &plain);
	}
	if (p->field) {
		swarm_close(&plain);
		bare_stop(&bare);
	}
	p->value = least(values, count);
	p->wall = least(walls, count);
	p->floor = least(crypto, count) + least(calls, count);
}

static void report(const struct shape *p, double one)
{
	const struct swarm_counts *n = &p->swarm.counts;
	struct bench_row *row = bench_row(p->bench, "%s", p->name);
	double answers = (double)n->accepted / (double)n->acknowledgements;
	double levels =
	    p->kind == SWARM_STANDARD ? RIG_LEVELS : (double)n->levels / (double)n->accepted;
	char more[64] = "";

	row->value = p->value;
	row->wall = p->wall;
	row->floor = p->floor;
	if (one > 0)
		(void)snprintf(more, sizeof(more), "; %.1f%% over one worker",
			       (p->value / one - 1) * 100);
	(void)snprintf(row->note, sizeof(row->note),
		       "%zu connections, %.1f shares an answer, %.1f merkle levels; %llu shares"
		       " accepted, %llu refused%s%s%s",
		       p->connections, answers, levels, (unsigned long long)n->accepted,
		       (unsigned long long)n->refused, n->refused > 0 ? ": " : "", p->swarm.refusal,
		       more);
	if (one > 0)
		(void)snprintf(more, sizeof(more), ",\"over_one_worker\":%.3f", p->value / one);
	(void)snprintf(row->json, sizeof(row->json),
		       "\"goal\":0.5,\"connections\":%zu,\"shares_an_answer\":%.1f,\"levels\":%.1f"
		       ",\"accepted\":%llu,\"refused\":%llu%s",
		       p->connections, answers, levels, (unsigned long long)n->accepted,
		       (unsigned long long)n->refused, more);
}

/* ONE: what a share cost one worker, or 0. */
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
	return p.value;
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
	rig_start(&r, FIELD_CONNECTIONS * 2, 1);
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
