/* SPDX-License-Identifier: MIT */
/*
 * bench.h: measuring an operation against its floor. Both are timed in the same run, by the CPU
 * time of the process that does the work, so that a busy or slow machine moves both; what counts is
 * the ratio.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_NAME_SIZE 64
#define BENCH_NOTE_SIZE 256

/* Does the operation COUNT times. */
typedef void (*bench_fn)(void *context, size_t count);

struct bench_row {
	char name[BENCH_NAME_SIZE];
	double value;               /* nanoseconds, or what `unit` says, an operation */
	double floor;               /* of what can't be left out */
	double wall;                /* nanoseconds by the clock an operation; 0: not measured */
	char note[BENCH_NOTE_SIZE]; /* a further line of the table; may be empty */
	char json[BENCH_NOTE_SIZE]; /* further members of the shape: "a":1,"b":2; may be empty */
};

struct bench {
	const char *name; /* "noise" */
	const char *title;
	const char *unit;        /* of value and floor; NULL: "ns" */
	bool quick;              /* tiny counts: whether it works, not how fast */
	const char *only;        /* shapes whose name has this in it; NULL: all */
	const char *node_socket; /* of tip: a Bitcoin Core on regtest besides; NULL: none */
	const char *tip_command; /* makes a block there */
	struct bench_row rows[160];
	size_t count;
};

/* A new row with that name (printf format). */
struct bench_row *bench_row(struct bench *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether the shape of that name is to be measured. For benchmarks whose shapes take seconds. */
bool bench_wanted(const struct bench *b, const char *name);
/* Measures VALUE and FLOOR by this process's CPU time and appends a row. */
void bench_add(struct bench *b, const char *name, bench_fn value, bench_fn floor, void *context);
/* Nanoseconds of CPU that FN takes an operation: the median of several rounds. */
double bench_time(bench_fn fn, void *context);
/* The median of COUNT values, which are sorted. */
double bench_median(double *values, size_t count);
/* Says it in a table or, as one object, in JSON: name, unit, value, floor, ratio (of the worst
 * shape), shapes. A ratio is floor / value: 1 is perfect. */
void bench_print(const struct bench *b, bool json);
/* Ends the program: a benchmark that can't do its work measures nothing. */
_Noreturn void bench_broken(const char *what);

void bench_noise(struct bench *b);
void bench_codec(struct bench *b);
void bench_bus(struct bench *b);
void bench_shares(struct bench *b);
void bench_handshakes(struct bench *b);
void bench_fanout(struct bench *b);
void bench_tip(struct bench *b);
void bench_memory(struct bench *b);
void bench_declare(struct bench *b);

#endif
