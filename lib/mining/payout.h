/* SPDX-License-Identifier: MIT */
/*
 * payout.h: the outputs that divide the reward of a block. The role's own come from the key
 * `payout`; a miner whose identity names an address gets one more, or the only one.
 *
 * Amounts are rounded down to whole satoshi, and what that leaves goes to one output: among the
 * role's to the one without a percentage (else the first), between role and miner to the miner. An
 * output of the role's that would get less than PAYOUT_DUST is left out, and its part goes there
 * too: spending it would cost more than it holds.
 */
#ifndef MINING_PAYOUT_H
#define MINING_PAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/reward.h"
#include "lib/mining/classes.h"
#include "lib/mining/providers.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

/* Satoshi. What nodes refuse to relay for the largest of the usual scripts, P2PKH. */
#define PAYOUT_DUST 546u

struct payout_output {
	struct script script;
	uint32_t parts; /* of REWARD_WHOLE */
};

/* The role's own outputs. */
struct payout {
	struct payout_output outputs[REWARD_ITEMS_MAX];
	uint32_t count;
	uint32_t rest;   /* gets what rounding leaves */
	uint32_t size;   /* bytes that they add to a coinbase: value, length, script of each */
	uint32_t sigops; /* signature operations cost of them (legacy operations times 4) */
};

/* The scripts of REWARD on NETWORK ("main", "testnet4", "signet", "regtest"), those of its ranged
 * items at INDEXES (one for each item; others are ignored). ADIT_E_CONFIG with E. */
int32_t payout_make(struct payout *p, const struct reward *reward, const uint32_t *indexes,
		    const char *network, struct error *e);
/* The most that the outputs for any payee need: with PAYEES those of miners are reckoned with.
 * Rounded up (128 bytes, 16 of cost), so that a reload to somewhat other scripts stays within. */
struct mining_limits payout_limits(const struct payout *p, bool payees);
/* Appends the outputs that divide VALUE satoshi for PAYEE, without a count; returns how many. */
uint32_t payout_outputs(const struct payout *p, const struct payee *payee, uint64_t value,
			struct buf *out);

#endif
