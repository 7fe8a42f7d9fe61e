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
    {"tip", bench_tip,
     "A new tip of the node to 1,000 miners with a standard channel each: CPU time of adit "
     "(aditd,\n"
     "template provider, and sv2-server with pool; kernel included) from the order to make a tip\n"
     "until the first miner has the first byte, and until the last has its SetNewPrevHash; of the\n"
     "latter what aditd and template provider do after the first byte is left out. The\n"
     "process of the role node is left out, with the embedded chain it is the node; its time is\n"
     "beside, as is the clock's, which has the making of the block in it. By source: node\n"
     "(embedded chain), bitcoin-ipc (a fake node, where it was built; the node that --node-socket\n"
     "names); few: 10 transactions; full: 3,000, with the empty template first (the default) or\n"
     "only the whole one. Floor of the first: the goal, 1 ms; of the last: one send() of the same\n"
     "bytes to as many, the seals, and the merkle root of each. Best of nine rounds."},
    {"memory", bench_memory,
     "Resident bytes of the server an idle connection, without a channel and with one; floor: "
     "what\n"
     "its two ciphers take."},
    {"declare", bench_declare,
     "A job of 4,000 transactions declared: all known to the server, asked of the node, 300 asked of\n"
     "the client; a full template until the pool has its job; 16 clients at the same moment; and 1,000\n"
     "declarations that wait for a transaction of their client; at last a new template through jdc\n"
     "until the pool has its job (CPU of jdc; floor: the wtxids). CPU of server and host, the\n"
     "node's beside; floor: opening the declaration, ids of what is not known, the merkle path."},
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
		"  --only TEXT  of shares, fanout, tip: shapes with TEXT in their name\n"
		"  --node-socket PATH  of tip: also a Bitcoin Core on regtest that listens there\n"
		"  --tip-command CMD   what makes a block on it, for the shell\n");
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
	    {"node-socket", required_argument, NULL, 's'},
	    {"tip-command", required_argument, NULL, 't'},
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
		if (c == 's')
			b.node_socket = optarg;
		if (c == 't')
			b.tip_command = optarg;
	}
	if ((b.node_socket == NULL) != (b.tip_command == NULL))
		return usage(stderr);
	return argc - optind == 1 ? run(argv[optind], &b, json) : usage(stderr);
}
