/* SPDX-License-Identifier: MIT */
/* service.h: the role `node`: what it knows of the chain, the answers of NodeAPI and its events.
 * The functions here are what backends report to and ask of it. */
#ifndef NODE_SERVICE_H
#define NODE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "host/node/backend.h"
#include "host/node/limiter.h"
#include "host/node/query.h"
#include "host/node/template.h"
#include "lib/bitcoin/address.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

/* Consensus: no block's serialization exceeds its weight limit. */
#define SERVICE_MAX_BLOCK 4000000
/* In one get_transactions_by_wtxid: as many as a DeclareMiningJob can name. */
#define SERVICE_MAX_WTXIDS 65535
/* Bytes in its answer. */
#define SERVICE_MAX_TRANSACTIONS ((size_t)16 << 20)
#define SERVICE_MAX_REQUESTS 64 /* submissions and block fetches under way */
#define SERVICE_MAX_QUERIES 48  /* of these, what is no submission: a block always has a place */
#define SERVICE_MAX_MISSING 16  /* methods of the node that are told as missing */
#define SERVICE_OWN_BLOCKS 64   /* accepted submissions that are remembered, to count each once */

enum service_state {
	SERVICE_CONNECTING,
	SERVICE_STARTING,
	SERVICE_INITIAL_DOWNLOAD,
	SERVICE_READY,
	SERVICE_FAILING
};

/* The block that the chain ends with. */
struct service_tip {
	uint8_t hash[32];
	uint32_t height;
	uint32_t nbits;
	uint32_t time;
	uint32_t median_time;
};

struct service;

/* What a method of queries.c is registered with. */
struct service_method {
	struct service *service;
	int kind; /* query_kind */
};

struct service {
	const struct adit_host_api *api;
	struct adit_host *host;
	const struct backend *backend;
	void *backend_self;
	bool opened;
	char network[16];
	char state_dir[256];
	enum service_state state;
	char detail[384];
	char version[64]; /* of the node, as it calls itself */
	const char *no_template; /* why there will be none; NULL: there will */
	char ipc[256];           /* how the IPC socket does, of a backend that has one */
	const char *missing[SERVICE_MAX_MISSING]; /* what the node lacks, by its own names */
	size_t missing_count;
	bool initial_download;
	uint32_t headers;           /* highest that the node knows of; 0: not known */
	double progress;            /* of verification, 0 to 1; negative: not known */
	uint32_t block_interval_ms; /* to which difficulty is steered; 0 where that is not known */
	uint64_t mempool_tx;
	uint64_t mirror_tx; /* of these, how many are known by wtxid */
	struct service_tip tip;
	bool tip_known;
	struct node_template *template;
	uint64_t template_id;
	uint64_t accepted;
	uint64_t rejected;
	uint8_t own_blocks[SERVICE_OWN_BLOCKS][32];
	size_t own_blocks_count; /* ever; the newest SERVICE_OWN_BLOCKS are kept */
	struct service_request *requests;
	size_t request_count;
	struct limiter limiter;
	uint64_t limited; /* queries that were refused by it */
	struct service_method methods[QUERY_KINDS];
};

/* A NodeAPI call that a backend works on. */
struct service_request {
	struct service_request *next;
	struct service *service;
	struct adit_request *request;
	uint8_t hash[32];
	uint32_t height; /* of a submission, from its coinbase; 0 when that has none */
	bool foreign;    /* a submission of a block that is not ours */
};

/* --- facts --------------------------------------------------------------------------------------
 */

/* DETAIL is for people, "" when there is nothing to say. Repeats are free. */
void service_set_state(struct service *s, enum service_state state, const char *detail);
const char *service_state_name(enum service_state state);
/* The tip as it is now, without an event: at start, and when only its times became known. */
void service_set_tip(struct service *s, const struct service_tip *tip);
/* The chain grew by TIP: NewBlock. */
void service_block_connected(struct service *s, const struct service_tip *tip);
/* The block left the best chain: BlockDisconnected. Newest first, before the new ones connect. */
void service_block_disconnected(struct service *s, const uint8_t hash[32], uint32_t height);
/* After a reorganisation's blocks: ChainReorg. */
void service_reorganised(struct service *s, const uint8_t old_tip[32], const uint8_t new_tip[32]);
/* A transaction came into the node's mempool: NewTransaction. */
void service_transaction_seen(struct service *s, const uint8_t txid[32]);
/* The same when more is known of it: MempoolTransactionAdded. FEE_RATE: satoshi per virtual byte.
 * *SKIPPED, how many before it were not told, is 0 afterwards. */
void service_transaction_added(struct service *s, const uint8_t txid[32], double fee_rate,
			       uint64_t *skipped);
/* It left: MempoolTransactionRemoved. REASON: "confirmed" or "unknown". */
void service_transaction_left(struct service *s, const uint8_t txid[32], const char *reason,
			      uint64_t *skipped);
/* The node does not have METHOD (a static text). Repeats are free. */
void service_lacks(struct service *s, const char *method);
/* A template; owned by the service from now on. One that makes the same work as the current one is
 * dropped. */
void service_set_template(struct service *s, struct node_template *t);

/* --- requests -----------------------------------------------------------------------------------
 */

/* The verdict about a submission. REASON: NULL when it was accepted, else as bitcoind would say it.
 * DUPLICATE: it is on the chain already. */
void service_submitted(struct service_request *r, const char *reason, bool duplicate,
		       uint32_t height);
/* The block that was asked for. */
void service_block_found(struct service_request *r, const uint8_t hash[32], uint32_t height,
			 uint64_t confirmations, const uint8_t *block, size_t size);
/* The header that was asked for, 80 bytes. CONFIRMATIONS: 0 beside the best chain. */
void service_header_found(struct service_request *r, const uint8_t header[80], uint32_t height,
			  uint64_t confirmations);
/* A transaction with its size, and what else is known about it: EXTRA, members of a JSON object
 * that begin with a comma, or "". ADIT_E_PROTOCOL is answered unless RAW is one transaction whose
 * txid is TXID. */
void service_transaction_found(struct service_request *r, const uint8_t txid[32],
			       const uint8_t *raw, size_t size, const char *extra);
/* What get_transactions_by_wtxid found: FOUND of COUNT, DATA as adit/node.h has it. */
void service_transactions(struct service_request *r, size_t count, size_t found,
			  const struct buf *data);
/* The verdict of check_block. REASON: NULL when the block is valid. */
void service_checked(struct service_request *r, const char *reason);
/* The answer as a JSON object. */
void service_answer(struct service_request *r, const char *json, size_t size);
/* The same with an attachment, borrowed. */
void service_answer_with(struct service_request *r, const char *json, size_t size,
			 const void *attachment, size_t attachment_size);
/* No verdict, no block: ERROR is an adit_error. */
void service_failed(struct service_request *r, int32_t error, const char *message);

/* --- for all ------------------------------------------------------------------------------------
 */

void service_log(struct service *s, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What of REASON, a node's word, may stand in JSON and in a log; cut to CAPACITY. */
void service_clean_reason(const char *reason, char *out, size_t capacity);
/* A configuration value, NULL when it is absent or empty. */
const char *service_config(struct service *s, const char *key);
/* An integer or duration (in milliseconds). */
int64_t service_config_int(struct service *s, const char *key, int64_t absent);
/* Registers the methods of adit/node.h. */
int32_t service_register_methods(struct service *s);

#endif
