/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), by_size);
	return values[count / 2];
}

struct bench_row *bench_row(struct bench *b, const char *format, ...)
{
	struct bench_row *row = &b->rows[b->count];
	va_list arguments;

	if (b->count == sizeof(b->rows) / sizeof(b->rows[0]))
		bench_broken("too many rows");
	b->count++;
	va_start(arguments, format);
	(void)vsnprintf(row->name, sizeof(row->name), format, arguments);
	va_end(arguments);
	return row;
}

bool bench_wanted(const struct bench *b, const char *name)
{
	return b->only == NULL || strstr(name, b->only) != NULL;
}

double bench_time(bench_fn fn, void *context)
{
	size_t count = calibrate(fn, context);
	double times[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++)
		times[i] = time_one(fn, context, count);
	return bench_median(times, ROUNDS);
}

void bench_add(struct bench *b, const char *name, bench_fn value, bench_fn floor, void *context)
{
	size_t value_count = calibrate(value, context);
	size_t floor_count = calibrate(floor, context);
	struct bench_row *row = bench_row(b, "%s", name);
	double values[ROUNDS];
	double floors[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		values[i] = time_one(value, context, value_count);
		floors[i] = time_one(floor, context, floor_count);
	}
	row->value = bench_median(values, ROUNDS);
	row->floor = bench_median(floors, ROUNDS);
}

/* --- saying it ---------------------------------------------------------------------------------
 */

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

static const char *bench_unit(const struct bench *b)
{
	return b->unit != NULL ? b->unit : "ns";
}

static void print_json_row(const struct bench *b, const struct bench_row *row, const char *name)
{
	printf("\"name\":\"%s\",\"unit\":\"%s\",\"value\":%.1f,\"floor\":%.1f,\"ratio\":%.3f", name,
	       bench_unit(b), row->value, row->floor, row_ratio(row));
}

static void bench_print_json(const struct bench *b)
{
	printf("{");
	print_json_row(b, bench_worst(b), b->name);
	printf(",\"shapes\":[");
	for (size_t i = 0; i < b->count; i++) {
		const struct bench_row *row = &b->rows[i];

		printf("%s{", i > 0 ? "," : "");
		print_json_row(b, row, row->name);
		if (row->wall > 0)
			printf(",\"wall_ns\":%.1f", row->wall);
		printf("%s%s}", row->json[0] != '\0' ? "," : "", row->json);
	}
	printf("]}\n");
}

static void bench_print_table(const struct bench *b)
{
	bool wall = b->rows[0].wall > 0;

	printf("%s\n%-52s %10s %10s %7s %7s%s\n", b->title, "", bench_unit(b), "floor", "ratio",
	       "times", wall ? "    wall ns" : "");
	for (size_t i = 0; i < b->count; i++) {
		const struct bench_row *row = &b->rows[i];

		printf("%-52s %10.1f %10.1f %7.2f %7.2f", row->name, row->value, row->floor,
		       row_ratio(row), row->value / row->floor);
		if (wall)
			printf(" %10.1f", row->wall);
		printf("\n%s%s%s", row->note[0] != '\0' ? "    " : "", row->note,
		       row->note[0] != '\0' ? "\n" : "");
	}
}

void bench_print(const struct bench *b, bool json)
{
	if (b->count == 0)
		bench_broken("nothing was measured");
	if (json)
		bench_print_json(b);
	else
		bench_print_table(b);
}

void bench_broken(const char *what)
{
	fprintf(stderr, "adit-bench: %s\n", what);
	exit(1);
}
