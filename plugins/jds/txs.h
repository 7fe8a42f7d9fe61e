/* SPDX-License-Identifier: MIT */
/*
 * txs.h: the transactions of declared jobs, each kept once however many jobs have it, found by
 * wtxid. Declarations that follow each other share nearly all of them, so of each only what is new
 * has to be asked for.
 */
#ifndef JDS_TXS_H
#define JDS_TXS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jds_tx {
	struct jds_tx *next;
	uint32_t refs;
	uint32_t size;   /* of `data` */
	uint32_t weight; /* BIP141 */
	uint32_t sigops; /* legacy operations times 4: the least that they cost */
	uint8_t txid[32];
	uint8_t wtxid[32];
	uint8_t data[]; /* serialized with witness */
};

struct txs {
	struct jds_tx **buckets;
	size_t mask;
	size_t count;
	size_t bytes; /* of all, with what is kept beside them */
	uint64_t seed;
};

/* False without memory. */
bool txs_init(struct txs *t);
/* All references have been given back. */
void txs_fini(struct txs *t);
/* A reference, or NULL when it is not there. */
struct jds_tx *txs_find(struct txs *t, const uint8_t wtxid[32]);
/* A reference to the transaction in DATA (SIZE bytes, copied), that is to have WTXID. NULL when it
 * is another one, no transaction, a coinbase, or there is no memory. */
struct jds_tx *txs_add(struct txs *t, const uint8_t wtxid[32], const uint8_t *data, size_t size);
void txs_unref(struct txs *t, struct jds_tx *tx);

#endif
