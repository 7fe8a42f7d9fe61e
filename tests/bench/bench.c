/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 7
#define ROUND_NS 8e6

static double cpu_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0)
		bench_broken("no CPU clock");
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_one(bench_fn fn, void *context, size_t count)
{
	double start = cpu_ns();

	fn(context, count);
	return (cpu_ns() - start) / (double)count;
}

/* As many as take about ROUND_NS. */
static size_t calibrate(bench_fn fn, void *context)
{
	double one = time_one(fn, context, 16);
	double count = one > 0 ? ROUND_NS / one : 1e6;

	if (count < 16)
		return 16;
	return count < 1e6 ? (size_t)count : (size_t)1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_add(struct bench *b, const char *name, bench_fn value, bench_fn floor, void *context)
{
	size_t value_count = calibrate(value, context);
	size_t floor_count = calibrate(floor, context);
	double values[ROUNDS];
	double floors[ROUNDS];

	if (b->count == sizeof(b->rows) / sizeof(b->rows[0]))
		bench_broken("too many rows");
	for (size_t i = 0; i < ROUNDS; i++) {
		values[i] = time_one(value, context, value_count);
		floors[i] = time_one(floor, context, floor_count);
	}
	qsort(values, ROUNDS, sizeof(values[0]), by_size);
	qsort(floors, ROUNDS, sizeof(floors[0]), by_size);
	b->rows[b->count++] = (struct bench_row){
	    .name = name, .value = values[ROUNDS / 2], .floor = floors[ROUNDS / 2]};
}

static double row_ratio(const struct bench_row *row)
{
	return row->floor / row->value;
}

static const struct bench_row *bench_worst(const struct bench *b)
{
	const struct bench_row *worst = &b->rows[0];

	for (size_t i = 1; i < b->count; i++) {
		if (row_ratio(&b->rows[i]) < row_ratio(worst))
			worst = &b->rows[i];
	}
	return worst;
}

static void print_json_row(const struct bench_row *row)
{
	printf("\"name\":\"%s\",\"unit\":\"ns\",\"value\":%.1f,\"floor\":%.1f,\"ratio\":%.3f",
	       row->name, row->value, row->floor, row_ratio(row));
}

static void bench_print_json(const struct bench *b)
{
	struct bench_row worst = *bench_worst(b);

	worst.name = b->name;
	printf("{");
	print_json_row(&worst);
	printf(",\"shapes\":[");
	for (size_t i = 0; i < b->count; i++) {
		printf("%s{", i > 0 ? "," : "");
		print_json_row(&b->rows[i]);
		printf("}");
	}
	printf("]}\n");
}

void bench_print(const struct bench *b, bool json)
{
	if (b->count == 0)
		bench_broken("nothing was measured");
	if (json) {
		bench_print_json(b);
		return;
	}
	printf("%s\n%-52s %10s %10s %7s %7s\n", b->title, "", "ns", "floor ns", "ratio", "times");
	for (size_t i = 0; i < b->count; i++) {
		const struct bench_row *row = &b->rows[i];

		printf("%-52s %10.1f %10.1f %7.2f %7.2f\n", row->name, row->value, row->floor,
		       row_ratio(row), row->value / row->floor);
	}
}

void bench_broken(const char *what)
{
	fprintf(stderr, "adit-bench: %s\n", what);
	exit(1);
}
