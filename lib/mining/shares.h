/* SPDX-License-Identifier: MIT */
/*
 * shares.h: the hot path. A share is examined in a fixed order, so that each has one reason to be
 * refused; nothing is allocated, locked or logged. Accepted shares of one socket read are
 * acknowledged together, errors and blocks at once.
 */
#ifndef MINING_SHARES_H
#define MINING_SHARES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mining/channels.h"

struct share {
	uint32_t sequence;
	uint32_t job_id;
	uint32_t nonce;
	uint32_t ntime;
	uint32_t version;
	const uint8_t *extranonce; /* of an extended channel */
	uint32_t extranonce_size;
	struct adit_bytes worker; /* extension 0x0002; size 0: not said */
};

/* A share for channel CHANNEL_ID of CONN, as a standard or an extended channel's message. Returns
 * what the message handler returns. */
int32_t shares_submitted(struct mining_conn *conn, uint32_t channel_id, bool standard,
			 const struct share *share);
/* Acknowledges what was accepted since the last call. */
void shares_flush(struct mining_conn *conn);
/* The same for one channel. */
void shares_flush_channel(struct channel *channel);

#endif
