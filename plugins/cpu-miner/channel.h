/* SPDX-License-Identifier: MIT */
/* channel.h: jobs of one mining channel as the client keeps them (specification 05; the life of a
 * job, and which target and extranonce prefix hold for it). No I/O: messages in, the active job
 * out. */
#ifndef MINER_CHANNEL_H
#define MINER_CHANNEL_H

#include <adit/sv2.h>

#include "lib/util/error.h"
#include "plugins/cpu-miner/job.h"

/* A server that never sends SetNewPrevHash would otherwise fill our memory. */
#define MINER_FUTURE_JOBS 16

struct miner_channel {
	bool open;
	bool standard;
	bool fixed_version; /* the server wants no version rolling at all */
	bool has_group;
	bool has_tip;
	uint32_t id;
	uint32_t group;
	uint64_t session; /* copied into each job */
	uint64_t tip;     /* counts SetNewPrevHash */
	uint8_t target[32];
	uint8_t extranonce_prefix[MINER_EXTRANONCE_MAX];
	uint32_t extranonce_prefix_size;
	uint32_t extranonce_size; /* 0 for a standard channel */
	uint8_t prev_hash[32];
	uint32_t nbits;
	uint32_t future_count;
	struct miner_job *future[MINER_FUTURE_JOBS]; /* oldest first */
	struct miner_job *active;                    /* NULL: nothing to mine */
};

/* Back to closed and empty. Zero-initialised is that too. */
void miner_channel_reset(struct miner_channel *c);

/* The Success of an open. ADIT_E_PROTOCOL for an extranonce beyond 32 bytes, or fewer rollable
 * bytes than MIN_SIZE. */
int32_t miner_channel_open_standard(struct miner_channel *c,
				    const struct adit_sv2_open_standard_mining_channel_success *m,
				    struct error *e);
int32_t miner_channel_open_extended(struct miner_channel *c, uint32_t min_size,
				    const struct adit_sv2_open_extended_mining_channel_success *m,
				    struct error *e);
/* True when a message for channel or group ID is for this channel. */
bool miner_channel_is(const struct miner_channel *c, uint32_t id);

/* The messages. Ones for other channels are ignored: they may have been under way when a channel
 * was closed. On ADIT_E_PROTOCOL nothing has changed and the connection has to end. Afterwards
 * C->active may be another job; it carries one reference of the channel. */
int32_t miner_channel_new_job(struct miner_channel *c, const struct adit_sv2_new_mining_job *m,
			      uint64_t now_us, struct error *e);
int32_t miner_channel_new_extended_job(struct miner_channel *c,
				       const struct adit_sv2_new_extended_mining_job *m,
				       uint64_t now_us, struct error *e);
int32_t miner_channel_set_prev_hash(struct miner_channel *c,
				    const struct adit_sv2_set_new_prev_hash *m, uint64_t now_us,
				    struct error *e);
void miner_channel_set_target(struct miner_channel *c, const struct adit_sv2_set_target *m);
int32_t miner_channel_set_prefix(struct miner_channel *c,
				 const struct adit_sv2_set_extranonce_prefix *m, struct error *e);
void miner_channel_set_group(struct miner_channel *c, const struct adit_sv2_set_group_channel *m);

/* A share of JOB can still be accepted. */
bool miner_channel_wants(const struct miner_channel *c, const struct miner_job *job);

#endif
