/* SPDX-License-Identifier: MIT */
/*
 * ipc_parts.h: what Bitcoin Core says of one block template, answer by answer (lib/node-ipc), and
 * the snapshot that becomes of it. Answers may come in any order. Nothing of the node is believed
 * before the parts agree with each other: sizes, counts, sums.
 *
 * Knows neither session nor loop. The result functions return ADIT_OK, or ADIT_E_INVALID_ARGUMENT
 * (or ADIT_E_NO_MEMORY) with E, after which the parts are of no more use.
 */
#ifndef TP_IPC_PARTS_H
#define TP_IPC_PARTS_H

#include "lib/node-ipc/mining.h"
#include "plugins/template-provider/snapshot.h"

enum tp_part {
	TP_PART_HEADER = 1,
	TP_PART_COINBASE = 2,
	TP_PART_FEES = 4,
	TP_PART_SIGOPS = 8,
	TP_PART_BLOCK = 16,
	TP_PARTS_SMALL = 7, /* what an empty block needs */
	TP_PARTS_ALL = 31
};

struct tp_parts {
	uint32_t have; /* of enum tp_part */
	uint8_t header[80];
	uint64_t value; /* of all outputs of the coinbase, satoshi */
	uint32_t height;
	uint32_t version; /* of the coinbase; likewise the next two */
	uint32_t sequence;
	uint32_t lock_time;
	uint8_t commitment[TP_COMMITMENT_SIZE];
	uint32_t commitment_size; /* 0: none */
	uint8_t demanded[TP_MAX_DEMANDED];
	uint32_t demanded_size;
	uint32_t demanded_count;
	uint64_t *fees; /* of each transaction but the coinbase, satoshi */
	uint32_t fee_count;
	uint64_t fee_sum;
	uint32_t *sigops; /* of the same, as cost */
	uint32_t sigops_count;
	uint8_t block_header[80];
	uint8_t *data; /* the transactions after the coinbase */
	size_t data_size;
	uint32_t tx_count; /* of those */
};

/* Zero-initialised is empty. */
void tp_parts_free(struct tp_parts *p);
/* BlockTemplate.getBlockHeader. */
int32_t tp_parts_header(struct tp_parts *p, struct capn_bytes header, struct error *e);
/* getCoinbaseTx since v31 ... */
int32_t tp_parts_coinbase(struct tp_parts *p, const struct node_CoinbaseTx *c, struct error *e);
/* ... and in v30, where it is a serialized transaction. */
int32_t tp_parts_raw_coinbase(struct tp_parts *p, struct capn_bytes raw, struct error *e);
/* getTxFees and getTxSigops. */
int32_t tp_parts_fees(struct tp_parts *p, const struct node_list *fees, struct error *e);
int32_t tp_parts_sigops(struct tp_parts *p, const struct node_list *sigops, struct error *e);
/* getBlock. */
int32_t tp_parts_block(struct tp_parts *p, struct capn_bytes block, struct error *e);

/* With all parts: the template. With TP_PARTS_SMALL: the empty block on the same tip, as a partial
 * snapshot. ID is the snapshot's. On success *OUT has one reference and no origin, and the parts
 * may have given away what they held. */
int32_t tp_parts_whole(struct tp_parts *p, uint64_t id, uint64_t now_ms, struct tp_snapshot **out,
		       struct error *e);
int32_t tp_parts_partial(const struct tp_parts *p, uint64_t id, uint64_t now_ms,
			 struct tp_snapshot **out, struct error *e);

#endif
