/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/fanout_floor.h"

#include <math.h>
#include <stdint.h>

#include "lib/bitcoin/sha256.h"
#include "tests/bench/aead.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/swarm.h"

#define REST_MS 100
#define COINBASE_SIZE 200

struct crypto {
	struct aead_floor aead;
	size_t frames;  /* a connection */
	size_t payload; /* plaintext bytes of each */
	size_t levels;
	bool root;
	uint8_t frame[2048];
	uint8_t hash[32];
};

static void seal_all(void *context, size_t count)
{
	struct crypto *c = context;

	while (count-- > 0) {
		if (c->root) {
			sha256d(c->frame, COINBASE_SIZE, c->hash);
			for (size_t i = 0; i < c->levels; i++)
				sha256d_pair(c->hash, c->frame + 32 * i, c->hash);
		}
		for (size_t i = 0; i < c->frames; i++) {
			aead_floor_seal(&c->aead, c->frame, SV2_HEADER_SIZE);
			aead_floor_seal(&c->aead, c->frame + SV2_SEALED_HEADER_SIZE, c->payload);
		}
	}
}

double fanout_crypto_floor(const struct fanout_wave *w, size_t rounds)
{
	struct crypto c = {.frames = (size_t)w->frames, .root = w->root, .levels = w->levels};
	double time;

	c.payload = (size_t)(w->bytes / w->frames) - SV2_SEALED_HEADER_SIZE - NOISE_MAC_SIZE;
	if (c.payload > sizeof(c.frame) - 64)
		bench_broken("messages of that size were not expected");
	aead_floor_init(&c.aead);
	time = bench_time(seal_all, &c);
	for (size_t i = 1; i < rounds; i++)
		time = fmin(time, bench_time(seal_all, &c));
	aead_floor_fini(&c.aead);
	return time;
}

double fanout_send_floor(const struct fanout_wave *w, size_t connections, size_t rounds)
{
	struct swarm plain;
	struct bare bare;
	double best = 0;

	bare_start(&bare, BARE_ECHO, 1, 0);
	swarm_open_bare(&plain, bare.port, connections, 0, 0);
	swarm_rest(&plain, REST_MS);
	for (size_t i = 0; i < rounds; i++) {
		uint64_t target = plain.counts.bytes + (uint64_t)w->bytes * connections;
		double cpu = bare_cpu_ns(&bare);

		bare_send(&bare, (size_t)w->bytes);
		swarm_await(&plain, &plain.counts.bytes, target);
		cpu = (bare_cpu_ns(&bare) - cpu) / (double)connections;
		best = best == 0 ? cpu : fmin(best, cpu);
	}
	swarm_close(&plain);
	bare_stop(&bare);
	return best;
}
