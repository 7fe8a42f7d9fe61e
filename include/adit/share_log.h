/* SPDX-License-Identifier: MIT */
/*
 * adit/share_log.h: the share log, a record for every share that a role has judged.
 *
 * Shares do not travel as events. Each worker of a role with the capability write_share_log (pool)
 * has a ring of fixed-size records in a memory file, which the host makes and keeps: it outlives
 * the worker and everybody who reads it, and ends with aditd. A role with the capability
 * read_share_log (accounting, a bridge, a dashboard) sees all rings, read-only, each of its
 * instances with a cursor of its own in every ring. Neither side makes a system call for a share,
 * and neither waits for the other: a writer overwrites the oldest record, and who reads too late is
 * told exactly how many it missed.
 *
 * A worker that is replaced without a gap has two processes for a moment, each with a ring of its
 * own: then two rings have the same producer. No record is in both.
 *
 * Records of a ring are numbered from 1, without gaps and over restarts of the worker. What a worker
 * was writing when it died does not become a record; the one whose place it had begun to take (the
 * ring's oldest) counts as missed.
 *
 * A record stands alone: it carries the user's identity whole, so nothing has to be looked up for a
 * reader that begins late or has missed records.
 *
 * The functions are in struct adit_host_api (adit/plugin.h), from version 1.3 on:
 *
 *	share_log_writer, share_log_append             a producer's
 *	share_log_ring, share_log_read, share_log_seek  a consumer's
 *
 * There is no wake-up: a consumer reads on a timer, of 100 ms to a second, until `count` is 0. A ring
 * holds [host] share_log_records records; what a worker accepts in the longest pause of a consumer
 * has to fit.
 *
 *	static void on_timer(void *user)
 *	{
 *		struct adit_share_ring ring = {.size = sizeof ring};
 *		struct adit_share shares[64];
 *		uint32_t count;
 *		uint64_t lost;
 *
 *		for (uint32_t i = 0; api->share_log_ring(host, i, &ring) == ADIT_OK; i++)
 *			while (api->share_log_read(host, i, shares, 64, &count, &lost) == ADIT_OK &&
 *			       (count > 0 || lost > 0))
 *				account(ring.producer, shares, count, lost);
 *	}
 *
 * To go on after a restart where it was, a consumer stores `id` and the sequence of the last record
 * that it has dealt with, and gives that plus one to share_log_seek; when the ring has another id,
 * aditd was started anew and its records are all new.
 */
#ifndef ADIT_SHARE_LOG_H
#define ADIT_SHARE_LOG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADIT_SHARE_USER_MAX 255 /* bytes of an identity; Stratum V2 has STR0_255 */

/* What became of a share. Values are stable and only appended: one that is not known here was
 * refused. */
enum adit_share_result {
	ADIT_SHARE_ACCEPTED = 0,
	ADIT_SHARE_STALE = 1,           /* for a job of an earlier tip */
	ADIT_SHARE_DUPLICATE = 2,
	ADIT_SHARE_LOW_DIFFICULTY = 3,  /* its hash misses the job's target */
	ADIT_SHARE_UNKNOWN_JOB = 4,
	ADIT_SHARE_UNKNOWN_CHANNEL = 5, /* then there is no user either */
	ADIT_SHARE_INVALID = 6,         /* a field is out of its range: time, version, extranonce */
	ADIT_SHARE_REFUSED = 7          /* for another reason */
};

/* Bits of `flags`. */
enum adit_share_flag { ADIT_SHARE_BLOCK = 1 }; /* it meets the network's target, too */

/* A record: 320 bytes in the byte order of the machine, the same in memory and in the ring. Unused
 * bytes are 0. What a producer writes is not checked by the host: a consumer that hands a text on
 * treats it like one from outside. */
struct adit_share {
	uint64_t sequence;        /* of the ring, from 1; set by share_log_append */
	uint64_t time_ms;         /* Unix time in milliseconds; set by share_log_append */
	double difficulty;        /* of the job's target: what an accepted share is worth */
	double hash_difficulty;   /* of the share's own hash; 0 when it was refused without one */
	uint32_t connection;      /* worker/CONNECTION/CHANNEL is a channel's name everywhere */
	uint32_t channel;
	uint32_t job_id;          /* as submitted */
	uint32_t submit_sequence; /* sequence_number of the SubmitShares message */
	uint32_t height;          /* of the block that was worked on; 0 when its job is not known */
	uint16_t slice;           /* of the worker's start, see struct adit_instance_info */
	uint8_t result;           /* enum adit_share_result */
	uint8_t flags;
	uint16_t user_size;       /* bytes of the user in `user`, at most ADIT_SHARE_USER_MAX */
	uint16_t worker_size;     /* since 1.4, 0 before: bytes of the worker behind it; 0: none */
	uint32_t reserved32;
	/* The channel's user_identity and a NUL; behind that, since 1.4, the worker that the share
	 * itself names (extension 0x0002) and a NUL. A worker for whom there is no room is left out:
	 * user_size + 1 + worker_size is at most ADIT_SHARE_USER_MAX. adit_share_worker() finds it. */
	char user[ADIT_SHARE_USER_MAX + 1];
};

/* The worker that S names, borrowed from S; NULL when it names none. */
static inline const char *adit_share_worker(const struct adit_share *s)
{
	return s->worker_size > 0 && (uint32_t)s->user_size + 1 + s->worker_size <= ADIT_SHARE_USER_MAX
		   ? s->user + s->user_size + 1
		   : 0;
}

/* A ring, as a consumer sees it. The caller sets `size`. */
struct adit_share_ring {
	uint32_t size;
	uint32_t reserved;
	uint64_t id;          /* random; another one after aditd was started anew */
	const char *producer; /* worker, "pool.1"; owned by the host, lives as long as the instance */
	uint64_t capacity;    /* records it holds */
	uint64_t written;     /* sequence of the newest record; 0: none yet */
	uint64_t read;        /* the next record that share_log_read gives has a higher sequence */
	uint64_t lost;        /* records that this instance has missed so far */
};

/* The right to append to the ring of this instance; the host's. */
struct adit_share_writer;

#ifdef __cplusplus
}
#endif
#endif
