/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/search.h"

#include <string.h>

#include "lib/bitcoin/tx.h"

#define NONCES 0x100000000u
#define TAIL 64 /* the midstate covers what is before */

/* Header and midstate for the present version and extranonce. */
static void prepare(struct miner_search *s)
{
	const struct miner_job *job = s->job;
	struct block_header h = {
	    .version = s->version,
	    .time = s->ntime,
	    .nbits = job->nbits,
	};

	memcpy(h.prev_hash, job->prev_hash, 32);
	miner_job_root(job, s->extranonce, h.merkle_root);
	block_header_write(&h, s->header);
	sha256_midstate(s->header, &s->mid);
}

/* The time stands in the part that the midstate does not cover. */
static void set_time(struct miner_search *s, uint32_t ntime)
{
	s->ntime = ntime;
	for (int i = 0; i < 4; i++)
		s->header[68 + i] = (uint8_t)(ntime >> (8 * i));
	s->tried = 0;
	s->versions = 0;
}

void miner_search_init(struct miner_search *s, const struct miner_job *job, uint32_t index,
		       uint32_t parts, uint64_t seed)
{
	uint32_t used = job->extranonce_size < 8 ? job->extranonce_size : 8;

	*s = (struct miner_search){.job = job, .ntime = job->min_ntime, .version = job->version};
	s->first = (uint64_t)NONCES * index / parts;
	s->size = (uint64_t)NONCES * (index + 1) / parts - s->first;
	s->offset = (seed >> 16) % s->size;
	for (uint32_t i = 0; i < used; i++)
		s->extranonce[i] = (uint8_t)(seed >> (8 * i));
	if (job->version_rolling)
		s->version = (job->version & ~MINER_VERSION_MASK) |
			     (uint32_t)(seed & (MINER_VERSIONS - 1)) << MINER_VERSION_SHIFT;
	prepare(s);
}

static bool next_version(struct miner_search *s)
{
	if (!s->job->version_rolling || s->versions + 1 >= MINER_VERSIONS)
		return false;
	s->versions++;
	s->version = (s->version & ~MINER_VERSION_MASK) |
		     ((s->version + (1u << MINER_VERSION_SHIFT)) & MINER_VERSION_MASK);
	return true;
}

/* Counts up, least significant byte first. More than 2^64 headers are never tried, so that the
 * count coming around to its beginning needs no thought from 8 bytes on; below, it does within one
 * second only at rates that no CPU has. */
static bool next_extranonce(struct miner_search *s)
{
	uint32_t i = 0;

	while (i < s->job->extranonce_size && ++s->extranonce[i] == 0)
		i++;
	s->versions = 0;
	return s->job->extranonce_size > 0;
}

/* At most as many seconds as have passed may be added (specification 05). */
static uint32_t time_at(const struct miner_job *job, uint64_t now_us)
{
	uint64_t passed = now_us > job->started_us ? (now_us - job->started_us) / 1000000 : 0;
	uint32_t room = UINT32_MAX - job->min_ntime;

	return job->min_ntime + (passed < room ? (uint32_t)passed : room);
}

static bool make_room(struct miner_search *s, uint64_t now_us)
{
	uint32_t ntime = time_at(s->job, now_us);

	if (ntime > s->ntime)
		set_time(s, ntime);
	if (s->tried < s->size)
		return true;
	if (!next_version(s) && !next_extranonce(s))
		return false;
	s->tried = 0;
	prepare(s);
	return true;
}

static void note(const struct miner_search *s, uint32_t nonce, struct miner_found *found)
{
	found->nonce = nonce;
	found->ntime = s->ntime;
	found->version = s->version;
	found->extranonce_size = s->job->extranonce_size;
	memcpy(found->extranonce, s->extranonce, sizeof(found->extranonce));
}

uint32_t miner_search_run(struct miner_search *s, uint64_t now_us, uint32_t limit,
			  struct miner_found *found, bool *hit)
{
	uint64_t at, n;
	uint32_t nonce = 0;

	*hit = false;
	if (!make_room(s, now_us))
		return 0;
	at = (s->offset + s->tried) % s->size;
	n = s->size - (at > s->tried ? at : s->tried);
	if (n > limit)
		n = limit;
	*hit = sha256d_scan(&s->mid, s->header + TAIL, (uint32_t)(s->first + at), (uint32_t)n,
			    s->job->target, &nonce, found->hash) == 1;
	if (*hit) {
		n = nonce - (s->first + at) + 1;
		note(s, nonce, found);
	}
	s->tried += n;
	return (uint32_t)n;
}
