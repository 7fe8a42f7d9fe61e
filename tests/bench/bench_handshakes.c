/* SPDX-License-Identifier: MIT */
/*
 * bench_handshakes.c: connections through a real aditd, one after the other: accepted, Noise,
 * SetupConnection, and reset by the peer. Floor: the crypto (the responder's key and two ECDHs, the
 * two seals of act 2, SetupConnection opened and its answer sealed), and a bare server that accepts
 * and closes.
 */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include <secp256k1_ellswift.h>

#include "lib/bitcoin/secp_context.h"
#include "lib/noise/keys.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/bench/aead.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/rig.h"
#include "tests/bench/swarm.h"

#define ROUNDS 5
#define CONNECTIONS 2000 /* a round */
#define QUICK_CONNECTIONS 100
#define IN_FLIGHT 64

/* Payloads in plaintext, as the swarm sends and gets them. */
#define SETUP_SIZE 40
#define SETUP_SUCCESS_SIZE 6

/* --- the floor ---------------------------------------------------------------------------------
 */

struct crypto {
	struct noise_identity identity;
	struct aead_floor aead;
	uint8_t peer[64]; /* the initiator's key, encoded */
};

static void make_key(uint8_t ellswift[64], uint8_t secret[32])
{
	uint8_t aux[32];

	random_bytes(secret, 32);
	random_bytes(aux, sizeof(aux));
	if (!secp256k1_ellswift_create(secp_context(), ellswift, secret, aux))
		bench_broken("no key");
}

static void ecdh(const uint8_t secret[32], const uint8_t own[64], const uint8_t their[64])
{
	uint8_t shared[32];

	if (!secp256k1_ellswift_xdh(secp_context(), shared, their, own, secret, 1,
				    secp256k1_ellswift_xdh_hash_function_bip324, NULL))
		bench_broken("no shared secret");
}

static void shake(void *context, size_t count)
{
	struct crypto *c = context;
	uint8_t ellswift[64];
	uint8_t secret[32];
	uint8_t data[128] = {0};

	while (count-- > 0) {
		make_key(ellswift, secret);
		ecdh(secret, ellswift, c->peer);
		ecdh(c->identity.secret, c->identity.ellswift, c->peer);
		aead_floor_seal(&c->aead, data, 64);
		aead_floor_seal(&c->aead, data, NOISE_CERTIFICATE_SIZE);
		aead_floor_open(&c->aead, data, SV2_HEADER_SIZE);
		aead_floor_open(&c->aead, data, SETUP_SIZE);
		aead_floor_seal(&c->aead, data, SV2_HEADER_SIZE);
		aead_floor_seal(&c->aead, data, SETUP_SUCCESS_SIZE);
	}
}

static void crypto_init(struct crypto *c)
{
	uint8_t secret[32];
	uint8_t x[32];

	if (noise_key_generate(secret, x) != ADIT_OK ||
	    noise_identity_issue(&c->identity, secret, clock_unix(), 3600, 60) != ADIT_OK)
		bench_broken("no keys");
	make_key(c->peer, secret);
	aead_floor_init(&c->aead);
}

/* --- rounds ------------------------------------------------------------------------------------
 */

struct best {
	double value;
	double wall;
	double crypto;
	double calls;
};

static void keep(double *best, double value)
{
	if (*best == 0 || value < *best)
		*best = value;
}

static void round_all(const struct rig *r, const struct bare *bare, struct crypto *c, size_t count,
		      struct best *best)
{
	struct swarm s;
	double cpu = daemon_cpu_ns(&r->daemon);

	keep(&best->wall, (double)swarm_churn(&s, SWARM_SETUP, r->port, count) / (double)count);
	(void)usleep(50000); /* the last resets are seen */
	keep(&best->value, (daemon_cpu_ns(&r->daemon) - cpu) / (double)count);
	cpu = bare_cpu_ns(bare);
	(void)swarm_churn(&s, SWARM_BARE, bare->port, count);
	(void)usleep(50000);
	keep(&best->calls, (bare_cpu_ns(bare) - cpu) / (double)count);
	keep(&best->crypto, bench_time(shake, c));
}

void bench_handshakes(struct bench *b)
{
	size_t count = b->quick ? QUICK_CONNECTIONS : CONNECTIONS;
	struct crypto crypto;
	struct best best = {0};
	struct bench_row *row;
	struct bare bare;
	struct rig r;

	b->title = "handshakes: CPU of the server a connection, accepted to reset; goal 0.6";
	crypto_init(&crypto);
	rig_start(&r, IN_FLIGHT, 1);
	bare_start(&bare, BARE_ACCEPT, 0, 0);
	for (size_t i = 0; i < (b->quick ? 1 : ROUNDS); i++)
		round_all(&r, &bare, &crypto, count, &best);
	bare_stop(&bare);
	rig_stop(&r);
	aead_floor_fini(&crypto.aead);
	row = bench_row(b, "accept, Noise, SetupConnection, reset");
	row->value = best.value;
	row->wall = best.wall;
	row->floor = best.crypto + best.calls;
	(void)snprintf(row->note, sizeof(row->note),
		       "crypto %.0f ns, accept and close %.0f ns; %.0f a second by the CPU",
		       best.crypto, best.calls, 1e9 / best.value);
	(void)snprintf(row->json, sizeof(row->json), "\"goal\":0.6,\"crypto\":%.1f,\"calls\":%.1f",
		       best.crypto, best.calls);
}
