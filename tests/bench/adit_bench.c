/* SPDX-License-Identifier: MIT */
/* adit_bench.c: the benchmarks by name. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"

static const struct {
	const char *name;
	void (*run)(struct bench *b);
} benches[] = {
    {"noise", bench_noise},
    {"codec", bench_codec},
    {"bus", bench_bus},
};

static int usage(void)
{
	fprintf(stderr, "usage: adit-bench [--json] NAME\n");
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		fprintf(stderr, "       NAME: %s\n", benches[i].name);
	return 2;
}

int main(int argc, char **argv)
{
	static struct bench b;
	bool json = argc == 3 && strcmp(argv[1], "--json") == 0;

	if (argc != 2 && !json)
		return usage();
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		if (strcmp(argv[argc - 1], benches[i].name) != 0)
			continue;
		b.name = benches[i].name;
		benches[i].run(&b);
		bench_print(&b, json);
		return 0;
	}
	return usage();
}
