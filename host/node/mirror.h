/* SPDX-License-Identifier: MIT */
/*
 * mirror.h: which transactions wait in the node's mempool, by txid and by wtxid. A node can be
 * asked for a transaction by its txid only, but who declares a job names wtxids: this is the way
 * from one to the other. It is brought up to date by whole lists of txids (mirror_list_*), between
 * which the wtxids of new ones are learned one by one.
 *
 * Knows at most LIMIT transactions: 90 bytes each, allocated as they come. What does not fit is not
 * known, and counted. Hashes are in internal order.
 */
#ifndef NODE_MIRROR_H
#define NODE_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mirror_entry {
	uint8_t txid[32];
	uint8_t wtxid[32]; /* once RESOLVED */
	uint32_t next;     /* of free entries: the next; else unused */
	uint32_t list;     /* the number of the last list that had it */
	bool used;
	bool resolved;
	bool announce;  /* its arrival is to be told when its fee is known */
	bool confirmed; /* a block has it */
};

struct mirror {
	struct mirror_entry *entries;
	size_t capacity; /* of ENTRIES */
	size_t high;     /* entries below have been used */
	uint32_t list;   /* the number of the one that is read, or was last */
	size_t end_at;   /* where mirror_list_end() goes on */
	uint32_t free;   /* first free entry below HIGH, plus one; 0: none */
	size_t limit;
	size_t count;
	size_t unresolved;
	size_t cursor;     /* where mirror_next_unresolved() goes on */
	size_t left_out;   /* of the last list, for lack of room */
	uint32_t *by_txid; /* open addressing: entry plus one, 0: empty */
	uint32_t *by_wtxid;
	size_t slots; /* of each, a power of two */
	uint64_t key[2];
};

/* Empty, without memory of its own yet. */
void mirror_init(struct mirror *m, size_t limit);
/* Forgets everything, and gives the memory back. */
void mirror_clear(struct mirror *m);

/* Makes room for COUNT at once, or as many as it may know; it need not succeed. */
void mirror_reserve(struct mirror *m, size_t count);

/* A whole list: begin, every txid of it, end. mirror_list_add() returns true for a txid that was
 * not known (and is from now on), with its entry in *ENTRY; false for others, and when there is no
 * room or memory. mirror_list_end() forgets all that were not in the list, after FN was called for
 * each; it looks at MANY entries a call, and returns true when it has looked at all. */
void mirror_list_begin(struct mirror *m);
bool mirror_list_add(struct mirror *m, const uint8_t txid[32], struct mirror_entry **entry);
bool mirror_list_end(struct mirror *m, size_t many,
		     void (*fn)(void *user, const struct mirror_entry *entry), void *user);

/* NULL when it is not known. Valid until the next change. */
struct mirror_entry *mirror_find(struct mirror *m, const uint8_t txid[32]);
struct mirror_entry *mirror_find_wtxid(struct mirror *m, const uint8_t wtxid[32]);
void mirror_resolve(struct mirror *m, struct mirror_entry *entry, const uint8_t wtxid[32]);
/* Forgets one, which is not in the mempool any more. */
void mirror_remove(struct mirror *m, struct mirror_entry *entry);
/* An entry whose wtxid is not known: another each time until all were given once more; NULL when
 * there is none. */
struct mirror_entry *mirror_next_unresolved(struct mirror *m);

#endif
