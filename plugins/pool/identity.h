/* SPDX-License-Identifier: MIT */
/*
 * identity.h: what a miner says of itself when it opens a channel, and who is paid for its blocks.
 * The forms are those of the reference implementation's pool:
 *
 *   ADDRESS  ADDRESS.WORKER  sri/solo/ADDRESS[/WORKER]   all to the address
 *   sri/donate/PERCENT/ADDRESS[/WORKER]                  PERCENT (1..99) to the pool, the rest
 * there sri/donate[/WORKER]                                  all to the pool anything else, "" too
 * an account of the pool: all to the pool
 *
 * What begins with "sri/" and is none of these is refused. So is an address of another network,
 * which would be taken for the name of an account otherwise and its owner never be paid.
 */
#ifndef POOL_IDENTITY_H
#define POOL_IDENTITY_H

#include <adit/sv2.h>

#include "lib/bitcoin/address.h"
#include "lib/mining/payout.h"

/* Who is let in: the key `identities`. */
enum identity_policy {
	IDENTITY_ANY,  /* all of the above */
	IDENTITY_POOL, /* the pool is paid for every block: an ADDRESS is the name of an account */
	IDENTITY_SOLO, /* only those with an address */
};

/* Reads TEXT. NULL and *PAYEE filled, or the error_code of OpenMiningChannel.Error:
 * "invalid-user-identity", or "unknown-user" for one that POLICY does not admit. */
const char *identity_parse(const struct adit_bytes *text, enum bitcoin_network network,
			   enum identity_policy policy, struct payee *payee);

#endif
