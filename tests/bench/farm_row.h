/* SPDX-License-Identifier: MIT */
/* farm_row.h: of the benchmark `declare`: a new template of the farm's node until the pool has the
 * job of it, with jdc between. */
#ifndef BENCH_FARM_ROW_H
#define BENCH_FARM_ROW_H

#include "tests/bench/bench.h"

/* Adds the shape NAME. Starts and stops an aditd of its own. */
void farm_row(struct bench *b, const char *name);

#endif
