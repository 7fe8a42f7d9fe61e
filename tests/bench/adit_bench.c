/* SPDX-License-Identifier: MIT */
/* adit_bench.c: the benchmarks by name. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

static const struct {
	const char *name;
	void (*run)(struct bench *b);
	const char *help;
} benches[] = {
    {"noise", bench_noise, "The handshake by act, sealing and opening by size."},
    {"codec", bench_codec, "Each message from struct to sealed frame and back."},
    {"bus", bench_bus, "Calls and events between two roles through aditd."},
    {"shares", bench_shares,
     "Shares through a whole pool. burst: 64 connections, many shares a read; floor: opening the\n"
     "frame, the hashes, sealing the answer. field: 5,000 connections, one share a read; floor:\n"
     "that, and reading and writing the same bytes. Standard and extended channels, 12 merkle\n"
     "levels; a new tip and a new job each second. At last a burst over two workers."},
    {"handshakes", bench_handshakes,
     "Connections: accepted, Noise, SetupConnection, reset by the peer; floor: the crypto, and a\n"
     "bare server that accepts and closes."},
    {"fanout", bench_fanout,
     "A new tip and a new job to 1,000 and 10,000 connections, one channel each; floor: one "
     "send()\n"
     "of the same bytes to as many, the seals, and the merkle root of each standard channel. Says\n"
     "after how many milliseconds the first, the median and the last had it."},
    {"memory", bench_memory,
     "Resident bytes of the server an idle connection, without a channel and with one; floor: "
     "what\n"
     "its two ciphers take."},
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: adit-bench [--json] [--quick] [--only TEXT] NAME\n\n"
		"Measures an operation against its floor, what can't be left out, in the same\n"
		"run, by the CPU time of the process that does the work. ratio = floor / value.\n\n"
		"  --json   one object: name, unit, value, floor, ratio (of the worst shape),\n"
		"           shapes\n"
		"  --quick  tiny counts: shows that it works, not how fast\n"
		"  --only TEXT  of shares: shapes with TEXT in their name\n");
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		fprintf(out, "\n%s\n%s\n", benches[i].name, benches[i].help);
	return out == stdout ? 0 : 2;
}

static int run(const char *name, struct bench *b, bool json)
{
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		if (strcmp(name, benches[i].name) != 0)
			continue;
		b->name = benches[i].name;
		benches[i].run(b);
		bench_print(b, json);
		return 0;
	}
	return usage(stderr);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"quick", no_argument, NULL, 'q'},
	    {"only", required_argument, NULL, 'o'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	static struct bench b;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout);
		if (c == '?')
			return usage(stderr);
		json = json || c == 'j';
		b.quick = b.quick || c == 'q';
		if (c == 'o')
			b.only = optarg;
	}
	return argc - optind == 1 ? run(argv[optind], &b, json) : usage(stderr);
}
