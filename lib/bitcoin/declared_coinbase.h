/* SPDX-License-Identifier: MIT */
/*
 * declared_coinbase.h: the coinbase of a job that a miner composed, as DeclareMiningJob carries it:
 * cut where the full extranonce goes, with marker, flag and witness (specification 06
 * section 6.4.4, BIP141). And its outputs, as SetCustomMiningJob carries them, too: a CompactSize
 * count, then the outputs.
 */
#ifndef BITCOIN_DECLARED_COINBASE_H
#define BITCOIN_DECLARED_COINBASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

#define COINBASE_EXTRANONCE_MAX 32

/* What the parts say; pointers are into them. */
struct declared_coinbase {
	uint32_t version;
	const uint8_t *script; /* scriptSig up to the extranonce */
	size_t script_size;
	size_t extranonce_size; /* what is missing of the scriptSig, 1..32 */
	uint32_t sequence;
	const uint8_t *outputs; /* with their count */
	size_t outputs_size;
	uint32_t lock_time;
};

/* What a run of outputs pays. */
struct outputs_summary {
	uint32_t count;
	uint64_t total;  /* satoshi, at most 21 million coins */
	uint64_t paid;   /* of it, to the script that was asked for */
	uint32_t sigops; /* cost: legacy operations times 4 */
};

/* Reads the parts. NULL, or what is wrong with them; *INPUT is then whether it is the input (not
 * one, not a coinbase's, scriptSig too long, no room for an extranonce). */
const char *declared_coinbase_read(const uint8_t *prefix, size_t prefix_size, const uint8_t *suffix,
				   size_t suffix_size, struct declared_coinbase *out, bool *input);
/* Adds up OUTPUTS (with their count), and what of it goes to SCRIPT. False when they are malformed,
 * or worth more than there is. */
bool outputs_summarize(const uint8_t *outputs, size_t size, const uint8_t *script,
		       size_t script_size, struct outputs_summary *out);
/* For who declares: parts with marker, flag and witness from stripped ones (coinbase_split()),
 * appended to PREFIX and SUFFIX. False when a part is too short, or there is no memory. */
bool declared_coinbase_write(const uint8_t *stripped_prefix, size_t prefix_size,
			     const uint8_t *stripped_suffix, size_t suffix_size, struct buf *prefix,
			     struct buf *suffix);

#endif
