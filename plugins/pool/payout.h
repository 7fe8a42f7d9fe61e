/* SPDX-License-Identifier: MIT */
/*
 * payout.h: the outputs that divide the reward of a block. The pool's own come from the key
 * `payout`; a miner whose identity names an address gets one more, or the only one.
 *
 * Amounts are rounded down to whole satoshi, and what that leaves goes to one output: among the
 * pool's to the one without a percentage (else the first), between pool and miner to the miner. An
 * output of the pool's that would get less than PAYOUT_DUST is left out, and its part goes there
 * too: spending it would cost more than it holds.
 */
#ifndef POOL_PAYOUT_H
#define POOL_PAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/reward.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

/* Satoshi. What nodes refuse to relay for the largest of the usual scripts, P2PKH. */
#define PAYOUT_DUST 546u

/* An address's script: at most a witness program of 40 bytes. */
#define PAYEE_SCRIPT_MAX 42

struct payout_output {
	struct script script;
	uint32_t parts; /* of REWARD_WHOLE */
};

/* The pool's own outputs. */
struct payout {
	struct payout_output outputs[REWARD_ITEMS_MAX];
	uint32_t count;
	uint32_t rest;   /* gets what rounding leaves */
	uint32_t size;   /* bytes that they add to a coinbase: value, length, script of each */
	uint32_t sigops; /* signature operations cost of them (legacy operations times 4) */
};

/* Who gets a block that a channel finds. */
struct payee {
	uint8_t pool_percent; /* 100: all to the pool; 0: all to the script */
	uint8_t script_size;
	uint8_t script[PAYEE_SCRIPT_MAX];
};

/* What CoinbaseOutputConstraints says (specification 07 section 7.1). */
struct payout_limits {
	uint32_t size;
	uint16_t sigops;
};

/* The scripts of REWARD on NETWORK ("main", "testnet4", "signet", "regtest"), those of its ranged
 * items at INDEXES (one for each item; others are ignored). ADIT_E_CONFIG with E. */
int32_t payout_make(struct payout *p, const struct reward *reward, const uint32_t *indexes,
		    const char *network, struct error *e);
/* The most that the outputs for any payee need: with PAYEES those of miners are reckoned with.
 * Rounded up (128 bytes, 16 of cost), so that a reload to somewhat other scripts stays within. */
struct payout_limits payout_limits(const struct payout *p, bool payees);
/* Appends the outputs that divide VALUE satoshi for PAYEE, without a count; returns how many. */
uint32_t payout_outputs(const struct payout *p, const struct payee *payee, uint64_t value,
			struct buf *out);
/* Both get the same. */
bool payee_equal(const struct payee *a, const struct payee *b);

#endif
