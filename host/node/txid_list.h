/* SPDX-License-Identifier: MIT */
/* txid_list.h: the answer to getrawmempool, read from its text: a mempool can have hundreds of
 * thousands of transactions, and their JSON as a tree would take as many allocations at once. Read
 * in slices. */
#ifndef NODE_TXID_LIST_H
#define NODE_TXID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct txid_list {
	const char *text;
	size_t size;
	size_t at;
	bool ended;  /* the list is complete */
	bool failed; /* it is none, or broken off */
};

/* TEXT, SIZE bytes without a NUL at their end, is borrowed as long as the list is read: a JSON-RPC
 * answer whose `result` is a list of hashes. */
void txid_list_init(struct txid_list *l, const char *text, size_t size);
/* The next one, in internal byte order. False at the end and after a failure. */
bool txid_list_next(struct txid_list *l, uint8_t txid[32]);

#endif
