/* SPDX-License-Identifier: MIT */
/* query.h: what NodeAPI's methods beside templates, submissions and blocks ask of a backend. Each
 * is answered with the JSON that adit/node.h gives for the method of that name. */
#ifndef NODE_QUERY_H
#define NODE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum query_kind {
	QUERY_BLOCK_HEADER,
	QUERY_TRANSACTION,
	QUERY_HAS_TRANSACTION,
	QUERY_UTXO,
	QUERY_CHAIN_TIPS,
	QUERY_MEMPOOL_TRANSACTIONS,
	QUERY_MEMPOOL_TRANSACTION,
	QUERY_MEMPOOL_SIZE,
	QUERY_IN_MEMPOOL,
	QUERY_FEE_ESTIMATE,
	QUERY_NETWORK_STATS,
	QUERY_NETWORK_PEERS,
	QUERY_BAN_PEER,
	QUERY_SEND_TRANSACTION,
	QUERY_KINDS
};

#define QUERY_MAX_TIPS 100
#define QUERY_MAX_PEERS 1000
/* Bytes of a transaction to send: no node relays one of a greater weight, and a byte weighs one at
 * least. */
#define QUERY_MAX_TRANSACTION 400000
#define QUERY_MAX_TXIDS_SHOWN 1000 /* in JSON; the attachment has all */

/* Borrowed for the call that passes it, also what it points to. */
struct query {
	enum query_kind kind;
	uint8_t hash[32];       /* of a block or transaction, internal order */
	uint8_t block_hash[32]; /* TRANSACTION: where it is, with IN_BLOCK */
	bool in_block;          /* BLOCK_HASH is given */
	bool flag;              /* UTXO: with the mempool */
	uint32_t number;        /* UTXO: output; FEE_ESTIMATE: blocks; BAN_PEER: seconds */
	char address[64];       /* BAN_PEER */
	const char *hex;        /* SEND_TRANSACTION: whole bytes, at least one */
};

/* "get_block_header". */
const char *query_name(enum query_kind kind);

#endif
