/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/farm_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/aditctl/json.h"
#include "host/node/traffic.h"
#include "lib/bitcoin/sha256.h"
#include "lib/util/clock.h"
#include "tests/bench/daemon.h"
#include "tests/bench/rig.h"

#define PAYOUT "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
#define WAITING                                                                                    \
	3000 /* transactions: less than a full block, so each one more is another template */
#define ROUNDS 12
#define QUICK_ROUNDS 1
#define WAIT_MS 60000
#define LOOK_US 100000 /* between two looks where CPU is measured: a look costs, too */

struct farm {
	struct daemon jdc; /* of which jdc's process is watched */
	struct daemon jds;
	uint32_t transactions;
};

static void configure(const struct daemon *d)
{
	uint16_t mining = rig_free_port();
	uint16_t declaration = rig_free_port();

	daemon_configure(d,
			 "[node]\nbackend = embedded\nnetwork = regtest\n"
			 "embedded_tx_interval = 0\nembedded_mempool = %d\n"
			 "[template-provider]\ngrant = all\nprocess = templates\n"
			 "listen = unix:%s/tdp.sock\nfee_threshold = 0\nmin_interval = 0\n",
			 WAITING + 100, d->directory);
	daemon_configure(d,
			 "[sv2-server]\ngrant = all\nprocess = mining\nlisten = 127.0.0.1:%u\n"
			 "[pool]\ngrant = all\nprocess = mining\npayout = " PAYOUT "\n"
			 "template_provider = unix:%s/tdp.sock\ncustom_jobs = full-template\n",
			 mining, d->directory);
	daemon_configure(d,
			 "[sv2-server@jds]\ngrant = all\nprocess = jds\nlisten = 127.0.0.1:%u\n"
			 "[jds]\ngrant = all\nprocess = jds\npayout = " PAYOUT "\n",
			 declaration);
	daemon_configure(d,
			 "[sv2-server@farm]\ngrant = all\nprocess = farm\nlisten = 127.0.0.1:%u\n"
			 "[jdc]\ngrant = all\nprocess = farm\npayout = " PAYOUT "\n"
			 "template_provider = unix:%s/tdp.sock\n",
			 rig_free_port(), d->directory);
	daemon_configure(d,
			 "[jdc/pool]\naddress = 127.0.0.1:%u\n"
			 "authority_key_file = sv2-server/authority.pub\n"
			 "jds_address = 127.0.0.1:%u\n"
			 "jds_authority_key_file = sv2-server@jds/authority.pub\n"
			 "user_identity = bench\n",
			 mining, declaration);
}

static int64_t jobs(struct farm *f)
{
	return daemon_number(&f->jdc, "pool", 0, "custom_jobs");
}

/* Until the pool has LEAST custom jobs, looking each LOOK microseconds. */
static void await_jobs(struct farm *f, int64_t least, unsigned look)
{
	uint64_t until = clock_monotonic_ms() + WAIT_MS;

	while (jobs(f) < least) {
		if (clock_monotonic_ms() > until)
			bench_broken("the pool gets no job from jdc");
		(void)usleep(look);
	}
}

/* One more transaction waits: a new template. */
static void add_transactions(struct farm *f, uint32_t count)
{
	char text[32];
	struct json_object *answer;

	(void)snprintf(text, sizeof(text), "{\"count\":%u}", count);
	answer = daemon_call(&f->jdc, "node", "add_transactions", text);
	f->transactions = (uint32_t)json_integer(answer, "mempool_tx", 0);
	if (f->transactions < WAITING)
		bench_broken("the embedded node takes no transactions");
	json_object_put(answer);
}

static void begin(struct farm *f)
{
	int64_t before;

	daemon_prepare(&f->jdc, ADIT_STAGE_PLUGINS);
	configure(&f->jdc);
	daemon_start(&f->jdc);
	daemon_wait_running(&f->jdc);
	await_jobs(f, 1, LOOK_US);
	before = jobs(f);
	add_transactions(f, WAITING);
	await_jobs(f, before + 1, LOOK_US);
	daemon_watch(&f->jdc, "jdc");
	f->jds = f->jdc;
	daemon_watch(&f->jds, "jds");
}

/* What can't be left out in jdc: the wtxid of each transaction, of 400 bytes as they are about
 * here. The path comes with the template. */
static void ids(void *context, size_t count)
{
	const struct farm *f = context;

	while (count-- > 0) {
		for (uint64_t number = 0; number < f->transactions; number++) {
			static uint8_t bytes[400];
			uint8_t hash[32];

			sha256d(bytes, sizeof(bytes), hash);
		}
	}
}

struct best {
	double cpu; /* of jdc */
	double jds;
	double wall;
};

static void keep(double *best, double value)
{
	if (*best == 0 || value < *best)
		*best = value;
}

static void round_cpu(struct farm *f, struct best *best)
{
	int64_t before = jobs(f);
	double jdc = daemon_cpu_ns(&f->jdc);
	double jds = daemon_cpu_ns(&f->jds);

	add_transactions(f, 1);
	(void)usleep(2 * LOOK_US);
	await_jobs(f, before + 1, LOOK_US);
	keep(&best->cpu, daemon_cpu_ns(&f->jdc) - jdc);
	keep(&best->jds, daemon_cpu_ns(&f->jds) - jds);
}

static void round_wall(struct farm *f, struct best *best)
{
	int64_t before = jobs(f);
	uint64_t start = clock_monotonic_ns();

	add_transactions(f, 1);
	await_jobs(f, before + 1, 1000);
	keep(&best->wall, (double)(clock_monotonic_ns() - start));
}

void farm_row(struct bench *b, const char *name)
{
	size_t rounds = b->quick ? QUICK_ROUNDS : ROUNDS;
	static struct farm f;
	struct best best = {0};
	struct bench_row *row;

	if (!bench_wanted(b, name))
		return;
	begin(&f);
	for (size_t i = 0; i < rounds; i++) {
		round_cpu(&f, &best);
		round_wall(&f, &best);
	}
	row = bench_row(b, "%s", name);
	row->value = best.cpu;
	row->wall = best.wall;
	row->floor = bench_time(ids, &f);
	(void)snprintf(
	    row->note, sizeof(row->note),
	    "%u transactions; CPU ms: jdc %.1f, job declaration server %.1f; by the clock "
	    "from the order to the node until the pool has its job %.0f ms",
	    f.transactions, best.cpu / 1e6, best.jds / 1e6, best.wall / 1e6);
	(void)snprintf(row->json, sizeof(row->json), "\"transactions\":%u,\"server_ns\":%.0f",
		       f.transactions, best.jds);
	daemon_stop(&f.jdc);
}
