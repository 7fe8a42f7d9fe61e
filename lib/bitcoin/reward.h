/* SPDX-License-Identifier: MIT */
/*
 * reward.h: who is paid, as an administrator writes it: a comma-separated list of addresses and
 * descriptors (address.h), each with its percentage of the reward in front:
 *
 *   bc1q...                                      all of it
 *   97.5% wpkh(xpub.../0/n), 2.5% tr(...)        shares, 100% together
 *   2.5% bc1q..., bc1p...                        one may have none: it gets what is left
 *
 * A comma inside of parentheses belongs to the descriptor.
 */
#ifndef BITCOIN_REWARD_H
#define BITCOIN_REWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bitcoin/address.h"
#include "lib/util/error.h"

#define REWARD_ITEMS_MAX 16
#define REWARD_WHOLE 1000000u /* parts of the reward; a percentage has four decimals at most */

struct reward_item {
	char *descriptor; /* owned */
	uint32_t parts;   /* of REWARD_WHOLE, above 0 */
	bool ranged;      /* stands for one script for each index */
};

struct reward {
	struct reward_item items[REWARD_ITEMS_MAX];
	uint32_t count; /* above 0 once it was parsed */
	uint32_t rest;  /* the item that gets what rounding leaves: the one without a percentage,
			   else  the first */
};

/* Reads TEXT for NETWORK. ADIT_E_INVALID_ARGUMENT, ADIT_E_UNSUPPORTED (descriptor_to_script()) or
 * ADIT_E_NO_MEMORY with E filled; then OUT is empty. Every script was made once, at index 0. */
int32_t reward_parse(struct reward *out, const char *text, enum bitcoin_network network,
		     struct error *e);
void reward_free(struct reward *reward);

#endif
