/* SPDX-License-Identifier: MIT */
/* fanout_floor.h: what the same bytes to many connections can't cost less than. */
#ifndef BENCH_FANOUT_FLOOR_H
#define BENCH_FANOUT_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

/* What one connection gets of a wave. */
struct fanout_wave {
	double bytes;
	double frames;
	bool root;     /* a merkle root is computed for each (standard channels) */
	size_t levels; /* of its path */
};

/* Nanoseconds of CPU: the seals and the merkle root of one connection; best of ROUNDS. */
double fanout_crypto_floor(const struct fanout_wave *w, size_t rounds);
/* Nanoseconds of CPU a connection: a bare server's one send() of the bytes of W on each of
 * CONNECTIONS, which are opened and closed; best of ROUNDS. */
double fanout_send_floor(const struct fanout_wave *w, size_t connections, size_t rounds);

#endif
