/* SPDX-License-Identifier: MIT */
/*
 * bench_memory.c: resident bytes of the server a connection that does nothing but receive its jobs.
 * Floor: what its two keyed ciphers take in this process, allocated the same way.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/rig.h"
#include "tests/bench/swarm.h"

#define CONNECTIONS 3000
#define QUICK_CONNECTIONS 200
#define FIRST 300 /* not counted: what is allocated once is there after them */
#define QUICK_FIRST 30
#define JOBS 20 /* a channel remembers 16 past ones */
#define QUICK_JOBS 2
#define GOAL 16384

static double own_resident(void)
{
	struct daemon self = {.workers = {getpid()}, .worker_count = 1};

	return daemon_resident(&self);
}

/* Bytes of two ciphers. */
static double cipher_floor(size_t count)
{
	struct noise_cipher *ciphers = calloc(2 * count, sizeof(*ciphers));
	const uint8_t key[32] = {1};
	uint8_t data[64] = {0};
	double before;
	double after;

	if (ciphers == NULL)
		bench_broken("out of memory");
	before = own_resident();
	for (size_t i = 0; i < 2 * count; i++)
		if (noise_cipher_init(&ciphers[i], key) != ADIT_OK ||
		    noise_seal(&ciphers[i], data, 32, data) != ADIT_OK)
			bench_broken("no cipher");
	after = own_resident();
	for (size_t i = 0; i < 2 * count; i++)
		noise_cipher_fini(&ciphers[i]);
	free(ciphers);
	return (after - before) / (double)count;
}

static void measure(struct bench *b, const char *name, enum swarm_kind kind, double floor)
{
	size_t count = b->quick ? QUICK_CONNECTIONS : CONNECTIONS;
	size_t before_count = b->quick ? QUICK_FIRST : FIRST;
	size_t jobs = b->quick ? QUICK_JOBS : JOBS;
	struct bench_row *row;
	struct swarm first;
	struct swarm s;
	struct rig r;
	double before;

	if (!bench_wanted(b, name))
		return;
	rig_start(&r, count + before_count, 1);
	rig_add_transactions(&r, RIG_TRANSACTIONS);
	swarm_open(&first, kind, r.port, before_count);
	before = daemon_resident(&r.daemon);
	swarm_open(&s, kind, r.port, count);
	for (size_t i = 0; i < jobs && kind != SWARM_SETUP; i++) {
		uint64_t had = s.counts.jobs;

		rig_add_transactions(&r, 1);
		swarm_await(&s, &s.counts.jobs, had + count);
		swarm_rest(&first, 1);
	}
	row = bench_row(b, "%s", name);
	row->value = (daemon_resident(&r.daemon) - before) / (double)count;
	row->floor = floor;
	(void)snprintf(row->json, sizeof(row->json), "\"goal\":%d,\"connections\":%zu", GOAL,
		       count);
	swarm_close(&s);
	swarm_close(&first);
	rig_stop(&r);
}

void bench_memory(struct bench *b)
{
	/* Before anything else has left holes in this process's memory. */
	double floor = cipher_floor(b->quick ? QUICK_CONNECTIONS : CONNECTIONS);

	b->title = "memory: resident bytes of the server an idle connection; goal: under 16384";
	b->unit = "bytes";
	measure(b, "set up, no channel", SWARM_SETUP, floor);
	measure(b, "a standard channel, 20 jobs later", SWARM_STANDARD, floor);
	measure(b, "an extended channel, 20 jobs later", SWARM_EXTENDED, floor);
}
