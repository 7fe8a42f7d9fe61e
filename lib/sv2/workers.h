/* SPDX-License-Identifier: MIT */
/*
 * workers.h: what the workers of a server know of each other: how many connections each has, how
 * many from an address, and when the role may accept the next one. All of it lies in a file that
 * each of them maps; nobody asks anybody, and each number has one writer (the accept clock apart,
 * which is one atomic word). A worker that hasn't said for two seconds that it lives doesn't count.
 *
 * Numbers of others may be a moment old. They decide who takes a connection and when a limit is
 * reached, never whether one that waits is looked at: see accept.h.
 */
#ifndef SV2_WORKERS_H
#define SV2_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

#define SV2_WORKERS_BEAT_MS 500
#define SV2_WORKERS_DEAD_MS 2000
/* Name of the file. */
#define SV2_WORKERS_FILE "workers"

struct sv2_workers;

struct sv2_workers_sum {
	uint64_t connections;
	uint64_t handshakes;
};

/* WORKER of WORKERS, from 0. The file is in DIRECTORY, which is the workers' own, and is made by
 * the first of them; with WORKERS == 1 there is none, and DIRECTORY may be NULL. What a former
 * process of WORKER has left in it is forgotten, when that has ended: two may be the same worker at a
 * time, the one that is being replaced and the one that replaces it; ADIT_E_EXISTS for a third. */
int32_t sv2_workers_open(const char *directory, uint32_t worker, uint32_t workers,
			 struct sv2_workers **out, struct error *e);
/* The others see that this one is gone. NULL is fine. */
void sv2_workers_close(struct sv2_workers *w);
/* False: it is alone, nobody has to be told that it lives. */
bool sv2_workers_shared(const struct sv2_workers *w);
/* WORKERS of sv2_workers_open(). */
uint32_t sv2_workers_count(const struct sv2_workers *w);
/* This worker lives, and takes connections (ACCEPTING) or not. Each SV2_WORKERS_BEAT_MS. NOW_MS as
 * clock_monotonic_ms(). */
void sv2_workers_beat(struct sv2_workers *w, uint64_t now_ms, bool accepting);
/* What this worker has now. */
void sv2_workers_set(struct sv2_workers *w, uint32_t connections, uint32_t handshakes);
/* Of all workers that live. */
struct sv2_workers_sum sv2_workers_sum(const struct sv2_workers *w, uint64_t now_ms);
/* This worker holds more than its share of the connections, plus 5% and one, among those that
 * accept: one of the others ought to take the next. */
bool sv2_workers_over_share(const struct sv2_workers *w, uint64_t now_ms);

/* Connections from an address (a key of sv2_socket_key(); 0 is not counted) to all workers that
 * live. A worker knows 49,152 addresses at the same time; what comes from further ones is not
 * counted. */
uint32_t sv2_workers_address(const struct sv2_workers *w, uint64_t now_ms, uint64_t key);
/* False when it is not counted; then it is not to be removed. */
bool sv2_workers_address_add(struct sv2_workers *w, uint64_t key);
void sv2_workers_address_remove(struct sv2_workers *w, uint64_t key);

/* The role accepts RATE connections a second and, after a pause, as many at once. Returns 0 when
 * there is one to take now, else in how many ms there will be. RATE 0: no limit. */
uint32_t sv2_workers_accept_wait(const struct sv2_workers *w, uint64_t now_us, uint32_t rate);
/* One was taken. */
void sv2_workers_accept_took(struct sv2_workers *w, uint64_t now_us, uint32_t rate);

#endif
