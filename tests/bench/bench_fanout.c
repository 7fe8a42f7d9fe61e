/* SPDX-License-Identifier: MIT */
/*
 * bench_fanout.c: a new tip, and a new job, to many connections with one channel each, through a
 * real aditd. Floor: a bare server's one send() of the same bytes on as many connections, the seals
 * of the frames, and the merkle root of each standard channel.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/util/clock.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/fanout_floor.h"
#include "tests/bench/rig.h"
#include "tests/bench/swarm.h"

#define ROUNDS 5
#define QUICK_DIVISOR 50
#define QUICK_TRANSACTIONS 50
#define REST_MS 100 /* the server finishes what it has to do after the last send */

struct fanout {
	struct bench *bench;
	struct rig rig;
	enum swarm_kind kind;
	size_t connections;
	struct swarm swarm;
	struct bare bare;
};

/* One kind of message, of the best round. */
struct wave {
	double value; /* nanoseconds of CPU a connection */
	double calls; /* of the floor */
	double first; /* milliseconds after the node said that it is there */
	double median;
	double last;
	double bytes; /* a connection */
	double frames;
};

/* --- rounds ------------------------------------------------------------------------------------
 */

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* When the message came to the first, the median and the last connection, after FROM: then the node
 * had answered, and told the template provider. */
static void read_times(const struct fanout *f, bool tip, uint64_t from, struct wave *w)
{
	uint64_t *times = malloc(f->connections * sizeof(*times));

	if (times == NULL)
		bench_broken("out of memory");
	for (size_t i = 0; i < f->connections; i++)
		times[i] = tip ? f->swarm.clients[i].tip_ns : f->swarm.clients[i].job_ns;
	qsort(times, f->connections, sizeof(*times), by_time);
	w->first = (double)(times[0] - from) / 1e6;
	w->median = (double)(times[f->connections / 2] - from) / 1e6;
	w->last = (double)(times[f->connections - 1] - from) / 1e6;
	free(times);
}

static void round_server(struct fanout *f, bool tip, struct wave *best)
{
	struct swarm *s = &f->swarm;
	struct swarm_counts before = s->counts;
	double count = (double)f->connections;
	double cpu = daemon_cpu_ns(&f->rig.daemon);
	struct wave w = {0};
	uint64_t from;

	if (tip)
		rig_new_tip(&f->rig);
	else
		rig_add_transactions(&f->rig, 1);
	from = clock_monotonic_ns();
	swarm_await(s, tip ? &s->counts.tips : &s->counts.jobs,
		    (tip ? before.tips : before.jobs) + f->connections);
	swarm_rest(s, REST_MS);
	w.value = (daemon_cpu_ns(&f->rig.daemon) - cpu) / count;
	w.bytes = (double)(s->counts.bytes - before.bytes) / count;
	w.frames = (double)(s->counts.frames - before.frames) / count;
	read_times(f, tip, from, &w);
	if (best->value == 0 || w.value < best->value)
		*best = w;
}

static void round_bare(const struct fanout *f, struct swarm *plain, struct wave *best)
{
	uint64_t before = plain->counts.bytes;
	double cpu = bare_cpu_ns(&f->bare);
	double calls;

	bare_send(&f->bare, (size_t)best->bytes);
	swarm_await(plain, &plain->counts.bytes, before + (uint64_t)best->bytes * f->connections);
	calls = (bare_cpu_ns(&f->bare) - cpu) / (double)f->connections;
	if (best->calls == 0 || calls < best->calls)
		best->calls = calls;
}

static void report(struct fanout *f, const struct wave *w, size_t levels, const char *name)
{
	struct fanout_wave wave = {w->bytes, w->frames, f->kind == SWARM_STANDARD, levels};
	struct bench_row *row = bench_row(f->bench, "%s", name);

	row->value = w->value;
	row->wall = w->last * 1e6 / (double)f->connections;
	row->floor = w->calls + fanout_crypto_floor(&wave, ROUNDS);
	(void)snprintf(row->note, sizeof(row->note),
		       "%.0f bytes in %.1f frames; first after %.1f ms, median %.1f, last %.1f",
		       w->bytes, w->frames, w->first, w->median, w->last);
	(void)snprintf(row->json, sizeof(row->json),
		       "\"goal\":0.6,\"connections\":%zu,\"bytes\":%.0f,\"frames\":%.0f"
		       ",\"first_ms\":%.2f,\"median_ms\":%.2f,\"last_ms\":%.2f",
		       f->connections, w->bytes, w->frames, w->first, w->median, w->last);
}

/* Tips while the mempool is empty, so that each is one wave of messages and not two; jobs with the
 * merkle path of a full block. */
static void waves_server(struct fanout *f, struct wave *tip, struct wave *job, size_t rounds)
{
	rig_start(&f->rig, f->connections, 1);
	swarm_open(&f->swarm, f->kind, f->rig.port, f->connections);
	swarm_rest(&f->swarm, REST_MS);
	for (size_t i = 0; i < rounds; i++)
		round_server(f, true, tip);
	rig_add_transactions(&f->rig, f->bench->quick ? QUICK_TRANSACTIONS : RIG_TRANSACTIONS);
	swarm_rest(&f->swarm, 10 * REST_MS);
	for (size_t i = 0; i < rounds; i++)
		round_server(f, false, job);
	swarm_close(&f->swarm);
	rig_stop(&f->rig);
}

/* After the server's, so that the sockets of both need not be open at the same time. */
static void waves_bare(struct fanout *f, struct wave *tip, struct wave *job, size_t rounds)
{
	struct swarm plain;

	bare_start(&f->bare, BARE_ECHO, 1, 0);
	swarm_open_bare(&plain, f->bare.port, f->connections, 0, 0);
	swarm_rest(&plain, REST_MS);
	for (size_t i = 0; i < rounds; i++) {
		round_bare(f, &plain, tip);
		round_bare(f, &plain, job);
	}
	swarm_close(&plain);
	bare_stop(&f->bare);
}

static void run(struct bench *b, enum swarm_kind kind, size_t connections)
{
	const char *what = kind == SWARM_STANDARD ? "standard" : "extended";
	struct fanout f = {.bench = b, .kind = kind, .connections = connections};
	size_t rounds = b->quick ? 1 : ROUNDS;
	char name[BENCH_NAME_SIZE];
	struct wave tip = {0};
	struct wave job = {0};

	(void)snprintf(name, sizeof(name), "%zu %s channels", connections, what);
	if (!bench_wanted(b, name))
		return;
	if (b->quick)
		f.connections /= QUICK_DIVISOR;
	waves_server(&f, &tip, &job, rounds);
	waves_bare(&f, &tip, &job, rounds);
	(void)snprintf(name, sizeof(name), "%zu %s channels: a tip", connections, what);
	report(&f, &tip, 0, name);
	(void)snprintf(name, sizeof(name), "%zu %s channels: a job", connections, what);
	report(&f, &job, RIG_LEVELS, name);
}

void bench_fanout(struct bench *b)
{
	b->title = "fanout: CPU of the server a connection; goal 0.6";
	run(b, SWARM_STANDARD, 1000);
	run(b, SWARM_EXTENDED, 1000);
	run(b, SWARM_STANDARD, 10000);
	run(b, SWARM_EXTENDED, 10000);
}
