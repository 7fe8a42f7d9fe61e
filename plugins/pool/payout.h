/* SPDX-License-Identifier: MIT */
/* payout.h: where the reward goes. One script takes the whole value of every template. */
#ifndef POOL_PAYOUT_H
#define POOL_PAYOUT_H

#include <stdint.h>

#include "lib/bitcoin/address.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

struct payout {
	struct script script;
	uint32_t size;   /* bytes that it adds to a coinbase: value, length, script */
	uint16_t sigops; /* signature operations cost of it (legacy operations times 4) */
};

/* TEXT: address, addr(..) or raw(..) of NETWORK ("main", "testnet4", "signet", "regtest"). */
int32_t payout_parse(struct payout *p, const char *text, const char *network, struct error *e);
/* Appends the outputs that divide VALUE satoshi, without a count; returns how many they are. */
uint32_t payout_outputs(const struct payout *p, uint64_t value, struct buf *out);

#endif
