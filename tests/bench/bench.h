/* SPDX-License-Identifier: MIT */
/*
 * bench.h: measuring an operation against its floor. Both are timed in turns in the same run, by
 * this process's own CPU time, so that a busy or slow machine moves both; what counts is the ratio.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does the operation COUNT times. */
typedef void (*bench_fn)(void *context, size_t count);

struct bench_row {
	const char *name;
	double value; /* nanoseconds an operation */
	double floor; /* nanoseconds of what can't be left out */
};

struct bench {
	const char *name; /* "noise" */
	const char *title;
	struct bench_row rows[160];
	size_t count;
};

/* Measures VALUE and FLOOR and appends a row; NAME is kept by reference. */
void bench_add(struct bench *b, const char *name, bench_fn value, bench_fn floor, void *context);
/* Says it in a table or, as one object, in JSON: name, unit, value, floor, ratio (of the worst
 * shape), shapes. A ratio is floor / value: 1 is perfect. */
void bench_print(const struct bench *b, bool json);
/* Ends the program: a benchmark that can't do its work measures nothing. */
_Noreturn void bench_broken(const char *what);

void bench_noise(struct bench *b);
void bench_codec(struct bench *b);
void bench_bus(struct bench *b);

#endif
