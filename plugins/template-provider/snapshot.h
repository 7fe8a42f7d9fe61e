/* SPDX-License-Identifier: MIT */
/* snapshot.h: one template of the node, checked and decoded: an answer of node.get_block_template
 * (include/adit/node.h), or what ipc_parts.h collects. It is shared by all templates that are built
 * from it, and never changes. */
#ifndef TP_SNAPSHOT_H
#define TP_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

/* A block of 4,000,000 weight units holds less: no transaction weighs under 240. It is also what
 * the count of SEQ0_64K in RequestTransactionData.Success can say. */
#define TP_MAX_TXS 65535u
/* Serialized transactions of one template, bytes. A frame's payload is at most 2^24 - 1. */
#define TP_MAX_TX_DATA ((size_t)12 << 20)
/* BIP141: OP_RETURN, push of 36: marker aa21a9ed and a hash. */
#define TP_COMMITMENT_SIZE 38

/* Outputs that the node demands besides the commitment, serialized; none is known today. */
#define TP_MAX_DEMANDED 512
/* Consensus: 21 million coins, in satoshi. */
#define TP_MAX_MONEY 2100000000000000u
/* Consensus: of a block (BIP141). */
#define TP_MAX_WEIGHT 4000000u
#define TP_MAX_SIGOPS 80000u

struct tp_tx {
	uint8_t txid[32]; /* internal order */
	uint64_t fee;    /* satoshi */
	uint32_t sigops; /* as cost */
	uint32_t weight;
	uint32_t offset; /* of the serialization in tp_snapshot.data */
	uint32_t size;
};

/* How a call that hands a block to the node by a snapshot's origin ended. */
enum tp_verdict {
	TP_ACCEPTED,
	TP_REFUSED,  /* the node has judged */
	TP_NO_ANSWER /* nothing is known about the block */
};

/* Such a call under way. It ends by itself: who is no longer interested sets DONE to NULL. */
struct tp_attempt {
	/* TEXT is borrowed: the node's reason, or why there is no answer; "" when there is none. */
	void (*done)(void *user, enum tp_verdict verdict, const char *text);
	void *user;
};

/* What a snapshot has at the node: a template there that is kept for it. */
struct tp_origin {
	/* The snapshot is no longer needed. */
	void (*release)(struct tp_origin *o);
	/* Hands BLOCK (serialized with witness, borrowed), made from the snapshot, straight to the
	 * node. WHOLE: with all of the snapshot's transactions. DONE is called later, never inside.
	 * NULL: there is no such way now. */
	struct tp_attempt *(*submit)(
	    struct tp_origin *o, const uint8_t *block, size_t size, bool whole,
	    void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user);
};

struct tp_snapshot {
	uint32_t refs;
	bool partial;          /* known without its transactions: the whole is on its way */
	uint64_t id;           /* the node's number */
	uint8_t prev_hash[32]; /* as in a header */
	uint8_t target[32];    /* least significant byte first */
	uint32_t height;
	uint32_t version;
	uint32_t nbits;
	uint32_t curtime;                       /* Unix seconds, when the node answered */
	uint32_t mintime;                       /* smallest header time that consensus allows */
	uint64_t fetched_ms;                    /* monotonic clock when the answer came */
	uint64_t coinbase_value;                /* subsidy and all fees, satoshi */
	uint8_t commitment[TP_COMMITMENT_SIZE]; /* the node's, over all transactions */
	uint32_t commitment_size;               /* 0 when the node gave none */
	uint32_t coinbase_version;              /* as the node wants its coinbase */
	uint32_t coinbase_sequence;
	uint32_t coinbase_lock_time;
	uint8_t demanded[TP_MAX_DEMANDED]; /* outputs that must be in the coinbase as well */
	uint32_t demanded_size;
	uint32_t demanded_count;
	uint32_t sigop_limit;
	uint32_t weight_limit;
	uint32_t tx_count;
	struct tp_tx *txs;
	uint8_t *data; /* the transactions, one after the other */
	size_t data_size;
	struct tp_origin *origin; /* NULL: a message like any other */
};

/* A coinbase of which the node says nothing: BIP68 version, final, no lock time. */
#define TP_COINBASE_VERSION 2u
#define TP_COINBASE_SEQUENCE 0xffffffffu

/* Decodes and checks an answer of the role `node`. On success *OUT has one reference. On failure E
 * says which field is wrong; the answer as a whole is not to be used. */
int32_t tp_snapshot_parse(const char *json, size_t json_size, const void *attachment,
			  size_t attachment_size, uint64_t now_ms, struct tp_snapshot **out,
			  struct error *e);
struct tp_snapshot *tp_snapshot_ref(struct tp_snapshot *s);
void tp_snapshot_unref(struct tp_snapshot *s); /* NULL is fine */

#endif
